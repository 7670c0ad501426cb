"""resource-isolation: a slice with limits, for both cgroup drivers, and only where it holds."""

import pytest

from oakum.controls.host.resource_isolation import CONTROL
from oakum.facts import Unread
from oakum.model import Disruption, Status
from oakum.parts import Container, FileState

UNIT = "/etc/systemd/system/oakum.slice"
DROPIN = "/etc/systemd/system/docker.service.d/oakum.conf"
ENFORCE = {"resource_isolation": "enforce"}
SYSTEMD, CGROUPFS = ({"info": {"CgroupDriver": word}} for word in ("systemd", "cgroupfs"))
LIMITS = {"TasksMax": "9000", "MemoryMax": "900", "ActiveState": "active"}
SLICE = b"""\
# Written by oakum: what all containers of this host may have together.
[Unit]
Description=Containers
Before=slices.target

[Slice]
TasksAccounting=yes
TasksMax=75%
MemoryAccounting=yes
MemoryMax=90%
"""
STARTS = b"""\
# Written by oakum: dockerd makes its containers below a slice that has to be there before.
[Unit]
Wants=oakum.slice
After=oakum.slice
"""


def hardened(driver: str = "systemd", **known: object) -> dict[str, object]:
    """A host on which all of it is done."""
    parent = "oakum.slice" if driver == "systemd" else "/oakum.slice"
    return {
        "info": {"CgroupDriver": driver},
        "config": {"cgroup-parent": parent},
        "cgroup": "hybrid",
        "slice_file": FileState(UNIT, UNIT, SLICE),
        "dropin_file": FileState(DROPIN, DROPIN, STARTS),
        "slice_unit": LIMITS,
        **known,
    }


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param(SYSTEMD, {"resource_isolation": "audit"}, Status.HELD,
                     "oakum_resource_isolation is audit", id="audit"),
        pytest.param(SYSTEMD, {}, Status.NOT_APPLICABLE,
                     "oakum_resource_isolation is off (profile baseline)", id="off"),
        pytest.param(SYSTEMD, {"profile": "strict"}, Status.DRIFT, None, id="strict"),
        pytest.param({**CGROUPFS, "cgroup": "hybrid"}, ENFORCE, Status.DRIFT, None, id="cgroupfs"),
        pytest.param(hardened(), ENFORCE, Status.OK, None, id="done"),
        pytest.param(hardened("cgroupfs"), ENFORCE, Status.OK, None, id="done-with-cgroupfs"),
        pytest.param(hardened(slice_file=FileState(UNIT, UNIT, b"[Slice]\n")), ENFORCE,
                     Status.DRIFT, f"{UNIT} differs", id="of-another-policy"),
        pytest.param(hardened(slice_file=FileState(UNIT, UNIT)), ENFORCE,
                     Status.DRIFT, f"{UNIT} differs", id="the-unit-is-gone"),
        pytest.param(hardened("cgroupfs", dropin_file=FileState(DROPIN, DROPIN)), ENFORCE,
                     Status.DRIFT, f"{DROPIN} differs", id="nobody-starts-it"),
        pytest.param(hardened("cgroupfs", slice_unit=LIMITS | {"ActiveState": "inactive"}),
                     ENFORCE, Status.DRIFT, "oakum.slice is not active", id="not-there"),
        pytest.param(hardened(slice_unit=LIMITS | {"ActiveState": "inactive"}),
                     ENFORCE, Status.OK, None, id="systemd-makes-it-when-it-is-used"),
        pytest.param(hardened(slice_unit=LIMITS | {"NeedDaemonReload": "yes"}), ENFORCE,
                     Status.HELD, "systemd has not read oakum.slice", id="not-read"),
        pytest.param(hardened(slice_unit=LIMITS | {"MemoryMax": "infinity"}), ENFORCE,
                     Status.HELD, "gives oakum.slice no MemoryMax", id="an-old-systemd"),
        pytest.param({**SYSTEMD, "config": {"cgroup-parent": "own.slice"},
                      "slices": ("own.slice",)}, ENFORCE, Status.OK, None, id="an-operators-own"),
        pytest.param({**SYSTEMD, "config": {"cgroup-parent": "own.slice"}}, ENFORCE, Status.HELD,
                     "cgroup-parent own.slice was chosen by an operator", id="without-a-unit"),
        pytest.param({**CGROUPFS, "config": {"cgroup-parent": "/own"}, "cgroup": "v1"}, ENFORCE,
                     Status.HELD, "cgroup-parent /own was chosen", id="a-path-of-an-operator"),
        pytest.param({**CGROUPFS, "cgroup": "v2"}, ENFORCE, Status.HELD,
                     "cgroup v2 with the cgroupfs driver", id="two-masters"),
        pytest.param({**SYSTEMD, "kubelet": True}, ENFORCE, Status.HELD, "the kubelet",
                     id="kubernetes"),
        pytest.param({**SYSTEMD, "slice_file": FileState(UNIT, UNIT, locked="not root")}, ENFORCE,
                     Status.HELD, f"{UNIT} cannot be replaced: not root", id="not-root"),
        pytest.param({**SYSTEMD, "unit_flags": {"cgroup-parent": ("oakum.slice",)}}, ENFORCE,
                     Status.HELD, "--cgroup-parent is a flag", id="flag"),
        pytest.param({**SYSTEMD, "init": "openrc"}, ENFORCE, Status.NOT_APPLICABLE, "no systemd",
                     id="no-systemd"),
        pytest.param({"info": {"CgroupDriver": "none"}}, ENFORCE, Status.NOT_APPLICABLE,
                     "cgroup driver none", id="rootless"),
        pytest.param({"engine": None}, ENFORCE, Status.NOT_APPLICABLE, "no Docker engine",
                     id="no-engine"),
        pytest.param({"info": Unread("permission denied: /var/run/docker.sock")}, ENFORCE,
                     Status.UNKNOWN, "permission denied", id="without-root"),
        pytest.param(hardened(slice_unit=Unread("systemctl show said nothing")), ENFORCE,
                     Status.UNKNOWN, "systemctl show", id="a-silent-systemd"),
    ],
)  # fmt: skip
def test_verdict(host, policy, finding, known, wanted, status, reason):
    found = finding(CONTROL, host(**known), policy(**wanted))
    assert found.status is status, found.reason
    if reason is None:
        assert not found.reason
    else:
        assert reason in found.reason


@pytest.mark.parametrize(
    ("known", "parent", "files"),
    [
        pytest.param(SYSTEMD, "oakum.slice", {UNIT: SLICE}, id="systemd"),
        pytest.param({**CGROUPFS, "cgroup": "v1"}, "/oakum.slice", {UNIT: SLICE, DROPIN: STARTS},
                     id="cgroupfs"),
        pytest.param({"running": False}, "oakum.slice", {UNIT: SLICE}, id="stopped-on-v2"),
        pytest.param({"running": False, "cgroup": "v1"}, "/oakum.slice",
                     {UNIT: SLICE, DROPIN: STARTS}, id="stopped-on-v1"),
        pytest.param({"running": False, "engine": "19.03.15"}, "/oakum.slice",
                     {UNIT: SLICE, DROPIN: STARTS}, id="an-engine-without-v2"),
        pytest.param({"running": False, "cgroup": "v1",
                      "config": {"exec-opts": ["native.cgroupdriver=systemd"]}}, "oakum.slice",
                     {UNIT: SLICE}, id="by-its-file"),
    ],
)  # fmt: skip
def test_what_it_writes(host, policy, finding, known, parent, files):
    facts, wanted = host(**known), policy(**ENFORCE)
    assert CONTROL.desired(facts, wanted) == parent
    assert {edit.path: edit.after for edit in CONTROL.files(facts, wanted)} == files


def test_the_policy_says_how_much(host, policy):
    limits = {"tasks_max": "4096", "memory_reserve": "25%"}
    (unit,) = CONTROL.files(host(**SYSTEMD), policy(**ENFORCE, slice=limits))
    assert b"TasksMax=4096\n" in unit.after
    assert b"MemoryMax=75%\n" in unit.after


def test_the_unit_comes_before_the_key_and_containers_are_told(host, policy, alone):
    facts = host(info={"CgroupDriver": "systemd", "LiveRestoreEnabled": True},
                 containers=(Container("web"),))  # fmt: skip
    plan = alone(CONTROL, facts, policy(**ENFORCE))
    assert [change.path for change in plan.changes] == [UNIT, "/etc/docker/daemon.json"]
    assert plan.disruption is Disruption.RESTART
    effects = [impact.effect for impact in plan.impact]
    assert effects == ["stays", "stays outside of the slice until it is restarted"]
