"""refused-keys: what a newer engine refuses or ignores, and of one that is named what it moves."""

import pytest

from oakum.controls.daemon.refused_keys import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.policy import PolicyError

OVERLAY = {"drivers_on_disk": ("overlay2",)}


@pytest.mark.parametrize(
    ("known", "coming", "status", "reason"),
    [
        pytest.param({}, None, Status.OK, None, id="nothing-to-fear"),
        pytest.param({"engine": "29.7.2"}, None, Status.OK, None, id="newest"),
        pytest.param(
            {"config": {"graph": "/d"}},
            None,
            Status.HELD,
            "graph stops Docker 23.0.0 and later from starting: take it out",
            id="key-gone",
        ),
        pytest.param(
            {"config": {"api-cors-header": "*"}, **OVERLAY},
            "27",
            Status.HELD,
            "ip6tables becomes true by default, it was false",
            id="a-default-moves-before-the-key-goes",
        ),
        pytest.param(
            {"config": {"api-cors-header": "*"}, "engine": "27.5.1", **OVERLAY},
            "28",
            Status.HELD,
            "api-cors-header stops Docker 28.0.0 and later",
            id="key-gone-in-that-release",
        ),
        pytest.param(
            {"config": {"api-cors-header": "*"}, "engine": "26.1.5", **OVERLAY},
            "26.2",
            Status.OK,
            None,
            id="key-gone-only-later",
        ),
        pytest.param(
            {"unit_flags": {"graph": ("/d",)}},
            None,
            Status.HELD,
            "--graph stops Docker 23.0.0 and later from starting",
            id="flag-gone",
        ),
        pytest.param(
            {"unit_flags": {"allow-nondistributable-artifacts": ("x",)}, "engine": "28.5.2"},
            None,
            Status.HELD,
            "--allow-nondistributable-artifacts stops Docker 29.0.0",
            id="flag-gone-before-its-key",
        ),
        pytest.param(
            {"config": {"allow-nondistributable-artifacts": ["x"]}},
            None,
            Status.HELD,
            "allow-nondistributable-artifacts has no effect from Docker 28.1.0",
            id="key-ignored",
        ),
        pytest.param(
            {"config": {"label": ["a=b"]}},
            None,
            Status.HELD,
            "label in daemon.json has no effect in any release",
            id="key-that-never-had-an-effect",
        ),
        pytest.param(
            {"unit_flags": {"storage-driver": ("devicemapper",)}},
            None,
            Status.HELD,
            "Docker 29.7.2 refuses storage-driver = devicemapper",
            id="value-of-a-flag",
        ),
        pytest.param(
            {"engine": "29.0.0"},
            "29",
            Status.HELD,
            "min-api-version becomes 1.40 by default, it was 1.44",
            id="a-series-is-its-last-release",
        ),
        pytest.param(
            {"engine": "28.5.2", **OVERLAY},
            "29.0.0",
            Status.HELD,
            "min-api-version becomes 1.44 by default, it was 1.24",
            id="minimum-of-the-api",
        ),
        pytest.param({"engine": "28.5.2", **OVERLAY}, "28.9", Status.OK, None, id="no-step"),
        pytest.param({"engine": "29.7.2"}, "29", Status.NOT_APPLICABLE, "no older", id="there"),
        pytest.param({}, "31", Status.UNKNOWN, "oakum knows Docker up to 29.7.2", id="too-new"),
        pytest.param({"config": Unread("EACCES")}, None, Status.UNKNOWN, "EACCES", id="unreadable"),
        pytest.param({"unit_flags": Unread("?")}, None, Status.UNKNOWN, "?", id="unit-unread"),
        pytest.param({"engine": None}, None, Status.NOT_APPLICABLE, "no Docker", id="no-engine"),
    ],
)
def test_verdict(host, policy, finding, known, coming, status, reason):
    found = finding(CONTROL, host(**known), policy(for_engine=coming))
    assert found.status is status
    assert (reason is None) == (found.reason is None)
    assert (reason or "") in (found.reason or "")


@pytest.mark.parametrize(
    ("known", "moves"),
    [
        pytest.param({"drivers_on_disk": ()}, "takes containerd's on this data root", id="fresh"),
        pytest.param(
            {"drivers_on_disk": ("vfs",)}, "what lies there for vfs is not seen any more", id="vfs"
        ),
        pytest.param(OVERLAY, None, id="old-data"),
        pytest.param({"config": {"storage-driver": "overlay2"}}, None, id="named"),
        pytest.param({"unit_flags": {"storage-driver": ("zfs",)}}, None, id="named-by-flag"),
        pytest.param({"config": {"userns-remap": "default"}}, None, id="remapped"),
        pytest.param(
            {"config": {"features": {"containerd-snapshotter": False}}}, None, id="chosen"
        ),
        pytest.param({"drivers_on_disk": Unread("?")}, None, id="not-known"),
    ],
)
def test_image_store(host, policy, finding, known, moves):
    found = finding(CONTROL, host(engine="28.5.2", **known), policy(for_engine="29"))
    told = [fault for fault in found.actual if fault.startswith("image store")]
    assert len(told) == (moves is not None)
    assert all(moves in fault for fault in told)


def test_what_is_set_does_not_move(host, policy, finding):
    config = {
        "ip6tables": False,
        "builder": {"gc": {"enabled": True}},
        "features": {"buildkit": False, "cdi": False},
    }
    facts = host(config=config, drivers_on_disk=("overlay2",))
    found = finding(CONTROL, facts, policy(for_engine="28"))
    assert [fault.split()[0] for fault in found.actual] == ["min-api-version"]


@pytest.mark.parametrize("word", ["next", "29.7.2-rc1", "v29", ""])
def test_no_version(policy, word):
    with pytest.raises(PolicyError, match="oakum_for_engine"):
        policy(for_engine=word)
