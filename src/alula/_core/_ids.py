"""Names that need no counter: random ones for what people start, derived ones for what follows."""

from functools import cache
from typing import TYPE_CHECKING, NewType
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable
    from hashlib import blake2b

__all__ = ["Key", "derive", "new_id"]

Key = NewType("Key", str)
"""The identity of one node inside one graph and all that grows from it."""


def new_id() -> str:
    """Give a random UUID as text."""
    return str(uuid4())


def derive(creator: str, position: int) -> Key:
    """Name the node at `position` of the graph that `creator` made.

    The same after a crash, in any process, without a stored counter; and of constant length, so
    that the ten-thousandth link of a chain of continuations is as cheap to name as the first.

    Returns
    -------
    Key
        20 hexadecimal digits (80 bits of BLAKE2b).
    """
    return Key(_blake2b()(f"{creator}/{position}".encode(), digest_size=10).hexdigest())


@cache
def _blake2b() -> "Callable[..., blake2b]":
    from hashlib import blake2b  # here, for with it comes OpenSSL

    return blake2b
