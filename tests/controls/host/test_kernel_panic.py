"""kernel-panic: what the kernel is told now, and at the next boot, and who else says."""

import pytest

from oakum.controls.host.kernel_panic import CONTROL, content
from oakum.facts import Unread
from oakum.model import Disruption, Status
from oakum.parts import FileState

FILE = "/etc/sysctl.d/60-oakum.conf"
STRICT = {"profile": "strict"}


def living(panic: str = "0", oops: str = "0") -> dict[str, dict[str, str]]:
    return {"sysctl": {"kernel.panic": panic, "kernel.panic_on_oops": oops}}


def ours(*lines: str) -> dict[str, object]:
    text = "".join(f"{line}\n" for line in ("# old", *lines))
    rows = tuple((FILE, *line.split(" = ")) for line in lines)
    return {"sysctl_file": FileState(FILE, FILE, text.encode()), "sysctl_files": rows}


def at_boot(*rows: str) -> dict[str, object]:
    """``PATH NAME VALUE`` of files that set a value."""
    return {"sysctl_files": tuple(tuple(row.split(" ")) for row in rows)}


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param(living("10"), {}, Status.OK, None, id="set"),
        pytest.param(living("30"), {}, Status.OK, None, id="an-operators-own"),
        pytest.param(living("-1"), {}, Status.OK, None, id="at-once"),
        pytest.param(living("10"), STRICT, Status.DRIFT, None, id="an-oops-too"),
        pytest.param(living("10", "1"), STRICT, Status.OK, None, id="an-oops-too-set"),
        pytest.param(living(), {}, Status.DRIFT, None, id="default"),
        pytest.param(
            {**living(), **at_boot("/etc/sysctl.d/10-x.conf kernel.panic 5")}, {},
            Status.DRIFT, "written, not active", id="written-not-active",
        ),
        pytest.param(
            {**living("10"), **at_boot("/usr/lib/sysctl.d/10-x.conf kernel.panic 0")}, {},
            Status.DRIFT, "/usr/lib/sysctl.d/10-x.conf sets kernel.panic to 0 at the next boot",
            id="not-after-the-next-boot",
        ),
        pytest.param(
            {**living("10"), **at_boot("/usr/lib/sysctl.d/10-x.conf kernel.panic 0",
                                       "/etc/sysctl.d/10-x.conf kernel.panic 7")}, {},
            Status.OK, None, id="etc-hides-usr",
        ),
        pytest.param(
            {**living("10"), **at_boot("/etc/sysctl.d/10-x.conf kernel.panic 0",
                                       "/usr/lib/sysctl.d/50-y.conf kernel.panic 7")}, {},
            Status.OK, None, id="the-last-one-wins",
        ),
        pytest.param(
            {**living("10"), **at_boot("/srv/10-x.conf kernel.panic 0",
                                       "/lib/sysctl.d/10-x.conf kernel.panic 7")}, {},
            Status.OK, None, id="a-folder-that-nobody-knows",
        ),
        pytest.param({**living("a lot"), **ours()}, {}, Status.DRIFT, None, id="no-number"),
        pytest.param({**living("10"), **ours("kernel.panic = 5")}, {}, Status.DRIFT, None,
                     id="ours-is-of-another-policy"),
        pytest.param(
            {**living(), **at_boot("/etc/sysctl.d/99-x.conf kernel.panic 0")}, {},
            Status.HELD, "/etc/sysctl.d/99-x.conf sets kernel.panic to 0 and is read last",
            id="a-later-file",
        ),
        pytest.param(
            {**living(), **at_boot("/etc/sysctl.conf kernel.panic 0")}, {},
            Status.HELD, "/etc/sysctl.conf sets kernel.panic to 0 and is read last",
            id="the-file-of-old",
        ),
        pytest.param({**living(), "sysctl_locked": "read-only file system at /proc/sys"}, {},
                     Status.HELD, "/proc/sys: read-only file system", id="read-only"),
        pytest.param({**living(), "sysctl_file": FileState(FILE, FILE, locked="not root")}, {},
                     Status.HELD, f"{FILE} cannot be replaced: not root", id="not-root"),
        pytest.param({**living(), "virt": "lxc"}, {}, Status.NOT_APPLICABLE, "inside lxc",
                     id="container"),
        pytest.param({**living(), "engine": None}, {}, Status.NOT_APPLICABLE, "no Docker engine",
                     id="no-engine"),
        pytest.param({"sysctl": {}}, {}, Status.NOT_APPLICABLE, "there is no kernel.panic",
                     id="another-kernel"),
        pytest.param({"sysctl": Unread("nothing in /proc/sys could be read")}, {}, Status.UNKNOWN,
                     "nothing in /proc/sys", id="hidden"),
        pytest.param({**living(), "sysctl_files": Unread("permission denied: /etc/sysctl.d/x")}, {},
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


def changes(alone, facts, policy):
    plan = alone(CONTROL, facts, policy)
    assert plan.disruption is Disruption.NONE
    return {change.path: (change.before, change.after) for change in plan.changes}


def test_the_file_and_the_living_values(host, policy, alone):
    assert changes(alone, host(**living()), policy("strict")) == {
        FILE: (
            None,
            b"# Written by oakum: a node whose kernel cannot go on boots anew.\n"
            b"kernel.panic = 10\nkernel.panic_on_oops = 1\n",
        ),
        "/proc/sys/kernel/panic": (b"0\n", b"10\n"),
        "/proc/sys/kernel/panic_on_oops": (b"0\n", b"1\n"),
    }


def test_what_an_operator_chose_stays(host, policy, alone):
    """The value that would do is not touched for the sake of the other one."""
    found = changes(alone, host(**living("30")), policy("strict"))
    assert "/proc/sys/kernel/panic" not in found
    assert "/proc/sys/kernel/panic_on_oops" in found


@pytest.mark.parametrize(
    ("now", "set_anew"),
    [
        pytest.param("5", True, id="ours-of-a-former-policy"),
        pytest.param("30", False, id="somebody-s-since"),
    ],
)
def test_another_policy(host, policy, alone, now, set_anew):
    facts = host(**{**living(now), **ours("kernel.panic = 5")})
    found = changes(alone, facts, policy(kernel_panic={"reboot_after": 20}))
    assert found[FILE][1].endswith(b"kernel.panic = 20\n")
    assert ("/proc/sys/kernel/panic" in found) is set_anew


def test_a_file_that_is_right_is_left(host, policy, alone):
    facts = host(**living())
    right = content(facts, {"kernel.panic": 10})
    rows = ((FILE, "kernel.panic", "10"),)
    facts = host(**living(), sysctl_file=FileState(FILE, FILE, right), sysctl_files=rows)
    assert list(changes(alone, facts, policy())) == ["/proc/sys/kernel/panic"]
