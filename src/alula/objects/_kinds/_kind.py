"""What a kind is: how values of some types become something that can be sealed, and back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Dumped", "Kind"]


@dataclass(frozen=True, slots=True)
class Dumped:
    """A value in the form in which it is kept.

    Attributes
    ----------
    payload
        What is sealed; large parts as buffers.
    facts
        What is to be known of the value without reading it; JSON. A kind that has ``"columns"`` here
        can read some of them alone.
    """

    payload: Any
    facts: Mapping[str, Any] = field(default_factory=dict)


class Kind(Protocol):
    """One way to keep values; each lives in a module that imports its package at the first use."""

    name: str
    on_request: bool
    """Whether it is chosen only by ``kind=``, never by the type of the value."""

    def accepts(self, value: object) -> bool:
        """Tell whether this kind keeps such a value, importing nothing to find out."""
        ...

    def dump(self, value: Any) -> Dumped:
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

    def load(self, parts: Sequence[Any], columns: Sequence[str] | None) -> Any:
        """Turn what was kept back into the value.

        Parameters
        ----------
        parts
            The payload, and those that were appended to it.
        columns
            Which to read, in this order; None for all, and for kinds without columns.
        """
        ...
