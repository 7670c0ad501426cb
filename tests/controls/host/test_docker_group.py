"""Who may be root through Docker's socket."""

import pytest
from packaging.version import Version

from oakum.controls.host.docker_group import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Engine, Group

ROOTLESS = Engine(Version("26.1.5"), "26.1.5", "rootless")


@pytest.mark.parametrize(
    ("known", "status", "reason"),
    [
        pytest.param({"docker_group": Group("docker", 998)}, Status.OK, None, id="nobody"),
        pytest.param(
            {"docker_group": Group("docker", 998, ("bob", "alice"))},
            Status.HELD,
            "alice, bob: take them out with gpasswd -d USER docker",
            id="two-strangers",
        ),
        pytest.param(
            {"docker_group": None},
            Status.NOT_APPLICABLE,
            "no group docker on this host",
            id="no-group",
        ),
        pytest.param(
            {"engine": ROOTLESS, "docker_group": Group("docker", 998, ("bob",))},
            Status.NOT_APPLICABLE,
            "rootless: the socket is its user's own",
            id="rootless",
        ),
        pytest.param({"engine": None}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"),
        pytest.param(
            {"docker_group": Unread("no /etc/group")}, Status.UNKNOWN, "no /etc/group", id="unread"
        ),
    ],
)
def test_verdict(host, policy, finding, known, status, reason):
    found = finding(CONTROL, host(**known), policy())
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


def test_whom_the_policy_names(host, policy, finding):
    facts = host(docker_group=Group("docker", 998, ("bob", "deploy")))
    both = finding(CONTROL, facts, policy(docker_group=["bob", "deploy"]))
    one = finding(CONTROL, facts, policy(docker_group=["deploy", "gone"]))
    assert both.status is Status.OK
    assert (one.status, one.actual, one.desired) == (Status.HELD, ["bob"], ["deploy", "gone"])
