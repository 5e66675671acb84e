"""The suite that every engine passes, ours and anybody's: an engine is what passes it.

A test module gives it an engine and has all the tests::

    from alula.testing.conformance import EngineConformance

    @pytest.fixture(scope="module")
    def engine():
        engine = ...
        alula.futures.set_default(engine)
        yield engine
        engine.close()

    class TestMine(EngineConformance):
        pass

The engine must have two cores at least, and its processes must see the file system of the test. What an
engine need not have is asked of `Engine.supports`, and such a test is skipped as ``not supported``.
``python -m alula.testing.conformance`` runs it on our own engines and counts. No test sleeps, and none
depends on how fast the machine is.
"""

import pytest

pytest.register_assert_rewrite(
    *[
        f"{__name__}._{part}"
        for part in (
            "actors",
            "arguments",
            "arrays",
            "cancels",
            "concurrency",
            "contexts",
            "errors",
            "misuse",
            "nodes",
            "part",
            "placements",
            "promises",
            "refs",
            "restarts",
            "retries",
            "stages",
            "streams",
            "tasks",
            "values",
        )
    ]
)  # before they are imported, so that a failure shows what was compared

from ._actors import Actors, Deaths, Handles, Names  # noqa: E402  # they are rewritten only if imported after that
from ._arguments import Arguments, Copies, Dependencies  # noqa: E402  # see above
from ._arrays import Arrays, LargeArrays  # noqa: E402  # see above
from ._cancels import CancelledCalls, Cancels, Clusters  # noqa: E402  # see above
from ._concurrency import Coroutines, Groups, Threads  # noqa: E402  # see above
from ._contexts import Contexts, Leaving  # noqa: E402  # see above
from ._errors import Errors, OddErrors  # noqa: E402  # see above
from ._misuse import Misuse  # noqa: E402  # see above
from ._nodes import Graphs, RandomGraphs  # noqa: E402  # see above
from ._placements import Placements  # noqa: E402  # see above
from ._promises import Promises, Watches  # noqa: E402  # see above
from ._refs import Awaiting, Futures, Identity  # noqa: E402  # see above
from ._restarts import Restarts  # noqa: E402  # see above
from ._retries import Crashes, Retries  # noqa: E402  # see above
from ._stages import Stages  # noqa: E402  # see above
from ._streams import (  # noqa: E402  # see above
    ActorStreams,
    FixedCounts,
    RandomStreams,
    StreamCrashes,
    StreamEnds,
    Streams,
)
from ._tasks import Calls, Nesting, Options  # noqa: E402  # see above
from ._values import Gets, Puts, Waits  # noqa: E402  # see above

__all__ = ["EngineConformance"]


class EngineConformance(
    Puts,
    Gets,
    Waits,
    Calls,
    Options,
    Nesting,
    Arguments,
    Copies,
    Dependencies,
    Arrays,
    LargeArrays,
    Identity,
    Futures,
    Awaiting,
    Errors,
    OddErrors,
    Crashes,
    Retries,
    Streams,
    StreamEnds,
    FixedCounts,
    ActorStreams,
    StreamCrashes,
    RandomStreams,
    Actors,
    Handles,
    Deaths,
    Names,
    Restarts,
    Threads,
    Coroutines,
    Groups,
    Contexts,
    Leaving,
    Graphs,
    RandomGraphs,
    Stages,
    Promises,
    Watches,
    Cancels,
    CancelledCalls,
    Clusters,
    Placements,
    Misuse,
):
    """All of it: subclass it under a name that begins with ``Test``, and give it a fixture `engine`.

    The fixture gives an `alula.futures.Engine` that is the default engine of the process; of the scope
    of the module, so that the engine is started once.
    """
