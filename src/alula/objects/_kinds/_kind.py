"""What a kind is: how values of some types become something that can be kept, and back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..._core._settings import Pickles
from .._checked import Checked
from .._filters import Condition

__all__ = ["Ask", "Dumped", "How", "Kind", "check_options", "refuse_appending"]


@dataclass(frozen=True, slots=True)
class Dumped:
    """A value in the form in which it is kept.

    Attributes
    ----------
    payload
        `Raw` bytes in a format that is harmless to read; anything else is pickled and sealed.
    facts
        What is to be known of the value without reading it; JSON. A kind that has ``"columns"`` here
        can read some of them alone.
    """

    payload: Any
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a value is to be kept.

    Attributes
    ----------
    options
        Those of the put that are the kind's own.
    name
        Under which it will be found.
    pickles
        Whether pickles are welcome.
    sources
        Where packages may come from.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    pickles: Pickles = "trusted"
    sources: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is asked for of a value.

    Attributes
    ----------
    facts
        What the kind noted when it was put.
    columns
        Which to read, in this order; None for all.
    where
        Only rows for which all of these hold.
    rows
        Only these, counted from 0: the first, and the one after the last or None.
    options
        Those of the get that are the kind's own.
    digests
        Of the parts.
    checked
        Which of them need no more checking.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    columns: Sequence[str] | None = None
    where: Sequence[Condition] = ()
    rows: tuple[int, int | None] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    digests: Sequence[str] = ()
    checked: Checked = field(default_factory=Checked)


class Kind(Protocol):
    """One way to keep values; each lives in a module that imports its package at the first use."""

    name: str
    on_request: bool
    """Whether it is chosen only by ``kind=``, never by the type of the value."""
    checks_itself: bool
    """Whether the format of its bytes has checksums, so that reading some of them need not hash all."""
    options: frozenset[str]
    """What `How.options` may have."""

    def accepts(self, value: object) -> bool:
        """Tell whether this kind keeps such a value, importing nothing to find out."""
        ...

    def dump(self, value: Any, how: How) -> Dumped:
        """Turn a value into what is kept.

        Raises
        ------
        TypeError
            If something in it cannot be kept; says what.
        MissingExtraError
            If the package that does it is not installed.
        """
        ...

    def ready(self) -> None:
        """Import what reading needs, before a byte is read.

        Raises
        ------
        MissingExtraError
            If that is not installed.
        """
        ...

    def extend(self, facts: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give the facts of a value that another one is appended to.

        Raises
        ------
        TypeError
            If values of this kind cannot be appended to.
        ValueError
            If these two do not go together; says why.
        """
        ...

    def load(self, parts: Sequence[Any], ask: Ask) -> Any:
        """Turn what was kept back into the value.

        Parameters
        ----------
        parts
            The payload, and those that were appended to it; `Raw` ones as memory where the bytes lie.
        """
        ...


class Chunked(Kind, Protocol):
    """A kind whose values can be read piece by piece."""

    def chunks(self, parts: Sequence[Any], ask: Ask, size: int) -> Iterator[Any]:
        """Give the value in pieces of at most `size` rows, one at least, each read when it is asked for."""
        ...


def check_options(kind: Kind, options: Mapping[str, Any]) -> None:
    """Refuse options that are not the kind's own.

    Raises
    ------
    TypeError
        If there is one; says which there are.
    """
    for name in options:
        if name not in kind.options:
            known = ", ".join(f"{each}=" for each in sorted(kind.options)) or "no options of its own"
            raise TypeError(f"{name}= means nothing for a {kind.name}, which takes {known}")


def refuse_appending(name: str, whole: str) -> TypeError:
    """Make the error for a kind whose values cannot be appended to."""
    return TypeError(f"{name} cannot be appended to: put the whole {whole}")
