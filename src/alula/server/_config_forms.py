"""How the values of a configuration are written: each form reads a text and writes it again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ._words import integer

__all__ = [
    "CHOICES_FSYNC",
    "CHOICES_LEVEL",
    "CHOICES_POLICY",
    "Form",
    "OutputLimit",
    "choice",
    "events",
    "memory",
    "number",
    "output_limits",
    "switch",
    "text",
]

CHOICES_FSYNC: Final = ("everysec", "always", "no")
CHOICES_LEVEL: Final = ("debug", "verbose", "notice", "warning")
CHOICES_POLICY: Final = ("noeviction",)


class OutputLimit(NamedTuple):
    """How much may wait for a client that does not read; 0 is no limit.

    Attributes
    ----------
    hard
        Bytes at which it is disconnected at once.
    soft, seconds
        Bytes that may not wait for longer than that.
    """

    hard: int
    soft: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Form:
    """How one kind of value is written.

    Attributes
    ----------
    read
        Gives the value; raises `ValueError` with Redis' words if there is none.
    write
        Gives the text that is read as that value.
    """

    read: Callable[[str], Any]
    write: Callable[[Any], str] = str


def text() -> Form:
    """Any text."""
    return Form(str)


def switch() -> Form:
    """``yes`` or ``no``."""

    def read(given: str) -> bool:
        if given.lower() not in ("yes", "no"):
            raise ValueError("argument must be 'yes' or 'no'")
        return given.lower() == "yes"

    return Form(read, lambda value: "yes" if value else "no")


def choice(among: tuple[str, ...]) -> Form:
    """One of some words."""

    def read(given: str) -> str:
        if given.lower() not in among:
            raise ValueError(f"argument(s) must be one of the following: {', '.join(among)}")
        return given.lower()

    return Form(read)


def number(least: int, most: int) -> Form:
    """An integer within bounds."""

    def read(given: str) -> int:
        value = integer(given.encode(errors="surrogateescape"))
        if value is None:
            raise ValueError("argument couldn't be parsed into an integer")
        return _bounded(value, least, most)

    return Form(read)


def memory(least: int, most: int) -> Form:
    """A number of bytes, which may have a unit: ``1kb`` is 1024, ``1k`` is 1000."""
    return Form(lambda given: _bounded(_bytes(given), least, most))


def _bounded(value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise ValueError(f"argument must be between {least} and {most} inclusive")
    return value


_UNITS: Final = {
    "": 1,
    "b": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "kb": 1 << 10,
    "mb": 1 << 20,
    "gb": 1 << 30,
}


def _bytes(given: str) -> int:
    digits = given.rstrip("bBkKmMgG")
    value, unit = integer(digits.encode(errors="surrogateescape")), _UNITS.get(given[len(digits) :].lower())
    if value is None or unit is None:
        raise ValueError("argument must be a memory value")
    return value * unit


# ----------------------------------------------------------------------- limits of what waits for clients

_CLASSES: Final = {"normal": "normal", "slave": "slave", "replica": "slave", "pubsub": "pubsub"}


def output_limits() -> Form:
    """``class hard soft seconds``, as often as there are classes to change."""
    return Form(_read_limits, _write_limits)


def _read_limits(given: str) -> dict[str, OutputLimit]:
    words = given.split()
    if not words or len(words) % 4:
        raise ValueError("Wrong number of arguments in buffer limit configuration.")
    limits: dict[str, OutputLimit] = {}
    for at in range(0, len(words), 4):
        name, hard, soft, seconds = words[at : at + 4]
        if name.lower() not in _CLASSES:
            raise ValueError("Invalid client class specified in buffer limit configuration.")
        try:
            limits[_CLASSES[name.lower()]] = OutputLimit(_bytes(hard), _bytes(soft), int(seconds))
        except ValueError as error:
            raise ValueError(
                "Error in hard, soft or soft_seconds setting in buffer limit configuration."
            ) from error
    return limits


def _write_limits(limits: Mapping[str, OutputLimit]) -> str:
    return " ".join(f"{name} {limit.hard} {limit.soft} {limit.seconds}" for name, limit in limits.items())


# -------------------------------------------------------------------------------- events of keys

_ALL: Final = "g$lshzxetd"
_LETTERS: Final = "A" + "g$lshzxeKEtmdn"


def events() -> Form:
    """Letters that name classes of events; A stands for those that most people want."""

    def read(given: str) -> str:
        if set(given) - set(_LETTERS):
            raise ValueError(f"Invalid event class character. Use '{_LETTERS}'.")
        asked = set(given) | (set(_ALL) if "A" in given else set())
        begin = "A" if asked >= set(_ALL) else "".join(letter for letter in _ALL if letter in asked)
        return begin + "".join(letter for letter in "KEmn" if letter in asked)

    return Form(read)
