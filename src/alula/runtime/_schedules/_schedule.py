"""When something is to happen again and again: from a phrase, from cron, or from its parts."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice, pairwise
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from ..._core._settings import Settings
from ..._core._zone import check_zone, local_zone
from ...errors import suggest
from ...workflow import Cron
from ._phrases import parse
from ._plans import Plan, describe
from ._words import EXAMPLES

__all__ = ["Schedule"]

_PARTS: Final = ("minute", "hour", "weekday", "monthday", "month", "at")
_FIELD: Final = re.compile(r"[\d*,/?-]+")
_OFTEN: Final = 3600.0  # seconds between two times, below which somebody ought to be told
_LOOKED_AT: Final = 50  # times in which two that are so near are looked for


class Schedule:
    """The times at which something is to happen.

    Attributes
    ----------
    cron
        The same times as a cron expression; several with ``|`` between them, if no single one has them.
    text
        A phrase for people, which reads as the same schedule. Where no phrase says it, the cron expression.
    timezone
        In which it is read; None for that of the settings.
    """

    def __init__(
        self,
        text: str | None = None,
        *,
        minute: object = None,
        hour: object = None,
        weekday: object = None,
        monthday: object = None,
        month: object = None,
        at: str | None = None,
        timezone: str | None = None,
    ) -> None:
        """Read a phrase or a cron expression, or take the parts of one.

        Parameters
        ----------
        text
            Such as ``"mon-fri at 06:00"``, ``"every 5 minutes, on workdays, hours 6/7"``, ``"@daily"`` or
            ``"*/5 * * * *"``.
        minute, hour, weekday, monthday, month
            A number, a list of numbers, or text as in a phrase: ``weekday="mon/fri"``, ``minute="*/5"``.
        at
            Times of day, as in ``"06:05, 12:05"``.
        timezone
            Such as ``"Europe/Vienna"``; that of the settings by default.

        Raises
        ------
        ValueError
            If nothing is said; if something is not understood, which is quoted; if parts contradict each
            other; or if the times never come.
        TypeError
            If `text` or a part is of a type that it cannot have.
        """
        parts = {"minute": minute, "hour": hour, "weekday": weekday, "monthday": monthday, "month": month}
        given = {name: part for name, part in {**parts, "at": at}.items() if part is not None}
        if text is not None and not isinstance(text, str):
            raise TypeError(f"a schedule is text, not {type(text).__name__}")
        if text is not None and given:
            raise ValueError("give a text, or the parts of a schedule, but not both")
        if text is None and not given:
            raise ValueError("a schedule says when: give a text such as 'daily, at 06:00', or its parts")
        self.timezone = None if timezone is None else _zone(timezone)
        said = _phrase(given) if text is None else text
        crons = [each.strip() for each in said.split("|")]
        if all(map(_is_cron, crons)):
            plans = [plan for plan in map(Plan.read, crons) if plan is not None]
        else:
            plans = parse(said)
            crons = [plan.cron() for plan in plans]
        self.cron = " | ".join(" ".join(each.split()) for each in crons)
        known = len(plans) == len(crons) and len({(p.day, p.month, p.weekday) for p in plans}) == 1
        self.text = _checked(self.cron, plans) if known else self.cron
        try:
            Cron(self.cron, "UTC")
        except ValueError as error:
            raise ValueError(f"{error}; {EXAMPLES}") from error

    @classmethod
    def from_text(cls, text: str, *, timezone: str | None = None) -> Self:
        """Read a phrase; as the class itself does."""
        return cls(text, timezone=timezone)

    @classmethod
    def from_cron(cls, cron: str, *, timezone: str | None = None) -> Self:
        """Read a cron expression, or several with ``|`` between them.

        Raises
        ------
        ValueError
            If it is none, or its times never come.
        """
        if not all(map(_is_cron, cron.split("|"))):
            Cron(cron, "UTC")
            raise ValueError(f"{cron!r} is no cron expression of five fields")
        return cls(cron, timezone=timezone)

    @classmethod
    def of(cls, run_at: "str | Mapping[str, Any] | Schedule") -> "Schedule":
        """Take what people give for a schedule: one of these, a text, or a dict of the parts of one.

        Raises
        ------
        ValueError, TypeError
            As the class itself; also if it is none of these, or there is no such part.
        """
        if isinstance(run_at, Schedule):
            return run_at
        if isinstance(run_at, Mapping):
            known = (*_PARTS, "text", "timezone")
            for name in run_at:
                if name not in known:
                    raise ValueError(f"a schedule has no part {name!r}; {suggest(str(name), known)}")
            return cls(**run_at)
        return cls(run_at)

    def next_times(self, n: int = 1, last_run: datetime | None = None) -> list[datetime]:
        """Give the times that come next.

        Parameters
        ----------
        n
            How many.
        last_run
            After which; now by default. Without a zone it is one of the schedule's.

        Returns
        -------
        list of datetime
            In the schedule's zone.
        """
        start = datetime.now(UTC).timestamp() if last_run is None else self.timestamp(last_run)
        zone = ZoneInfo(self.zone())
        return [datetime.fromtimestamp(time, zone) for time in islice(self._after(start), n)]

    def timestamp(self, time: datetime) -> float:
        """Give a time in UNIX seconds; one without a zone is one of the schedule's."""
        return (time if time.tzinfo else time.replace(tzinfo=ZoneInfo(self.zone()))).timestamp()

    def zone(self) -> str:
        """Give the name of the zone in which it is read, whoever said it."""
        return self.timezone or Settings.load().timezone or local_zone()

    def is_often(self) -> bool:
        """Tell whether two of its times are less than an hour apart."""
        times = islice(self._after(0.0), _LOOKED_AT)
        return any(later - time < _OFTEN for time, later in pairwise(times))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Schedule):
            return NotImplemented
        return (self.cron, self.timezone) == (other.cron, other.timezone)

    def __hash__(self) -> int:
        return hash((self.cron, self.timezone))

    def __repr__(self) -> str:
        zone = "" if self.timezone is None else f", timezone={self.timezone!r}"
        return f"Schedule({self.text!r}{zone})"

    def _after(self, time: float) -> Iterable[float]:
        cron = Cron(self.cron, self.zone())
        while True:
            yield (time := cron.after(time))


def _is_cron(text: str) -> bool:
    """Tell cron from phrases, which may have as many words: no phrase begins with two fields of cron."""
    fields = text.split()
    return len(fields) in (5, 6) and all(map(_FIELD.fullmatch, fields[:2]))


def _checked(cron: str, plans: list[Plan]) -> str:
    """Give the phrase of some plans, unless it would be read as something else."""
    text = describe(plans)
    try:
        again = parse(text)
    except ValueError:
        return cron
    return text if again == plans else cron


def _zone(name: object) -> str:
    try:
        return check_zone(name)
    except (TypeError, ValueError) as error:
        raise type(error)(f"timezone={name!r} {error}") from error


def _phrase(parts: Mapping[str, object]) -> str:
    return ", ".join(_said(name, part) for name, part in parts.items())


def _said(name: str, part: object) -> str:
    """Write one part as it stands in a phrase."""
    unit = "day" if name == "monthday" else name
    if isinstance(part, (list, tuple, set, frozenset)):
        part = "/".join(map(str, part))
    if isinstance(part, bool) or not isinstance(part, (int, str)):
        raise TypeError(f"{name} is a number, a list of numbers, or text, not {type(part).__name__}")
    text = str(part).strip().replace(",", "/")
    if text.startswith("*/"):
        return f"every {text[2:]} {unit}s"
    if text == "*":
        return f"every {unit}" if unit in ("minute", "hour", "day") else "every day"
    return text if unit in ("weekday", "month") and not text[:1].isdigit() else f"{unit} {text}"
