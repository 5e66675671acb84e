"""What an executor that is closed leaves to others, said in a line or two."""

import logging
from collections.abc import Sequence
from contextlib import suppress

from ..errors import StoreUnavailableError
from ..store import Lease, Store
from ._queue import reserved_for
from ._run import Run

__all__ = ["say_what_is_left"]

_log = logging.getLogger("alula.workflow")


def say_what_is_left(store: Store, lease: Lease, runs: Sequence[Run]) -> None:
    """Say which workflows are to be resumed, and how many others go on with of their own accord."""
    left = [run.id for run in runs if not run.requeue]
    with suppress(StoreUnavailableError), store.reading() as connection:
        left += connection.scalars(reserved_for(lease))
    if left:
        shown = ", ".join(left[:3]) + (f" and {len(left) - 3} more" if len(left) > 3 else "")
        _log.warning("unfinished, and to be continued by alula.workflow.resume(id): %s", shown)
    if back := sum([run.requeue and not run.reserved for run in runs]):
        _log.warning("unfinished, and back in the queue: %d task%s", back, "s" * (back != 1))
