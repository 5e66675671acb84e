"""Plans: when something is to happen, as the five fields of cron, and as a phrase for people.

What a phrase says and what a plan reads as go both ways: the text of a plan is a phrase of the same plan.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from ._words import MONTHS, WEEKDAYS

__all__ = ["ANY", "Field", "Plan", "at_times", "describe"]

_FIRST: Final = {"minute": 0, "hour": 0, "day": 1, "month": 1, "weekday": 0}
_LAST: Final = {"minute": 59, "hour": 23, "day": 31, "month": 12, "weekday": 6}
_PADDED: Final = ("minute", "hour")
_WORKDAYS: Final = frozenset(range(1, 6))
_WEEKEND: Final = frozenset({0, 6})
_FEW: Final = 6  # times of day that are named one by one


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a plan: some values, or every so many; neither is any.

    Attributes
    ----------
    values
        As in cron: 0 is Sunday, 1 is January.
    step
        1 for any that was asked for by name, as in "every minute".
    """

    values: frozenset[int] = frozenset()
    step: int = 0

    def __bool__(self) -> bool:
        return bool(self.values) or self.step > 0

    def cron(self, unit: str) -> str:
        """Write it as cron does."""
        if self.values:
            return ",".join(_runs(sorted(self.values), 2 if unit in _PADDED else 1))
        return f"*/{self.step}" if self.step > 1 else "*"

    @classmethod
    def read(cls, text: str, unit: str) -> Self | None:
        """Read what `cron` writes, and little more; None for what a phrase cannot say."""
        if text == "*":
            return cls()
        head, slash, step = text.partition("/")
        if slash:
            return cls(step=int(step)) if head == "*" and step.isdigit() and int(step) > 1 else None
        found: set[int] = set()
        for part in text.split(","):
            first, dash, last = part.partition("-")
            if not first.isdigit() or (dash and not last.isdigit()):
                return None
            found |= set(range(int(first), int(last or first) + 1))
        inside = found <= set(range(_FIRST[unit], _LAST[unit] + 1))
        return cls(frozenset(found)) if found and inside else None


ANY: Final = Field()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The five fields of a cron expression."""

    minute: Field = ANY
    hour: Field = ANY
    day: Field = ANY
    month: Field = ANY
    weekday: Field = ANY

    def cron(self) -> str:
        """Write it as a cron expression."""
        return " ".join(getattr(self, unit).cron(unit) for unit in _FIRST)

    @classmethod
    def read(cls, cron: str) -> Self | None:
        """Read a cron expression; None if a phrase cannot say it."""
        texts = cron.split()
        if len(texts) != len(_FIRST):
            return None
        fields = {unit: Field.read(text, unit) for unit, text in zip(_FIRST, texts, strict=True)}
        known = {unit: field for unit, field in fields.items() if field is not None}
        if len(known) < len(fields) or (known["day"] and known["weekday"]):
            return None
        return cls(**known)


def at_times(times: Iterable[int], days: Plan) -> list[Plan]:
    """Give the plans for some times of day, in minutes since midnight: those times, and no others."""
    hours: dict[int, set[int]] = {}
    for time in times:
        hours.setdefault(time % 60, set()).add(time // 60)
    minutes: dict[frozenset[int], set[int]] = {}
    for minute, found in sorted(hours.items()):
        minutes.setdefault(frozenset(found), set()).add(minute)
    return [
        Plan(
            minute=Field(frozenset(found)),
            hour=Field(hour),
            day=days.day,
            month=days.month,
            weekday=days.weekday,
        )
        for hour, found in minutes.items()
    ]


def describe(plans: Sequence[Plan]) -> str:
    """Give the phrase of some plans, which differ in nothing but their times of day."""
    parts = [*_days(plans[0]), *_times(plans)]
    return ", ".join(parts)


def _days(plan: Plan) -> Iterator[str]:
    if plan.weekday:
        yield f"on {_weekdays(plan.weekday.values)}"
    if plan.day.step:
        yield f"every {plan.day.step} days"
    elif plan.day:
        yield f"{_joined(f'{day}{_ending(day)}' for day in sorted(plan.day.values))} day of month"
    fixed = plan.hour.values and plan.minute.values
    if fixed and not plan.weekday and not plan.day:
        yield "daily"
    if plan.month.step:
        yield f"every {plan.month.step} months"
    elif plan.month:
        yield f"in {_joined(MONTHS[month - 1] for month in sorted(plan.month.values))}"


def _times(plans: Sequence[Plan]) -> Iterator[str]:
    minute, hour = plans[0].minute, plans[0].hour
    times = [h * 60 + m for plan in plans for h in plan.hour.values for m in plan.minute.values]
    if times and (len(times) <= _FEW or len(plans) > 1):
        yield f"at {_joined(f'{time // 60:02}:{time % 60:02}' for time in sorted(times))}"
        return
    if hour.step > 1:
        yield f"every {hour.step} hours"
    if not minute.values:
        yield f"every {minute.step} minutes" if minute.step > 1 else "every minute"
    elif not hour and minute.values == {0}:
        yield "hourly"
    elif minute.values != {0} or hour.values:
        yield f"minute {'/'.join(_runs(sorted(minute.values), 1))}"
    if hour.values:
        yield f"hours {'/'.join(_runs(sorted(hour.values), 1))}"


def _weekdays(values: frozenset[int]) -> str:
    if values in (_WORKDAYS, _WEEKEND):
        return "workdays" if values == _WORKDAYS else "weekends"
    return _joined(WEEKDAYS[day] for day in sorted(values, key=lambda day: day or 7))


def _joined(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def _ending(number: int) -> str:
    if 10 < number % 100 < 14:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _runs(values: Sequence[int], width: int) -> Iterator[str]:
    """Write numbers, with three or more in a row as a range."""
    start = 0
    for i in range(1, len(values) + 1):
        if i == len(values) or values[i] != values[i - 1] + 1:
            run = [f"{value:0{width}}" for value in values[start:i]]
            if len(run) > 2:
                yield f"{run[0]}-{run[-1]}"
            else:
                yield from run
            start = i
