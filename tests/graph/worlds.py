"""A watched run of a program: place, scope and home at once, which assert the rules at every moment."""

from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Any, Literal

from alula._core._ids import Key
from alula.errors import StoreUnavailableError, TaskCancelledError
from alula.graph import Call, Cancel, Done, Drive, Failed, Graph, Grown, Name, Outcome, Recorded, Scope, Then
from alula.testing._graphs import Program, Step, StepFailed

Records = dict[str, Done[Any] | Grown]


def perform(call: Call) -> Outcome:
    """Do the work of a step's call right here."""
    step: Step = call.fn
    try:
        result = step.perform(call.args, call.kwargs)
    except StepFailed as error:
        return Failed(error)
    return Grown(result.graph(creator=call.key)) if isinstance(result, Program) else Done(result)


class World:
    """One run. What it is asked to do waits in `moves`, which are made one by one in any order.

    A world whose random is None makes each move at once, inside the call that asks for it. One that has
    records takes up an earlier run; `earlier` are those that were lost.
    """

    def __init__(
        self,
        program: Program,
        random: Random | None,
        *,
        records: Records | None = None,
        earlier: Records | None = None,
        broken: frozenset[str] = frozenset(),
        on_error: Literal["stop", "skip"] = "stop",
    ) -> None:
        self.moves: list[Callable[[], None]] = []
        self.outcomes: list[Outcome] = []
        self.started: set[str] = set()
        self.settled: set[str] = set()  # with a value; recorded, if there is a home
        self.grown: set[str] = set()
        self.failed: set[str] = set()
        self.cancelled: set[str] = set()
        self.stopped = False
        self.wrongs: list[str] = []  # rules that were broken inside a call, where raising would be caught
        self._random, self._on_error, self.records, self._broken = random, on_error, records, broken
        self._reads: dict[str, set[str]] = {}
        self._ends: dict[str, str] = {}
        self._survey(program)
        graph = program.graph()
        self._names: dict[str, str] = {}
        self._learn(graph)
        self._kept = {program.steps[i].name for i in program.outputs}
        self._resumed = bool(records)
        for outcome in {**(earlier or {}), **(records or {})}.values():
            if isinstance(outcome, Grown):
                self._learn(outcome.graph)
        for key, outcome in (records or {}).items():
            (self.grown if isinstance(outcome, Grown) else self.settled).add(self._names[key])
        self.scope = Scope()
        home = None if records is None else self
        self.drive = Drive(graph, self, self.scope, home, then=self.outcomes.append, on_error=on_error)

    # --------------------------------------------------------------------------------- running it

    def run(self, *, moves: int = -1, cancel: bool = False) -> None:
        """Make all moves, or so many; with one that cancels the run, if wanted."""
        if cancel:
            self.moves.append(self._cancel)
        self.drive.start()
        self._check()
        while self.moves and moves:
            assert self._random is not None
            self.moves.pop(self._random.randrange(len(self.moves)))()
            self._check()
            moves -= 1

    @property
    def outcome(self) -> Outcome:
        """How it ended; there must be just one answer, and nothing may be left of the run."""
        (outcome,) = self.outcomes
        frontier = self.drive._frontier
        assert not self.moves
        assert not self.scope
        assert frontier.finished
        assert not frontier.ready()
        return outcome

    def names(self, keys: Mapping[Any, object] | set[Any]) -> set[str]:
        """Give the names of the steps behind keys."""
        return {self._names[key] for key in keys}

    def _cancel(self) -> None:
        self.stopped = True
        before = not self.outcomes
        self.drive.cancel()
        running = self.started - self.settled - self.grown - self.failed
        assert not before or running <= self.cancelled

    def _soon(self, move: Callable[[], None]) -> None:
        if self._random is None:
            move()
        else:
            self.moves.append(move)

    # ----------------------------------------------------------------------------------- the place

    def start(self, call: Call, then: Then) -> Cancel:
        """Start a step, which must not have started, after all that it reads has settled."""
        name = call.fn.name
        if self.stopped:
            self.wrongs.append(f"{name} started after the run was stopped")
        if name in self.started | self.settled | self.grown:
            self.wrongs.append(f"{name} started twice")
        if not all(self._end(source) in self.settled for source in self._reads[name]):
            self.wrongs.append(f"{name} started before its inputs had settled")
        self.started.add(name)
        self._soon(partial(self._answer, call, then))
        return partial(self.cancelled.add, name)

    def _answer(self, call: Call, then: Then) -> None:
        outcome = perform(call)
        if call.fn.name in self.cancelled and self._random and self._random.randrange(2):
            outcome = Failed(TaskCancelledError(call.fn.name))
        if isinstance(outcome, Grown):
            self._learn(outcome.graph)
        if isinstance(outcome, Failed) or self.records is None:
            self._note(call.fn.name, outcome)
        then(outcome)

    def _note(self, name: str, outcome: Outcome) -> None:
        match outcome:
            case Done():
                self.settled.add(name)
            case Grown():
                self.grown.add(name)
            case Failed():
                self.failed.add(name)
                # A place that answers at once does so while others of the same batch still start.
                self.stopped |= self._on_error == "stop" and self._random is not None

    # ------------------------------------------------------------------------------------ the home

    def recall(self, mark: str | Name) -> Outcome | None:
        """Say what is recorded."""
        assert self.records is not None
        return self.records.get(mark) if isinstance(mark, str) else None

    def record(self, key: str, outcome: Done[Any] | Grown, then: Recorded) -> None:
        """Record an outcome, once; later, or never."""
        assert self.records is not None
        if key in self.records:
            self.wrongs.append(f"{self._names[key]} was recorded twice")
        self._soon(partial(self._acknowledge, key, outcome, then))

    def _acknowledge(self, key: str, outcome: Done[Any] | Grown, then: Recorded) -> None:
        assert self.records is not None
        if self._names[key] in self._broken:
            error = StoreUnavailableError("memory", "it is full")
            self._note(self._names[key], Failed(error))
            then(error)
        else:
            self.records[key] = outcome
            self._note(self._names[key], outcome)
            then(None)

    def commit(self, values: tuple[Any, ...], then: Recorded) -> None:
        """Commit the whole."""
        self._soon(partial(then, None))

    # -------------------------------------------------------------------------------- what must hold

    def _check(self) -> None:
        assert not self.wrongs
        if self.outcomes:
            assert not self.scope
            return
        held = {name for key, name in self._names.items() if Key(key) in self.scope}
        assert len(held) == len(self.scope)
        # What was recorded before this run is only read when somebody asks for it.
        assert held <= self._live() if self._resumed else held == self._live()

    def _live(self) -> set[str]:
        """Names of the steps whose values somebody will still read, looked up from scratch."""
        over = self.settled | self.grown | self.failed | self.names(self.drive.skipped)
        wanted = self._kept | {
            source for reader, reads in self._reads.items() if reader not in over for source in reads
        }
        ends = {self._end(name) for name in wanted & (self.settled | self.grown)}
        return ends & self.settled

    def _end(self, name: str) -> str:
        """Give the step whose value is that of `name`, once all that it grows into is done."""
        while name in self._ends:
            name = self._ends[name]
        return name

    def _survey(self, program: Program) -> None:
        for i in program.needed:
            step = program.steps[i]
            self._reads[step.name] = {program.steps[source].name for source in step.inputs}
            if isinstance(step.then, Program):
                self._ends[step.name] = step.then.steps[step.then.outputs[0]].name
                self._survey(step.then)

    def _learn(self, graph: Graph) -> None:
        self._names.update({key: node.fn.name for key, node in graph.nodes.items()})
