"""Logs end somewhere: an operator's own driver, limit and options stay."""

import pytest

from oakum.controls.daemon.log_rotation import CONTROL
from oakum.facts import Unread
from oakum.model import Disruption, Impact, Status
from oakum.parts import Container, FileState

LOCAL = {"log_rotation": {"driver": "local"}}
JSON_FILE = {"log_rotation": {"driver": "json-file"}}
LIMITS = {"log-opts": {"max-size": "10m", "max-file": "3"}}
JOURNALD = {"LoggingDriver": "journald"}
IS_LOCAL = {"LoggingDriver": "local"}
LATER = FileState("/etc/docker/daemon.json", "/etc/docker/daemon.json", b"{}", changed=2000)


@pytest.mark.parametrize(
    ("known", "wanted", "status", "reason"),
    [
        pytest.param({}, {}, Status.DRIFT, None, id="engine-default"),
        pytest.param({"engine": "29.7.2"}, {}, Status.DRIFT, None, id="still-the-default-in-29"),
        pytest.param({"config": LIMITS}, {}, Status.OK, None, id="set"),
        pytest.param(
            {"config": {"log-opts": {"max-size": "1g"}}},
            {},
            Status.OK,
            None,
            id="an-operators-own-limit",
        ),
        pytest.param(
            {"config": {"log-opts": {"max-file": "9"}}},
            {},
            Status.DRIFT,
            None,
            id="max-file-alone-does-nothing",
        ),
        pytest.param(
            {"config": {"log-opts": {"max-size": ""}}},
            {},
            Status.DRIFT,
            None,
            id="an-empty-limit-is-none",
        ),
        pytest.param({"config": {"log-opts": None}}, {}, Status.DRIFT, None, id="null"),
        pytest.param(
            {"config": {"log-opts": {"max-size": "1m", "gelf-address": "x"}}},
            {},
            Status.OK,
            None,
            id="limited-with-an-option-that-dockerd-started-with",
        ),
        pytest.param(
            {"config": {"log-opts": {"gelf-address": "udp://x"}}},
            {},
            Status.HELD,
            "log-opts has gelf-address, which json-file does not take",
            id="an-option-of-another-driver",
        ),
        pytest.param(
            {
                "config": {
                    "log-opts": {"mode": "non-blocking", "cache-disabled": "true", "tag": "x"}
                }
            },
            {},
            Status.DRIFT,
            None,
            id="options-that-it-takes",
        ),
        pytest.param(
            {"config": {"log-opts": ["max-size=1m"]}},
            {},
            Status.HELD,
            "log-opts must be an object",
            id="list-as-of-the-flag",
        ),
        pytest.param(
            {"config": {"log-driver": "journald"}, "info": JOURNALD},
            {},
            Status.OK,
            None,
            id="an-operators-own-driver",
        ),
        pytest.param(
            {"config": {"log-driver": "local"}, "info": IS_LOCAL},
            {},
            Status.OK,
            None,
            id="local-rotates-by-itself",
        ),
        pytest.param(
            {"config": {"log-driver": "journald", "log-opts": {"tag": "x"}}, "info": JOURNALD},
            {},
            Status.OK,
            None,
            id="its-own-options",
        ),
        pytest.param(
            {"config": {"log-driver": "journald"}},
            {},
            Status.DRIFT,
            "written, not active",
            id="chosen-and-not-active",
        ),
        pytest.param(
            {
                "flags": {"log-driver": ("syslog",)},
                "unit_flags": {"log-driver": ("syslog",)},
                "info": {"LoggingDriver": "syslog"},
            },
            {},
            Status.OK,
            None,
            id="chosen-by-flag",
        ),
        pytest.param(
            {
                "flags": {"log-opt": ("max-size=5m", "max-file=2")},
                "unit_flags": {"log-opt": ("max-size=5m", "max-file=2")},
            },
            {},
            Status.OK,
            None,
            id="limited-by-flag",
        ),
        pytest.param(
            {"unit_flags": {"log-opt": ("tag=x",)}, "flags": {"log-opt": ("tag=x",)}},
            {},
            Status.HELD,
            "--log-opt is a flag",
            id="unlimited-by-flag",
        ),
        pytest.param(
            {"config": LIMITS, "daemon_file": LATER},
            {},
            Status.DRIFT,
            "written, not active: daemon.json changed",
            id="written-later",
        ),
        pytest.param(
            {"config": LIMITS, "reloaded": {"log-driver": "json-file"}},
            {},
            Status.DRIFT,
            "written, not active",
            id="not-in-its-log",
        ),
        pytest.param(
            {"config": LIMITS, "daemon_file": LATER, "reloaded": LIMITS},
            {},
            Status.OK,
            None,
            id="active-by-its-log",
        ),
        pytest.param({}, LOCAL, Status.DRIFT, None, id="local-wanted"),
        pytest.param(
            {"config": {"log-driver": "local"}, "info": IS_LOCAL},
            LOCAL,
            Status.OK,
            None,
            id="local-set",
        ),
        pytest.param(
            {"config": {"log-driver": "local"}},
            LOCAL,
            Status.DRIFT,
            "written, not active",
            id="local-not-active",
        ),
        pytest.param(
            {"config": {"log-driver": "journald"}, "info": JOURNALD},
            LOCAL,
            Status.DRIFT,
            None,
            id="the-policy-wins-over-journald",
        ),
        pytest.param(
            {"config": {"log-driver": "journald", "log-opts": {"tag": "x"}}, "info": JOURNALD},
            LOCAL,
            Status.HELD,
            "log-opts has tag, which local does not take: dockerd would not start",
            id="option-that-local-refuses",
        ),
        pytest.param(
            {"engine": "29.7.2", "config": {"log-opts": {"tag": "x", "fluentd-address": "y"}}},
            LOCAL,
            Status.HELD,
            "log-opts has fluentd-address, which local",
            id="option-that-29-refuses",
        ),
        pytest.param(
            {"engine": "29.7.2", "config": {"log-opts": {"tag": "x"}}},
            LOCAL,
            Status.DRIFT,
            None,
            id="option-that-29-takes",
        ),
        pytest.param(
            {"kubelet": True},
            LOCAL,
            Status.HELD,
            "a kubelet runs here, which needs json-file",
            id="kubelet",
        ),
        pytest.param({"kubelet": True}, {}, Status.DRIFT, None, id="kubelet-and-a-limit"),
        pytest.param(
            {"kubelet": Unread("hidden")}, LOCAL, Status.UNKNOWN, "hidden", id="kubelet-unread"
        ),
        pytest.param(
            {"kubelet": Unread("hidden")}, {}, Status.UNKNOWN, "hidden", id="kubelet-hidden"
        ),
        pytest.param(
            {"config": {"log-driver": "journald"}, "info": JOURNALD},
            JSON_FILE,
            Status.DRIFT,
            None,
            id="json-file-wanted",
        ),
        pytest.param({"config": LIMITS}, JSON_FILE, Status.OK, None, id="json-file-set"),
        pytest.param({"running": False}, {}, Status.DRIFT, None, id="stopped"),
        pytest.param(
            {"running": False, "config": LIMITS}, {}, Status.OK, None, id="stopped-and-set"
        ),
        pytest.param(
            {"engine": None}, {}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"
        ),
        pytest.param({"config": Unread("EACCES")}, {}, Status.UNKNOWN, "EACCES", id="unreadable"),
        pytest.param(
            {"info": Unread("permission denied")},
            {},
            Status.UNKNOWN,
            "permission denied",
            id="silent",
        ),
    ],
)
def test_verdict(host, policy, finding, known, wanted, status, reason):
    found = finding(CONTROL, host(**known), policy(**wanted))
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


@pytest.mark.parametrize(
    ("config", "wanted", "expected"),
    [
        pytest.param({}, {}, LIMITS, id="the-driver-is-left-out"),
        pytest.param(
            {"log-driver": "json-file", "log-opts": {"tag": "x", "max-file": "9"}},
            {},
            {
                "log-driver": "json-file",
                "log-opts": {"max-size": "10m", "max-file": "9", "tag": "x"},
            },
            id="own-options-stay",
        ),
        pytest.param({}, LOCAL, {"log-driver": "local"}, id="local"),
        pytest.param(
            {"log-opts": {"max-size": "1m"}},
            LOCAL,
            {"log-driver": "local", "log-opts": {"max-size": "1m"}},
            id="local-with-a-limit",
        ),
        pytest.param(
            {},
            {"log_rotation": {"driver": "keep", "max_size": "1g", "max_file": 2}},
            {"log-opts": {"max-size": "1g", "max-file": "2"}},
            id="the-policys-limits",
        ),
    ],
)
def test_what_is_written(host, policy, written, config, wanted, expected):
    assert written(CONTROL, host(config=config), policy(**wanted)) == expected


def test_json_file_instead_of_another(host, policy, written):
    facts = host(config={"log-driver": "journald"}, info=JOURNALD)
    assert written(CONTROL, facts, policy(**JSON_FILE)) == {"log-driver": "json-file", **LIMITS}


def test_it_restarts(host, policy, alone):
    assert alone(CONTROL, host(), policy()).disruption is Disruption.RESTART


def test_containers_with_endless_logs_keep_them(host):
    containers = (
        Container("web", log="json-file"),
        Container("db", log="json-file", log_size="1m"),
        Container("job", log="journald"),
        Container("old", log="local"),
    )
    assert list(CONTROL.impact(host(containers=containers))) == [
        Impact(
            "web",
            "keeps its log without a limit until it is recreated",
            "it is fixed when a container is created",
        )
    ]
