"""Numbers, times, sizes and states as people read them: filters of the templates, and nothing else.

Each takes None for what is not known, and gives a dash for it.
"""

import json
import time
from datetime import UTC, datetime
from typing import Any, Final

from ..._core._durations import duration

__all__ = [
    "FILTERS",
    "TONES",
    "ago",
    "count",
    "exact",
    "percent",
    "shortened",
    "size",
    "tone",
    "took",
    "value",
]

_NONE: Final = "\N{EN DASH}"
_UNITS: Final = ("B", "kB", "MB", "GB", "TB")
_STEPS: Final = ((86_400 * 365, "y"), (86_400, "d"), (3600, "h"), (60, "min"))

TONES: Final = {
    "SUCCESSFUL": ("ok", "✓"),
    "SUCCESS": ("ok", "✓"),
    "FINISHED": ("ok", "✓"),
    "STOPPED": ("ok", "✓"),
    "DONE": ("ok", "✓"),
    "OK": ("ok", "✓"),
    "FAILED": ("bad", "✗"),
    "FAILURE": ("bad", "✗"),
    "RUNNING": ("busy", "●"),
    "STARTED": ("busy", "●"),
    "RETRY": ("busy", "↻"),
    "PENDING": ("waits", "○"),
    "QUEUED": ("waits", "○"),
    "PAUSED": ("waits", "‖"),
    "ACTIVE": ("ok", "●"),
    "ERROR": ("bad", "✗"),
    "RESUMABLE": ("left", "◌"),
    "CANCELED": ("gone", "⊘"),
    "REVOKED": ("gone", "⊘"),
}
"""By the word of a state: the class that colours it, and the sign beside the word."""


def tone(state: object) -> tuple[str, str]:
    """Give the class and the sign of a state; those of no state for a word that is none."""
    return TONES.get(str(state).upper(), ("plain", "·"))


def exact(seconds: float | None) -> str:
    """Give a moment in UNIX seconds as ISO 8601, in UTC."""
    return _NONE if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def ago(seconds: float | None, now: float | None = None) -> str:
    """Say how long ago a moment was, or how far away it is."""
    if seconds is None:
        return _NONE
    away = (time.time() if now is None else now) - seconds
    said = _roughly(abs(away))
    if said == "0 s":
        return "now"
    return f"{said} ago" if away > 0 else f"in {said}"


def _roughly(seconds: float) -> str:
    for each, unit in _STEPS:
        if seconds >= each:
            return f"{int(seconds // each)} {unit}"
    return f"{int(seconds)} s"


def took(seconds: float | None) -> str:
    """Say how long something took."""
    return _NONE if seconds is None else duration(seconds)


def count(number: float | None) -> str:
    """Write a number with its thousands apart; one that is not whole with three digits that count."""
    if number is None:
        return _NONE
    whole = isinstance(number, int) or (abs(number) >= 1000 and number == number)
    return f"{number:,.0f}" if whole else f"{number:.3g}"


def size(number: float | None) -> str:
    """Write a number of bytes."""
    if number is None:
        return _NONE
    left = float(number)
    for unit in _UNITS:
        if abs(left) < 999.5 or unit == _UNITS[-1]:
            break
        left /= 1000
    return f"{left:.0f} {unit}" if unit == "B" or left >= 100 else f"{left:.3g} {unit}"


def value(given: object) -> str:
    """Write what was logged: numbers with five digits that count, texts as they are, all else as JSON."""
    if given is None:
        return _NONE
    if isinstance(given, float):
        return f"{given:.5g}"
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False, default=str)


def percent(share: float | None) -> str:
    """Write a share of one as a percentage."""
    return _NONE if share is None else f"{share:.0%}"


def shortened(text: str, longest: int = 28) -> str:
    """Shorten an id or a name in its middle; its page shows the whole of it."""
    if len(text) <= longest:
        return text
    tail = longest // 3
    return f"{text[: longest - tail - 1]}…{text[-tail:]}"


FILTERS: Final[dict[str, Any]] = {
    "ago": ago,
    "count": count,
    "exact": exact,
    "percent": percent,
    "shortened": shortened,
    "size": size,
    "took": took,
    "tone": tone,
    "value": value,
}
