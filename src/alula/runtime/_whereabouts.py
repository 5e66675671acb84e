"""Where a record comes from: the host and the user."""

import getpass
import socket
from functools import cache

__all__ = ["host", "user"]


@cache
def host() -> str:
    """Give the name of this host."""
    return socket.gethostname()


@cache
def user() -> str:
    """Give the name of the user that this process belongs to."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without names of users
        return "unknown"
