"""The words of schedules: what may stand in a phrase, and the numbers that they stand for."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["ALIASES", "EXAMPLES", "MONTHS", "SPANS", "UNITS", "WEEKDAYS", "Word", "refusal", "words"]

WEEKDAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
"""In the order of cron: 0 is Sunday."""

MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

UNITS: Final = {"minute": 60, "hour": 24, "day": 31, "weekday": 7, "month": 12}
"""The units that a phrase counts in, and how many there are of each."""

SPANS: Final = {
    "workday": frozenset(range(1, 6)),
    "weekday": frozenset(range(1, 6)),
    "weekend": frozenset({0, 6}),
}
"""Words for several days of the week; ``weekday`` is also the unit, where a number comes after it."""

ALIASES: Final = {
    "hourly": "00 * * * *",
    "daily": "00 00 * * *",
    "midnight": "00 00 * * *",
    "weekly": "00 00 * * 0",
    "monthly": "00 00 1 * *",
    "yearly": "00 00 1 1 *",
    "annually": "00 00 1 1 *",
}
"""What may stand after an ``@``."""

_SHORTEST: Final = 3  # letters of the name of a day or month
EXAMPLES: Final = "write for example 'daily, at 06:00' or 'every 5 minutes, on workdays, hours 6/7'"
"""What is added to the message of every refusal."""

_ORDINALS: Final = {"first": 1, "second": 2, "third": 3}
_WORD: Final = re.compile(
    r"""\s*(?:
        (?P<clock>\d{1,2}:\d{2}) |
        (?P<ordinal>\d+(?:st|nd|rd|th)\b) |
        (?P<number>\d+) |
        (?P<name>[^\W\d_]+(?:\(s\))?) |
        (?P<mark>[-/,]|\S)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a phrase.

    Attributes
    ----------
    kind
        ``clock``, ``ordinal``, ``number``, ``weekday``, ``month``, ``span``, ``unit``, ``name`` or ``mark``.
    text
        As it was written, in lower case.
    value
        Its number; minutes since midnight of a clock, and of a name that has none 0.
    plural
        Whether it was written with an s.
    """

    kind: str
    text: str
    value: int = 0
    plural: bool = False


def words(phrase: str) -> Iterator[Word]:
    """Cut a phrase into words; what is no word of ours is a ``name`` or a ``mark``.

    Raises
    ------
    ValueError
        If a time of day is none.
    """
    at, phrase = 0, phrase.strip().lower()
    while at < len(phrase):
        found = _WORD.match(phrase, at)
        assert found is not None  # the last part of the expression takes any character
        at = found.end()
        yield _word(str(found.lastgroup), found.group().strip(), phrase)


def refusal(phrase: str, what: str, why: str = "is not understood") -> ValueError:
    """Make the error for a phrase: what it is about, and two that are well written."""
    return ValueError(f"in the schedule {phrase!r}, {what!r} {why}; {EXAMPLES}")


def _word(kind: str, text: str, phrase: str) -> Word:
    match kind:
        case "clock":
            hour, minute = map(int, text.split(":"))
            if hour > 23 or minute > 59:
                raise refusal(phrase, text, "is no time of day")
            return Word("clock", text, hour * 60 + minute)
        case "ordinal":
            return Word("ordinal", text, int(text[:-2]))
        case "number":
            return Word("number", text, int(text))
        case "name":
            return _named(text)
        case _:
            return Word("mark", text)


def _named(text: str) -> Word:
    if text in _ORDINALS:
        return Word("ordinal", text, _ORDINALS[text])
    for name, plural in _singulars(text):
        if name in SPANS:
            return Word("span", text, plural=plural)
        if name in UNITS:
            return Word("unit", name, plural=plural)
        if (number := _index(name, WEEKDAYS)) is not None:
            return Word("weekday", text, number, plural)
        if (number := _index(name, MONTHS)) is not None:
            return Word("month", text, number + 1, plural)
    return Word("name", text)


def _singulars(text: str) -> Iterator[tuple[str, bool]]:
    """Give a word as it is, and without the s of its plural."""
    yield text, False
    for ending in ("(s)", "s"):
        if text.endswith(ending):
            yield text.removesuffix(ending), True


def _index(name: str, names: Sequence[str]) -> int | None:
    """Find a name by itself, or by its first letters."""
    found = [i for i, each in enumerate(names) if each.lower().startswith(name)]
    return found[0] if found and len(name) >= _SHORTEST else None
