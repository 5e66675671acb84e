"""Times of cron expressions, also where the clock is changed."""

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.workflow._cron import Cron

VIENNA = ZoneInfo("Europe/Vienna")
EXPRESSIONS = [
    "30 2 * * *",
    "*/10 * * * *",
    "0 * * * *",
    "15 1,2,3 * * *",
    "0 0 1 * *",
    "5 4 * * sun",
    "*/20 * * * * *",
]


def at(text: str, zone: ZoneInfo | None = None) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone or UTC).timestamp()


def times(expression: str, zone: str, start: str, count: int) -> list[str]:
    cron, now, found = Cron(expression, zone), at(start), []
    for _ in range(count):
        now = cron.after(now)
        found.append(datetime.fromtimestamp(now, UTC).strftime("%m-%d %H:%M"))
    return found


def test_times_are_those_of_the_zone() -> None:
    assert times("30 7 * * mon-fri", "Europe/Vienna", "2026-01-02T00:00", 2) == ["01-02 06:30", "01-05 06:30"]
    assert times("30 7 * * mon-fri", "UTC", "2026-01-02T00:00", 1) == ["01-02 07:30"]


def test_a_time_that_is_skipped_in_spring_comes_at_the_next_that_exists() -> None:
    # 02:30 does not exist on 29 March: the clock goes from 02:00 to 03:00, which is 01:00 in UTC.
    found = times("30 2 * * *", "Europe/Vienna", "2026-03-28T00:00", 3)
    assert found == ["03-28 01:30", "03-29 01:00", "03-30 00:30"]


def test_a_time_that_comes_twice_in_autumn_counts_once() -> None:
    # 02:30 is 00:30 and 01:30 in UTC on 25 October.
    found = times("30 2 * * *", "Europe/Vienna", "2026-10-24T00:00", 3)
    assert found == ["10-24 00:30", "10-25 00:30", "10-26 01:30"]


def test_what_comes_every_so_many_minutes_does_not_care() -> None:
    cron, now = Cron("*/30 * * * *", "Europe/Vienna"), at("2026-10-24T20:00")
    for _ in range(20):
        later = cron.after(now)
        assert later - now == 1800
        now = later


def test_a_time_within_the_second_of_two_hours_is_not_in_the_past() -> None:
    second = datetime(2026, 10, 25, 2, 10, fold=1, tzinfo=VIENNA).timestamp()
    assert Cron("30 2 * * *", "Europe/Vienna").after(second) == at("2026-10-26T02:30", VIENNA)


def test_six_fields_have_seconds() -> None:
    assert Cron("*/20 * * * * *", "UTC").after(100.5) == 120


@given(
    st.sampled_from(EXPRESSIONS),
    st.sampled_from(["UTC", "Europe/Vienna", "America/St_Johns", "Australia/Lord_Howe"]),
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)),
    st.integers(1, 30),
    st.floats(0, 1e5),
)
def test_the_latest_is_the_one_after_which_none_comes_until_now(
    expression: str, zone: str, start: datetime, count: int, rest: float
) -> None:
    cron = Cron(expression, zone)
    first = now = cron.after(start.replace(tzinfo=UTC).timestamp())
    for _ in range(count):
        now = cron.after(now)
    now += rest
    found = cron.latest(first, now)
    assert first <= found <= now < cron.after(found)


@given(st.sampled_from(EXPRESSIONS), st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)))
def test_times_grow(expression: str, start: datetime) -> None:
    cron, found = Cron(expression, "Europe/Vienna"), [start.replace(tzinfo=UTC).timestamp()]
    for _ in range(10):
        found.append(cron.after(found[-1]))
    assert all(a < b for a, b in pairwise(found))


@pytest.mark.parametrize(
    ("expression", "zone", "says"),
    [
        ("every day", "UTC", "no cron expression"),
        ("61 * * * *", "UTC", "no cron expression"),
        ("0 0 30 2 *", "UTC", "no cron expression"),
        ("0 0 * * *", "Mars/Olympus", "time zone"),
        ("0 0 * * *", "../etc/passwd", "time zone"),
    ],
)
def test_what_is_none_is_refused(expression: str, zone: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Cron(expression, zone)


def test_several_expressions_give_the_times_of_each_once() -> None:
    found = times("5 6 * * * | 10 12 * * *|5 6 * * mon", "UTC", "2026-01-05T00:00", 3)
    assert found == ["01-05 06:05", "01-05 12:10", "01-06 06:05"]


def test_the_latest_of_several_is_that_of_whichever_came_last() -> None:
    cron = Cron("5 6 * * * | 10 12 * * *", "UTC")
    first = cron.after(at("2026-01-01T00:00"))
    assert cron.latest(first, at("2026-03-01T13:00")) == at("2026-03-01T12:10")
    assert cron.latest(first, at("2026-03-02T07:00")) == at("2026-03-02T06:05")
    assert cron.latest(first, first) == first


def test_each_of_several_is_checked() -> None:
    with pytest.raises(ValueError, match=r"'99 6 \* \* \*' is no cron expression"):
        Cron("5 6 * * * | 99 6 * * *", "UTC")
