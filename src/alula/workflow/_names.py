"""Task ids: names people can use, each once in its workflow."""

import re
from collections.abc import Mapping

__all__ = ["Names", "task_id"]

_NUMBERED = re.compile(r"(.+)_([1-9][0-9]*)")


def task_id(name: str, nth: int) -> str:
    """Give the id of the n-th task of a name: ``f``, ``f_1``, ``f_2``."""
    return f"{name}_{nth}" if nth else name


class Names:
    """Counts how often each name was given, and keeps ``f_1`` from meaning two tasks.

    Parameters
    ----------
    next_of
        For each name already in use, the number that the next task of that name would have.
    """

    def __init__(self, next_of: Mapping[str, int] | None = None) -> None:
        self._next = dict(next_of or {})

    def give(self, name: str) -> int:
        """Give the number of a new task of this name; its id is then taken."""
        nth = self._next.get(name, 0)
        while self._taken(name, nth):
            nth += 1
        self._next[name] = nth + 1
        return nth

    def _taken(self, name: str, nth: int) -> bool:
        wanted = task_id(name, nth)
        if nth and wanted in self._next:  # somebody chose "f_1" as a name
            return True
        numbered = _NUMBERED.fullmatch(wanted)  # or "f" has got as far as to be called "f_1"
        return not nth and numbered is not None and int(numbered[2]) < self._next.get(numbered[1], 0)
