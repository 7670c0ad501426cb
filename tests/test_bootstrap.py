"""The plan of a new host: what comes, what waits, and what is none of its business."""

import datetime
import json
from collections.abc import Iterable
from typing import Any

import pytest
from conftest import TODAY, plain_host, policy_of
from packaging.version import Version

from oakum.bootstrap import NotNew, build
from oakum.controls import controls
from oakum.facts import HELD, INSTALLED, CannotTell, HostFacts, Unread
from oakum.manifest import About, calls
from oakum.model import Change, Kind, Plan
from oakum.parts import Engine
from oakum.planner import build as harden

ABOUT = About("20260131T120000Z-1a2b3c4d", "ann@desk")


def plan(facts: HostFacts, **settings: Any) -> Plan:
    return build(facts, policy_of(**settings), controls(), TODAY)


def bare(**known: Any) -> HostFacts:
    return plain_host(**{"engine": None, **known})


def came(**known: Any) -> HostFacts:
    """A host whose engine was installed by the first half of a bootstrap."""
    return plain_host(running=False, oakum_state=(HELD, INSTALLED, "ledger"), **known)


def named(found: Plan, name: str, facts: HostFacts) -> list[tuple[str, ...]]:
    every = calls(found, facts, policy_of(), ABOUT)
    return [call[1:] for call in every if call[0] == name]


def test_a_bare_host_gets_the_engine_and_knows_what_waits():
    found = plan(bare())
    (package,) = found.changes
    assert (package.path, package.kind) == ("docker.io", Kind.PACKAGE)
    assert "not to be started yet; its version is held" in str(package.note)
    assert [change.path for change in found.deferred] == ["/etc/docker/daemon.json"]
    assert found.install is not None
    assert not found.start


def test_the_calls_of_an_installation():
    found = plan(bare(os={"ID": "debian", "VERSION_CODENAME": "bookworm"}), engine=DOCKERS)
    assert named(found, "engine", bare()) == [
        (
            "apt",
            "28.5.2",
            "no",
            "docker-ce= docker-ce-cli= containerd.io docker-buildx-plugin? docker-compose-plugin?",
        )
    ]
    assert named(found, "service", bare()) == [("install", "no", "may-stop")]
    assert named(found, "limits", bare()) == [("60", "25", "20", "900")]
    assert named(found, "about", bare())[0][0] == "bootstrap"
    # Nobody has read what is there under names of ours.
    assert [call[4] for call in named(found, "file", bare())] == ["any", "any"]


DOCKERS = {"source": "docker", "release": "28.5.2", "hold": False}


def test_what_came_gets_its_files_and_is_started():
    facts = came()
    found = plan(facts)
    assert [change.path for change in found.changes] == ["/etc/docker/daemon.json", "docker"]
    assert found.start
    assert found.install is None
    assert named(found, "service", facts) == [("start", "no", "may-stop")]
    assert ("{{.LiveRestoreEnabled}}", "true") in named(found, "expect", facts)


@pytest.mark.parametrize("profile", ["baseline", "strict"])
@pytest.mark.parametrize("version", ["20.10.24", "26.1.5", "28.5.2", "29.0.0"])
def test_what_was_shown_is_what_comes(profile, version):
    """The files that a bare host was promised are those that its engine then gets."""
    known = {"profile": profile, "engine": {"release": version}}
    shown = plan(bare(), **known).deferred
    engine = Engine(Version(version), version, running=False)
    done = plan(came(engine=engine), **known).changes
    assert files(done) == files(shown)


def files(changes: Iterable[Change]) -> dict[str, bytes | None]:
    return {change.path: change.after for change in changes if change.kind is Kind.FILE}


@pytest.mark.parametrize("version", ["20.10.24", "26.1.5", "28.5.2", "29.0.0"])
def test_whatever_comes_only_the_form_of_our_profile_depends_on_it(version):
    shown = files(plan(bare(), profile="strict").deferred)
    engine = Engine(Version(version), version, running=False)
    done = files(plan(came(engine=engine), profile="strict").changes)
    differing = {path for path, text in done.items() if text != shown[path]}
    assert differing <= {"/etc/docker/oakum-seccomp.json"}
    assert done.keys() == shown.keys()


def test_a_host_whose_engine_runs_is_left_alone():
    found = plan(plain_host())
    assert found.idle
    assert found.notes == ("Docker runs here already: oakum apply hardens it",)
    assert found.findings == harden(plain_host(), policy_of(), controls(), TODAY).findings


def test_a_hardened_host_has_nothing_to_say():
    config = json.loads(plan(came()).changes[0].after or b"")
    info = {"LiveRestoreEnabled": True, "LoggingDriver": "local"}
    found = plan(plain_host(config=config, info=info), skip=["log-rotation"])
    assert (found.idle, found.notes) == (True, ())


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(
            plain_host(running=False, oakum_state=(HELD, "ledger")), id="our-packages-in-part"
        ),
        pytest.param(
            plain_host(running=False, engine_package="docker.io 20.10.24 unfinished"),
            id="somebodys-packages-in-part",
        ),
    ],
)
def test_what_came_in_part_comes_again(facts):
    assert plan(facts).install is not None


def test_data_of_a_first_start_of_ours_is_no_obstacle():
    assert plan(came(drivers_on_disk=("overlay2",))).start


def origin(word: str) -> Engine:
    return Engine(Version("20.10.24"), "20.10.24", origin=word, running=False)


@pytest.mark.parametrize(
    ("facts", "way_out"),
    [
        pytest.param(bare(podman=True), "remove its shim", id="podman"),
        pytest.param(plain_host(engine=origin("snap"), running=False), "snap remove", id="snap"),
        pytest.param(plain_host(engine=origin("static"), running=False), "is static", id="static"),
        pytest.param(
            plain_host(running=False, engine_package="docker-engine 17.05.0"),
            "before 2017: remove it",
            id="docker-engine",
        ),
        pytest.param(
            plain_host(running=False, drivers_on_disk=("overlay2",)),
            "holds data of overlay2: start it yourself, and use oakum apply",
            id="stopped-with-data",
        ),
        pytest.param(bare(uid=1000), "use --sudo", id="plain-user"),
        pytest.param(bare(packages="none"), "no package manager", id="no-package-manager"),
    ],
)
def test_what_is_no_new_host_is_refused_with_the_way_out(facts, way_out):
    with pytest.raises(NotNew, match=way_out):
        plan(facts)


def test_what_was_not_read_is_not_guessed():
    with pytest.raises(CannotTell, match="no access"):
        plan(bare(engine=Unread("no access")))


def test_apply_says_who_goes_on_with_a_held_host():
    found = harden(came(), policy_of(), controls(), datetime.date(2026, 1, 1))
    assert any("oakum bootstrap, which goes on" in note for note in found.notes)
