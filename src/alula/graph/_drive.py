"""The drive: the one loop by which all four faces run a graph.

It joins four things that know nothing of each other: the frontier (what may start), a place (where it
runs), a scope (where volatile values live) and, for durable work, a home (where values are recorded
before anyone may depend on them). The rule it keeps is the rule of the project: *a consumer starts
only when its inputs have settled*; and a value with a home has settled only when it is recorded.

The drive has no thread. Places and homes answer from whatever thread they like; the answers go into
an inbox, and whoever finds nobody at work on it empties it. A place may therefore answer inside
`start`, and a chain of such answers is a loop, not a recursion.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar, assert_never

from .._core._ids import Key
from ..errors import TaskCancelledError
from ._frontier import Frontier, Known
from ._graph import Call, Graph
from ._node import InputItem, Mark, Name, Node

__all__ = [
    "Cancel",
    "Done",
    "Drive",
    "Failed",
    "Grown",
    "Home",
    "Outcome",
    "Place",
    "Recorded",
    "Scope",
    "Then",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """There is a value."""

    value: T


@dataclass(frozen=True, slots=True)
class Grown:
    """The value will be that of another graph's first output: a continuation."""

    graph: Graph


@dataclass(frozen=True, slots=True)
class Failed:
    """There is an error, and there will be no value."""

    error: BaseException


Outcome: TypeAlias = Done[Any] | Grown | Failed
Then: TypeAlias = Callable[[Outcome], None]
Cancel: TypeAlias = Callable[[], None]
Recorded: TypeAlias = Callable[[BaseException | None], None]


class Place(Protocol):
    """Where a call runs: an engine, this very thread, a device's queue."""

    def start(self, call: Call, then: Then) -> Cancel:
        """Begin a call and return; `then` is called exactly once, from any thread, also from here.

        Returns
        -------
        Cancel
            Asks the call to end early. It still answers, and may answer that it was done.
        """
        ...


class Home(Protocol):
    """Where values are durable: a journal of a workflow, a snapshot of a keyspace."""

    def recall(self, mark: Key | Name) -> Outcome | None:
        """Say what is recorded, if anything: of a task by its key, of a stored value by its name."""
        ...

    def record(self, key: Key, outcome: Done[Any] | Grown, then: Recorded) -> None:
        """Make an outcome durable, then call `then`, with the reason if that was not possible."""
        ...

    def commit(self, values: tuple[Any, ...], then: Recorded) -> None:
        """Make the whole durable as finished: all outputs have their values."""
        ...


class Scope:
    """The volatile home: values that live as long as somebody will read them, then are let go."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[Key, Any] = {}

    def keep(self, key: Key, value: Any) -> None:
        """Hold a value."""
        self._values[key] = value

    def read(self, key: Key) -> Any:
        """Give a value that is held, or raise `KeyError`."""
        return self._values[key]

    def free(self, keys: list[Key]) -> None:
        """Let go of values that nobody will read again."""
        for key in keys:
            self._values.pop(key, None)

    def close(self) -> None:
        """Let go of everything."""
        self._values.clear()

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: Key) -> bool:
        return key in self._values


class Drive:
    """One run of one graph.

    Attributes
    ----------
    failures
        The error of every node that failed.
    skipped
        Keys that never ran, because an input failed or the run was stopped.
    """

    def __init__(
        self,
        graph: Graph,
        place: Place,
        scope: Scope,
        home: Home | None = None,
        *,
        then: Then,
        on_error: Literal["stop", "skip"] = "stop",
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        """Prepare a run; nothing happens before `start`.

        Parameters
        ----------
        graph
            What to run.
        place, scope, home
            Where it runs, where its values live, and where they are recorded, if they are.
        then
            Called once, when all is settled: with ``Done(tuple of outputs)``, or with the first
            failure. The scope is still open in that call, and is closed after it.
        on_error
            After a failure, ``"stop"`` starts nothing more; ``"skip"`` leaves out what needed the failed
            value and runs the rest.
        args, kwargs
            What the `InputNode` of the graph stands for.
        """
        self.failures: dict[Key, BaseException] = {}
        self.skipped: set[Key] = set()
        self._place, self._scope, self._home = place, scope, home
        self._then, self._on_error = then, on_error
        self._args, self._kwargs = args, kwargs or {}
        self._outputs = graph.outputs
        self._cancels: dict[Key, Cancel] = {}
        self._first: BaseException | None = None
        self._stopped = self._ended = False
        self._inbox: deque[Callable[[], None]] = deque()
        self._at_work = Lock()
        self._frontier = Frontier(graph, self._known)

    def start(self) -> "Drive":
        """Start what is ready; returns at once unless the place does its work right here."""
        self._post(lambda: None)
        return self

    def cancel(self) -> None:
        """Start nothing more and ask what runs to end; `then` is called when all of it has."""
        self._post(self._cancel_all)

    def outcome(self, key: Key) -> Outcome | None:
        """Tell how a node ended: ``Done`` while its value is held, ``Failed``, or None.

        For use inside `then`, while the scope is open.
        """
        where = self._frontier.where(key)
        if where in self.failures:
            return Failed(self.failures[where])
        return Done(self._scope.read(where)) if where in self._scope else None

    # ------------------------------------------------------------------------------------ the inbox

    def _post(self, event: Callable[[], None]) -> None:
        self._inbox.append(event)
        # Whoever holds the lock will see the event, or we will: the inbox is looked at again after
        # every release.
        while self._inbox and self._at_work.acquire(blocking=False):
            try:
                while self._inbox:
                    self._inbox.popleft()()
                    self._advance()
            finally:
                self._at_work.release()

    def _advance(self) -> None:
        if self._ended:
            return
        self._scope.free(self._frontier.freed())
        for key in self._frontier.ready():
            self._launch(key)
        if self._frontier.finished:
            self._ended = True
            self._end()

    def _launch(self, key: Key) -> None:
        graph = self._frontier.graph(key)
        try:
            call = graph.call(key, partial(self._read, graph))
            self._cancels[key] = self._place.start(call, partial(self._answer, key))
        except Exception as error:  # the place refused the call: that is its answer
            self._answer(key, Failed(error))

    # -------------------------------------------------------------------------------------- events

    def _answer(self, key: Key, outcome: Outcome) -> None:
        """Take a place's answer, from any thread: record it if it has a home, then settle it."""
        if isinstance(outcome, Failed) or self._home is None:
            self._post(partial(self._settle, key, outcome))
            return
        try:
            self._home.record(key, outcome, partial(self._recorded, key, outcome))
        except Exception as error:  # a value that cannot be stored fails its task
            self._post(partial(self._settle, key, Failed(error)))

    def _recorded(self, key: Key, outcome: Outcome, error: BaseException | None) -> None:
        self._post(partial(self._settle, key, outcome if error is None else Failed(error)))

    def _settle(self, key: Key, outcome: Outcome) -> None:
        self._cancels.pop(key, None)
        match outcome:
            case Done(value):
                self._scope.keep(key, value)
                self._frontier.done(key)
            case Grown(graph):
                self._grow(key, graph)
            case Failed(error):
                self._fail(key, error)
                self.skipped.update(self._frontier.failed(key))
                if self._on_error == "stop":
                    self._stop()
            case _:
                assert_never(outcome)

    def _grow(self, key: Key, graph: Graph) -> None:
        try:
            self._frontier.done(key, graph)
        except Exception as error:  # the home cannot tell what of it has run, so none of it may start
            self._fail(key, error)
            self._stop()
        if self._stopped:
            self._stop()

    def _fail(self, key: Key, error: BaseException) -> None:
        self.failures[key] = error
        if self._first is None:
            self._first = error

    def _stop(self) -> None:
        self._stopped = True
        self.skipped.update(self._frontier.stop())

    def _cancel_all(self) -> None:
        if self._first is None:
            self._first = TaskCancelledError("the graph")
        self._stop()
        for cancel in list(self._cancels.values()):
            cancel()

    # ------------------------------------------------------------------------------------- the end

    def _end(self) -> None:
        if self._first is not None:
            self._finish(Failed(self._first))
            return
        try:
            values = tuple([self._value(self._frontier.where(key)) for key in self._outputs])
        except Exception as error:  # what was recorded cannot be had: that is the result
            self._finish(Failed(error))
            return
        if self._home is None:
            self._finish(Done(values))
            return
        try:
            self._home.commit(values, partial(self._committed, values))
        except Exception as error:  # a whole that cannot be stored has failed
            self._committed(values, error)

    def _committed(self, values: tuple[Any, ...], error: BaseException | None) -> None:
        # By way of the inbox, so that an error raised by `then` does not pass for one of the home.
        self._post(partial(self._finish, Done(values) if error is None else Failed(error)))

    def _finish(self, outcome: Outcome) -> None:
        try:
            self._then(outcome)
        finally:
            self._scope.close()
            # Whatever the run was given goes with it, and does not wait for the garbage collector.
            self._args, self._kwargs = (), {}
            self._frontier.close()

    # -------------------------------------------------------------------------------------- values

    def _known(self, key: Key) -> Known:
        recorded = self._home.recall(key) if self._home else None
        if isinstance(recorded, Grown):
            return recorded.graph
        return True if isinstance(recorded, Done) else None

    def _read(self, graph: Graph, mark: Mark) -> Any:
        if isinstance(mark, Node):
            return self._value(self._frontier.where(graph.key(mark)))
        if isinstance(mark, InputItem):
            return mark.pick(self._args, self._kwargs)
        # Any other mark is a place's own, such as an engine's reference: the place will read it.
        return self._recalled(mark) if isinstance(mark, Name) else mark

    def _value(self, key: Key) -> Any:
        """Read a value where it lives: in the scope, or (after a resume) still only in its home."""
        if key not in self._scope:
            self._scope.keep(key, self._recalled(key))
        return self._scope.read(key)

    def _recalled(self, mark: Key | Name) -> Any:
        recorded = self._home.recall(mark) if self._home else None
        if not isinstance(recorded, Done):
            raise LookupError(f"{mark} is neither in this scope nor in its home")
        return recorded.value
