"""Restart policies: who stays away after a reboot."""

import pytest

from oakum.controls.containers.restart_policies import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Container


@pytest.mark.parametrize(
    ("known", "settings", "status", "reason"),
    [
        pytest.param(
            {
                "containers": tuple(
                    Container(word, restart=word)
                    for word in ("always", "unless-stopped", "on-failure")
                )
            },
            {},
            Status.OK,
            None,
            id="has-one",
        ),
        pytest.param(
            {"containers": (Container("web"),)},
            {},
            Status.HELD,
            "web: docker update --restart",
            id="has-none",
        ),
        pytest.param(
            {"containers": (Container("web", one_off=True),)}, {}, Status.OK, None, id="a-job"
        ),
        pytest.param(
            {"containers": (Container("web", task=True),)}, {}, Status.OK, None, id="a-swarms-task"
        ),
        pytest.param(
            {"containers": (Container("k8s_web_x"),)}, {}, Status.OK, None, id="a-kubelets"
        ),
        pytest.param(
            {"containers": (Container("web", unread=("autoremove",)),)},
            {},
            Status.UNKNOWN,
            "did not tell autoremove",
            id="untold",
        ),
        pytest.param(
            {"containers": (Container("web", restart="always", unread=("autoremove",)),)},
            {},
            Status.OK,
            None,
            id="untold-and-not-needed",
        ),
        pytest.param({}, {}, Status.NOT_APPLICABLE, "no container runs", id="no-container"),
        pytest.param(
            {"engine": None}, {}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"
        ),
        pytest.param(
            {"running": False}, {}, Status.NOT_APPLICABLE, "no container runs", id="stopped"
        ),
        pytest.param({"info": Unread("hangs")}, {}, Status.UNKNOWN, "hangs", id="silent-engine"),
        pytest.param(
            {"containers": Unread("too many")}, {}, Status.UNKNOWN, "too many", id="unread"
        ),
    ],
)
def test_verdict(host, policy, finding, known, settings, status, reason):
    found = finding(CONTROL, host(**known), policy(**settings))
    assert found.status is status
    assert found.reason is None if reason is None else reason in str(found.reason)
