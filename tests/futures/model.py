"""Random programs of tasks, references and actors, and a model of ten lines that knows what they give.

Each reference has its expectation: the value, and the errors that it may have instead, because somebody
cancelled it, or killed a process that it needed. A value that is not as expected was freed, mixed up or
lost; a `get` that does not end names the call that made the reference.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, multiple, precondition, rule

from alula.errors import ActorDiedError, GetTimeoutError, TaskError
from alula.futures import ActorHandle, ObjectRef, cancel, get, kill, put, wait
from tests.faults.processes import LIMIT
from tests.faults.processes import kill as kill_process
from tests.futures.bodies import Summing, add, dig, echo, fail, own, value

T = TypeVar("T")

__all__ = ["Programs", "kind"]


@dataclass(eq=False)
class Expected:
    """What a reference must give: the whole model.

    Attributes
    ----------
    made
        The call that made it, for people.
    number
        The value; None if it can only fail.
    errors
        By the names of their classes, those that it may have of its own.
    inputs
        Whatever fails with these fails alike.
    """

    made: str
    number: int | None
    errors: set[str] = field(default_factory=set)
    inputs: list["Expected"] = field(default_factory=list)

    def may_fail(self) -> set[str]:
        """Give the errors that are right."""
        return self.errors.union(*[each.may_fail() for each in self.inputs])

    def may_be_right(self) -> bool:
        """Tell whether its value is right."""
        return self.number is not None and all(each.may_be_right() for each in self.inputs)


@dataclass(eq=False)
class Held:
    """A reference that the program holds."""

    ref: ObjectRef[Any]
    expected: Expected


@dataclass(eq=False)
class Cell:
    """An actor, and what its state must be."""

    handle: ActorHandle
    pid: int
    number: int = 0
    dead: bool = False
    calls: list[Expected] = field(default_factory=list)


def kind(error: BaseException) -> str:
    """Give the name of what went wrong in the first place."""
    return type(error.cause if isinstance(error, TaskError) else error).__name__


class Programs(RuleBasedStateMachine):
    """One program: each rule is a statement of it."""

    held = Bundle("held")
    cells = Bundle("cells")

    def __init__(self) -> None:
        super().__init__()
        self.story: list[str] = []  # what was done, for people
        self.program: list[Held] = []  # all that can be reached
        self.lent: list[Expected] = []  # what workers own
        self.actors: list[Cell] = []

    def workers(self) -> list[int]:
        """Give the processes that may be killed; none by default."""
        return []

    def _held(self, ref: ObjectRef[Any], expected: Expected) -> Held:
        self.story.append(expected.made)
        self.program.append(Held(ref, expected))
        return self.program[-1]

    @rule(target=held, number=st.integers(0, 99), large=st.booleans())
    def put(self, number: int, large: bool) -> Held:
        """Put a value."""
        return self._held(put(value(number, large)), Expected(f"put({number})", number))

    @rule(target=held, given=st.lists(held, max_size=3), large=st.booleans())
    def submit(self, given: list[Held], large: bool) -> Held:
        """Submit a task that reads references."""
        return self._held(add.remote(large, *[each.ref for each in given]), self._sum("add", given))

    @rule(target=held, given=st.lists(held, min_size=1, max_size=3), large=st.booleans())
    def submit_nested(self, given: list[Held], large: bool) -> Held:
        """Submit a task that reads references inside containers."""
        nested = (given[0].ref, {"more": [each.ref for each in given[1:]]})
        return self._held(dig.remote(large, nested), self._sum("dig", given))

    @rule(target=held)
    def submit_failing(self) -> Held:
        """Submit a task that fails."""
        return self._held(fail.remote(), Expected("fail()", None, {"ValueError"}))

    @rule(target=held, number=st.integers(0, 99), large=st.booleans())
    def borrow(self, number: int, large: bool) -> Any:
        """Take references that a worker owns."""
        made = f"own({number})"
        plain = [Expected(f"{made}[{i}]", number + i) for i in range(3)]
        plain[2].inputs.append(plain[1])
        self.lent += plain
        refs = self._within(made, lambda: get(own.remote(large, number), timeout=LIMIT))
        return multiple(*[self._held(ref, expected) for ref, expected in zip(refs, plain, strict=True)])

    @rule(target=held, given=held)
    def send_around(self, given: Held) -> Held:
        """Send a reference to a worker and back."""
        [back] = self._within("echo", lambda: get(echo.remote([given.ref]), timeout=LIMIT))
        assert back == given.ref
        return self._held(back, given.expected)

    @rule(given=consumes(held))
    def drop(self, given: Held) -> None:
        """Forget a reference."""
        self.story.append(f"drop {given.expected.made}")
        self.program.remove(given)
        del given.ref

    @rule(given=held)
    def get(self, given: Held) -> None:
        """Look at a value."""
        self._look(given)

    @rule(given=st.lists(held, min_size=1, max_size=4, unique_by=lambda each: each.ref.binary()))
    def wait(self, given: list[Held]) -> None:
        """Wait for some of several."""
        refs = [each.ref for each in given]
        ready, rest = self._within("wait", lambda: wait(refs, num_returns=len(refs), timeout=LIMIT))
        assert (ready, rest) == (refs, []), [each.expected.made for each in given if each.ref in rest]

    @rule(given=held)
    def cancel(self, given: Held) -> None:
        """Ask a task to end that may have ended already."""
        if not given.expected.made.startswith("call"):
            self.story.append(f"cancel {given.expected.made}")
            cancel(given.ref)
            given.expected.errors.add("TaskCancelledError")

    @rule(which=st.integers(0, 9))
    def kill_worker(self, which: int) -> None:
        """Kill a process that is no actor's: what it did is done again, what it owned may be lost."""
        pids = sorted(set(self.workers()) - {cell.pid for cell in self.actors})
        if pids:
            for expected in self.lent:
                expected.errors.add("OwnerDiedError")
            self.story.append("kill a worker")
            kill_process(pids[which % len(pids)])

    @precondition(lambda self: len(self.actors) < 3)
    @rule(target=cells)
    def make_actor(self) -> Cell:
        """Make an actor."""
        handle = Summing.remote()
        pid = self._within("pid of an actor", lambda: get(handle.pid.remote(), timeout=LIMIT))
        self.actors.append(Cell(handle, pid))
        return self.actors[-1]

    @rule(target=held, cell=cells, given=held, large=st.booleans())
    def call(self, cell: Cell, given: Held, large: bool) -> Any:
        """Call an actor; only with what is certain, as its state is all there is to know of it."""
        if given.expected.may_fail():
            return multiple()
        assert given.expected.number is not None
        # Later rules may make the input uncertain, and with it the sum: so it has to be there now.
        self._look(given)
        cell.number += given.expected.number
        expected = Expected(f"call({given.expected.made})", cell.number)
        if cell.dead:
            expected = Expected("call of the dead", None, {"ActorDiedError"})
        cell.calls.append(expected)
        return self._held(cell.handle.add.remote(large, given.ref), expected)

    @rule(cell=cells, how=st.sampled_from(["kill", "crash"]))
    def kill_actor(self, cell: Cell, how: str) -> None:
        """Kill an actor: what it was asked may have been answered, what comes later is not."""
        for expected in cell.calls:
            expected.errors.add("ActorDiedError")
        self.story.append(f"{how} an actor")
        if cell.dead or how == "kill":
            kill(cell.handle)
        else:
            kill_process(cell.pid)
            with pytest.raises(ActorDiedError):
                self._within("a crashed actor", lambda: get(cell.handle.pid.remote(), timeout=LIMIT))
        cell.dead = True

    # ------------------------------------------------------------------------------------- checking

    def _sum(self, name: str, given: Iterable[Held]) -> Expected:
        inputs = [each.expected for each in given]
        numbers = [each.number for each in inputs]
        total = None if None in numbers else 1 + sum(number for number in numbers if number is not None)
        return Expected(f"{name}({', '.join(each.made for each in inputs)})", total, set(), inputs)

    def _within(self, what: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except GetTimeoutError as error:
            raise AssertionError(f"{what} hangs, after {'; '.join(self.story)}") from error

    def _look(self, given: Held) -> None:
        expected = given.expected
        try:
            number, content = self._within(expected.made, lambda: get(given.ref, timeout=LIMIT))
        except AssertionError:
            raise
        except Exception as error:  # any: it is compared with what the model says
            assert kind(error) in expected.may_fail(), f"{expected.made}: {error!r}"  # noqa: PT017  # any is right but these
            return
        assert expected.may_be_right(), f"{expected.made} gave {number}"
        assert number == expected.number, expected.made
        assert set(content) == {number % 251}

    def teardown(self) -> None:
        """Look at all that is left, and let go of it."""
        for given in self.program:
            self._look(given)
        for given in self.program:
            del given.ref
        for cell in self.actors:
            del cell.handle
