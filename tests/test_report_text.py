"""The page: what a tired operator sees first, and that nothing on it is lost or obeyed."""

import re
from dataclasses import replace

import fleets
import pytest
from fleets import DRIFT, FINE, OK, PROXY, REMAP, finding, plan, row, run
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from oakum.exit_codes import of
from oakum.model import Disruption, Impact, Installation, Kind, Outcome, Severity, Status
from oakum.report import text
from oakum.report.phrases import enumerated, in_words
from oakum.report.text import printable

RUNS = [
    fleets.mixed,
    fleets.many,
    fleets.applied,
    fleets.engineless,
    fleets.hostile,
    fleets.rolled_back,
]


def page(report, **known):
    options = {"width": 80, "colour": False, "next_command": None, "elapsed": 0.94}
    return text.render(report, **{**options, "exit_code": of(report, Severity.LOW), **known})


def one(found=OK, **known):
    """The page of one host."""
    options = {key: known.pop(key) for key in ("verbosity", "width") if key in known}
    command = known.pop("command", "plan")
    return page(run(row("web-1", found, **known), command=command), **options)


# Whole pages -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "made", "options"),
    [
        pytest.param("mixed", fleets.mixed, {}, id="mixed"),
        pytest.param("mixed-80", fleets.mixed, {"width": 80, "elapsed": 0.94}, id="80-columns"),
        pytest.param("mixed-verbose", fleets.mixed, {"verbosity": 1}, id="verbose"),
        pytest.param("many", fleets.many, {}, id="many"),
        pytest.param("applied", fleets.applied, {}, id="applied"),
        pytest.param("engineless", fleets.engineless, {}, id="engineless"),
        pytest.param("hostile", fleets.hostile, {}, id="hostile"),
        pytest.param("rolled-back", fleets.rolled_back, {}, id="rolled-back"),
    ],
)
def test_golden(golden, name, made, options):
    plain = {"width": 100, "elapsed": None, "next_command": "oakum apply fleet.py"}
    golden(f"report-{name}.txt", page(made(), **{**plain, **options}))


def test_a_bootstrap_is_not_told_of_itself():
    """The files of a first start, in the plan of the command that brings them."""
    install = Installation("apt", ("docker.io",))
    told = one(replace(fleets.BEFORE_DOCKER, install=install))
    assert "These files follow before its first start, planned anew" in " ".join(told.split())
    assert "oakum bootstrap" not in told


def test_golden_audit(golden):
    report = replace(fleets.mixed(), command="audit")
    golden("report-audit.txt", page(report, width=100, next_command="oakum plan fleet.py"))


@pytest.mark.parametrize("made", RUNS)
def test_two_pages_of_one_run_are_the_same(made, monkeypatch):
    before = page(made(), colour=True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "41")
    assert page(made(), colour=True) == before


@pytest.mark.parametrize("made", RUNS)
def test_colour_is_all_that_colour_adds(made):
    plain, coloured = page(made()), page(made(), colour=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert "\x1b" not in plain
    assert re.search(r"\x1b\[3[1-6]m", coloured)


@pytest.mark.parametrize("made", RUNS)
@pytest.mark.parametrize("width", [1, 61, 200])
def test_lines_stay_within_the_width(made, width):
    lines = page(made(), width=width, verbosity=1).splitlines()
    assert max(map(cell_len, lines)) <= max(width, 40)


@pytest.mark.parametrize("made", RUNS)
def test_it_is_calm(made):
    assert "!" not in page(made(), verbosity=1)
    assert not [line for line in page(made()).splitlines() if line != line.rstrip()]


def test_a_command_to_copy_is_never_broken():
    long = f"oakum apply {'x' * 100} --sudo"
    assert page(run(row("a")), next_command=long).endswith(f"\nNext: {long}\n")


# What each command and verbosity shows -----------------------------------------------------------

HIT = replace(DRIFT, impact=(Impact("api", "stays", "live-restore"),))
FAILED = {"outcome": Outcome.FAILED, "error": "no space left", "transaction": "7f3a"}


@pytest.mark.parametrize(
    ("known", "shown", "hidden"),
    [
        pytest.param(
            {"command": "audit"}, ["on → off", "would cost: restart"], ["╭", "impact"], id="audit"
        ),
        pytest.param({}, ["╭ /etc/docker", "impact   api: stays", "note "], ["cost:"], id="plan"),
        pytest.param({"verbosity": -1}, ["1 drift", "exit 1"], ["web-1", "Probed"], id="quiet"),
        pytest.param({"verbosity": 1}, ["6.1.0-30-amd64", "arch x86_64"], [], id="verbose"),
        pytest.param(
            {"command": "apply", "outcome": Outcome.APPLIED, "transaction": "7f3a"},
            ["Changed 1 host", " applied\n", "changed  /etc/docker/daemon.json for", "impact"],
            ["╭", "7f3a"],
            id="applied",
        ),
        pytest.param(
            {"command": "apply", **FAILED},
            ["Changed 0 of 1 host", " failed\n", "because  no space left", "planned", "txn/7f3a"],
            ["╭", "changed ", "impact", "note"],
            id="failed",
        ),
        pytest.param(
            {"command": "apply", "verbosity": 1, "outcome": Outcome.APPLIED, "transaction": "7f3a"},
            ["╭", "txn/7f3a"],
            [],
            id="applied-verbose",
        ),
        pytest.param(
            {"error": "half read"}, ["unknown  half read", "1 unknown"], ["because"], id="half-read"
        ),
    ],
)
def test_a_drifting_host(known, shown, hidden):
    told = one(HIT, **known)
    assert [words for words in shown if words not in told] == []
    assert [words for words in hidden if words in told] == []


@pytest.mark.parametrize(
    ("found", "line"),
    [
        pytest.param(OK, "web-1  ok", id="ok"),
        pytest.param(plan(), "web-1  ok", id="no-control-asked"),
        pytest.param(
            plan(fleets.BARE_METAL), "web-1  nothing applies here; -v says why", id="not-applicable"
        ),
    ],
)
def test_a_host_with_nothing_to_say_takes_one_line(found, line):
    assert line in one(found).splitlines()


@pytest.mark.parametrize(
    ("disruption", "words"),
    [
        pytest.param(Disruption.NONE, "nothing restarts", id="none"),
        pytest.param(Disruption.RELOAD, "reload", id="reload"),
        pytest.param(Disruption.RESTART, "restart, containers stay", id="restart"),
        pytest.param(Disruption.OUTAGE, "outage, containers stop", id="outage"),
        pytest.param(Disruption.MIGRATION, "migration, data moves", id="migration"),
    ],
)
def test_the_cost_stands_at_the_right(disruption, words):
    assert (
        one(replace(DRIFT, disruption=disruption), width=100).splitlines()[2].endswith(f"  {words}")
    )


def test_every_container_of_a_host_is_named():
    names = [f"job-{number}" for number in range(40)]
    told = " ".join(one(replace(DRIFT, impact=fleets.stays(names))).split())
    assert f"{enumerated(names)}: each stays (live-restore)" in told


def test_a_diff_that_another_host_has_is_printed_once():
    other = plan(PROXY, changes=DRIFT.changes)
    told = page(run(row("web-1", DRIFT), row("web-2", other)))
    assert told.count("╭") == 1
    assert "  ─ /etc/docker/daemon.json: the same diff as on web-1" in told.splitlines()


@pytest.mark.parametrize(
    ("verbosity", "shown", "more"),
    [
        pytest.param(0, 40, "  │ … 262 more lines; -v shows them", id="cut"),
        pytest.param(1, 302, None, id="whole"),
    ],
)
def test_a_long_diff_says_what_it_leaves_out(verbosity, shown, more):
    lines = [f"key-{number}" for number in range(299)]
    content = "".join(f"{line}\n" for line in ["{", *lines, "}"]).encode()
    new = replace(fleets.FRESH, after=content)
    told = one(plan(PROXY, changes=(new,)), verbosity=verbosity).splitlines()
    framed = [line for line in told if line.startswith("  │")]
    assert len([line for line in framed if "…" not in line]) == shown
    assert more is None or more in framed


def test_a_long_line_of_a_diff_goes_on_below():
    long = "0123456789" * 30
    change = replace(fleets.FRESH, after=f"{long}\n".encode())
    told = one(plan(PROXY, changes=(change,))).splitlines()
    pieces = [line[4:] for line in told if line.startswith(("  │ +", "  ┊ "))]
    assert "".join(pieces) == f"+{long}"


@pytest.mark.parametrize("mark", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\r"])
def test_a_line_of_a_diff_ends_with_a_line_feed_only(mark):
    change = replace(fleets.FRESH, after=f'{{"label": "a{mark}b"}}\n'.encode())
    assert change.diff.endswith(f'@@ -0,0 +1 @@\n+{{"label": "a{mark}b"}}\n')
    told = one(plan(PROXY, changes=(change,))).split("\n")
    (line,) = [line for line in told if "label" in line]
    assert line == f'  │ +{{"label": "a{printable(mark)}b"}}'


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        pytest.param(b"a\n", b"b", ["-a", "+b", "\\ No newline at end of file"], id="lost"),
        pytest.param(b"a", b"a\n", ["-a", "\\ No newline at end of file", "+a"], id="gained"),
        pytest.param(b"", b"\n", ["+"], id="an-empty-line"),
        pytest.param(b"a\r\n", b"b\r\n", ["-a\r", "+b\r"], id="carriage-returns"),
    ],
)
def test_the_last_line_of_a_file_in_a_diff(before, after, lines):
    change = replace(fleets.FRESH, before=before, after=after)
    assert change.diff.split("\n")[3:-1] == lines


# Values and texts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param(True, "on", id="true"),
        pytest.param(False, "off", id="false"),
        pytest.param(None, "none", id="null"),
        pytest.param({}, "none", id="no-limits"),
        pytest.param([], "none", id="empty-list"),
        pytest.param("", "none", id="empty-text"),
        pytest.param(0, "0", id="zero"),
        pytest.param("overlay2", "overlay2", id="text"),
        pytest.param(["a", True], "a, on", id="list"),
        pytest.param(fleets.LIMITS, "nofile 65536:65536", id="ulimit"),
        pytest.param({"core": {"Soft": 0, "Hard": -1}}, "core 0:unlimited", id="unlimited"),
        pytest.param(
            {"a": {"Name": "", "Soft": 1, "Hard": 2}}, "a (named nothing) 1:2", id="ulimit-misnamed"
        ),
        pytest.param({"max-size": "10m"}, "max-size 10m", id="mapping"),
        pytest.param(float("inf"), "inf", id="infinite"),
    ],
)
def test_values_in_words(value, words):
    assert in_words(value) == words


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        pytest.param("grün 漢字 → ok", "grün 漢字 → ok", id="letters"),
        pytest.param("\x1b[31mred", r"\x1b[31mred", id="escape"),
        pytest.param("\x9b2J", r"\x9b2J", id="c1"),
        pytest.param("a\tb\r\nc\0", r"a\tb\r\nc\x00", id="controls"),
        pytest.param("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066", id="bidi"),
        pytest.param("a\u200bb\ufeff", r"a\u200bb\ufeff", id="no-width"),
        pytest.param("\udc80", r"\udc80", id="lone-surrogate"),
        pytest.param("\U000e0041", r"\U000e0041", id="tag"),
        pytest.param("[bold]:boom:[/bold]", "[bold]:boom:[/bold]", id="markup-is-text"),
    ],
)
def test_printable(raw, seen):
    assert printable(raw) == seen
    assert seen in " ".join(one(plan(replace(PROXY, reason=raw))).split())


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=120), st.integers(40, 100))
def test_nothing_that_a_host_says_is_lost(said, width):
    hit = (Impact(said, said, said),)
    file = replace(fleets.FRESH, path=f"/{said}", note=said)
    found = plan(replace(PROXY, actual=[said, 1], reason=said), changes=(file,), impact=hit)
    told = page(run(row(f"a{said}", replace(found, notes=(said,)))), width=width)
    assert all(each.isprintable() or each == "\n" for each in told)
    squeezed = re.sub(r"[\s┊│╭╰]", "", told)
    kept = re.sub(r"[\s┊│╭╰]", "", printable(said))
    assert squeezed.count(kept) >= 8 if kept else True


# The fleet ---------------------------------------------------------------------------------------


def test_controls_come_first_the_most_common_on_top():
    hosts = [row(f"a{n}", plan(*FINE, PROXY)) for n in range(20)]
    hosts += [row(f"b{n}", plan(*FINE, REMAP)) for n in range(11)]
    head = page(run(*hosts)).splitlines()[2:5]
    assert [line.split() for line in head] == [
        ["drift", "held"],
        ["userland-proxy", "20", "-"],
        ["userns-remap", "-", "11"],
    ]


def test_thirty_hosts_are_told_one_by_one():
    hosts = [row(f"web-{n}", DRIFT) for n in range(31)]
    assert "web-29  the same as web-0 (diff identical)" in page(run(*hosts[:30])).splitlines()
    assert "31 hosts  web-0, web-1," in page(run(*hosts))


def test_hosts_that_differ_in_one_elided_line_are_not_the_same():
    content = "".join(f"key-{number}\n" for number in range(200))
    hosts = [
        row(
            f"web-{n}",
            plan(PROXY, changes=(replace(fleets.FRESH, after=f"{content}{n}".encode()),)),
        )
        for n in range(2)
    ]
    assert "the same" not in page(run(*hosts))


def test_uneventful_hosts_are_one_group_unless_all_is_asked_for():
    bare, guest = (
        finding("entropy", Status.NOT_APPLICABLE, reason=why) for why in ("bare", "guest")
    )
    hosts = [row(f"a{n}", plan(*FINE[1:], bare if n % 2 else guest)) for n in range(40)]
    assert "40 hosts" in page(run(*hosts))
    assert page(run(*hosts), verbosity=1).count("20 hosts") == 2


def test_quiet_is_one_line():
    assert page(fleets.applied(), width=100, verbosity=-1).count("\n") == 1


def test_no_hosts():
    assert page(run(), elapsed=None) == (
        "Probed 0 hosts · profile baseline\n\n" + "no hosts" + "exit 3".rjust(72) + "\n"
    )


def test_a_package_has_words_for_a_diff():
    told = one(plan(PROXY, changes=(fleets.HAVEGED,))).splitlines()
    assert "  ╭ package haveged" in told
    assert "  ╰ install it, start and enable its service" in told
    assert fleets.HAVEGED.kind is Kind.PACKAGE
