"""Some of a collection by chance, as SRANDMEMBER and HRANDFIELD ask for them."""

import random
from collections.abc import Sequence
from typing import Final, TypeVar

from ...errors import CommandError

__all__ = ["sampled"]

_T = TypeVar("_T")
_MOST: Final = 1 << 24  # of a reply; a client that asks for more wants the server's memory, and not a sample


def sampled(items: Sequence[_T], count: int) -> list[_T]:
    """Give some items by chance.

    Parameters
    ----------
    items
        What to choose from.
    count
        How many, each at most once; below zero so many whatever comes, the same ones again and again.

    Raises
    ------
    CommandError
        If that would be a reply of more than 16 million items.
    """
    if -count > _MOST:
        raise CommandError("ERR value is out of range")
    if count < 0:
        return random.choices(items, k=-count) if items else []
    return random.sample(items, count) if count < len(items) else list(items)
