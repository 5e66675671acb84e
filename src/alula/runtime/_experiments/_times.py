"""Moments as people write them: times, spans, ISO texts, and ``10h``."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["Moment", "moment"]

Moment = datetime | timedelta | str | float | int
"""A time; how long ago; ISO text or a span as text; UNIX seconds."""

_SPAN: Final = re.compile(r"(?P<floor>-)?(?P<count>\d+)(?P<unit>[smhdwMnqy])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_MONTHS: Final = {"M": 1, "n": 1, "q": 3, "y": 12}


def moment(given: Moment, now: float) -> float:
    """Give the UNIX time in seconds for which something stands.

    Parameters
    ----------
    given
        A time without a zone is UTC. ``"10h"`` is ten hours before `now`; units are s, m, h, d, w, M or n for
        months, q for quarters, y. With a minus it is the beginning of the unit in which that lies:
        ``"-0y"`` is the first of January, ``"-1d"`` the midnight with which yesterday began.
    now
        UNIX time in seconds.

    Raises
    ------
    ValueError
        If a text is none of these.
    TypeError
        If it is nothing of the kind.
    """
    match given:
        case datetime():
            return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()
        case timedelta():
            return now - given.total_seconds()
        case str():
            return _read(given.strip(), now)
        case bool():
            raise TypeError(f"{given!r} is no time")
        case int() | float():
            return float(given)
        case _:
            raise TypeError(f"a {type(given).__name__} is no time: give a datetime, a timedelta or text")


def _read(text: str, now: float) -> float:
    try:
        if span := _SPAN.fullmatch(text):
            then = _back(datetime.fromtimestamp(now, UTC), int(span["count"]), span["unit"])
            return (_floor(then, span["unit"]) if span["floor"] else then).timestamp()
        return moment(datetime.fromisoformat(text), now)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"{text!r} is no time: write it as '2026-01-31T06:00', or as a span such as '10h' or '-0y' "
            "(a number and one of s m h d w M n q y)"
        ) from error


def _back(today: datetime, count: int, unit: str) -> datetime:
    if unit in _SECONDS:
        return today - timedelta(seconds=count * _SECONDS[unit])
    months = today.year * 12 + today.month - 1 - count * _MONTHS[unit]
    day = today.day
    while True:  # the 31st of a shorter month is its last day
        try:
            return today.replace(year=months // 12, month=months % 12 + 1, day=day)
        except ValueError:
            if day <= 28:  # there is no such year
                raise
            day -= 1


def _floor(then: datetime, unit: str) -> datetime:
    """Give the beginning of the second, minute, ... year in which a time lies."""
    if unit in "smh":
        minute, second = (then.minute if unit != "h" else 0), (then.second if unit == "s" else 0)
        return then.replace(minute=minute, second=second, microsecond=0)
    midnight = then.replace(hour=0, minute=0, second=0, microsecond=0)
    match unit:
        case "d":
            return midnight
        case "w":
            return midnight - timedelta(days=midnight.weekday())
        case "q":
            return midnight.replace(month=(midnight.month - 1) // 3 * 3 + 1, day=1)
        case "y":
            return midnight.replace(month=1, day=1)
        case _:
            return midnight.replace(day=1)
