"""What words of a command may say: strict numbers, and keywords in any case."""

import re

__all__ = ["integer", "said", "shown"]

_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,18}")


def integer(word: bytes) -> int | None:
    """Read a decimal number of 64 bits the way Redis does: no plus, blanks or leading zeros.

    Returns
    -------
    int or None
        None if the word is anything else.
    """
    if _INTEGER.fullmatch(word) is None:
        return None
    number = int(word)
    return number if -(1 << 63) <= number < 1 << 63 else None


def said(words: list[bytes], at: int) -> bytes:
    """Give the keyword at a position, in upper case; empty behind the end."""
    return words[at].upper() if at < len(words) else b""


def shown(word: bytes) -> str:
    """Give a client's word as text for an error line; every byte comes back as it was."""
    return word.decode(errors="surrogateescape")
