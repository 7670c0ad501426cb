"""seccomp: never unconfined; the tight profile where it is wanted and can be read."""

import json

import pytest
from packaging.version import Version

from oakum.controls.daemon.seccomp import CONTROL, PROFILE, in_effect, tight_profile
from oakum.facts import Unread
from oakum.model import Impact, Kind, Status
from oakum.parts import Container, FileState

OWN = "/etc/docker/mine.json"
TIGHT = {"seccomp": "tight"}


def runs(profile: str | None) -> dict[str, object]:
    """``info`` of a daemon under a profile; None is a kernel without seccomp."""
    return {"SecurityOptions": ["name=cgroupns", f"name=seccomp,profile={profile}"][: 2 if profile
            else 1]}  # fmt: skip


def ours(version: str, content: bytes | None = None) -> dict[str, object]:
    """A host under our profile, as it should be for ``version``."""
    file = FileState(PROFILE, PROFILE, content or tight_profile(Version(version)))
    return {
        "engine": version,
        "config": {"seccomp-profile": PROFILE},
        "info": runs(PROFILE),
        "seccomp_file": file,
    }


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param({}, {}, Status.OK, None, id="built-in-of-20.10"),
        pytest.param(
            {"engine": "26.1.5", "info": runs("builtin")}, {}, Status.OK, None, id="built-in-of-26"
        ),
        pytest.param(
            {"info": {"SecurityOptions": ["seccomp"]}, "engine": "1.12.6"},
            {},
            Status.NOT_APPLICABLE,
            "needs Docker 1.13",
            id="old-engine",
        ),
        pytest.param(
            {"config": {"seccomp-profile": ""}}, {}, Status.OK, None, id="written-empty"
        ),
        pytest.param(
            {
                "engine": "26.1.5",
                "config": {"seccomp-profile": "unconfined"},
                "info": runs("unconfined"),
            },
            {},
            Status.DRIFT,
            None,
            id="unconfined-by-file",
        ),
        pytest.param(
            {
                "engine": "26.1.5",
                "info": runs("unconfined"),
                "flags": {"seccomp-profile": ("unconfined",)},
                "unit_flags": {"seccomp-profile": ("unconfined",)},
            },
            {},
            Status.HELD,
            "--seccomp-profile is a flag",
            id="unconfined-by-flag",
        ),
        pytest.param(
            {"engine": "26.1.5", "info": runs("unconfined")},
            {},
            Status.DRIFT,
            "written, not active",
            id="still-unconfined-the-file-is-right",
        ),
        pytest.param(
            {
                "engine": "26.1.5",
                "info": runs("builtin"),
                "config": {"seccomp-profile": "unconfined"},
            },
            {},
            Status.DRIFT,
            "active, not written",
            id="unconfined-from-the-next-start",
        ),
        pytest.param(
            {"config": {"seccomp-profile": "unconfined"}},
            {},
            Status.HELD,
            "Docker 20.10.24 refuses seccomp-profile = unconfined",
            id="a-word-that-20.10-opens-as-a-file",
        ),
        pytest.param(
            {"info": runs(OWN), "config": {"seccomp-profile": OWN}},
            {},
            Status.OK,
            None,
            id="an-operators-own",
        ),
        pytest.param(
            {"info": runs(OWN)}, {}, Status.DRIFT, "active, not written", id="own-gone-from-file"
        ),
        pytest.param(
            {"info": runs(None)},
            {},
            Status.HELD,
            "this kernel has no seccomp filter",
            id="kernel-without-seccomp",
        ),
        pytest.param({"running": False}, {}, Status.OK, None, id="stopped"),
        pytest.param(
            {"running": False, "config": {"seccomp-profile": OWN}},
            {},
            Status.OK,
            None,
            id="stopped-with-an-operators-own",
        ),
        pytest.param(
            {"running": False, "engine": "26.1.5", "config": {"seccomp-profile": "unconfined"}},
            {},
            Status.DRIFT,
            None,
            id="stopped-and-unconfined",
        ),
        pytest.param({}, TIGHT, Status.DRIFT, None, id="tight-is-wanted"),
        pytest.param(ours("20.10.24"), TIGHT, Status.OK, None, id="tight-on-20.10"),
        pytest.param(ours("29.7.2"), TIGHT, Status.OK, None, id="tight-on-29"),
        pytest.param(
            ours("29.7.2", tight_profile(Version("20.10.24"))),
            TIGHT,
            Status.DRIFT,
            f"{PROFILE} differs",
            id="tight-of-another-engine",
        ),
        pytest.param(
            ours("29.7.2", b"{}"), TIGHT, Status.DRIFT, "differs", id="a-profile-without-a-filter"
        ),
        pytest.param(
            {"engine": "20.10.9"},
            TIGHT,
            Status.HELD,
            "Docker 20.10.9 cannot read the tight profile; it needs 20.10.10",
            id="engine-that-cannot-read-it",
        ),
        pytest.param({"engine": "20.10.10"}, TIGHT, Status.DRIFT, None, id="first-that-can"),
        pytest.param(
            {"info": runs(OWN), "config": {"seccomp-profile": OWN}},
            TIGHT,
            Status.HELD,
            f"{OWN} was chosen by an operator",
            id="tight-does-not-replace-an-operators-own",
        ),
        pytest.param(
            ours("20.10.24"), {}, Status.DRIFT, None, id="back-to-the-built-in"
        ),
        pytest.param({"engine": None}, TIGHT, Status.NOT_APPLICABLE, "no Docker", id="no-engine"),
        pytest.param({"config": Unread("EACCES")}, {}, Status.UNKNOWN, "EACCES", id="unreadable"),
        pytest.param(
            {"seccomp_file": Unread("EIO")}, TIGHT, Status.UNKNOWN, "EIO", id="profile-unreadable"
        ),
    ],
)  # fmt: skip
def test_verdict(host, policy, finding, known, wanted, status, reason):
    found = finding(CONTROL, host(**known), policy(**wanted))
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        pytest.param(["seccomp"], "builtin", id="bare-word"),
        pytest.param(["name=seccomp,profile=default"], "builtin", id="default"),
        pytest.param(["name=seccomp,profile=builtin"], "builtin", id="builtin"),
        pytest.param(["name=seccomp,profile=unconfined"], "unconfined", id="unconfined"),
        pytest.param(["name=apparmor", "name=seccomp,profile=/p,q"], "/p,q", id="path"),
        pytest.param(["name=apparmor"], "none", id="not-among-them"),
        pytest.param([], "none", id="none"),
        pytest.param(None, "none", id="null"),
    ],
)
def test_what_info_says(options, found):
    assert in_effect({"SecurityOptions": options}) == found


def test_the_built_in_profile_is_had_by_leaving_the_key_out(host, policy, written):
    """The word builtin would stop Docker 20.10."""
    facts = host(
        engine="26.1.5",
        config={"icc": False, "seccomp-profile": "unconfined"},
        info=runs("unconfined"),
    )
    assert written(CONTROL, facts, policy()) == {"icc": False}


def test_tight_brings_its_file_first(host, policy, alone, written):
    found = alone(CONTROL, host(engine="29.7.2"), policy(**TIGHT))
    profile, daemon = found.changes
    assert (profile.path, profile.kind, profile.before) == (PROFILE, Kind.FILE, None)
    assert profile.after == tight_profile(Version("29.7.2"))
    assert daemon.path == "/etc/docker/daemon.json"
    assert written(CONTROL, host(engine="29.7.2"), policy(**TIGHT)) == {"seccomp-profile": PROFILE}


# Our profile -------------------------------------------------------------------------------------


@pytest.fixture(params=["20.10.24", "26.1.5", "29.7.2"])
def profile(request):
    return json.loads(tight_profile(Version(request.param))) | {"version": request.param}


def allowed(profile, capability=None):
    """The system calls that a container gets, or those that a capability brings."""
    names = []
    for rule in profile["syscalls"]:
        assert rule["names"], rule
        caps = rule.get("includes", {}).get("caps", [])
        conditional = rule.get("args") or rule.get("includes", {}).get("arches")
        if (
            rule["action"] == "SCMP_ACT_ALLOW"
            and not conditional
            and caps == ([capability] if capability else [])
        ):
            names += rule["names"]
    return names


def test_tight_denies_what_it_does_not_name(profile):
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    new = Version(profile["version"]) >= Version("23.0")
    assert profile.get("defaultErrnoRet") == (1 if new else None)
    assert {rule["action"] for rule in profile["syscalls"]} <= {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"}
    assert not [rule for rule in profile["syscalls"] if "name" in rule], "name is of another format"


@pytest.mark.parametrize(
    "name",
    ["read", "openat", "clone", "execve", "mmap", "futex", "epoll_wait", "getrandom", "faccessat2"],
)
def test_tight_lets_ordinary_programs_live(profile, name):
    everything = [name for rule in profile["syscalls"] for name in rule["names"]]
    assert name in everything


@pytest.mark.parametrize(
    "name",
    [
        "io_uring_setup",
        "io_uring_enter",
        "ptrace",
        "process_vm_readv",
        "kcmp",
        "process_madvise",
        "pidfd_getfd",
        "modify_ldt",
        "remap_file_pages",
        "name_to_handle_at",
        "fanotify_mark",
        "mount",
        "bpf",
        "keyctl",
        "init_module",
        "reboot",
        "socket",
    ],
)
def test_tight_leaves_out_what_it_says_it_does(profile, name):
    """``socket`` is allowed for some families only."""
    assert name not in allowed(profile)


def test_no_call_stands_twice_among_the_plain_ones(profile):
    names = allowed(profile)
    assert sorted(names) == sorted(set(names))


def test_ptrace_comes_with_its_capability(profile):
    assert "ptrace" in allowed(profile, "CAP_SYS_PTRACE")


def test_containers_take_it_when_they_start(host):
    facts = host(info=runs("builtin"), containers=(Container("web"),))
    assert list(CONTROL.impact(facts)) == []
    assert list(CONTROL.until_restarted(facts)) == [
        Impact(
            "web",
            "keeps its former profile until it is restarted",
            "the profile is taken when a container starts",
        )
    ]


def test_containers_of_an_unconfined_dockerd_stay_so(host):
    facts = host(info=runs("unconfined"), containers=(Container("web"),))
    assert list(CONTROL.until_restarted(facts)) == []
    assert list(CONTROL.impact(facts)) == [
        Impact(
            "web",
            "stays unconfined until it is recreated",
            "an unconfined daemon stores that with its containers",
        )
    ]
