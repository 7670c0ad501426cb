"""exposure: by what answers on the sockets of the living dockerd, whatever its file says."""

import pytest

from oakum.controls.daemon.exposure import CONTROL
from oakum.facts import Unread
from oakum.model import Status
from oakum.parts import Listener

PLAIN = Listener("::", 2375, "plain")
TLS = Listener("10.0.0.5", 2376, "tls")
VERIFIED = Listener("::", 2376, "verified")
WRITTEN = {"hosts": ["fd://", "tcp://0.0.0.0:2375"]}


@pytest.mark.parametrize(
    ("known", "status", "reason"),
    [
        pytest.param({}, Status.OK, None, id="no-socket"),
        pytest.param({"sockets": (VERIFIED,)}, Status.OK, None, id="verified"),
        pytest.param(
            {"sockets": (PLAIN,)},
            Status.HELD,
            "tcp://[::]:2375 answers in plain text: take the tcp:// address away",
            id="plain-though-nothing-is-written",
        ),
        pytest.param({"config": WRITTEN}, Status.OK, None, id="written-and-not-listening"),
        pytest.param(
            {"sockets": (VERIFIED, TLS)},
            Status.HELD,
            "tcp://10.0.0.5:2376 answers over TLS without asking for a certificate",
            id="tls-for-everybody",
        ),
        pytest.param(
            {"sockets": (Listener("127.0.0.1", 2375, "plain"),)},
            Status.HELD,
            "tcp://127.0.0.1:2375 answers in plain text to every local process",
            id="loopback-is-root-for-each-local-user",
        ),
        pytest.param(
            {
                "sockets": tuple(
                    Listener("::", port, word)
                    for port, word in enumerate(("other", "published", "swarm"), 8000)
                )
            },
            Status.OK,
            None,
            id="no-apis",
        ),
        pytest.param(
            {"sockets": (VERIFIED, Listener("::", 2375, "unclear", "no answer within 3 s"))},
            Status.UNKNOWN,
            "tcp://[::]:2375: no answer within 3 s",
            id="unclear",
        ),
        pytest.param(
            {"sockets": (Listener("::", 9000, "unasked"),)},
            Status.UNKNOWN,
            "tcp://[::]:9000: it was not asked",
            id="unasked",
        ),
        pytest.param(
            {"sockets": (Listener("::", 9000, "unclear", "no answer"), PLAIN)},
            Status.HELD,
            "tcp://[::]:2375 answers in plain text: ",
            id="one-open-is-enough",
        ),
        pytest.param(
            {"sockets": Unread("/proc/812 could not be read")},
            Status.UNKNOWN,
            "/proc/812 could not be read",
            id="unread",
        ),
        pytest.param(
            {"running": False}, Status.NOT_APPLICABLE, "dockerd does not run", id="stopped"
        ),
        pytest.param({"engine": None}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"),
    ],
)
def test_verdict(host, policy, finding, known, status, reason):
    found = finding(CONTROL, host(**known), policy())
    assert found.status is status
    assert (reason is None) == (found.reason is None)
    assert (reason or "") in (found.reason or "")


def test_every_open_socket_is_named(host, policy, finding):
    found = finding(CONTROL, host(sockets=(PLAIN, VERIFIED, TLS)), policy())
    assert [fault.split()[0] for fault in found.actual] == [
        "tcp://[::]:2375",
        "tcp://10.0.0.5:2376",
    ]


def test_it_changes_nothing(host, policy, alone):
    assert alone(CONTROL, host(sockets=(PLAIN,)), policy()).changes == ()
