"""Who is changed when, and when a run stops: plain names, no hosts."""

from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oakum.model import Disruption
from oakum.schedule import (
    CANARY,
    Amount,
    BadSchedule,
    Member,
    Order,
    StopRule,
    Strategy,
    amount,
    ready,
    stages,
    window,
)

TEN = [Member(f"web-{number}", ("web", "odd" if number % 2 else "even")) for number in range(10)]


def sizes(**how):
    return [(stage.name, len(stage.hosts)) for stage in stages(TEN, Strategy(**how))]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        pytest.param({}, [("batch 1", 10)], id="all-at-once"),
        pytest.param({"canary": Amount(1)}, [(CANARY, 1), ("batch 1", 9)], id="one-canary"),
        pytest.param({"canary": Amount(5, True)}, [(CANARY, 1), ("batch 1", 9)], id="never-none"),
        pytest.param({"canary": "odd"}, [(CANARY, 5), ("batch 1", 5)], id="canary-group"),
        pytest.param({"canary": "web-3"}, [(CANARY, 1), ("batch 1", 9)], id="canary-host"),
        pytest.param(
            {"batches": (Amount(1), Amount(20, True), Amount(100, True))},
            [("batch 1", 1), ("batch 2", 2), ("batch 3", 7)],
            id="growing",
        ),
        pytest.param(
            {"batches": (Amount(4),)}, [("batch 1", 4), ("batch 2", 4), ("batch 3", 2)], id="again"
        ),
        pytest.param({"canary": Amount(99)}, [(CANARY, 10)], id="canary-of-all"),
    ],
)
def test_stages(how, expected):
    assert sizes(**how) == expected


@given(
    st.integers(1, 60),
    st.one_of(st.none(), st.builds(Amount, st.integers(1, 70))),
    st.lists(st.builds(Amount, st.integers(1, 100), st.booleans()), max_size=4),
    st.sampled_from(Order),
)
def test_every_host_is_in_exactly_one_stage(number, canary, batches, order):
    members = [Member(str(name)) for name in range(number)]
    strategy = Strategy(canary=canary, batches=tuple(batches), order=order)
    names = [name for stage in stages(members, strategy) for name in stage.hosts]
    assert sorted(names, key=int) == [member.name for member in members]
    assert all(stage.hosts for stage in stages(members, strategy))


def test_least_disruption_first_keeps_the_inventory_order_among_equals():
    costs = [Disruption.OUTAGE, Disruption.NONE, Disruption.RESTART, Disruption.NONE]
    members = [Member(str(number), disruption=cost) for number, cost in enumerate(costs)]
    (only,) = stages(members, Strategy(order=Order.LEAST_DISRUPTION_FIRST))
    assert only.hosts == ("1", "3", "2", "0")


def test_random_is_another_order_of_the_same_hosts():
    (one,) = stages(TEN, Strategy(order=Order.RANDOM), seed=1)
    (two,) = stages(TEN, Strategy(order=Order.RANDOM), seed=2)
    assert one.hosts != two.hosts
    assert sorted(one.hosts) == sorted(two.hosts)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        pytest.param({"canary": "wbe"}, "--canary wbe: no group or host", id="canary"),
        pytest.param({"spread": "rack"}, "--spread rack: no host has this key", id="spread"),
    ],
)
def test_what_fits_no_host_is_refused(how, said):
    with pytest.raises(BadSchedule, match=said):
        stages(TEN, Strategy(**how))


def test_nobody_waits_for_a_rack_that_is_free():
    racks = {"a": "r1", "b": "r1", "c": "r2", "d": None}
    assert ready(["a", "b", "c", "d"], racks, set()) == "a"
    assert ready(["b", "c", "d"], racks, {"r1"}) == "c"
    assert ready(["b", "d"], racks, {"r1", "r2", None}) == "d"
    assert ready(["b"], racks, {"r1"}) is None


def test_stop_rule_allows_what_it_says():
    rule = StopRule(1)
    rule.count(failed=True, unreachable=False, canary=False)
    assert rule.reason is None
    rule.count(failed=False, unreachable=True, canary=False)
    assert rule.reason is None
    rule.count(failed=True, unreachable=False, canary=False)
    assert rule.reason == "2 failed, --max-fail 1"
    rule.stop("interrupted")
    assert rule.reason == "2 failed, --max-fail 1", "the first reason stays"


def test_unreachable_hosts_count_where_that_is_said():
    rule = StopRule(0, count_unreachable=True)
    rule.count(failed=False, unreachable=True, canary=False)
    assert rule.reason == "1 failed or unreachable, --max-fail 0"


@pytest.mark.parametrize("failed", [True, False])
def test_canary_may_not_fail_whatever_is_allowed(failed):
    rule = StopRule(99)
    rule.count(failed=failed, unreachable=not failed, canary=True)
    assert str(rule.reason).startswith("the canary")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3", Amount(3)), ("25%", Amount(25, True)), (" 100% ", Amount(100, True))],
)
def test_amount(text, expected):
    assert amount(text) == expected


@pytest.mark.parametrize("text", ["", "0", "-1", "x", "101%", "1.5", "%", "3 %%"])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(ValueError, match="neither a number"):
        amount(text)


def test_share_is_rounded_down():
    assert Amount(10, True).of(19) == 1
    assert Amount(0).of(19) == 0


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        pytest.param("09:00-17:00", time(9), time(17), id="day"),
        pytest.param("22:00-05:30", time(5, 29), time(12), id="over-midnight"),
        pytest.param("9:00-17:00", time(16, 59), time(8, 59), id="short"),
    ],
)
def test_window(text, inside, outside):
    assert window(text).holds(inside)
    assert not window(text).holds(outside)


@pytest.mark.parametrize("text", ["", "22", "22:00-22:00", "25:00-01:00", "a-b", "1:00-2:00-3:00"])
def test_what_is_no_window_is_refused(text):
    with pytest.raises(ValueError, match=r"window|time"):
        window(text)
