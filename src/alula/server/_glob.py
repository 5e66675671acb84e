"""Key patterns as KEYS takes them: ``*``, ``?``, ``[a-z]``, ``[^a]`` and a backslash.

Not a regular expression: a pattern of a client's with many stars must not take for ever, and this way
it takes at most the pattern's length times the key's.
"""

from collections.abc import Callable
from typing import Final

__all__ = ["matcher"]

_ANY: Final = frozenset(range(256))


def matcher(pattern: bytes) -> Callable[[bytes], bool]:
    """Give the function that tells whether a key matches a pattern."""
    parts = _parts(pattern)
    return lambda key: _matches(parts, key)


def _matches(parts: list[frozenset[int] | None], key: bytes) -> bool:
    """Compare; after a mismatch go back to the last star only, and let it take one byte more."""
    at = here = 0
    star, taken = -1, 0
    while at < len(key):
        part = parts[here] if here < len(parts) else frozenset[int]()
        if part is None:
            star, taken = here, at
            here += 1
        elif key[at] in part:
            at, here = at + 1, here + 1
        elif star >= 0:
            taken += 1
            at, here = taken, star + 1
        else:
            return False
    return all(part is None for part in parts[here:])


def _parts(pattern: bytes) -> list[frozenset[int] | None]:
    """Cut a pattern into what each byte may be; None stands for a star."""
    parts: list[frozenset[int] | None] = []
    at = 0
    while at < len(pattern):
        match pattern[at : at + 1]:
            case b"*":
                if not parts or parts[-1] is not None:
                    parts.append(None)
                at += 1
            case b"?":
                parts.append(_ANY)
                at += 1
            case b"[":
                choice, at = _choice(pattern, at + 1)
                parts.append(choice)
            case b"\\" if at + 1 < len(pattern):
                parts.append(frozenset(pattern[at + 1 : at + 2]))
                at += 2
            case _:
                parts.append(frozenset(pattern[at : at + 1]))
                at += 1
    return parts


def _choice(pattern: bytes, at: int) -> tuple[frozenset[int], int]:
    """Read what stands in brackets, which may be left open at the end; give it and where it ends."""
    wanted = pattern[at : at + 1] != b"^"
    at += not wanted
    found: set[int] = set()
    while at < len(pattern) and pattern[at : at + 1] != b"]":
        if pattern[at : at + 1] == b"\\" and at + 1 < len(pattern):
            at += 1
        low = high = pattern[at]
        if pattern[at + 1 : at + 2] == b"-" and at + 2 < len(pattern):
            low, high = sorted((low, pattern[at + 2]))
            at += 2
        found.update(range(low, high + 1))
        at += 1
    return frozenset(found if wanted else _ANY - found), at + 1
