"""insecure-registries: those of the living engine and those that are written."""

import pytest

from oakum.controls.daemon.insecure_registries import CONTROL
from oakum.facts import Unread
from oakum.model import Status


def live(*names: str, networks: tuple[str, ...] = ("127.0.0.0/8",)) -> dict[str, object]:
    indexes = {name: {"Name": name, "Secure": False} for name in names}
    indexes["docker.io"] = {"Name": "docker.io", "Secure": True}
    return {"RegistryConfig": {"IndexConfigs": indexes, "InsecureRegistryCIDRs": [*networks]}}


def written(*names: str) -> dict[str, object]:
    return {"insecure-registries": [*names]}


@pytest.mark.parametrize(
    ("known", "allowed", "status", "reason"),
    [
        pytest.param({}, [], Status.OK, None, id="none"),
        pytest.param(
            {"info": live(networks=("127.0.0.0/8", "::1/128"))}, [], Status.OK, None, id="dockerds"
        ),
        pytest.param(
            {"config": written("old:5000"), "info": live("old:5000")},
            [],
            Status.HELD,
            "old:5000: give the registry a certificate",
            id="active-and-written",
        ),
        pytest.param(
            {"config": written("old:5000"), "info": live("old:5000")},
            ["OLD:5000"],
            Status.OK,
            None,
            id="allowed",
        ),
        pytest.param(
            {"config": written("http://old:5000/")},
            [],
            Status.HELD,
            "old:5000 (from the next start on)",
            id="written-and-not-active",
        ),
        pytest.param(
            {"info": live("old:5000")},
            [],
            Status.HELD,
            "old:5000 (until the next start)",
            id="active-and-not-written",
        ),
        pytest.param(
            {"config": written("10.1.2.3/8"), "info": live(networks=("10.0.0.0/8",))},
            [],
            Status.HELD,
            "10.0.0.0/8: give",
            id="network",
        ),
        pytest.param(
            {"config": written("10.1.2.3/8"), "info": live(networks=("10.0.0.0/8",))},
            ["10.0.0.0/8"],
            Status.OK,
            None,
            id="network-allowed",
        ),
        pytest.param(
            {
                "config": written("localhost:5000", "127.0.0.1:5000", "[::1]:5000"),
                "info": live("localhost:5000", "127.0.0.1:5000", "[::1]:5000"),
            },
            [],
            Status.OK,
            None,
            id="loopback",
        ),
        pytest.param(
            {
                "flags": {"insecure-registry": ("a", "b")},
                "unit_flags": {"insecure-registry": ("a", "b")},
                "info": live("a", "b"),
            },
            ["b"],
            Status.HELD,
            "a: give",
            id="by-flag",
        ),
        pytest.param(
            {"config": written("old"), "running": False}, [], Status.HELD, "old: give", id="stopped"
        ),
        pytest.param({"config": {"insecure-registries": None}}, [], Status.OK, None, id="null"),
        pytest.param({"info": {"RegistryConfig": None}}, [], Status.OK, None, id="no-word"),
        pytest.param({"info": Unread("silent")}, [], Status.UNKNOWN, "silent", id="silent"),
        pytest.param({"config": Unread("EACCES")}, [], Status.UNKNOWN, "EACCES", id="unreadable"),
        pytest.param({"engine": None}, [], Status.NOT_APPLICABLE, "no Docker", id="no-engine"),
    ],
)
def test_verdict(host, policy, finding, known, allowed, status, reason):
    found = finding(CONTROL, host(**known), policy(insecure_registries=allowed))
    assert found.status is status
    assert (reason is None) == (found.reason is None)
    assert (reason or "") in (found.reason or "")
