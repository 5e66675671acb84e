"""What goes through `ray://` in a form of its own passes the suite there, too.

The agent on the cluster has the engine that passes all of the suite, so this is about the way to it and back:
values, arguments, references, errors, streams, actors, promises. The whole suite runs there by
``python -m alula.testing.conformance ray://host:port``.
"""

from collections.abc import Iterator

import pytest

import alula
from alula.futures import Engine, current
from alula.testing.conformance._actors import Actors, Handles
from alula.testing.conformance._arguments import Arguments
from alula.testing.conformance._arrays import Arrays
from alula.testing.conformance._cancels import Cancels
from alula.testing.conformance._errors import Errors
from alula.testing.conformance._promises import Promises, Watches
from alula.testing.conformance._refs import Identity
from alula.testing.conformance._streams import Streams
from alula.testing.conformance._tasks import Calls
from alula.testing.conformance._values import Gets, Puts, Waits


@pytest.fixture(scope="module")
def engine(ray_server: str) -> Iterator[Engine]:
    alula.init(ray_server, engine="ray")
    yield current()
    alula.shutdown()


class TestClient(
    Puts,
    Gets,
    Waits,
    Calls,
    Arguments,
    Arrays,
    Identity,
    Errors,
    Streams,
    Actors,
    Handles,
    Promises,
    Watches,
    Cancels,
):
    many = 300  # some 15 ms each
