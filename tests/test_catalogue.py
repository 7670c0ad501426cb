"""What the engines accept, as far as a decision of ours rests on it.

The rows are claims of docker-facts (their number in brackets), which were proved on real engines;
so a slip in ``options.yml`` shows here and not on a host.
"""

import pytest
from packaging.version import Version

from oakum.engine.catalogue import (
    NEWEST,
    OLDEST_PLANNED,
    flag_for,
    ignored,
    options,
    refusal,
    release,
    reloadable,
    soon_refused,
)

KINDS = {"alias", "bool", "int", "list", "map", "string"}
EXAMPLE = {"bool": False, "int": 1, "list": [], "map": {}, "string": "x", "alias": "x"}
LIMITS = {"nofile": {"Name": "nofile", "Hard": 65536, "Soft": 65536}}


# The catalogue itself ----------------------------------------------------------------------------


def test_every_option_is_well_formed():
    for key, option in options().items():
        assert option.key == key
        assert option.type in KINDS, key
        assert key == key.lower(), f"{key}: names of daemon.json have no capitals"
        assert not any(flag.startswith("-") for flag in option.flags), key
        ends = [end for end in (option.removed, option.unknown_since) if end]
        assert all(option.since and option.since < end for end in ends), key
        assert list(option.defaults) == sorted(option.defaults, key=lambda row: row[0]), key


def test_nested_names_are_no_options_of_their_own():
    assert not [key for key in options() if set(".[<") & set(key)]
    assert {"builder", "features", "log-opts", "default-ulimits"} <= options().keys()


def test_the_range_of_releases():
    assert Version("20.10.24") == OLDEST_PLANNED
    assert Version("29.7.2") == NEWEST


@pytest.mark.parametrize("version", ["20.10.24", "26.1.5", "28.5.2", "29.7.2"])
def test_a_key_in_its_life_is_accepted(version):
    """From its first release up to its last, with a value of its type."""
    release = Version(version)
    for key, option in options().items():
        alive = (
            option.since
            and option.since <= release
            and not (option.gone and option.gone <= release)
        )
        said = refusal(key, EXAMPLE[option.type], release)
        assert (said is None) is bool(alive), f"{key}: {said}"


# Keys and values by release ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "accepted", "refused"),
    [
        pytest.param("live-restore", True, "1.12", "1.11.2", id="live-restore"),
        pytest.param("default-ulimits", LIMITS, "17.07", "17.06", id="default-ulimits [f1]"),
        pytest.param("seccomp-profile", "/p.json", "1.13", "1.12.6", id="seccomp-profile [e1]"),
        pytest.param("seccomp-profile", "builtin", "23.0", "20.10.24", id="word-builtin [e1]"),
        pytest.param("seccomp-profile", "unconfined", "23.0", "20.10.24", id="unconfined [e1]"),
        pytest.param("storage-driver", "overlay2", "1.12", "1.11", id="overlay2 [c]"),
        pytest.param("storage-driver", "aufs", "23.0.6", "24.0", id="aufs [c3]"),
        pytest.param("storage-driver", "overlay", "23.0.6", "24.0", id="overlay [c3]"),
        pytest.param("storage-driver", "devicemapper", "24.0.9", "25.0", id="devicemapper [c3]"),
        pytest.param("userland-proxy", True, "24.0.9", "25.0", id="written-true [a13]"),
        pytest.param("userland-proxy", False, "29.7.2", "1.9", id="userland-proxy [b1]"),
        pytest.param("userns-remap", "default", "29.7.2", "1.9", id="userns-remap [d1]"),
        pytest.param("graph", "/d", "20.10.24", "23.0", id="graph [h]"),
        pytest.param("cluster-store", "x", "20.10.24", "23.0", id="cluster-store [h]"),
        pytest.param("oom-score-adjust", -500, "24.0.9", "25.0", id="oom-score-adjust [h]"),
        pytest.param("api-cors-header", "*", "27.5.1", "28.0", id="api-cors-header [h]"),
        pytest.param(
            "disable-legacy-registry", True, "18.09", "19.03", id="disable-legacy-registry"
        ),
        pytest.param("min-api-version", "1.44", "29.0", "28.5.2", id="min-api-version [h]"),
        pytest.param("firewall-backend", "nftables", "29.0", "28.5.2", id="firewall-backend [b6]"),
        pytest.param("default-address-pools", [], "18.06", "18.05", id="default-address-pools [h]"),
        pytest.param("data-root", "/d", "17.05", "17.04", id="data-root"),
        pytest.param("no-new-privileges", True, "17.06", "17.05", id="no-new-privileges [h]"),
        pytest.param("features", {"buildkit": True}, "18.09", "18.06", id="features"),
        pytest.param("proxies", {"http-proxy": "x"}, "23.0", "20.10.24", id="proxies"),
        pytest.param("log-format", "json", "25.0", "24.0.9", id="log-format"),
    ],
)
def test_from_and_until(key, value, accepted, refused):
    assert refusal(key, value, Version(accepted)) is None
    assert refusal(key, value, Version(refused))


@pytest.mark.parametrize(
    ("key", "value", "version", "reason"),
    [
        pytest.param("ICC", False, "29.7.2", "does not know ICC", id="capitals [a1]"),
        pytest.param("typo", 1, "29.7.2", "Docker 29.7.2 does not know typo", id="unknown"),
        pytest.param(
            "default-init", "x", "29.7.2", "no Docker release accepts default-init", id="never [a1]"
        ),
        pytest.param("resolv-conf", "x", "20.10.24", "no Docker release", id="resolv-conf [a1]"),
        pytest.param(
            "min-api-version", "1.44", "28.5.2", "needs Docker 29.0.0 or later", id="too-new"
        ),
        pytest.param("graph", "/d", "26.1.5", "Docker 23.0.0 and later refuse graph", id="gone"),
        pytest.param(
            "storage-driver",
            "aufs",
            "26.1.5",
            "Docker 26.1.5 refuses storage-driver = aufs: the driver is gone",
            id="value",
        ),
        pytest.param(
            "icc",
            "false",
            "20.10.24",
            "icc must be true or false; Docker does not start with 'false'",
            id="word-for-bool [a3]",
        ),
        pytest.param("icc", 0, "20.10.24", "icc must be true or false", id="nought-for-bool"),
        pytest.param("mtu", True, "20.10.24", "mtu must be a whole number", id="true-for-number"),
        pytest.param(
            "mtu", 1500.0, "20.10.24", "mtu must be a whole number", id="fraction-for-number"
        ),
        pytest.param("dns", "10.0.0.1", "20.10.24", "dns must be a list", id="word-for-list"),
        pytest.param(
            "default-ulimits",
            ["nofile=1024"],
            "20.10.24",
            "must be an object",
            id="list-for-map [f2]",
        ),
        pytest.param("default-shm-size", 64, "29.7.2", "must be a text", id="number-for-size"),
        pytest.param(
            "default-ulimits",
            {"nofile": {"Hard": 1, "Soft": 1}},
            "29.7.2",
            "default-ulimits.nofile lacks Name: nofile",
            id="limit-without-name [f2]",
        ),
        pytest.param(
            "default-ulimits", {"nofile": 1024}, "29.7.2", "must be an object", id="limit-a-number"
        ),
        pytest.param(
            "default-ulimits",
            {"nofile": {"Name": "core", "Hard": 1, "Soft": 1}},
            "29.7.2",
            "lacks Name: nofile",
            id="limit-of-another-name [f2]",
        ),
        pytest.param("x", {"typo": 1}, "29.7.2", "does not know x", id="unknown-inside [a2]"),
        pytest.param(
            "x", {"min-api-version": "1"}, "20.10.24", "does not know x", id="too-new-inside [a2]"
        ),
        pytest.param("x", ["debug"], "29.7.2", "does not know x", id="unknown-list"),
    ],
)
def test_refused(key, value, version, reason):
    said = refusal(key, value, Version(version))
    assert said
    assert reason in said


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("anything", {"debug": True}, id="flattened [a2]"),
        pytest.param("anything", {"debug": True, "icc": False}, id="flattened-two [a2]"),
        pytest.param("anything", {}, id="flattened-to-nothing [a2]"),
        pytest.param("icc", None, id="null"),
        pytest.param("label", 5, id="alias-of-any-type [a1]"),
        pytest.param("default-ulimits", {}, id="no-limits"),
        pytest.param("default-ulimits", LIMITS, id="limits"),
        pytest.param(
            "default-ulimits", {"core": {"name": "core", "HARD": 0}}, id="fields-in-any-case [a1]"
        ),
        pytest.param("builder", {"gc": {"whatever": 1}}, id="names-inside-builder [a10]"),
        pytest.param("log-opts", {"max-size": "10m"}, id="free-names"),
        pytest.param("runtimes", {"nvidia": {"path": "x"}}, id="free-names-of-runtimes"),
        pytest.param("storage-driver", "whatever", id="a-driver-unknown-to-us"),
    ],
)
@pytest.mark.parametrize("version", ["20.10.24", "29.7.2"])
def test_accepted(key, value, version):
    assert refusal(key, value, Version(version)) is None


def test_what_only_a_reload_refuses_does_not_stop_a_start():
    """[a13] The key written as true: dockerd starts, and every reload fails from 25.0 on."""
    assert refusal("userland-proxy", True, Version("28.5.2"))
    assert refusal("userland-proxy", True, Version("28.5.2"), to_start=True) is None
    assert refusal("storage-driver", "aufs", Version("28.5.2"), to_start=True)


def test_what_only_containers_refuse_does_not_stop_a_start():
    """[f2] A limit without its Name: dockerd starts, and no container."""
    nameless = {"nofile": {"Hard": 1, "Soft": 1}}
    assert refusal("default-ulimits", nameless, NEWEST)
    assert refusal("default-ulimits", nameless, NEWEST, to_start=True) is None
    assert refusal("default-ulimits", {"nofile": 1}, NEWEST, to_start=True)


@pytest.mark.parametrize(
    ("version", "text"),
    [
        pytest.param("1.12.0", "1.12.0", id="of-old"),
        pytest.param("17.06.0", "17.06.0", id="by-the-month"),
        pytest.param("19.3.15", "19.03.15", id="a-nought-that-was-lost"),
        pytest.param("20.10", "20.10.0", id="short"),
        pytest.param("23.0.6", "23.0.6", id="of-today"),
    ],
)
def test_releases_have_their_own_names(version, text):
    assert release(Version(version)) == text


@pytest.mark.parametrize(
    ("key", "version", "reason"),
    [
        pytest.param("label", "29.7.2", "no effect in any release", id="alias [a1]"),
        pytest.param("insecure-registry", "20.10.24", "no effect in any release", id="alias-2"),
        pytest.param("http-proxy", "26.1.5", "no effect in any release", id="top-level-proxy"),
        pytest.param(
            "containerd-plugins-namespace", "29.7.2", "no effect in any release", id="[a1]"
        ),
        pytest.param("icc", "1.10.0", "only from Docker 1.10.2", id="false-in-1.10.0 [a7]"),
        pytest.param("icc", "1.10.2", None, id="false-in-1.10.2 [a7]"),
        pytest.param("userland-proxy", "1.10.1", "only from Docker 1.10.2", id="proxy [a7]"),
        pytest.param("deprecated-key-path", "24.0.0", "no effect from Docker 24.0.0", id="late"),
        pytest.param("deprecated-key-path", "23.0.6", None, id="not-yet"),
        pytest.param("typo", "29.7.2", None, id="unknown"),
    ],
)
def test_accepted_without_effect(key, version, reason):
    said = ignored(key, Version(version))
    if reason is None:
        assert said is None
    else:
        assert said
        assert reason in said


# Defaults, reload, flags -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "version", "default"),
    [
        pytest.param("userland-proxy", "20.10.24", True, id="userland-proxy [b1]"),
        pytest.param("userland-proxy", "29.7.2", True, id="userland-proxy-still [b1]"),
        pytest.param("live-restore", "29.7.2", False, id="live-restore"),
        pytest.param("iptables", "29.7.2", True, id="iptables"),
        pytest.param("icc", "29.7.2", True, id="icc"),
        pytest.param("log-level", "29.7.2", "info", id="log-level"),
        pytest.param("seccomp-profile", "20.10.24", "", id="seccomp-before-23 [e1]"),
        pytest.param("seccomp-profile", "23.0", "builtin", id="seccomp-from-23 [e1]"),
        pytest.param("ip6tables", "26.1.5", False, id="ip6tables-before-27 [h]"),
        pytest.param("ip6tables", "27.0.1", True, id="ip6tables-from-27 [h]"),
        pytest.param("default-ipc-mode", "18.09", "shareable", id="ipc-before-19.03 [h]"),
        pytest.param("default-ipc-mode", "19.03", "private", id="ipc-from-19.03 [h]"),
        pytest.param("oom-score-adjust", "19.03", -500, id="oom-before-20.10 [h]"),
        pytest.param("oom-score-adjust", "20.10", 0, id="oom-from-20.10 [h]"),
        pytest.param("default-ulimits", "29.7.2", {}, id="no-limits"),
        pytest.param("userns-remap", "29.7.2", "", id="userns-remap"),
    ],
)
def test_default(key, version, default):
    assert options()[key].default_in(Version(version)) == default
    assert type(options()[key].default_in(Version(version))) is type(default)


@pytest.mark.parametrize(
    ("key", "zero"),
    [
        pytest.param("live-restore", False, id="bool"),
        pytest.param("userns-remap", "", id="string"),
        pytest.param("mtu", 0, id="int"),
        pytest.param("dns", [], id="list"),
        pytest.param("default-ulimits", {}, id="map"),
    ],
)
def test_what_a_dumped_configuration_leaves_out(key, zero):
    assert options()[key].zero == zero


@pytest.mark.parametrize(
    ("key", "version", "reloads"),
    [
        pytest.param("live-restore", "20.10.24", True, id="live-restore [g1]"),
        pytest.param("live-restore", "1.11", False, id="live-restore-too-early [g1]"),
        pytest.param("debug", "29.7.2", True, id="debug"),
        pytest.param("labels", "29.7.2", True, id="labels"),
        pytest.param("authorization-plugins", "1.12", False, id="plugins-before-1.13 [a13]"),
        pytest.param("authorization-plugins", "1.13", True, id="plugins-from-1.13 [a13]"),
        pytest.param("insecure-registries", "29.7.2", True, id="insecure-registries"),
        pytest.param("default-ulimits", "29.7.2", False, id="default-ulimits"),
        pytest.param("seccomp-profile", "29.7.2", False, id="seccomp-profile"),
        pytest.param("storage-driver", "29.7.2", False, id="storage-driver"),
        pytest.param("userland-proxy", "29.7.2", False, id="userland-proxy"),
        pytest.param("userns-remap", "29.7.2", False, id="userns-remap"),
        pytest.param("icc", "29.7.2", False, id="icc"),
        pytest.param("typo", "29.7.2", False, id="unknown"),
    ],
)
def test_reloadable(key, version, reloads):
    assert reloadable(key, Version(version)) is reloads


@pytest.mark.parametrize(
    ("key", "flags", "found"),
    [
        pytest.param("icc", {"icc"}, "icc", id="same-name"),
        pytest.param("default-ulimits", {"default-ulimit"}, "default-ulimit", id="singular [a4]"),
        pytest.param("hosts", {"host"}, "host", id="host [a5]"),
        pytest.param("containerd", {"containerd"}, "containerd", id="containerd [a5]"),
        pytest.param("labels", {"label"}, "label", id="label"),
        pytest.param("data-root", {"data-root"}, "data-root", id="data-root"),
        pytest.param("graph", {"graph"}, "graph", id="graph"),
        pytest.param(
            "authorization-plugins", {"authorization-plugin"}, "authorization-plugin", id="authz"
        ),
        pytest.param("proxies", {"no-proxy"}, "no-proxy", id="through-inner-names [a4]"),
        pytest.param("icc", {"ip"}, None, id="another"),
        pytest.param("builder", {"builder"}, None, id="no-flag-at-all [a4]"),
        pytest.param("min-api-version", {"min-api-version"}, None, id="no-flag-at-all-2 [a4]"),
        pytest.param("typo", {"typo"}, None, id="unknown"),
    ],
)
def test_flag_for(key, flags, found):
    assert flag_for(key, dict.fromkeys(flags, ("x",))) == found


# Before an upgrade -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "version", "told"),
    [
        pytest.param({}, "20.10.24", [], id="nothing"),
        pytest.param({"icc": False, "live-restore": True}, "20.10.24", [], id="nothing-to-fear"),
        pytest.param(
            {"graph": "/d"}, "20.10.24", ["graph stops Docker 23.0.0 and later"], id="key-gone"
        ),
        pytest.param({"graph": "/d"}, "26.1.5", [], id="already-refused-is-no-warning"),
        pytest.param(
            {"storage-driver": "devicemapper"},
            "20.10.24",
            ["Docker 29.7.2 refuses storage-driver = devicemapper"],
            id="value-gone",
        ),
        pytest.param(
            {"userland-proxy": True},
            "20.10.24",
            ["every reload fails without userland-proxy-path"],
            id="reload-gone",
        ),
        pytest.param(
            {"oom-score-adjust": -1, "api-cors-header": "*"},
            "20.10.24",
            ["oom-score-adjust stops Docker 25.0.0", "api-cors-header stops Docker 28.0.0"],
            id="two-in-the-order-of-the-file",
        ),
        pytest.param({"typo": 1}, "20.10.24", [], id="unknown-is-refused-now"),
    ],
)
def test_soon_refused(settings, version, told):
    found = list(soon_refused(settings, Version(version)))
    assert len(found) == len(told)
    assert all(part in sentence for part, sentence in zip(told, found, strict=True))
