"""Cron expressions in a time zone: pure arithmetic of times.

Times that no single expression has are said by several, with a ``|`` between them.

The rules are those of Debian's cron. A time of day that the clock skips in spring comes at the next one
that exists, and one that comes twice in autumn counts once; but what comes every so many minutes or hours
goes by the time that passes.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

__all__ = ["Cron"]

_TWICE = 3  # times of one reading of the clock, and one more


class Cron:
    """The times of one expression; all times are UNIX times in seconds."""

    def __init__(self, expression: str, timezone: str) -> None:
        """Read an expression.

        Raises
        ------
        ValueError
            If it is none, if there is no such time zone, or if its time never comes.
        """
        self._expressions = [each.strip() for each in expression.split("|")]
        self._zone = _zone(timezone)
        for each in self._expressions:
            try:
                first = next(CronSim(each, datetime.now(UTC)), None)
            except CronSimError as error:
                what = "five fields: minute, hour, day, month, weekday, or six with seconds before them"
                raise ValueError(f"{each!r} is no cron expression of {what}: {error}") from error
            if first is None:
                raise ValueError(f"the time of {each!r} never comes")

    def after(self, time: float) -> float:
        """Give the first of its times after another."""
        # Where the clock goes back, the same reading of it stands for two times.
        return min(
            next(found for found in self._times(each, time) if found > time) for each in self._expressions
        )

    def latest(self, first: float, now: float) -> float:
        """Give the last of its times until now, the first of which is known."""
        found = first
        for each in self._expressions:
            back = islice(self._times(each, now + 1, reverse=True), _TWICE)
            found = max(found, next((time for time in back if time <= now), first))
        while (later := self.after(found)) <= now:
            found = later
        return found

    def _times(self, expression: str, start: float, *, reverse: bool = False) -> Iterator[float]:
        begin = datetime.fromtimestamp(start, self._zone)
        return (time.timestamp() for time in CronSim(expression, begin, reverse))


@lru_cache(maxsize=100)
def _zone(name: str) -> tzinfo:
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # KeyError is what it raises for one it does not know
        raise ValueError(
            f"there is no time zone {name!r} here; one is called like 'Europe/Vienna'"
        ) from error
