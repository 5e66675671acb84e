"""What words of a command may say: strict numbers, and keywords in any case."""

import re

from ..errors import CommandError

__all__ = ["arity_error", "integer", "milliseconds", "number", "said", "shown", "subcommand_error"]

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


def milliseconds(words: list[bytes], at: int) -> int:
    """Read the number, 0 or more, that stands behind the keyword at a position."""
    keyword = said(words, at).decode()
    if at + 1 == len(words):
        raise CommandError(f"ERR No value provided for {keyword}")
    number = integer(words[at + 1])
    if number is None or number < 0:
        raise CommandError(f"ERR Invalid value for {keyword}")
    return number


def number(word: bytes) -> int:
    """Read a number as `integer` does, and refuse anything else in Redis' words."""
    found = integer(word)
    if found is None:
        raise CommandError("ERR value is not an integer or out of range")
    return found


def said(words: list[bytes], at: int) -> bytes:
    """Give the keyword at a position, in upper case; empty behind the end."""
    return words[at].upper() if at < len(words) else b""


def shown(word: bytes) -> str:
    """Give a client's word as text for an error line; every byte comes back as it was."""
    return word.decode(errors="surrogateescape")


def arity_error(words: list[bytes]) -> CommandError:
    """Give the error for a command that does not take so many words; its name is as the client wrote it."""
    return CommandError(f"ERR wrong number of arguments for '{shown(words[0])}' command")


def subcommand_error(words: list[bytes]) -> CommandError:
    """Give the error for a subcommand that does not take so many words, where Redis finds out late."""
    what = f"unknown subcommand or wrong number of arguments for '{shown(words[1])}'"
    return CommandError(f"ERR {what}. Try {shown(words[0]).upper()} HELP.")
