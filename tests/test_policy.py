"""What an operator may say, who wins, and how a slip is told before any host is contacted."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from oakum.controls import controls
from oakum.layers import Layer, from_inventory, load, policy_schema, profiles, resolve
from oakum.model import Area, Disruption
from oakum.policy import (
    Mode,
    Policy,
    PolicyError,
    SeccompProfile,
    StorageDriver,
    Ulimit,
    Waiver,
    nearest,
)

CONTROLS = ("seccomp", "userland-proxy", "live-restore")
WAIVER = {"control": "seccomp", "reason": "old", "owner": "ops", "until": datetime.date(2026, 1, 1)}


def policy(*layers: dict[str, Any]) -> Policy:
    """The policy of some layers, lowest first; they are called layer 1, layer 2 …"""
    named = [Layer(f"layer {n}", data) for n, data in enumerate(layers, 1)]
    return resolve(named, CONTROLS)


def problems(*layers: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(PolicyError) as error:
        policy(*layers)
    assert str(error.value) == "\n".join(error.value.problems)
    return error.value.problems


# Who wins ----------------------------------------------------------------------------------------


def test_nothing_said_is_the_baseline():
    found = policy()
    assert (found.profile, found.max_disruption) == ("baseline", Disruption.RESTART)
    assert (found.storage_driver, found.userns_remap) == (StorageDriver.AUTO, Mode.OFF)
    assert found.seccomp is SeccompProfile.BUILTIN
    assert found.default_ulimits == {
        "nofile": Ulimit(soft=65536, hard=65536),
        "core": Ulimit(soft=0, hard=0),
    }
    assert (found.only, found.skip, found.waivers) == ((), (), ())


def test_strict_extends_the_baseline():
    base, strict = profiles()["baseline"], profiles()["strict"]
    assert {key for key in base if strict[key] != base[key]} == {
        "title",
        "userns_remap",
        "seccomp",
        "container_limits",
        "container_checks",
        "published_ports",
        "unofficial_images",
        "unpinned_images",
        "image_size",
        "image_layers",
        "image_age",
        "unused_images",
        "log_rotation",
        "no_new_privileges",
        "icc",
        "iptables",
        "experimental",
        "cgroup_namespaces",
        "kernel_panic",
        "resource_isolation",
        "audit_rules",
    }
    assert "extends" not in strict
    found = policy({"oakum_profile": "strict"})
    assert (found.userns_remap, found.seccomp) == (Mode.ENFORCE, SeccompProfile.TIGHT)
    assert found.default_ulimits == policy().default_ulimits


@pytest.mark.parametrize("name", list(profiles()))
def test_every_profile_is_whole(name):
    """Complete by itself, and says what it is for."""
    assert policy({"oakum_profile": name}).profile == name
    assert profiles()[name]["title"]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        pytest.param([{}], Disruption.RESTART, id="profile"),
        pytest.param([{"oakum_max_disruption": "none"}], Disruption.NONE, id="over-the-profile"),
        pytest.param(
            [{"oakum_max_disruption": "none"}, {"oakum_max_disruption": "reload"}],
            Disruption.RELOAD,
            id="the-later-layer",
        ),
        pytest.param(
            [{"oakum_max_disruption": "reload"}, {"oakum_profile": "strict"}],
            Disruption.RELOAD,
            id="a-later-profile-is-still-below",
        ),
        pytest.param(
            [{"oakum_max_disruption": "reload"}, {"oakum_seccomp": "tight"}],
            Disruption.RELOAD,
            id="another-key",
        ),
    ],
)
def test_precedence(layers, expected):
    assert policy(*layers).max_disruption is expected


def test_a_key_is_replaced_whole():
    found = policy(
        {"oakum_default_ulimits": {"nofile": {"soft": 1, "hard": 2}}},
        {"oakum_default_ulimits": {"core": {"soft": 0, "hard": 0}}},
    )
    assert list(found.default_ulimits) == ["core"]


def test_the_last_profile_counts():
    assert policy({"oakum_profile": "strict"}, {"oakum_profile": "baseline"}).profile == "baseline"


# Values ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        pytest.param("userns_remap", "enforce", Mode.ENFORCE, id="word"),
        pytest.param("userns_remap", "audit", Mode.AUDIT, id="audit"),
        pytest.param("userns_remap", False, Mode.OFF, id="off-as-yaml-reads-it"),
        pytest.param("userns_remap", Mode.OFF, Mode.OFF, id="the-word-itself"),
        pytest.param("max_disruption", "outage", Disruption.OUTAGE, id="disruption"),
        pytest.param("storage_driver", "fuse-overlayfs", StorageDriver.FUSE_OVERLAYFS, id="driver"),
        pytest.param("seccomp", "tight", SeccompProfile.TIGHT, id="seccomp"),
        pytest.param("only", ["seccomp"], ("seccomp",), id="list"),
        pytest.param("skip", ("seccomp",), ("seccomp",), id="tuple"),
        pytest.param("waivers", [WAIVER], (Waiver(**WAIVER),), id="waiver"),
        pytest.param(
            "waivers",
            [{**WAIVER, "until": "2026-01-01"}],
            (Waiver(**WAIVER),),
            id="waiver-with-the-day-as-text",
        ),
        pytest.param(
            "default_ulimits",
            {"memlock": {"soft": -1, "hard": -1}},
            {"memlock": Ulimit(soft=-1, hard=-1)},
            id="unlimited",
        ),
        pytest.param("default_ulimits", {}, {}, id="no-limits"),
    ],
)
def test_value(key, value, expected):
    assert getattr(policy({f"oakum_{key}": value}), key) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(
            {"oakum_sekkomp": "tight"},
            ["oakum_sekkomp: is no setting (layer 1); nearest: oakum_seccomp"],
            id="misspelt-key",
        ),
        pytest.param({"seccomp": "tight"}, ["seccomp: is no setting (layer 1)"], id="no-prefix"),
        pytest.param({"oakum_": 1}, ["oakum_: is no setting (layer 1)"], id="prefix-alone"),
        pytest.param(
            {"oakum_xyzzy": 1, "oakum_plugh": 2},
            [
                "oakum_xyzzy: is no setting (layer 1); nearest: oakum_",
                "oakum_plugh: is no setting (layer 1); nearest: oakum_",
            ],
            id="every-one-is-told",
        ),
        pytest.param(
            {"oakum_profile": "strickt"},
            ["oakum_profile: 'strickt' is no profile (layer 1); nearest: strict"],
            id="profile",
        ),
        pytest.param(
            {"oakum_profile": ["strict"]},
            ["oakum_profile: ['strict'] is no profile (layer 1)"],
            id="profile-a-list",
        ),
        pytest.param(
            {"oakum_profile": None}, ["oakum_profile: None is no profile"], id="profile-null"
        ),
        pytest.param(
            {"oakum_profile": "x", "oakum_y": 1},
            ["oakum_y: is no setting", "oakum_profile: 'x' is no profile"],
            id="key-and-profile",
        ),
        pytest.param(
            {"oakum_seccomp": "loose"},
            ["oakum_seccomp: Input should be 'builtin' or 'tight'; seen: 'loose' (layer 1)"],
            id="word",
        ),
        pytest.param(
            {"oakum_seccomp": ["tight"], "oakum_userns_remap": {}},
            ["oakum_userns_remap: Input should be", "oakum_seccomp: Input should be"],
            id="list-for-a-word",
        ),
        pytest.param(
            {"oakum_max_disruption": True},
            ["oakum_max_disruption: Input should be 'none', 'reload'"],
            id="yes-is-no-disruption",
        ),
        pytest.param(
            {"oakum_only": "seccomp"},
            ["oakum_only: Input should be a list; seen: 'seccomp' (layer 1)"],
            id="word-for-a-list",
        ),
        pytest.param(
            {"oakum_only": [5]},
            ["oakum_only.0: Input should be a valid string; seen: 5 (layer 1)"],
            id="number-in-a-list",
        ),
        pytest.param(
            {"oakum_only": ["secomp"]},
            ["oakum_only: 'secomp' is no control (layer 1); nearest: seccomp"],
            id="only-unknown-control",
        ),
        pytest.param(
            {"oakum_skip": ["x", "y"]},
            ["oakum_skip: 'x' is no control (layer 1); known:", "oakum_skip: 'y' is no control"],
            id="skip-unknown-controls",
        ),
        pytest.param(
            {"oakum_waivers": [{**WAIVER, "control": "proxy"}]},
            ["oakum_waivers: 'proxy' is no control (layer 1)"],
            id="waiver-of-no-control",
        ),
        pytest.param(
            {"oakum_waivers": [{"control": "seccomp"}]},
            [
                "oakum_waivers.0.reason: Field required",
                "oakum_waivers.0.owner: Field required",
                "oakum_waivers.0.until: Field required",
            ],
            id="waiver-without-reason-owner-end",
        ),
        pytest.param(
            {"oakum_waivers": [{**WAIVER, "reason": "", "owner": ""}]},
            ["oakum_waivers.0.reason: String should", "oakum_waivers.0.owner: String should"],
            id="waiver-with-an-empty-reason",
        ),
        pytest.param(
            {"oakum_waivers": [{**WAIVER, "until": "soon"}]},
            ["oakum_waivers.0.until: Input should be a valid date"],
            id="waiver-without-a-day",
        ),
        pytest.param(
            {"oakum_waivers": [{**WAIVER, "who": "me"}]},
            ["oakum_waivers.0.who: Extra inputs are not permitted; seen: 'me' (layer 1)"],
            id="waiver-with-a-word-too-many",
        ),
        pytest.param(
            {"oakum_default_ulimits": {"nproc": {"soft": 1, "hard": 1}}},
            ["default_ulimits: nproc counts over all containers; use a pids limit (layer 1)"],
            id="nproc",
        ),
        pytest.param(
            {"oakum_default_ulimits": {"nofiles": {"soft": 1, "hard": 1}}},
            ["default_ulimits: nofiles is no ulimit; nearest: nofile (layer 1)"],
            id="no-such-ulimit",
        ),
        pytest.param(
            {"oakum_default_ulimits": {"nofile": {"soft": 2, "hard": 1}}},
            ["oakum_default_ulimits.nofile: soft 2 is above hard 1 (layer 1)"],
            id="soft-above-hard",
        ),
        pytest.param(
            {"oakum_default_ulimits": {"nofile": {"soft": -1, "hard": 1}}},
            ["oakum_default_ulimits.nofile: soft -1 is above hard 1 (layer 1)"],
            id="soft-unlimited",
        ),
        pytest.param(
            {"oakum_default_ulimits": {"nofile": {"soft": -2, "hard": -1}}},
            ["oakum_default_ulimits.nofile.soft: Input should be greater than or equal to -1"],
            id="below-unlimited",
        ),
        pytest.param(
            {"oakum_default_ulimits": {"nofile": {"soft": -1, "hard": -2}}},
            ["oakum_default_ulimits.nofile.hard: Input should be greater than or equal to -1"],
            id="hard-below-unlimited",
        ),
        pytest.param(
            {"oakum_default_ulimits": {"nofile": {"soft": "65536", "hard": True}}},
            [
                "oakum_default_ulimits.nofile.soft: Input should be a valid integer; seen: '65536'",
                "oakum_default_ulimits.nofile.hard: Input should be a valid integer; seen: True",
            ],
            id="no-numbers",
        ),
        pytest.param(
            {"oakum_default_ulimits": {"nofile": 65536}},
            ["oakum_default_ulimits.nofile: Input should be"],
            id="one-number",
        ),
        pytest.param(
            {"oakum_before": [{"where": "here", "run": "lb drain", "limit": 0}]},
            [
                "oakum_before.0.where: Input should be 'host' or 'controller'; seen: 'here'",
                "oakum_before.0.run: Input should be a list; seen: 'lb drain' (layer 1)",
                "oakum_before.0.limit: Input should be greater than or equal to 1; seen: 0",
            ],
            id="command-as-a-shell-line",
        ),
        pytest.param(
            {"oakum_after": [{"where": "host", "run": []}]},
            ["oakum_after.0.run: Tuple should have at least 1 item"],
            id="empty-command",
        ),
        pytest.param(
            {"oakum_swarm": "leave"},
            ["oakum_swarm: Input should be 'drain' or 'off'; seen: 'leave' (layer 1)"],
            id="swarm",
        ),
        pytest.param(
            {"oakum_kubernetes": {"node": "-A", "drain_options": ["force"]}},
            [
                "oakum_kubernetes.context: Field required",
                "oakum_kubernetes.node: String should match pattern",
                "oakum_kubernetes.drain_options.0: String should match pattern",
            ],
            id="kubernetes",
        ),
    ],
)
def test_a_slip_is_told_with_its_place(data, expected):
    found = problems(data)
    assert len(found) == len(expected)
    assert all(said.startswith(part) for said, part in zip(found, expected, strict=True)), found


def test_the_place_is_the_layer_that_said_it():
    assert problems({"oakum_seccomp": "tight"}, {"oakum_seccomp": "x"})[0].endswith("(layer 2)")
    assert problems({"oakum_seccomp": "x"}, {"oakum_skip": []})[0].endswith("(layer 1)")
    assert problems({"oakum_a": 1}, {"oakum_b": 1}) == (
        *problems({"oakum_a": 1}),
        problems({}, {"oakum_b": 1})[0],
    )


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        pytest.param("userland_proxy", "; nearest: userland-proxy", id="near"),
        pytest.param("???", "; known: live-restore, seccomp, userland-proxy", id="none-is-near"),
    ],
)
def test_nearest(word, expected):
    assert nearest(word, CONTROLS) == expected


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        pytest.param({}, {"seccomp", "userland-proxy", "live-restore"}, id="all"),
        pytest.param({"oakum_only": ["seccomp"]}, {"seccomp"}, id="only"),
        pytest.param({"oakum_skip": ["seccomp"]}, {"userland-proxy", "live-restore"}, id="skip"),
        pytest.param(
            {"oakum_only": ["seccomp", "live-restore"], "oakum_skip": ["seccomp"]},
            {"live-restore"},
            id="skip-wins",
        ),
    ],
)
def test_which_controls_are_wanted(data, wanted):
    found = policy(data)
    assert {control for control in CONTROLS if found.wants(control, Area.DAEMON)} == wanted


# The file ----------------------------------------------------------------------------------------


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def make(content: str | bytes) -> Path:
        path = tmp_path / "policy.yml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


def test_a_file_as_operators_write_it(write):
    path = write(
        """
        oakum_profile: strict
        oakum_userns_remap: off
        oakum_skip: [live-restore]
        oakum_default_ulimits:
          nofile: {soft: 1024, hard: 4096}
        oakum_waivers:
          - {control: seccomp, reason: legacy, owner: ops, until: 2026-12-31}
        """
    )
    layer = load(path)
    assert layer.source == f"file {path}"
    found = resolve([layer], CONTROLS)
    assert (found.profile, found.userns_remap, found.skip) == (
        "strict",
        Mode.OFF,
        ("live-restore",),
    )
    assert found.default_ulimits == {"nofile": Ulimit(soft=1024, hard=4096)}
    assert found.waivers[0].until == datetime.date(2026, 12, 31)


@pytest.mark.parametrize("content", ["", "# nothing yet\n", "---\n", "null"])
def test_an_empty_file_says_nothing(write, content):
    assert load(write(content)).data == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param("- oakum_seccomp", "expected oakum_* keys, found a list", id="list"),
        pytest.param("strict", "expected oakum_* keys, found a str", id="word"),
        pytest.param("oakum_seccomp: [", "line 1", id="no-yaml"),
        pytest.param("a: 1\n\tb: 2", "found character '\\t'", id="tab"),
        pytest.param(
            "oakum_seccomp: tight\noakum_seccomp: builtin",
            "oakum_seccomp is written twice",
            id="key-twice",
        ),
        pytest.param(
            "oakum_default_ulimits:\n  nofile: {soft: 1, soft: 2, hard: 3}",
            "soft is written twice",
            id="key-twice-inside",
        ),
        pytest.param("? [a, b]\n: 1", "unhashable key", id="list-as-a-key"),
        pytest.param("a: !!python/object/apply:os.getcwd []", "could not determine", id="tag"),
        pytest.param("a: &x\n  b: *x", "recursive", id="a-loop"),
        pytest.param("a: 2026-02-30", "day is out of range for month", id="no-such-day"),
        pytest.param(b"a: \xff", "utf-8", id="latin-1"),
        pytest.param("a: " + "[" * 600, "nested too deeply", id="deep"),
    ],
)
def test_a_file_that_cannot_be_used(write, content, said):
    path = write(content)
    with pytest.raises(PolicyError) as error:
        load(path)
    (problem,) = error.value.problems
    assert problem.startswith(f"{path}: ")
    assert said in problem
    assert "\n" not in problem


@pytest.mark.parametrize("name", ["missing.yml", "."])
def test_a_file_that_cannot_be_read(tmp_path, name):
    with pytest.raises(PolicyError, match=r"No such file|Is a directory"):
        load(tmp_path / name)


def test_the_inventory_keeps_other_tools_keys():
    layer = from_inventory({"oakum_seccomp": "tight", "ssh_user": "me", "oakumish": 1}, "host a")
    assert layer == Layer("host a", {"oakum_seccomp": "tight"})


# The schema --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = policy_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


GOOD = """
oakum_profile: strict
oakum_only: [seccomp]
oakum_skip: []
oakum_max_disruption: outage
oakum_storage_driver: zfs
oakum_userns_remap: "off"
oakum_seccomp: builtin
oakum_default_ulimits: {nofile: {soft: -1, hard: -1}}
oakum_container_limits: [memory, pids, cpu]
oakum_container_checks: [healthchecks, writable-root-filesystems]
oakum_published_ports: [80, 443]
oakum_trusted_containers: ["k8s_*", cadvisor]
oakum_log_rotation: {driver: local, max_size: 1g, max_file: 1}
oakum_no_new_privileges: audit
oakum_icc: enforce
oakum_iptables: "off"
oakum_experimental: enforce
oakum_cgroup_namespaces: enforce
oakum_selinux: enforce
oakum_init: "on"
oakum_shutdown_timeout: 60
oakum_address_pools: [{base: 10.200.0.0/16, size: 24}]
oakum_docker_group: [deploy]
oakum_disk_free: 20
oakum_waivers: [{control: seccomp, reason: r, owner: o, until: "2026-01-01"}]
oakum_time_limits: {answer: 900, shadow: 2, watch: 0}
oakum_kernel_panic: {reboot_after: 30, on_oops: true}
oakum_resource_isolation: "off"
oakum_slice: {tasks_max: "4096", memory_reserve: 5%}
oakum_audit_rules: audit
oakum_preflight: required
oakum_profiles: {acme: {extends: strict, skip: [entropy]}}
oakum_registries: [docker.io/library, "registry.example:5000", ghcr.io/acme/app_x]
oakum_unofficial_images: true
oakum_unpinned_images: true
oakum_image_setuid: true
oakum_image_size: 500
oakum_image_layers: 20
oakum_image_age: 30
oakum_unused_images: 0
oakum_before: [{where: controller, run: [lb, drain], limit: 9}]
oakum_after: [{where: host, run: ["true"]}]
oakum_swarm: drain
oakum_swarm_limit: 600
oakum_swarm_manager: m-1
oakum_insecure_registries: ["10.0.0.0/8", old:5000]
oakum_authorization_plugins: [opa]
oakum_for_engine: "29"
oakum_engine: {source: docker, release: "28.5.2", hold: true}
oakum_kubernetes: {context: prod, node: n-1, limit: 60, drain_options: [--force]}
"""


def test_the_schema_takes_what_the_policy_takes(validator):
    good = yaml.safe_load(GOOD)
    assert good.keys() == {f"oakum_{key}" for key in Policy.model_fields}, "every key, once"
    assert list(validator.iter_errors(good)) == []
    assert policy(good)
    assert list(validator.iter_errors({})) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("oakum_sekkomp", "tight", id="unknown-key"),
        pytest.param("oakum_seccomp", "loose", id="unknown-word"),
        pytest.param("oakum_max_disruption", 3, id="number-for-a-word"),
        pytest.param("oakum_only", "seccomp", id="word-for-a-list"),
        pytest.param("oakum_default_ulimits", {"nofile": {"soft": 1}}, id="no-hard-limit"),
        pytest.param(
            "oakum_default_ulimits", {"nofile": {"soft": -2, "hard": 1}}, id="below-unlimited"
        ),
        pytest.param("oakum_container_limits", ["disk"], id="unknown-limit"),
        pytest.param("oakum_container_limits", "memory", id="word-for-a-list-of-limits"),
        pytest.param("oakum_container_checks", ["privileged-containers"], id="unknown-check"),
        pytest.param("oakum_published_ports", [0], id="port-nought"),
        pytest.param("oakum_published_ports", ["80"], id="port-as-text"),
        pytest.param("oakum_trusted_containers", [1], id="name-as-a-number"),
        pytest.param("oakum_waivers", [{"control": "seccomp"}], id="waiver-without-a-reason"),
        pytest.param("oakum_preflight", "never", id="unknown-preflight"),
        pytest.param("oakum_kernel_panic", {"reboot_after": 0}, id="a-panic-without-an-end"),
        pytest.param("oakum_kernel_panic", {"on_oops": "yes"}, id="word-for-yes-or-no"),
        pytest.param("oakum_slice", {"tasks_max": "0"}, id="no-tasks-at-all"),
        pytest.param("oakum_slice", {"tasks_max": "100%"}, id="nothing-left-of-tasks"),
        pytest.param("oakum_slice", {"memory_reserve": "2G"}, id="bytes-for-a-part"),
        pytest.param("oakum_resource_isolation", "on", id="unknown-mode"),
        pytest.param("oakum_audit_rules", "yes", id="unknown-mode-of-audit"),
        pytest.param("oakum_time_limits", {"answer": 4}, id="no-time-to-answer"),
        pytest.param("oakum_time_limits", {"shadow": 301}, id="shadow-for-too-long"),
        pytest.param("oakum_time_limits", {"watch": -1}, id="watch-before-now"),
        pytest.param("oakum_time_limits", {"reply": 60}, id="unknown-limit"),
        pytest.param("oakum_waivers", [{**WAIVER, "until": "x", "who": "y"}], id="word-too-many"),
    ],
)
def test_the_schema_refuses_what_the_policy_refuses(validator, key, value):
    assert list(validator.iter_errors({key: value}))
    assert problems({key: value})


def test_every_control_may_be_named():
    """The ids that the command line hands in are those of the registry."""
    names = [control.id for control in controls()]
    assert resolve([Layer("test", {"oakum_only": names})], names).only == tuple(names)


# Profiles of an organisation's own ---------------------------------------------------------------

ACME = {"title": "Ours", "extends": "strict", "userns_remap": "audit"}


def test_a_profile_of_ones_own():
    found = policy({"oakum_profiles": {"acme": ACME}}, {"oakum_profile": "acme"})
    assert (found.profile, found.userns_remap, found.seccomp) == (
        "acme",
        Mode.AUDIT,
        SeccompProfile.TIGHT,
    )


def test_it_extends_baseline_where_it_says_nothing_and_others_of_its_own():
    rows = {"acme": {"skip": ["seccomp"]}, "web": {"extends": "acme", "max_disruption": "reload"}}
    found = policy({"oakum_profiles": rows, "oakum_profile": "web"})
    assert (found.skip, found.max_disruption, found.seccomp) == (
        ("seccomp",),
        Disruption.RELOAD,
        SeccompProfile.BUILTIN,
    )


def test_what_a_host_says_wins_over_it():
    said = {"oakum_profiles": {"acme": ACME}, "oakum_profile": "acme"}
    assert policy(said, {"oakum_userns_remap": "off"}).userns_remap is Mode.OFF


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (
            {"strict": {}},
            "oakum_profiles.strict: is oakum's own; choose another name, and extends: strict "
            "(layer 1)",
        ),
        ({"a": 3}, "oakum_profiles.a: expected settings, found 3 (layer 1)"),
        ([ACME], f"oakum_profiles: expected names of profiles, found {[ACME]!r} (layer 1)"),
        (
            {"a": {"sekkomp": "tight"}},
            "oakum_profiles.a.sekkomp: is no setting; nearest: seccomp (layer 1)",
        ),
        (
            {"a": {"extends": "strikt"}},
            "oakum_profiles.a.extends: 'strikt' is no profile; nearest: strict (layer 1)",
        ),
        (
            {"a": {"extends": "b"}, "b": {"extends": "a"}},
            "oakum_profiles: they extend each other in a circle (layer 1)",
        ),
        ({"a": {"extends": ["strict"]}}, "oakum_profiles.a.extends: ['strict'] is no profile"),
    ],
)
def test_a_wrong_profile_is_refused_by_name(rows, problem):
    with pytest.raises(PolicyError) as refused:
        policy({"oakum_profiles": rows})
    assert problem in refused.value.problems[0]


def test_a_wrong_value_in_it_is_told_with_its_name():
    with pytest.raises(PolicyError) as refused:
        policy({"oakum_profiles": {"acme": {"seccomp": "loose"}}, "oakum_profile": "acme"})
    assert "(profile acme)" in refused.value.problems[0]


def test_an_unknown_control_in_it_is_refused():
    with pytest.raises(PolicyError) as refused:
        policy({"oakum_profiles": {"acme": {"skip": ["proxy"]}}, "oakum_profile": "acme"})
    assert refused.value.problems[0].startswith("oakum_skip: 'proxy' is no control (profile acme)")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param({"log_rotation": {"max_size": "10MB"}}, "log_rotation.max_size", id="unit"),
        pytest.param({"log_rotation": {"max_file": 0}}, "log_rotation.max_file", id="no-file"),
        pytest.param({"log_rotation": {"driver": "syslog"}}, "log_rotation.driver", id="driver"),
        pytest.param({"log_rotation": {"size": "1m"}}, "log_rotation.size", id="another-field"),
        pytest.param({"init": "true"}, "oakum_init", id="a-word-of-json"),
        pytest.param({"shutdown_timeout": 0}, "oakum_shutdown_timeout", id="no-time"),
        pytest.param(
            {"address_pools": [{"base": "10.1.1.0/16", "size": 24}]}, "has host bits", id="bits"
        ),
        pytest.param(
            {"address_pools": [{"base": "10.1.0.0", "size": 32}]},
            "is written 10.1.0.0/32",
            id="one",
        ),
        pytest.param(
            {"address_pools": [{"base": "10.1.0.0/16", "size": 8}]}, "cuts no networks", id="wide"
        ),
        pytest.param(
            {"address_pools": [{"base": "10.1.0.0/16", "size": 31}]}, "cuts no networks", id="thin"
        ),
    ],
)
def test_values_of_daemon_json_that_are_refused(data, problem):
    (found,) = problems({f"oakum_{key}": value for key, value in data.items()})
    assert problem in found


@pytest.mark.parametrize(("said", "word"), [(True, "on"), (False, "off"), ("keep", "keep")])
def test_init_may_be_a_switch(said, word):
    assert policy({"oakum_init": said}).init == word


def test_address_pools_of_both_families():
    pools = [{"base": "10.1.0.0/16", "size": 24}, {"base": "fd00:1::/48", "size": 64}]
    found = policy({"oakum_address_pools": pools}).address_pools
    assert [pool.model_dump() for pool in found] == pools
