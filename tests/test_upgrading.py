"""The plan of an upgrade: what comes, what it costs, what daemon.json needs for it, and why not."""

import hashlib
import json
from typing import Any

import pytest
from conftest import plain_host, policy_of
from packaging.version import Version

from oakum.engine.migration import WITHOUT, migration
from oakum.facts import HELD, HostFacts, Unread
from oakum.manifest import About, Call, calls, digest
from oakum.model import Disruption, Impact, Kind, Plan, Status
from oakum.offers import NAMES, Package, offers, upstream
from oakum.operations import offers_command, transaction_command
from oakum.parts import Container, Engine, Mount
from oakum.upgrading import Wanted, build, left, names, now
from oakum.wire import BadProbe

ABOUT = About("20260131T120000Z-1a2b3c4d", "ann@desk")
NEWER = (
    Package("docker.io", "20.10.24+dfsg1-1", "26.1.5+dfsg1-9", "http://deb.debian.org/debian"),
    Package("docker-cli", None, "26.1.5+dfsg1-9", "http://deb.debian.org/debian"),
)
PATCH = (Package("docker.io", "20.10.24+dfsg1-1", "20.10.27+dfsg1-2", "http://x", held=True),)
WEB = (Container("web", restart="always"), Container("job", one_off=True))
LIVE = {"LiveRestoreEnabled": True}


def plan(
    to: str = "26.1.5",
    offered: tuple[Package, ...] = NEWER,
    *,
    keep: tuple[str, ...] = (),
    policy: dict[str, Any] | None = None,
    **known: Any,
) -> Plan:
    wanted = policy_of(**{"max_disruption": "outage", **(policy or {})})
    return build(plain_host(**known), wanted, offered, Wanted(to, keep))


def told(found: Plan, name: str, **known: Any) -> list[Call]:
    every = calls(found, plain_host(**known), policy_of(), ABOUT)
    return [call[1:] for call in every if call[0] == name]


def reasons(found: Plan) -> str:
    assert not found.changes
    assert {one.status for one in found.findings} == {Status.HELD}
    return "; ".join(str(one.reason) for one in found.findings)


def after(found: Plan) -> dict[str, Any]:
    (change,) = (change for change in found.changes if change.kind is Kind.FILE)
    return dict(json.loads(change.after or b"{}"))


# Packages and cost -------------------------------------------------------------------------------


def test_packages_are_named_from_what_to_what_by_whom_and_from_where():
    found = plan(containers=WEB)
    assert [(change.path, change.note) for change in found.changes] == [
        (
            "docker.io",
            "20.10.24+dfsg1-1 → 26.1.5+dfsg1-9 by apt from http://deb.debian.org/debian",
        ),
        ("docker-cli", "not installed → 26.1.5+dfsg1-9 by apt from http://deb.debian.org/debian"),
    ]
    assert found.disruption is Disruption.OUTAGE
    assert [(one.status, one.desired) for one in found.findings] == [(Status.DRIFT, "26.1.5")]
    assert found.upgrade is not None
    assert (found.upgrade.release, found.upgrade.hold) == ("26.1.5", False)


def test_another_series_stops_containers_whatever_live_restore_is():
    found = plan(containers=WEB, info=LIVE)
    assert found.impact == (
        Impact("web", "restarts", "stopped, and started by the new engine"),
        Impact("job", "stops", "it is removed when it ends"),
    )
    assert "live-restore is for patch releases alone" in found.notes[0]


def test_a_patch_release_under_live_restore_stops_nothing():
    found = plan("20.10.27", PATCH, containers=WEB, info=LIVE)
    assert found.disruption is Disruption.RESTART
    assert {hit.effect for hit in found.impact} == {"stays"}
    assert told(found, "service", containers=WEB, info=LIVE) == [("upgrade", "no", "stay")]
    assert str(found.changes[0].note).endswith("; its version stays held")


def test_a_patch_release_without_live_restore_says_what_would_help():
    found = plan("20.10.27", PATCH, containers=WEB)
    assert found.disruption is Disruption.OUTAGE
    assert "oakum apply switches it on" in found.notes[0]


def test_without_containers_it_is_a_restart():
    assert plan().disruption is Disruption.RESTART


def test_an_outage_is_held_where_the_policy_holds_it():
    found = plan(containers=WEB, policy={"max_disruption": "restart"})
    assert reasons(found).startswith(
        "would cost: outage (live-restore is for patch releases alone)"
    )


@pytest.mark.parametrize(
    ("to", "packages"),
    [
        pytest.param("20.10", NEWER[:0], id="of-the-series"),
        pytest.param("20.10.24", NEWER[:0], id="the-same"),
        pytest.param("19.03", NEWER[:0], id="older"),
        pytest.param("20.10", (Package("docker.io", "20.10.24", "20.10.24"),), id="nothing-newer"),
        pytest.param("19.03", (Package("docker.io", "20.10.24", "20.10.24"),), id="offered-older"),
    ],
)
def test_a_host_that_is_no_older_is_left_alone(to, packages):
    found = plan(to, packages)
    assert found.idle
    assert [one.status for one in found.findings] == [Status.OK]


@pytest.mark.parametrize("to", ["26.1.5", "28"])
def test_an_engine_that_came_and_was_not_restarted_is_no_newer_engine(to):
    came = (Package("docker.io", "26.1.5+dfsg1-9", "26.1.5+dfsg1-9"),)
    assert "docker.io is 26.1.5+dfsg1-9 already, and dockerd has run on as 20.10.24" in reasons(
        plan(to, came)
    )
    assert [one.status for one in plan("20.10", came).findings] == [Status.OK]


def test_of_the_same_release_a_newer_package_comes():
    fixed = (Package("docker.io", "20.10.24+dfsg1-1", "20.10.24+dfsg1-1+deb12u1", "http://x"),)
    assert plan("20.10.24", fixed).upgrade is not None


def test_of_its_own_series_a_newer_one_comes():
    assert plan("20.10", PATCH).upgrade is not None


def test_lists_that_do_not_know_it_yet_are_said():
    found = plan("28", (Package("docker.io", "20.10.24", None),))
    assert any(note.startswith("apt knows no docker.io of release 28 yet") for note in found.notes)
    assert found.upgrade is not None
    assert found.upgrade.release == "28"


# Why not -----------------------------------------------------------------------------------------


def engine(origin: str) -> Engine:
    return Engine(Version("20.10.24"), "20.10.24", origin=origin)


@pytest.mark.parametrize(
    ("known", "word"),
    [
        ({"engine": None}, "oakum bootstrap installs one"),
        ({"uid": 1000}, "not root"),
        ({"podman": True}, "podman answers"),
        ({"engine": engine("snap")}, "the engine here is snap"),
        ({"engine": engine("rootless")}, "the engine here is rootless"),
        ({"engine": engine("static")}, "the engine here is static"),
        ({"packages": "pacman"}, "pacman -Syu"),
        ({"packages": "none"}, "no package manager that oakum knows"),
        ({"engine_package": "docker.io 20.10.24 unfinished"}, "installed only in part"),
        ({"running": False}, "dockerd does not run"),
        ({"oakum_state": (HELD,)}, "oakum bootstrap goes on first"),
        ({"info": {"Driver": "aufs"}}, "images and containers lie in aufs"),
        ({"config": {"storage-driver": "aufs"}}, "nothing takes the place of storage-driver"),
        ({"unit_flags": {"graph": ("/srv",)}}, "--graph stops Docker 23.0.0"),
    ],
)
def test_what_cannot_be_upgraded_is_held_with_the_reason(known, word):
    assert word in reasons(plan(**known))


def test_a_package_of_unknown_origin_is_held():
    found = build(plain_host(engine_package="docker-mine 1"), policy_of(), (), Wanted("26.1.5"))
    assert "knows no way to upgrade the package docker-mine 1" in reasons(found)


def test_a_release_that_is_newer_than_all_that_is_known_is_held():
    found = plan("29", (Package("docker.io", "20.10.24", "29.99.1-1"),))
    assert "oakum knows Docker up to" in reasons(found)


def test_live_restore_by_a_flag_could_not_be_switched_off():
    flags = {"live-restore": ("true",)}
    found = plan(containers=WEB, info=LIVE, flags=flags, unit_flags=flags)
    assert "live-restore is a flag of dockerd" in reasons(found)


def test_what_was_not_read_is_unknown():
    found = plan(document=Unread("permission denied"), daemon_file=Unread("permission denied"))
    assert [one.status for one in found.findings] == [Status.UNKNOWN]


# daemon.json -------------------------------------------------------------------------------------


def test_a_key_that_was_renamed_moves_and_the_rest_keeps_its_bytes():
    text = b'{\n\t"graph": "/srv/docker",\n\t"labels": ["a=b"]\n}\n'
    found = plan(config=text)
    assert after(found) == {"labels": ["a=b"], "data-root": "/srv/docker"}
    assert b'\t"labels": ["a=b"]' in (found.changes[0].after or b"")
    assert "graph, which Docker 23.0.0 and later refuse, becomes data-root" in str(
        found.changes[0].note
    )


def test_a_key_whose_effect_is_gone_goes_and_is_said():
    found = plan(config={"oom-score-adjust": -100, "icc": False})
    assert after(found) == {"icc": False}
    assert "OOMScoreAdjust= of docker.service" in str(found.changes[0].note)


@pytest.mark.parametrize("key", sorted(WITHOUT))
def test_every_key_without_a_successor_goes_with_a_word(key):
    values = {"api-enable-cors": True, "cluster-store-opts": {}, "disable-legacy-registry": True}
    found = migration(
        {key: values.get(key, "x") if key != "oom-score-adjust" else 0},
        {},
        Version("1.13.0"),
        Version("29.0.0"),
    )
    assert found.drop == (key,)
    assert found.blocked == ()
    assert WITHOUT[key] in found.said[0]


@pytest.mark.parametrize(
    ("driver", "version", "to", "named"),
    [
        ("vfs", "28.5.1", "29.0.1", True),
        ("vfs", "26.1.5", "28.5.1", False),
        ("overlay2", "28.5.1", "29.0.1", False),
        ("devicemapper", "20.10.24", "24.0.9", True),
        ("overlay", "20.10.24", "23.0.6", True),
        ("devicemapper", "23.0.6", "24.0.9", False),
    ],
)
def test_a_driver_that_nobody_looks_for_any_more_is_named(driver, version, to, named):
    """Or the new engine does not start, or sees nothing of what there was."""
    packages = (Package("docker-ce", f"5:{version}-1", f"5:{to}-1", "https://mirror"),)
    known = {"engine": version, "engine_package": f"docker-ce 5:{version}-1"}
    found = plan(to, packages, info={"Driver": driver}, **known)
    assert [one.status for one in found.findings] == [Status.DRIFT]
    files = [change for change in found.changes if change.kind is Kind.FILE]
    assert [json.loads(change.after or b"") for change in files] == (
        [{"storage-driver": driver}] if named else []
    )
    if named:
        assert f"storage-driver names {driver}" in str(files[0].note)
    chosen = {"features": {"containerd-snapshotter": False}}
    config = {**chosen, "storage-driver": driver} if version < "23" else chosen
    again = plan(to, packages, info={"Driver": driver}, config=config, **known)
    assert not [change for change in again.changes if change.kind is Kind.FILE]


def test_an_option_of_the_storage_driver_goes_and_the_others_stay():
    options = ["overlay2.override_kernel_check=true", "overlay2.size=10G"]
    assert after(plan(config={"storage-opts": options})) == {"storage-opts": ["overlay2.size=10G"]}
    assert after(plan(config={"storage-opts": options[:1], "icc": False})) == {"icc": False}


def test_a_default_that_moves_is_said_and_can_be_kept():
    ce = "docker-ce 5:26.1.4-1"
    packages = (Package("docker-ce", "5:26.1.4-1", "5:28.5.1-1", "https://mirror"),)
    known = {"engine": "26.1.4", "engine_package": ce}
    said = plan("28.5.1", packages, **known)
    assert any(note.startswith("ip6tables becomes true by default") for note in said.notes)
    kept = plan("28.5.1", packages, keep=("ip6tables",), **known)
    assert after(kept) == {"ip6tables": False}
    assert not any(note.startswith("ip6tables becomes") for note in kept.notes)


@pytest.mark.parametrize("key", ["icc", "min-api-version"])
def test_a_default_that_does_not_move_or_has_no_key_yet_cannot_be_kept(key):
    ce = "docker-ce 5:20.10.24-1"
    packages = (Package("docker-ce", "5:20.10.24-1", "5:29.0.1-1", "https://mirror"),)
    found = plan("29.0.1", packages, keep=(key,), engine_package=ce)
    assert f"--keep {key}: " in reasons(found)


def test_what_29_does_to_old_clients_and_control_groups_is_said():
    packages = (Package("docker-ce", "5:28.5.1-1", "5:29.0.1-1", "https://mirror"),)
    watch = Container("watch", mounts=(Mount("/var/run/docker.sock"),))
    found = plan(
        "29.0.1",
        packages,
        engine="28.5.1",
        engine_package="docker-ce 5:28.5.1-1",
        containers=(watch, Container("web")),
        cgroup="v1",
    )
    notes = "\n".join(found.notes)
    assert "clients of an API below 1.44 are refused; these have docker.sock: watch" in notes
    assert "control groups of version 1" in notes


# What is carried out -----------------------------------------------------------------------------


def test_every_call_of_an_upgrade():
    found = plan(config={"graph": "/var/lib/docker"}, containers=WEB, info=LIVE)
    known = {"config": {"graph": "/var/lib/docker"}, "containers": WEB, "info": LIVE}
    every = calls(found, plain_host(**known), policy_of(), ABOUT)
    assert every[0] == ("about", "upgrade", "ann@desk", digest(found), "engine")
    assert every[1] == ("limits", "60", "25", "20", "900")
    assert [call[0] for call in every[2:]] == [
        "preflight",
        "file",
        "shadow_files",
        "engine",
        "calm",
        "service",
    ]
    (engine_call,) = told(found, "engine", **known)
    assert engine_call == ("apt", "26.1.5", "no", "docker.io= docker-cli=?")
    ((path, coming, former),) = told(found, "calm", **known)
    assert path == "/etc/docker/daemon.json"
    assert json.loads(coming) == {"data-root": "/var/lib/docker", "live-restore": False}
    assert json.loads(former) == {"graph": "/var/lib/docker", "live-restore": False}
    assert every[-1] == ("service", "upgrade", "no", "may-stop")


def test_a_file_that_is_another_one_for_a_moment_comes_back():
    """Without a key to move, nothing else of the transaction would know daemon.json."""
    known = {"config": b'{"live-restore": true}\n', "containers": WEB, "info": LIVE}
    found = plan(**known)
    assert [change.kind for change in found.changes] == [Kind.PACKAGE] * 2
    (file,) = told(found, "file", **known)
    sha256 = hashlib.sha256(known["config"]).hexdigest()
    assert file == (
        "/etc/docker/daemon.json",
        "644",
        "0",
        "0",
        sha256,
        '{"live-restore": true}\n',
    )
    assert [json.loads(one) for one in told(found, "calm", **known)[0][1:]] == [
        {"live-restore": False},
        {"live-restore": False},
    ]
    assert not told(plan(containers=WEB), "file", containers=WEB)


def test_the_new_engine_is_tried_under_a_file_that_stays():
    known = {"config": {"icc": False, "data-root": "/srv"}}
    found = plan(**known)
    ((coming, former, validated),) = told(found, "shadow_files", **known)
    assert json.loads(coming) == json.loads(former) == {"icc": False}
    assert json.loads(validated) == {"icc": False, "data-root": "/srv"}


def test_the_script_takes_its_parts_along():
    text = transaction_command(plan(), plain_host(), policy_of(), ABOUT)
    assert text is not None
    assert '"$dir/packages.sh" <<' in text
    assert '"$dir/upgrade.sh" <<' in text
    assert "too much to send" not in text


def test_what_is_left_to_apply_is_said():
    found, wanted, facts = plan(), Wanted("26"), plain_host(engine="26.1.5")
    hardened = Plan((), found.changes[:1])
    then = now(facts, found, wanted, hardened)
    assert [(one.status, one.actual) for one in then.findings] == [(Status.OK, "26.1.5")]
    assert then.notes[-1] == "left to oakum apply: docker.io"
    assert now(facts, found, wanted, Plan(())).notes == found.notes
    assert now(plain_host(), found, wanted, hardened) is found


def test_what_is_left_is_an_error():
    found = plan()
    wanted = Wanted("26")
    assert left(plain_host(engine="26.1.5"), found, wanted) is None
    assert left(plain_host(), found, wanted) == (
        "after the upgrade Docker is 20.10.24, and 26.1.5 was wanted"
    )
    assert "no dockerd runs" in str(left(plain_host(engine="26.1.5", running=False), found, wanted))


# What the host says ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("26.1.5+dfsg1-9+deb13u1", "26.1.5"),
        ("5:28.5.1-1~debian.12~bookworm", "28.5.1"),
        ("25.0.8-1.amzn2023.0.1", "25.0.8"),
        ("24.0.7_ce-150000.1", "24.0.7"),
        ("26.1.5-r0", "26.1.5"),
        ("3:26.1.3-1.el9", "26.1.3"),
    ],
)
def test_the_release_in_a_package_s_version(text, wanted):
    assert upstream(text) == Version(wanted)


def test_a_version_that_is_none():
    assert upstream("1.7.24abc1234567890") == Version("1.7.24")
    assert upstream("nightly") is None


def test_offers_are_read_strictly():
    lines = ["package docker.io 20.10.24 26.1.5 http://x yes", "package docker-cli - - - no", "end"]
    assert offers(lines) == (
        Package("docker.io", "20.10.24", "26.1.5", "http://x", True),
        Package("docker-cli", None, None, None, False),
    )


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["package docker.io 1 2 x yes"],
        ["package docker.io 1 2 yes", "end"],
        ["package \x1b[31m 1 2 x yes", "end"],
        ["package docker.io 1 2 x yes\n", "end"],
        [*["package docker.io 1 2 x yes"] * 30, "end"],
    ],
)
def test_odd_offers_are_refused(lines):
    with pytest.raises(BadProbe):
        offers(lines)


@pytest.mark.parametrize(
    ("packages", "owner", "wanted"),
    [
        ("apt", "docker.io 1", NAMES["docker.io"]),
        ("apt", "docker-ce 1", NAMES["docker-ce"]),
        ("dnf", "docker-ce 1", NAMES["docker-ce"]),
        ("apk", "docker-engine 1", NAMES["docker-engine"]),
        ("apt", "docker-engine 1", ()),
        ("pacman", "docker 1", ()),
        ("apt", "none", ()),
    ],
)
def test_what_goes_together(packages, owner, wanted):
    facts: HostFacts = plain_host(packages=packages, engine_package=owner)
    assert names(facts) == wanted


def test_the_question_quotes_what_it_asks():
    text = offers_command("apt", "26", ("docker.io=", "docker-cli=?"))
    assert text.startswith("manager=apt\nrelease=26\nnames='docker.io= docker-cli=?'\n")
    assert text.endswith("offer\n")
