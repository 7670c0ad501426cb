"""metrics-exposed: by the sockets of dockerd, and by what its next start would open."""

import pytest

from oakum.controls.daemon.metrics_exposed import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Listener

OPEN = Listener("0.0.0.0", 9323, "other")


def at(address: str, **known: object) -> dict[str, object]:
    return {"config": {"metrics-addr": address}, **known}


@pytest.mark.parametrize(
    ("known", "status", "reason"),
    [
        pytest.param({}, Status.OK, None, id="none"),
        pytest.param(
            at("127.0.0.1:9323", sockets=(Listener("127.0.0.1", 9323, "other"),)),
            Status.OK,
            None,
            id="loopback",
        ),
        pytest.param(
            at("[::1]:9323", sockets=(Listener("::1", 9323, "other"),)), Status.OK, None, id="ipv6"
        ),
        pytest.param(at("localhost:9323"), Status.OK, None, id="localhost"),
        pytest.param(
            at("0.0.0.0:9323", sockets=(OPEN,)),
            Status.HELD,
            "metrics-addr 0.0.0.0:9323 answers everybody: set metrics-addr to",
            id="open",
        ),
        pytest.param(
            {
                "flags": {"metrics-addr": (":9323",)},
                "unit_flags": {"metrics-addr": (":9323",)},
                "sockets": (Listener("::", 9323, "unclear", "no client"),),
            },
            Status.HELD,
            "metrics-addr [::]:9323 answers everybody",
            id="open-by-flag-and-not-asked",
        ),
        pytest.param(
            at("127.0.0.1:9323", sockets=(OPEN,)),
            Status.HELD,
            "metrics-addr 0.0.0.0:9323 answers everybody",
            id="written-and-not-active",
        ),
        pytest.param(
            at("10.0.0.5:9323"),
            Status.HELD,
            "metrics-addr 10.0.0.5:9323 answers everybody from the next start on",
            id="from-the-next-start-on",
        ),
        pytest.param(
            at("10.0.0.5:9323", running=False),
            Status.HELD,
            "from the next start on",
            id="stopped",
        ),
        pytest.param(
            {"sockets": (Listener("::", 2375, "plain"), Listener("::", 80, "published"))},
            Status.OK,
            None,
            id="other-sockets",
        ),
        pytest.param({"sockets": Unread("not root")}, Status.UNKNOWN, "not root", id="unread"),
        pytest.param({"engine": None}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"),
    ],
)
def test_verdict(host, policy, finding, known, status, reason):
    found = finding(CONTROL, host(**known), policy())
    assert found.status is status
    assert (reason is None) == (found.reason is None)
    assert (reason or "") in (found.reason or "")
