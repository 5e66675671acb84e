"""Phrases: what people write for when something is to happen, read word by word.

Parts stand in any order, with commas or without. A part that is not understood is refused, and so are parts
that contradict each other, or that cron cannot say: what was read is exactly what was meant.
"""

from collections.abc import Callable, Iterable
from typing import Final

from ._plans import ANY, Field, Plan, at_times
from ._words import ALIASES, SPANS, UNITS, Word, refusal, words

__all__ = ["parse"]

_FILLERS: Final = ("on", "in", "at", "the", "of", "from", "between")
_TO: Final = ("-", "to", "through", "until")
_NOON: Final = {"noon": 12 * 60, "midnight": 0}
_HALVES: Final = {"am": 0, "pm": 12 * 60}
_EVERY: Final = ("every", "each")
_WHOLE: Final = {"hour": "hourly", "day": "daily", "week": "weekly", "year": "yearly"}
_FIRST: Final = {"day": 1, "month": 1}  # the lowest number of a unit, where it is not 0
_DEFAULTS: Final = {
    "weekly": {"weekday": 0},
    "monthly": {"day": 1},
    "yearly": {"day": 1, "month": 1},
    "annually": {"day": 1, "month": 1},
}
_END: Final = Word("end", "its end")


def parse(phrase: str) -> list[Plan]:
    """Read a phrase; times of day with different minutes are plans of their own.

    Raises
    ------
    ValueError
        If something in it is not understood, or contradicts something else; quotes it.
    """
    if phrase.strip().startswith("@"):
        name = phrase.strip()[1:].lower()
        plan = Plan.read(ALIASES.get(name, ""))
        if plan is None:
            raise refusal(phrase, phrase.strip(), f"is none of {', '.join('@' + each for each in ALIASES)}")
        return [plan]
    return _Reader(phrase).read()


class _Reader:
    """Reads one phrase from left to right."""

    def __init__(self, phrase: str) -> None:
        self._phrase = phrase
        self._words = [*words(phrase)]
        self._at = 0
        self._said: dict[str, Field] = {}
        self._times: set[int] = set()
        self._aliases: list[str] = []

    def read(self) -> list[Plan]:
        if not self._words:
            raise refusal(self._phrase, "", "says nothing")
        while self._next.kind != "end":
            if not self._takes(",", "and", "/"):
                self._clause()
        return self._plans()

    # --------------------------------------------------------------------------------------- parts

    def _clause(self) -> None:
        if self._takes(*_EVERY):
            self._every()
            return
        while self._takes(*_FILLERS):
            pass
        word = self._next
        match word.kind:
            case "weekday" | "month":
                self._add(word.kind, self._list(lambda: self._item(word.kind), word.kind))
            case "span" if self._peek(1).kind != "number":
                self._span()
            case "span" | "unit":
                self._unit()
            case "number" if self._peek(1).text not in _HALVES:
                self._counted()
            case "ordinal":
                self._ordinals()
            case _:
                self._time_or_alias()

    def _every(self) -> None:
        """Read what stands behind "every"."""
        word, unit = self._next, self._peek(1)
        if word.kind == "number" and unit.kind == "unit":
            self._at += 2
            self._step(unit.text, word)
        elif word.kind == "number":
            self._at += 1
            raise self._refused(self._next, "cannot be counted: name the days, as in 'mondays, at 06:00'")
        elif word.kind == "ordinal" and unit.text in ("minute", "hour"):
            raise self._refused(
                unit, f"has two readings here: write '{unit.text} 2' or 'every 2 {unit.text}s'"
            )
        elif word.text == "minute" and word.kind == "unit":
            self._at += 1
            self._set("minute", Field(step=1), word)
        elif word.text in _WHOLE:
            self._at += 1
            self._aliases.append(_WHOLE[word.text])
        elif word.text == "month":
            raise self._refused(word, "needs a day: write 'monthly' or '1st day of month'")
        else:
            self._clause()

    def _step(self, unit: str, count: Word) -> None:
        size = UNITS[unit]
        if not 0 < count.value < size:
            raise self._refused(count, f"is too little or too much for every so many {unit}s")
        if unit != "day" and size % count.value:
            raise self._refused(count, f"does not divide the {size} {unit}s, so cron cannot count by it")
        self._set(unit, Field(step=count.value), count)

    def _span(self) -> None:
        word = self._take()
        name = next(each for each in SPANS if word.text.startswith(each))
        self._add("weekday", SPANS[name])

    def _unit(self) -> None:
        """Read "hours 6/7", "minute 5", "day 1 of month", "weekday 1"."""
        unit = self._take().text
        name = next(each for each in UNITS if unit.startswith(each))
        if name == "day":
            self._of_month()
        self._add(name, self._list(lambda: self._number(name), "number"))
        if name == "day":
            self._of_month()

    def _counted(self) -> None:
        """Read "5 minute", "6/7 hour", "1 day of month"."""
        ahead = 0
        while self._peek(ahead).kind == "number" or self._peek(ahead).text in ("/", "and", *_TO):
            ahead += 1
        unit = self._peek(ahead)
        if unit.kind != "unit":
            number = self._next.text
            raise self._refused(self._next, f"is no time of day: write '{number}:00' or '{number}am'")
        if unit.plural and ahead == 1:
            many, one = f"every {self._next.text} {unit.text}s", f"{unit.text} {self._next.text}"
            raise self._refused(self._next, f"has two readings here: write '{many}' or '{one}'")
        self._add(unit.text, self._list(lambda: self._number(unit.text), "number"))
        self._at += 1
        if unit.text == "day":
            self._of_month()

    def _ordinals(self) -> None:
        """Read "1st/15th day of month", "2nd month"."""
        first = self._at
        numbers = self._list(lambda: self._take().value, "ordinal")
        unit = "month" if self._next.text == "month" else "day"
        if self._next.kind == "unit" and self._next.text in ("day", "month"):
            self._at += 1
        if unit == "day":
            self._of_month()
        for number in numbers:
            self._check(unit, number, self._words[first])
        self._add(unit, numbers)

    def _of_month(self) -> None:
        if self._takes("of"):
            self._takes("the", *_EVERY)
            if not self._takes("month", "months"):
                raise self._refused(self._next)

    def _time_or_alias(self) -> None:
        word = self._next
        if word.kind in ("clock", "number") or word.text in _NOON:
            self._times |= self._list(self._time, word.kind, *_NOON)
        elif word.text in ALIASES:
            self._at += 1
            self._aliases.append(word.text)
        else:
            raise self._refused(word)

    # --------------------------------------------------------------------------------------- values

    def _time(self) -> int:
        word = self._take()
        if word.text in _NOON:
            return _NOON[word.text]
        half = self._next.text
        if half not in _HALVES:
            if word.kind != "clock":
                raise self._refused(word, "is no time of day")
            return word.value
        self._at += 1
        time = word.value if word.kind == "clock" else word.value * 60
        if not 60 <= time < 13 * 60:
            raise self._refused(word, f"has no {half}: those hours go from 1 to 12")
        return time % (12 * 60) + _HALVES[half]

    def _item(self, kind: str) -> int:
        word = self._take()
        if word.kind != kind:
            raise self._refused(word)
        return word.value

    def _number(self, unit: str) -> int:
        word = self._take()
        if word.kind != "number":
            raise self._refused(word, f"is no number, which has to stand beside {unit!r}")
        return self._check(unit, word.value, word)

    def _check(self, unit: str, number: int, word: Word) -> int:
        first = _FIRST.get(unit, 0)
        if not first <= number < first + UNITS[unit]:
            raise self._refused(word, f"is no {unit}: they go from {first} to {first + UNITS[unit] - 1}")
        return number

    def _list(self, item: Callable[[], int], kind: str, *others: str) -> frozenset[int]:
        """Read values of one kind, with "/" or "and" between them, or "-" from one to the other."""
        found: set[int] = set()
        while True:
            start = self._next
            first = item()
            if self._next.text in _TO and start.kind != "clock":
                self._at += 1
                found.update(self._range(first, item(), start))
            else:
                found.add(first)
            ahead = self._peek(1)
            if self._next.text not in ("/", "and") or not (ahead.kind == kind or ahead.text in others):
                return frozenset(found)
            if kind == "number" and self._next.text == "and" and self._peek(2).kind == "unit":
                return frozenset(found)  # "hour 6 and 5 minute"
            self._at += 1

    def _range(self, first: int, last: int, start: Word) -> Iterable[int]:
        if first <= last:
            return range(first, last + 1)
        if start.kind != "weekday":
            raise self._refused(start, "comes after what it goes to")
        return [*range(first, 7), *range(last + 1)]  # from Friday to Monday

    # ----------------------------------------------------------------------------------------- ends

    def _plans(self) -> list[Plan]:
        said = dict(self._said)
        for alias in self._aliases:
            for unit, number in _DEFAULTS.get(alias, {}).items():
                if not (unit in ("day", "weekday") and ("day" in said or "weekday" in said)):
                    said.setdefault(unit, Field(frozenset({number})))
        if "day" in said and "weekday" in said:
            raise refusal(self._phrase, self._phrase, "names days of the month and of the week: give one")
        days = Plan(**{unit: said.get(unit, ANY) for unit in ("day", "month", "weekday")})
        if self._times:
            for unit in {"hour", "minute"} & said.keys() or {"hourly"} & set(self._aliases):
                raise refusal(self._phrase, unit, "and a time of day contradict each other")
            return at_times(self._times, days)
        minute, hour = said.get("minute", ANY), said.get("hour", ANY)
        if not (minute or hour or "hourly" in self._aliases):
            return at_times({0}, days)  # as @daily and @weekly are: at midnight
        minute = minute or Field(frozenset({0}))
        minute, hour = (ANY if field.step == 1 else field for field in (minute, hour))
        return [Plan(minute=minute, hour=hour, day=days.day, month=days.month, weekday=days.weekday)]

    def _add(self, unit: str, values: Iterable[int]) -> None:
        """Note values of a field, beside those that were named before."""
        before = self._said.get(unit, ANY)
        if before.step:
            raise refusal(self._phrase, unit, "is said twice, and in two ways")
        self._said[unit] = Field(before.values | frozenset(values))

    def _set(self, unit: str, field: Field, word: Word) -> None:
        if unit in self._said:
            raise self._refused(word, f"is a second word on the {unit}")
        self._said[unit] = field

    # ---------------------------------------------------------------------------------------- words

    @property
    def _next(self) -> Word:
        return self._peek(0)

    def _peek(self, ahead: int) -> Word:
        at = self._at + ahead
        return self._words[at] if at < len(self._words) else _END

    def _take(self) -> Word:
        word = self._next
        self._at += 1
        return word

    def _takes(self, *texts: str) -> bool:
        """Step over the next word if it is one of these."""
        found = self._next.text in texts
        self._at += found
        return found

    def _refused(self, word: Word, why: str = "is not understood") -> ValueError:
        return refusal(self._phrase, word.text, why)
