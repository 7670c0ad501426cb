"""audit-rules: the loaded rules count, whoever wrote them; a file alone is nothing."""

import pytest

from oakum.controls.host.audit_rules import CONTROL
from oakum.facts import Unread
from oakum.model import Disruption, Status
from oakum.parts import Audit, FileState

FILE = "/etc/audit/rules.d/oakum-docker.rules"
ENFORCE = {"audit_rules": "enforce"}
THERE = {
    "audit_paths": (
        ("program", "/usr/sbin/dockerd"),
        ("folder", "/etc/docker"),
        ("file", "/etc/docker/daemon.json"),
    )
}
RULES = b"""\
# Written by oakum: who changes what Docker is made of.
-w /etc/docker -p wa -k oakum-docker
-w /etc/docker/daemon.json -p wa -k oakum-docker
-w /usr/sbin/dockerd -p wxa -k oakum-docker
"""


def audit(*, enabled: int = 1, loader: str = "augenrules", **watched: str) -> dict[str, object]:
    """Rights by path, of which a keyword has no slashes."""
    rules = {f"/{name.replace('_', '/')}": rights for name, rights in watched.items()}
    return {**THERE, "audit": Audit(enabled, loader, rules)}


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param(audit(), {"audit_rules": "audit"}, Status.HELD,
                     "oakum_audit_rules is audit", id="audit"),
        pytest.param(audit(), {}, Status.NOT_APPLICABLE,
                     "oakum_audit_rules is off", id="off"),
        pytest.param(audit(), {"profile": "strict"}, Status.DRIFT,
                     "nothing watches /etc/docker and 2 more", id="no-rules"),
        pytest.param(audit(etc_docker="wa", usr_sbin_dockerd="rwxa"), ENFORCE, Status.OK, None,
                     id="an-operators-own"),
        pytest.param(audit(etc_docker="wa", usr_sbin="wa", enabled=2), ENFORCE, Status.OK, None,
                     id="locked-and-done"),
        pytest.param(audit(etc_docker="wa"), ENFORCE, Status.DRIFT,
                     "nothing watches /usr/sbin/dockerd", id="one-is-missing"),
        pytest.param(audit(etc_docker="wa", usr_sbin_dockerd="x"), ENFORCE, Status.DRIFT,
                     "nothing watches /usr/sbin/dockerd", id="who-runs-it-alone"),
        pytest.param(audit(etc_dock="wa", usr_sbin="wa"), ENFORCE, Status.DRIFT,
                     "nothing watches /etc/docker", id="a-name-that-begins-alike"),
        pytest.param(audit(enabled=2), ENFORCE, Status.HELD, "locked until the next boot",
                     id="locked"),
        pytest.param(audit(etc_docker="wa", usr_sbin="wa", enabled=0), ENFORCE, Status.HELD,
                     "auditing is switched off", id="switched-off"),
        pytest.param(audit(loader="missing"), ENFORCE, Status.HELD, "no augenrules",
                     id="no-augenrules"),
        pytest.param(audit(loader="by hand"), ENFORCE, Status.HELD, "is written by hand",
                     id="by-hand"),
        pytest.param({**audit(), "audit_file": FileState(FILE, FILE, RULES)}, ENFORCE, Status.HELD,
                     "written and not loaded: run augenrules --load", id="written-not-loaded"),
        pytest.param({**audit(), "audit_file": FileState(FILE, FILE, locked="immutable by chattr")},
                     ENFORCE, Status.HELD, "immutable by chattr", id="immutable"),
        pytest.param(THERE, ENFORCE, Status.NOT_APPLICABLE, "auditctl is not installed",
                     id="no-auditctl"),
        pytest.param({**audit(), "virt": "lxc"}, ENFORCE, Status.NOT_APPLICABLE, "inside lxc",
                     id="container"),
        pytest.param({**audit(), "engine": None}, ENFORCE, Status.NOT_APPLICABLE,
                     "no Docker engine", id="no-engine"),
        pytest.param({**THERE, "audit": Unread("auditctl: You must be root to run this program.")},
                     ENFORCE, Status.UNKNOWN, "You must be root", id="not-root"),
        pytest.param({**audit(), "audit_file": Unread("permission denied: /etc/audit")}, ENFORCE,
                     Status.UNKNOWN, "permission denied", id="a-hidden-file"),
    ],
)  # fmt: skip
def test_verdict(host, policy, finding, known, wanted, status, reason):
    found = finding(CONTROL, host(**known), policy(**wanted))
    assert found.status is status, found.reason
    if reason is None:
        assert not found.reason
    else:
        assert reason in found.reason


def test_the_rules(host, policy, alone):
    plan = alone(CONTROL, host(**audit()), policy(**ENFORCE))
    (change,) = plan.changes
    assert (change.path, change.before, change.after, change.mode) == (FILE, None, RULES, "640")
    assert plan.disruption is Disruption.NONE


def test_rights_of_a_file_that_is_there_stay(host, policy, alone):
    there = FileState(FILE, FILE, b"-w /etc/docker\n", mode="600", owner=3, group=4)
    (change,) = alone(CONTROL, host(**audit(), audit_file=there), policy(**ENFORCE)).changes
    assert (change.before, change.mode, change.owner, change.group) == (there.content, "600", 3, 4)
