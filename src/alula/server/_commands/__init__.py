"""All commands in one table, and the ways from words to a reply."""

from ._all import TABLE
from ._calls import call
from ._dispatch import dispatch
from ._sections import VERSION

__all__ = ["TABLE", "VERSION", "call", "dispatch"]
