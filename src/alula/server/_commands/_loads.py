"""Commands whose work takes long: done on a loader's thread, and ended on the server's."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from ...graph import Done, Failed
from .._client import Client
from .._failures import as_error
from .._later import Later
from .._models import Model
from .._resp import Reply
from .._scripts import Script

__all__ = ["load", "stored"]

_T = TypeVar("_T")


def load(client: Client, work: Callable[[], _T], then: Callable[[_T], Reply]) -> Reply | Later:
    """Do the work elsewhere, then the rest here; all of it here and now if nothing may come between.

    Parameters
    ----------
    client
        Who has asked.
    work
        Touches nothing of the server's.
    then
        Given what the work gave, on the server's thread; gives the reply.
    """
    if client.atomic:
        return then(work())
    later = Later()
    client.services.loaders.submit(work, partial(_end, then, later))
    return later


def stored(client: Client, key: bytes, value: Model | Script) -> Reply:
    """Put what was loaded under its key, whose type is checked last."""
    client.keyspace.write({key: value})
    client.services.devices.device(value.queue)  # from now on INFO shows its queue
    return "OK"


def _end(then: Callable[[Any], Reply], later: Later, outcome: Done[Any] | Failed) -> None:
    try:
        if isinstance(outcome, Failed):
            raise outcome.error
        reply = then(outcome.value)
    except Exception as error:  # whatever a backend raised, the client is not left waiting
        reply = as_error(error)
    later.settle(reply)
