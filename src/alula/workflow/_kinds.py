"""The kinds of logical tasks there are, and who settles each."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ._site import Factory

__all__ = ["KINDS"]

KINDS: Final[Mapping[str, Factory]] = MappingProxyType({})
"""By kind, what makes the place for the tasks of one run."""
