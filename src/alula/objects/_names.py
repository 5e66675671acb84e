"""Names of objects as people write them: ``iris``, ``iris[x,y]``, ``model@production``, ``model^^``.

Reading a name needs no store: what it points to is found by the catalog.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from ..errors import InvalidNameError, NameNotFoundError

__all__ = ["CHUNK", "Reference", "check_columns", "check_name", "is_hidden", "is_temporary", "pick_columns"]

CHUNK: Final = 1 << 17
"""Rows of a chunk where nobody says how many."""

_FORBIDDEN = re.compile(r"[\[\]@^#*?\x00-\x1f]")
_REFERENCE = re.compile(
    r"(?P<name>[^\[\]@^#]*)"
    r"(?:@(?P<tag>[^\[\]@^#]+)|(?P<carets>\^+))?"
    r"(?:\[(?P<columns>[^\[\]]*)\])?"
    r"(?:\#(?P<chunks>.*))?"
)

_NUMBER = re.compile(r"\s*(\w+)\s*=\s*(\d+)\s*(?:,|$)")
_CHUNKS: Final = {
    "": frozenset[str](),
    "iterchunks": frozenset({"chunksize"}),
    "rows": frozenset({"start", "end"}),
}


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
    chunksize
        Rows of each piece, where pieces are asked for; else None.
    rows
        The first row and the one after the last, or None for the end; None for all.
    """

    text: str
    name: str
    version: int = -1
    tag: str | None = None
    columns: str | None = None
    chunksize: int | None = None
    rows: tuple[int, int | None] | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name.

        Raises
        ------
        InvalidNameError
            If it is wrongly written.
        """
        found = _REFERENCE.fullmatch(text) if isinstance(text, str) else None
        if found is None or not found["name"].strip():
            raise InvalidNameError(
                text, "names look like 'iris', 'iris[x,y]', 'iris[^y]', 'iris#', 'model@tag' or 'model^'"
            )
        version = -1 - len(found["carets"] or "")
        made = cls(text, found["name"], version, found["tag"], found["columns"])
        return made if found["chunks"] is None else made._in_chunks(found["chunks"])

    def _in_chunks(self, said: str) -> Self:
        """Read what stands behind ``#``."""
        action, _, given = said.strip().partition(":")
        numbers = dict(_NUMBER.findall(given))
        known = numbers.keys() <= _CHUNKS[action] if action in _CHUNKS else False
        if not known or _NUMBER.sub("", given).strip(" ,"):
            forms = "'iris#', 'iris#iterchunks:chunksize=100' or 'iris#rows:start=10,end=20'"
            raise InvalidNameError(self.text, f"what stands behind # is {said!r}, and not as in {forms}")
        if action == "rows":
            end = numbers.get("end")
            return replace(self, rows=(int(numbers.get("start", 0)), None if end is None else int(end)))
        size = int(numbers.get("chunksize", CHUNK))
        if not size:
            raise InvalidNameError(self.text, "a chunk has one row at least")
        return replace(self, chunksize=size)

    @property
    def unversioned(self) -> str:
        """The same of whichever version: name, columns and chunks."""
        columns = "" if self.columns is None else f"[{self.columns}]"
        chunks = "" if "#" not in self.text else "#" + self.text.partition("#")[2]
        return self.name + columns + chunks

    @property
    def is_latest(self) -> bool:
        """Whether it asks for the version that is newest at the time."""
        return self.tag is None and self.version == -1

    def at(self, version: int | None, tag: str | None) -> Self:
        """Add the version, or the tag or commit, that was given beside the name.

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


def check_columns(wanted: Sequence[str], columns: Sequence[str], where: str) -> list[str]:
    """Give the columns that a list asks for, each by its whole name.

    Raises
    ------
    NameNotFoundError
        If there is no such column; names it and those there are.
    """
    for column in map(str, wanted):
        if column not in columns:
            raise NameNotFoundError(f"{where}[{column}]", [f"{where}[{known}]" for known in columns])
    return [str(column) for column in wanted]


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
