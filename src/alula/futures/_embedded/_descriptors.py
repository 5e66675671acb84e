"""How many descriptors this process may have, and how they are divided.

The kernel gives the lowest number that is free. So the number of a new descriptor tells how many are in use,
and those above a certain one are kept for what others send us: nobody can refuse that.
"""

import os
import resource
from fcntl import F_DUPFD_CLOEXEC, fcntl

__all__ = ["crowded", "limit", "most_mapped", "most_sent", "most_viewed"]

_RESERVE = 4000
_SENT = 200  # an eighth of the reserve at most: several others may be in the middle of a message
_MAPPED = 128
_VIEWED = 16_000  # the kernel allows four times as many mappings


def limit() -> int:
    """Give how many this process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft > 0 else 1 << 20


def crowded(number: int) -> bool:
    """Tell whether a descriptor of this number shows that too many are in use."""
    most = limit()
    highest = most - min(most // 3, _RESERVE)
    if number < highest:
        return False
    try:
        lowest = fcntl(number, F_DUPFD_CLOEXEC, 0)  # others may have been closed since it was made
    except OSError:
        return True
    os.close(lowest)
    return lowest >= highest


def most_sent() -> int:
    """Give how many may be sent in one message."""
    return min(_SENT, limit() // 24)


def most_mapped() -> int:
    """Give how many files may have a mapping to write through, or be expected back."""
    return min(_MAPPED, limit() // 16)


def most_viewed() -> int:
    """Give how many values may be mapped to be read; each takes two descriptors before Python 3.13."""
    return min(_VIEWED, limit() // 6)
