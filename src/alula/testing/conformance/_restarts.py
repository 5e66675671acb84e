"""Actors that start again, and calls that are sent again."""

import os
import signal
from typing import Any

import pytest

from ...errors import ActorDiedError, ActorError, TaskError
from ...futures import get_runtime_context, kill, method, remote
from ._part import Notes, Part, ended, value

__all__ = ["Restarts"]


class Stepper:
    """Notes what it is asked, and dies when told; a new process has none of its state."""

    def __init__(self, notes: Notes) -> None:
        self.notes, self.steps = notes, 0

    def step(self, name: Any = None) -> int:
        """Give how often this has been called in this process."""
        self.notes.add(name)
        self.steps += 1
        return self.steps

    def die_once(self, name: Any) -> Any:
        """Die, but not if that name has been noted before."""
        if str(name) not in self.notes.lines:
            self.notes.add(name)
            os.kill(os.getpid(), signal.SIGKILL)
        self.notes.add(name)
        return name

    def die(self) -> None:
        """Die."""
        os.kill(os.getpid(), signal.SIGKILL)

    def pid(self) -> int:
        """Give the number of the process."""
        return os.getpid()

    def is_new(self) -> bool:
        """Tell whether this is the first process of the actor."""
        return not get_runtime_context().was_current_actor_reconstructed

    @method(max_task_retries=2, retry_exceptions=[ConnectionError])
    def flaky(self, name: str, error: type[Exception], times: int) -> int:
        """Raise that often, then give how often it was tried."""
        tried = sum(line.startswith(name) for line in [*self.notes.lines]) + 1
        self.notes.add(f"{name}{tried}")
        if tried <= times:
            raise error("not yet")
        return tried


Stepping = remote(Stepper)


def stepped(stepper: Any) -> Any:
    """Call until it is back; meanwhile calls may fail."""
    while True:
        try:
            return value(stepper.step.remote())
        except ActorDiedError:
            raise
        except ActorError:
            continue


class Restarts(Part):
    """Actors that start again."""

    def test_a_restarted_actor_begins_anew(self, notes: Notes) -> None:
        stepper = Stepping.options(max_restarts=1).remote(notes)
        assert value(stepper.step.remote()) == 1
        assert value(stepper.step.remote()) == 2
        with pytest.raises(ActorError):
            value(stepper.die.remote())
        assert stepped(stepper) == 1

    def test_it_knows_that_it_has_lived_before(self, notes: Notes) -> None:
        stepper = Stepping.options(max_restarts=1).remote(notes)
        assert value(stepper.is_new.remote())
        pid = value(stepper.pid.remote())
        kill(stepper, no_restart=False)
        assert ended(pid)
        stepped(stepper)
        assert not value(stepper.is_new.remote())

    def test_it_starts_again_as_often_as_it_may(self, notes: Notes) -> None:
        stepper = Stepping.options(max_restarts=2).remote(notes)
        for _ in range(2):
            stepped(stepper)
            with pytest.raises(ActorError):
                value(stepper.die.remote())
        stepped(stepper)
        for ref in (stepper.die.remote(), stepper.step.remote()):
            with pytest.raises(ActorDiedError):
                value(ref)

    def test_a_kill_for_good_is_for_good(self, notes: Notes) -> None:
        stepper = Stepping.options(max_restarts=-1).remote(notes)
        value(stepper.step.remote())
        kill(stepper)
        with pytest.raises(ActorDiedError):
            value(stepper.step.remote())

    def test_without_restarts_a_kill_is_for_good_anyway(self, notes: Notes) -> None:
        stepper = Stepping.remote(notes)
        pid = value(stepper.pid.remote())
        kill(stepper, no_restart=False)
        assert ended(pid)
        with pytest.raises(ActorDiedError):
            value(stepper.step.remote())

    def test_a_call_says_how_often_it_may_be_sent_again(self, notes: Notes) -> None:
        stepper = Stepping.options(max_restarts=-1).remote(notes)
        assert value(stepper.die_once.options(max_task_retries=1).remote("x")) == "x"
        assert notes.lines == ["x", "x"]
        with pytest.raises(ActorError):
            value(stepper.die.options(max_task_retries=1).remote())

    def test_a_method_is_tried_again_after_the_errors_that_it_names(self, notes: Notes) -> None:
        stepper = Stepping.remote(notes)
        assert value(stepper.flaky.remote("a", ConnectionError, 2)) == 3
        with pytest.raises(TaskError, match="not yet"):
            value(stepper.flaky.remote("b", ConnectionError, 3))
        with pytest.raises(TaskError, match="not yet"):
            value(stepper.flaky.remote("c", KeyError, 1))
        with pytest.raises(TaskError, match="not yet"):
            value(stepper.flaky.options(max_task_retries=0).remote("d", ConnectionError, 1))
        assert notes.lines == ["a1", "a2", "a3", "b1", "b2", "b3", "c1", "d1"]
