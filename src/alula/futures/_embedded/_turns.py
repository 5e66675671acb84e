"""Whose turn it is when workers are scarce: pure, values in and values out.

As a rule whoever has the fewest workers comes first, and among equals whoever has waited longest; so many
processes that submit at once share the cores evenly. Who has waited for too long comes before everybody, and
what it needs is kept for it.

When there are many processes already, whoever is deepest in the tree of tasks comes first. A task that waits
for others keeps its process; served in breadth, a tree would need one for each of its inner nodes at once,
served in depth it needs as many as it is deep, for each core.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, Generic, Protocol, TypeVar

from .._options import Frozen

__all__ = ["PATIENCE", "Request", "in_turn"]

PATIENCE: Final = 1.0
"""s for which a request may be overtaken by others."""


class _Client(Protocol):
    @property
    def id(self) -> int:
        """Of whom it is."""

    @property
    def depth(self) -> int:
        """Of the task that it runs: 0 for the driver, 1 for its tasks, and so on."""


Client = TypeVar("Client", bound=_Client)


@dataclass(slots=True, eq=False)
class Request(Generic[Client]):
    """A process asks for a worker.

    Attributes
    ----------
    number
        By which the client knows it.
    resources, env
        What the worker is to hold, and its surroundings.
    actor
        The actor that it is to be, if it is one.
    since
        When it was asked for, on the monotonic clock.
    """

    client: Client
    number: int
    resources: Mapping[str, float]
    env: Frozen = ()
    actor: bytes | None = None
    since: float = field(default_factory=monotonic)


def in_turn(
    queue: Iterable[Request[Client]], working: Mapping[int, int], now: float, *, deepest_first: bool
) -> Sequence[Request[Client]]:
    """Give the requests in the order in which they are served.

    Parameters
    ----------
    queue
        In the order in which they came.
    working
        How many workers each client has, by its id; none if it is not there.
    now
        On the monotonic clock.
    deepest_first
        Whether there are many processes.
    """
    requests = list(queue)
    if len(requests) < 2:
        return requests
    if deepest_first:
        return sorted(requests, key=lambda request: -request.client.depth)
    has = Counter(working)
    ranks: list[tuple[int, int]] = []
    for place, request in enumerate(requests):
        old = now - request.since > PATIENCE
        ranks.append((-1 if old else has[request.client.id], place))
        has[request.client.id] += 1
    return [requests[place] for _, place in sorted(ranks)]
