"""What a notebook says of its own schedule, in the comment that it begins with."""

import json
import re
from typing import Any, Final

from ._schedule import Schedule

__all__ = ["read_config"]

_HEADS: Final = ("alula", "omega-ml")
_KEYS: Final = ("run-at", "schedule", "cron")
_LINE: Final = re.compile(r"#\s*(?P<key>[\w-]+)\s*:\s*(?P<value>.*)")
_QUOTED: Final = re.compile(r"""(?P<quote>["'])(?P<text>.*)(?P=quote)\s*(?:#.*)?""")


def read_config(notebook: Any) -> Schedule | None:
    """Give the schedule that a notebook, its JSON, or its code asks for; None if it asks for none.

    It stands in the first lines of the first cell, each a comment: ``# alula:`` (or ``# omega-ml:``) and then
    ``#   run-at: "daily, at 06:00"``; or that line alone. The key may also be ``schedule`` or ``cron``.

    Raises
    ------
    ValueError
        If what stands there cannot be read, or its schedule is not understood.
    """
    inside, found = False, {}
    for line in _source(notebook).splitlines():
        match = _LINE.fullmatch(line.strip())
        if match and match["key"] in _HEADS and not match["value"]:
            inside = True
        elif match and match["key"] in _KEYS:
            found[match["key"]] = _value(match["value"], line)
        elif inside and line.startswith("#") and line.strip("# "):
            raise _unread(line)
        else:
            break
    if inside and not found:
        raise _unread("it has none of run-at, schedule and cron")
    if len(found) > 1:
        raise _unread(f"it has {' and '.join(found)}, of which one is enough")
    return Schedule(*found.values()) if found else None


def _source(notebook: Any) -> str:
    """Give the source of the first cell; of what is no notebook, which others refuse, nothing."""
    if isinstance(notebook, str) and not notebook.lstrip().startswith("{"):
        return notebook
    try:
        cells = json.loads(notebook)["cells"] if isinstance(notebook, str) else notebook.cells
        return "".join(cells[0]["source"])
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return ""


def _value(text: str, line: str) -> str:
    quoted = _QUOTED.fullmatch(text.strip())
    value = quoted["text"] if quoted else text.strip()
    if not value or (not quoted and value[0] in "\"'[{*&!|>%@`"):
        raise _unread(line)
    return value


def _unread(what: str) -> ValueError:
    return ValueError(
        f"Notebook configuration cannot be parsed: {what!r}; write '# alula:' and then "
        "'#   run-at: \"daily, at 06:00\"'"
    )
