"""What people write for a schedule: read exactly as it is meant, or refused."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.runtime import Schedule
from alula.runtime._schedules._phrases import parse
from alula.runtime._schedules._plans import ANY, Field, Plan, at_times, describe

PHRASES = [
    ("daily, at 06:00", "00 06 * * *", "daily, at 06:00"),
    ("at 06:00, daily", "00 06 * * *", "daily, at 06:00"),
    ("friday, at 06:00", "00 06 * * 5", "on Friday, at 06:00"),
    ("friday(s), at 06:00", "00 06 * * 5", "on Friday, at 06:00"),
    ("Mondays and Fridays, at 06:00", "00 06 * * 1,5", "on Monday and Friday, at 06:00"),
    ("monday/wednesday/friday, at 06:00", "00 06 * * 1,3,5", "on Monday, Wednesday and Friday, at 06:00"),
    ("mon-fri at 06:00", "00 06 * * 1-5", "on workdays, at 06:00"),
    ("monday-friday, 06:00", "00 06 * * 1-5", "on workdays, at 06:00"),
    ("fri-mon, noon", "00 12 * * 0,1,5,6", "on Monday, Friday, Saturday and Sunday, at 12:00"),
    (
        "every 5 minutes, on workdays, hours 6/7",
        "*/5 06,07 * * 1-5",
        "on workdays, every 5 minutes, hours 6/7",
    ),
    ("every 5 minutes, on weekends, in april", "*/5 * * 4 0,6", "on weekends, in April, every 5 minutes"),
    ("every 2 hours, 5 minute, weekdays", "05 */2 * * 1-5", "on workdays, every 2 hours, minute 5"),
    ("every 2nd month, at 06:00", "00 06 * 2 *", "daily, in February, at 06:00"),
    ("every 2 months, at 06:00", "00 06 * */2 *", "daily, every 2 months, at 06:00"),
    ("1st day of month, at 06:00", "00 06 1 * *", "1st day of month, at 06:00"),
    ("on the 1st/15th, in july, at 9am", "00 09 1,15 7 *", "1st and 15th day of month, in July, at 09:00"),
    ("weekday 0, hour 6", "00 06 * * 0", "on Sunday, at 06:00"),
    ("weekdays 1/3, hour 6 and 5 minute", "05 06 * * 1,3", "on Monday and Wednesday, at 06:05"),
    ("at 6pm daily", "00 18 * * *", "daily, at 18:00"),
    ("at 06:00 pm", "00 18 * * *", "daily, at 18:00"),
    ("at 12am and 12:30 pm", "00 00 * * * | 30 12 * * *", "daily, at 00:00 and 12:30"),
    ("06:05/12:10", "05 06 * * * | 10 12 * * *", "daily, at 06:05 and 12:10"),
    ("at 06:05, 12:05", "05 06,12 * * *", "daily, at 06:05 and 12:05"),
    ("every monday", "00 00 * * 1", "on Monday, at 00:00"),
    ("every monday, every hour", "00 * * * 1", "on Monday, hourly"),
    ("hourly", "00 * * * *", "hourly"),
    ("every minute", "* * * * *", "every minute"),
    ("weekly", "00 00 * * 0", "on Sunday, at 00:00"),
    ("weekly, on friday, at 7:30", "30 07 * * 5", "on Friday, at 07:30"),
    ("monthly", "00 00 1 * *", "1st day of month, at 00:00"),
    ("every 3 days, midnight", "00 00 */3 * *", "every 3 days, at 00:00"),
    ("hours 6 through 18, minute 30", "30 06-18 * * *", "daily, minute 30, hours 6-18"),
    ("@hourly", "00 * * * *", "hourly"),
    ("@daily", "00 00 * * *", "daily, at 00:00"),
    ("@weekly", "00 00 * * 0", "on Sunday, at 00:00"),
    ("@yearly", "00 00 1 1 *", "1st day of month, in January, at 00:00"),
    ("0 22 * * 1-5", "0 22 * * 1-5", "on workdays, at 22:00"),
    ("*/20 8 * * *", "*/20 8 * * *", "every 20 minutes, hours 8"),
    ("0 0 L * *", "0 0 L * *", "0 0 L * *"),
    ("0 0 1 * 5", "0 0 1 * 5", "0 0 1 * 5"),
]

REFUSED = [
    ("whenever you like", "whenever"),
    ("tomorrow", "tomorrow"),
    ("@fortnightly", "@fortnightly"),
    ("99 99 * * *", "99 99 * * *"),
    ("0 0 30 2 *", "0 0 30 2 *"),
    ("* * * *", "*"),
    ("at 25:00", "25:00"),
    ("at 6", "6"),
    ("18:00 pm", "18:00"),
    ("0:30 am", "0:30"),
    ("every 2 weeks, mondays", "weeks"),
    ("every 7 minutes", "7"),
    ("every 0 minutes", "0"),
    ("every month", "month"),
    ("every 2nd hour", "hour"),
    ("5 minutes", "5"),
    ("hours 24", "24"),
    ("hours 7-6", "7"),
    ("32nd day of month", "32nd"),
    ("1st day of april", "april"),
    ("weekday 7", "7"),
    ("hours", "hour"),
    ("mondays, xyz", "xyz"),
    ("daily!", "!"),
    ("every", "its end"),
    ("monday -", "its end"),
    ("at 06:00, every 5 minutes", "minute"),
    ("hourly, at 06:00", "hourly"),
    ("every 5 minutes, every 10 minutes", "10"),
    ("every 2 months, in april", "month"),
    ("mondays, 1st day of month", "mondays, 1st day of month"),
    ("", ""),
]


@pytest.mark.parametrize(("phrase", "cron", "text"), PHRASES)
def test_a_phrase_is_read_as_cron_and_told_as_a_phrase(phrase: str, cron: str, text: str) -> None:
    schedule = Schedule(phrase)
    assert (schedule.cron, schedule.text) == (cron, text)
    assert Schedule(text).next_times(5) == schedule.next_times(5)


@pytest.mark.parametrize(("phrase", "quoted"), REFUSED)
def test_what_is_not_understood_is_refused_with_two_examples(phrase: str, quoted: str) -> None:
    with pytest.raises(ValueError, match="write for example 'daily, at 06:00' or 'every 5 minutes") as caught:
        Schedule(phrase)
    assert repr(quoted) in str(caught.value)


TIMES = st.frozensets(st.integers(0, 24 * 60 - 1), min_size=1, max_size=5)


def values(first: int, last: int) -> st.SearchStrategy[Field]:
    some = st.frozensets(st.integers(first, last), min_size=1, max_size=last - first)
    return st.one_of(st.just(ANY), some.map(Field))


DAYS = st.one_of(
    st.builds(Plan, month=values(1, 12), weekday=values(0, 6)),
    st.builds(Plan, month=st.just(Field(step=3)), day=st.one_of(values(1, 31), st.just(Field(step=5)))),
)


@given(DAYS, TIMES)
def test_the_text_of_a_plan_reads_as_the_plan(days: Plan, times: frozenset[int]) -> None:
    plans = at_times(times, days)
    assert parse(describe(plans)) == plans


@given(DAYS, st.sampled_from([2, 5, 30]), values(0, 23))
def test_so_does_that_of_one_that_repeats(days: Plan, step: int, hour: Field) -> None:
    plan = Plan(minute=Field(step=step), hour=hour, day=days.day, month=days.month, weekday=days.weekday)
    assert parse(describe([plan])) == [plan]


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ValueError):  # and no other error
        assert parse(text)


@pytest.mark.parametrize(
    ("parts", "cron"),
    [
        ({"minute": 5, "hour": "*/2"}, "05 */2 * * *"),
        ({"at": "06:05,12:10"}, "05 06 * * * | 10 12 * * *"),
        ({"weekday": "mon/fri", "at": "6am"}, "00 06 * * 1,5"),
        ({"weekday": [1, 2], "hour": [6, 7], "minute": "*/5"}, "*/5 06,07 * * 1,2"),
        ({"monthday": "1/15", "month": "april"}, "00 00 1,15 4 *"),
        ({"month": 4, "monthday": 1, "hour": "*", "minute": 0}, "00 * 1 4 *"),
    ],
)
def test_parts_say_the_same(parts: dict[str, Any], cron: str) -> None:
    assert Schedule(**parts).cron == cron
    assert Schedule.of(parts) == Schedule(**parts)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"minute": 5.5}, TypeError, "minute is a number"),
        ({"text": 5}, TypeError, "a schedule is text"),
        ({"text": "daily", "hour": 5}, ValueError, "not both"),
        ({}, ValueError, "says when"),
        ({"weekday": "funday"}, ValueError, "'funday'"),
        ({"text": "daily", "timezone": "Mars"}, ValueError, "timezone='Mars'"),
    ],
)
def test_what_is_no_schedule_is_refused(given: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        Schedule(**given)


def test_an_unknown_part_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match="'minutes'; did you mean 'minute'"):
        Schedule.of({"minutes": 5})


def test_next_times_are_in_the_zone_of_the_schedule() -> None:
    schedule = Schedule("daily, at 02:30", timezone="Europe/Vienna")
    vienna = ZoneInfo("Europe/Vienna")
    times = schedule.next_times(3, datetime(2026, 3, 28))
    assert [time.astimezone(UTC).strftime("%d %H:%M") for time in times] == [
        "28 01:30",
        "29 01:00",
        "30 00:30",
    ]
    assert times[0].tzinfo == vienna
    assert schedule.next_times(1)[0] > datetime.now(UTC)


def test_the_zone_is_that_of_the_settings_by_default(home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALULA_TIMEZONE", "Asia/Tokyo")
    [time] = Schedule("daily, at 06:00").next_times(1)
    assert (str(time.tzinfo), time.hour) == ("Asia/Tokyo", 6)


def test_two_times_in_an_hour_are_often() -> None:
    assert Schedule("every 30 minutes", timezone="UTC").is_often()
    assert Schedule("06:00/06:30", timezone="UTC").is_often()
    assert not Schedule("hourly", timezone="UTC").is_often()


def test_a_schedule_has_cron_and_equality_and_prints_as_its_phrase() -> None:
    schedule = Schedule.from_cron("0 6 * * 1-5", timezone="UTC")
    assert schedule == Schedule("0 6 * * 1-5", timezone="UTC")
    assert schedule != Schedule.from_text("daily", timezone="UTC")
    assert len({schedule, Schedule("0 6 * * 1-5", timezone="UTC")}) == 1
    assert repr(schedule) == "Schedule('on workdays, at 06:00', timezone='UTC')"
    with pytest.raises(ValueError, match="'daily' is no cron expression"):
        Schedule.from_cron("daily")
