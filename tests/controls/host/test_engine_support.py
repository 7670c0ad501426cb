"""Until when an engine is mended, and by whom."""

from datetime import UTC, datetime, timedelta

import pytest
from packaging.version import Version

from oakum.controls.host.engine_support import CONTROL
from oakum.engine import support
from oakum.facts import Unread
from oakum.model import Severity, Status
from oakum.parts import Engine

WRITTEN = datetime.combine(support.written(), datetime.min.time(), UTC)
LATER = WRITTEN + support.TRUSTED_FOR


def of(version, origin="docker-ce", day=WRITTEN, **known):
    engine = Engine(Version(version), version, origin)
    return {"engine": engine, "running": True, "clock": day, **known}


def by(name, version=None, day=WRITTEN, **known):
    release = {"ID": name, **({"VERSION_ID": version} if version else {})}
    return of("20.10.24", "distro", day, os=release, **known)


def on(year, month, day):
    return datetime(year, month, day, tzinfo=UTC)


@pytest.mark.parametrize(
    ("known", "status", "reason"),
    [
        pytest.param(of("29.7.2"), Status.OK, None, id="newest"),
        pytest.param(
            of("28.5.2"),
            Status.HELD,
            "Docker 28.5.2: support by Docker 28 ended on 2026-05-13: upgrade",
            id="ended",
        ),
        pytest.param(of("20.10.24"), Status.HELD, "ended on 2023-12-10", id="long-ended"),
        pytest.param(
            of("26.1.5"), Status.HELD, "Docker 26.1 ended on 2025-02-17", id="a-minor-branch"
        ),
        pytest.param(
            of("20.10.24", day=on(1970, 1, 1)),
            Status.HELD,
            "ended on 2023-12-10",
            id="clock-that-stands-still",
        ),
        pytest.param(of("25.0.17", day=on(2026, 12, 4)), Status.OK, None, id="on-its-last-day"),
        pytest.param(
            of("25.0.17", day=on(2026, 12, 5)),
            Status.HELD,
            "ended on 2026-12-04",
            id="on-the-day-after",
        ),
        pytest.param(of("29.7.2", day=LATER), Status.OK, None, id="table-of-a-year-ago"),
        pytest.param(
            of("29.7.2", day=LATER + timedelta(days=1)),
            Status.UNKNOWN,
            "not known: oakum's table is of 2026-08-23",
            id="table-too-old",
        ),
        pytest.param(of("29.7.2", day=Unread("?")), Status.OK, None, id="no-clock-and-no-end"),
        pytest.param(
            of("25.0.17", day=Unread("date is missing")),
            Status.UNKNOWN,
            "date is missing",
            id="no-clock",
        ),
        pytest.param(
            of("28.5.2", day=Unread("?")), Status.HELD, "2026-05-13", id="no-clock-and-ended"
        ),
        pytest.param(
            of("30.0.0"),
            Status.UNKNOWN,
            "whether Docker 30.0.0 still gets fixes is not known",
            id="younger-than-the-table",
        ),
        pytest.param(of("1.13.1"), Status.UNKNOWN, "Docker 1.13.1", id="older-than-the-table"),
        pytest.param(of("28.5.2", "static"), Status.HELD, "Docker 28", id="static"),
        pytest.param(of("28.5.2", "snap"), Status.HELD, "Docker 28", id="snap"),
        pytest.param(
            of("28.5.2", "rootless", engine_package="docker-ce-rootless-extras 5:28.5.2"),
            Status.HELD,
            "Docker 28",
            id="rootless",
        ),
        pytest.param(by("debian", "12"), Status.OK, None, id="debian-lts"),
        pytest.param(
            of("20.10.24", "rootless", os={"ID": "debian", "VERSION_ID": "12"}),
            Status.OK,
            None,
            id="rootless-of-debian",
        ),
        pytest.param(
            by("debian", "11", on(2026, 9, 1)),
            Status.HELD,
            "Docker 20.10.24: support by debian 11 ended on 2026-08-31",
            id="debian-past-lts",
        ),
        pytest.param(by("debian"), Status.OK, None, id="debian-sid"),
        pytest.param(by("ubuntu", "24.04"), Status.OK, None, id="ubuntu"),
        pytest.param(
            by("ubuntu", "20.04"),
            Status.HELD,
            "ubuntu 20.04 ended on 2025-05-31",
            id="ubuntu-ended",
        ),
        pytest.param(by("rocky", "9.4"), Status.OK, None, id="minor-releases-are-one"),
        pytest.param(by("centos", "7"), Status.HELD, "centos 7 ended on 2024-06-30", id="centos-7"),
        pytest.param(by("alpine", "3.24.1"), Status.OK, None, id="alpine"),
        pytest.param(
            by("alpine", "3.22.5"),
            Status.HELD,
            "alpine 3.22 ended on 2025-12-04",
            id="alpine-community",
        ),
        pytest.param(by("arch"), Status.OK, None, id="rolling"),
        pytest.param(
            by("hannah", "3"),
            Status.UNKNOWN,
            "whether the Docker of hannah 3 still gets fixes is not known",
            id="unheard-of",
        ),
        pytest.param(
            by("ubuntu", "31.10"),
            Status.UNKNOWN,
            "the Docker of ubuntu 31.10",
            id="release-to-come",
        ),
        pytest.param(
            by("debian", "12", day=Unread("?")), Status.UNKNOWN, "?", id="distribution-and-no-clock"
        ),
        pytest.param({"engine": None}, Status.NOT_APPLICABLE, "no Docker engine", id="no-engine"),
        pytest.param({"engine": Unread("?")}, Status.UNKNOWN, "?", id="engine-unread"),
    ],
)
def test_verdict(host, policy, finding, known, status, reason):
    found = finding(CONTROL, host(**known), policy())
    assert found.status is status
    if reason is None:
        assert found.reason is None
    else:
        assert reason in str(found.reason)


def test_it_weighs_much():
    assert CONTROL.severity is Severity.HIGH


def test_the_table():
    """Every line names its source, and no end is older than what could run anywhere."""
    rows = [support.table()["engine"], *support.table()["distributions"].values()]
    assert all(row["source"] for row in rows)
    for row in rows:
        for name, until in (row.get("branches") or row["releases"]).items():
            assert isinstance(name, str), name
            assert until is None or until.year >= 2018, name
