"""Names of objects as people write them: ``iris``, ``iris[x,y]``, ``model@production``, ``model^^``.

Reading a name needs no store: what it points to is found by the catalog.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from ..errors import InvalidNameError, NameNotFoundError

__all__ = ["Reference", "check_name", "is_hidden", "is_temporary", "pick_columns"]

_FORBIDDEN = re.compile(r"[\[\]@^#*?\x00-\x1f]")
_REFERENCE = re.compile(
    r"(?P<name>[^\[\]@^#]*)"
    r"(?:@(?P<tag>[^\[\]@^#]+)|(?P<carets>\^+))?"
    r"(?:\[(?P<columns>[^\[\]]*)\])?"
    r"(?P<chunks>\#.*)?"
)


def check_name(name: str) -> str:
    """Give a name under which an object may be kept.

    Raises
    ------
    InvalidNameError
        If it is empty, or could not be asked for again because it has a character with a meaning.
    """
    if not isinstance(name, str) or not name.strip():
        raise InvalidNameError(name, "it is empty")
    if name != name.strip():
        raise InvalidNameError(name, "it begins or ends with a blank")
    if found := _FORBIDDEN.search(name):
        raise InvalidNameError(name, f"{found.group()!r} has a meaning of its own in names")
    return name


def is_hidden(name: str) -> bool:
    """Tell whether a name is one of the system's, such as ``.omega/logs``."""
    return name.startswith(".")


def is_temporary(name: str) -> bool:
    """Tell whether a name is of something that the runtime made for one call, such as ``_temp_1f``."""
    return name.startswith("_") or "/_" in name


@dataclass(frozen=True, slots=True)
class Reference:
    """What a name asks for.

    Attributes
    ----------
    text
        As it was written.
    name
        Of the object.
    version
        A number from 1, or from the end: -1 is the latest, -2 the one before.
    tag
        A tag; then `version` does not count.
    columns
        What stands in brackets, or None for all.
    """

    text: str
    name: str
    version: int = -1
    tag: str | None = None
    columns: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name.

        Raises
        ------
        InvalidNameError
            If it is wrongly written, or asks for chunks.
        """
        found = _REFERENCE.fullmatch(text) if isinstance(text, str) else None
        if found is None or not found["name"].strip():
            raise InvalidNameError(
                text, "names look like 'iris', 'iris[x,y]', 'iris[^y]', 'model@tag' or 'model^'"
            )
        if found["chunks"]:
            raise InvalidNameError(text, "reading in chunks (#) is not supported; get the whole object")
        version = -1 - len(found["carets"] or "")
        return cls(text, found["name"], version, found["tag"], found["columns"])

    @property
    def is_latest(self) -> bool:
        """Whether it asks for the version that is newest at the time."""
        return self.tag is None and self.version == -1

    def at(self, version: int | None, tag: str | None) -> Self:
        """Add the version or tag that was given beside the name.

        Raises
        ------
        InvalidNameError
            If the name has one itself, both were given, or the version is 0.
        """
        if version is None and tag is None:
            return self
        if not self.is_latest or (version is not None and tag is not None):
            raise InvalidNameError(self.text, "say once which version: in the name, version= or tag=")
        if version == 0:
            raise InvalidNameError(self.text, "versions count from 1, or from the end: -1 is the latest")
        return replace(self, version=version or -1, tag=tag)


def pick_columns(spec: str, columns: Sequence[str], where: str) -> list[str]:
    """Give the columns that the text in brackets asks for, in its order.

    Parameters
    ----------
    spec
        ``x`` or ``x,y``; ``a:c`` from one to the other, both ends included; ``^y`` or ``^x,y`` for all
        others.
    columns
        Those that there are, in their order.
    where
        The full name of the object, for the message.

    Raises
    ------
    NameNotFoundError
        If there is no such column; names it and those there are.
    """
    wanted, others = spec.strip(), False
    if wanted.startswith("^"):
        wanted, others = wanted[1:], True

    def position(column: str) -> int:
        if column not in columns:
            raise NameNotFoundError(f"{where}[{column}]", [f"{where}[{known}]" for known in columns])
        return columns.index(column)

    picked: list[str] = []
    for part in wanted.split(","):
        first, colon, last = (text.strip() for text in part.partition(":"))
        start = position(first) if first or not colon else 0
        stop = (position(last) if last else len(columns) - 1) if colon else start
        picked += columns[start : stop + 1]
    return [column for column in columns if column not in picked] if others else picked
