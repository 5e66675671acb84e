"""Texts that users choose: ids, keys and names, as far as every store can hold them.

Some databases hold no NUL in a text, none holds half of a surrogate pair, and columns have a length.
"""

from typing import Final

__all__ = ["LONGEST_NAME", "checked_text", "is_storable"]

_LONGEST: Final = 255
LONGEST_NAME: Final = 240
"""Characters of the name of a task: a number may follow in its id."""


def checked_text(what: str, given: object, longest: int = _LONGEST) -> str:
    """Give a text that can be kept.

    Parameters
    ----------
    what
        What it is, with its article: ``"a workflow_id"``.

    Raises
    ------
    TypeError
        If it is no text.
    ValueError
        If it is empty, too long, or holds what no store can.
    """
    if not isinstance(given, str):
        raise TypeError(f"{what} is text, not {type(given).__name__}")
    if not 0 < len(given) <= longest:
        raise ValueError(f"{what} has 1 to {longest} characters, not {len(given)}")
    if not is_storable(given):
        raise ValueError(f"{what} holds no NUL and no half of a surrogate pair: {given!r}")
    return given


def is_storable(text: str) -> bool:
    """Tell whether each store can hold a text, and so may have it."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
