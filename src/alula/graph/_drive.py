"""The drive: the one loop by which all four faces run a graph.

It joins four things that know nothing of each other: the frontier (what may start), a place (where it
runs), a scope (where volatile values live) and, for durable work, a home (where values are recorded
before anyone may depend on them). The rule it keeps is the rule of the project: *a consumer starts
only when its inputs have settled*; and a value with a home has settled only when it is recorded.

Two kinds of nodes start without all their inputs (see `Frontier`), and are given what there is: in place
of an input that failed its ``Failed``, and of one that is not needed a `Pending` mark.

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
from ._loose import Loose
from ._node import InputItem, Mark, Name, Node, Pending

__all__ = [
    "Alarm",
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
"""How a call has ended."""

Then: TypeAlias = Callable[[Outcome], None]
"""What a place tells of a call's end, once, from any thread."""

Cancel: TypeAlias = Callable[[], None]
"""What ends a call that was started; it may have ended already."""

Recorded: TypeAlias = Callable[[BaseException | None], None]
"""What a home tells when something is recorded, or with the error because of which it is not."""

Alarm: TypeAlias = Callable[[float, Callable[[], None]], Cancel]


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


def _nothing() -> None:
    pass


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
        find: Callable[[Key], Graph] | None = None,
        alarm: Alarm | None = None,
        closed: Callable[[], None] = _nothing,
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
            failure that has cost an output. The scope is still open in that call.
        on_error
            After such a failure, ``"stop"`` starts nothing more; ``"skip"`` leaves out what needed the
            failed value and runs the rest.
        args, kwargs
            What the `InputNode` of the graph stands for.
        find
            Gives the graph in which a key stands that a graph reads and nobody here has seen.
        alarm
            Calls after so many seconds: for nodes with a quorum and the option ``timeout``, which start
            then at the latest.
        closed
            Called when nothing of the run runs any more, and its scope is closed: after `then`, and later
            than that only if outputs were there before all else had ended.
        """
        self.failures: dict[Key, BaseException] = {}
        self.skipped: set[Key] = set()
        self._place, self._scope, self._home = place, scope, home
        self._then, self._on_error = then, on_error
        self._args, self._kwargs = args, kwargs or {}
        self._outputs = graph.outputs
        self._cancels: dict[Key, Cancel] = {}
        self._first: BaseException | None = None
        self._stopped = self._ended = self._told = False
        self._alarm, self._closed = alarm, closed
        self._inbox: deque[Callable[[], None]] = deque()
        self._at_work = Lock()
        self._frontier = Frontier(graph, self._known, find) if find else Frontier(graph, self._known)

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

    @property
    def ended(self) -> bool:
        """Whether nothing runs any more that an output needs; the whole may still have to be stored."""
        return self._ended

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
        frontier = self._frontier
        self._scope.free(frontier.freed())
        for key in frontier.ready():
            self._launch(key)
        if frontier.loose is not None:
            self._attend(frontier.loose)
        if not self._ended and frontier.over:
            self._ended = True
            if frontier.loose is not None:
                self.skipped.update(frontier.release())
                self._attend(frontier.loose)
            self._end()
        elif self._told:
            self._close_if_over()

    def _attend(self, loose: Loose) -> None:
        """Set the alarms of what has begun to wait, and cancel what nobody needs any more."""
        begun, loose.begun = loose.begun, []
        surplus, loose.surplus = loose.surplus, []
        for key, timeout in begun:
            if self._alarm is not None:
                hurry = partial(self._frontier.hurry, key)
                self._cancels[key] = self._alarm(timeout, partial(self._post, hurry))
        for key in surplus:
            if key in self._cancels:  # else it has answered
                self._cancels[key]()

    def _launch(self, key: Key) -> None:
        graph = self._frontier.graph(key)
        read = partial(self._read, graph)
        loose = self._frontier.loose
        if loose is not None and key in loose.taken:
            read = partial(self._glance, graph, loose.taken[key])
            self._cancels.pop(key, _nothing)()  # its alarm
        try:
            call = graph.call(key, read)
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
                self.failures[key] = error
                self.skipped.update(self._frontier.failed(key))
                self._heed()
            case _:
                assert_never(outcome)

    def _grow(self, key: Key, graph: Graph) -> None:
        try:
            self.skipped.update(self._frontier.done(key, graph))
        except Exception as error:  # the home cannot tell what of it has run, so none of it may start
            self.failures[key] = error
            if self._first is None:
                self._first = error
            self._stop()
        self._heed()
        if self._stopped:
            self._stop()

    def _heed(self) -> None:
        """Act on a failure that has cost an output; any other is the business of who reads the value."""
        fatal = self._frontier.fatal
        if fatal is not None:
            if self._first is None:
                self._first = self.failures[fatal]
            if self._on_error == "stop":
                self._stop()

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
            self._told = True
            self._close_if_over()

    def _close_if_over(self) -> None:
        if self._told and self._frontier.finished:
            self._scope.close()
            # Whatever the run was given goes with it, and does not wait for the garbage collector.
            self._args, self._kwargs = (), {}
            self._frontier.close()
            closed, self._closed = self._closed, _nothing
            closed()

    # -------------------------------------------------------------------------------------- values

    def _known(self, key: Key) -> Known:
        recorded = self._home.recall(key) if self._home else None
        if isinstance(recorded, Grown):
            return recorded.graph
        return True if isinstance(recorded, Done) else None

    def _glance(self, graph: Graph, taken: tuple[Key, ...], mark: Mark) -> Any:
        """Read for a node that starts without all its inputs."""
        if not isinstance(mark, Node | Pending):
            return self._read(graph, mark)
        key = graph.key(mark)
        if key not in taken:
            return Pending(key)
        origin = self._frontier.lost(key)
        if origin is None:
            return self._value(self._frontier.where(key))
        return Failed(self.failures.get(origin) or TaskCancelledError(graph.nodes[key].label))

    def _read(self, graph: Graph, mark: Mark) -> Any:
        if isinstance(mark, Node | Pending):
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
