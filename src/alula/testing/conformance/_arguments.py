"""What arrives in a task and what comes back: references, copies, and what cannot travel."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from ...errors import TaskError
from ...futures import ObjectRef, get, put, remote, wait
from .._turnstile import Turnstile
from ._part import LIMIT, Notes, Part, value
from ._values import echo, fail, hold

__all__ = ["Arguments", "Box", "Copies", "Dependencies"]


@dataclass(frozen=True)
class Box:
    """An object that is none of Python's own containers."""

    item: Any


def in_a_dict(ref: ObjectRef[Any]) -> object:
    """Nest."""
    return {"key": (ref, 1)}


@remote
def noted(notes: Notes, *inputs: Any) -> int:
    """Leave a line."""
    return notes.add()


class Arguments(Part):
    """References among the arguments, and arguments that cannot travel."""

    def test_a_reference_on_its_own_arrives_as_its_value(self) -> None:
        pair = remote(lambda a, *, b: (a, b))
        assert value(pair.remote(put(1), b=echo.remote(2))) == (1, 2)

    @pytest.mark.parametrize("nest", [lambda ref: [ref], in_a_dict, Box], ids=["list", "dict", "object"])
    def test_a_nested_reference_arrives_as_a_reference(self, nest: Callable[[Any], Any]) -> None:
        @remote
        def look(given: Any) -> tuple[bool, Any]:
            if isinstance(given, dict):
                given = given["key"]
            inner: Any = given.item if isinstance(given, Box) else given[0]
            return isinstance(inner, ObjectRef), get(inner)

        assert value(look.remote(nest(echo.remote("deep")))) == (True, "deep")

    def test_nobody_waits_for_a_nested_reference(self, turnstile: Turnstile) -> None:
        pending = hold.remote(turnstile)
        assert value(remote(lambda refs: len(refs)).remote([pending])) == 1
        assert wait([pending], timeout=0) == ([], [pending])

    def test_a_nested_reference_may_be_passed_on(self) -> None:
        again = remote(lambda refs: get(echo.remote(refs[0])))
        assert value(again.remote([put("further")])) == "further"

    def test_a_reference_given_back_is_unwrapped_once(self) -> None:
        inner = value(echo.remote([put("inner")]))[0]
        assert isinstance(inner, ObjectRef)
        assert value(inner) == "inner"
        outer = value(remote(lambda: put("inner")).remote())
        assert isinstance(outer, ObjectRef)
        assert value(outer) == "inner"

    def test_functions_and_classes_travel_by_value(self) -> None:
        class Local:
            def __init__(self, n: int) -> None:
                self.n = n

        assert value(remote(lambda make, call: call(make(4).n)).remote(Local, lambda n: n + 1)) == 5
        assert value(echo.remote(Local(6))).n == 6

    @pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x], Box], ids=["alone", "list", "object"])
    def test_an_argument_that_cannot_be_pickled_is_refused_at_the_call(
        self, wrap: Callable[..., Any]
    ) -> None:
        with pytest.raises(TypeError, match="lock"):
            echo.remote(wrap(threading.Lock()))
        with pytest.raises(TypeError, match="lock"):
            echo.remote(given=wrap(threading.Lock()))

    def test_a_result_that_cannot_be_pickled_is_an_error_of_the_task(self) -> None:
        with pytest.raises(TypeError, match="lock") as caught:
            value(remote(lambda: threading.Lock()).remote())
        assert isinstance(caught.value, TaskError)


class Copies(Part):
    """Values are immutable copies: what one side does to its own, the other never sees."""

    def test_a_later_change_of_an_argument_is_not_seen(self, turnstile: Turnstile) -> None:
        given = [1]
        ref = hold.remote(turnstile, given)
        turnstile.arrived()
        given.append(2)
        turnstile.let()
        assert value(ref) == [1]

    def test_a_change_by_the_task_is_not_seen(self) -> None:
        given, kept = [1], put([1])
        change = remote(lambda x: x.append(2))
        get([change.remote(given), change.remote(kept)], timeout=LIMIT)
        assert (given, value(kept)) == ([1], [1])

    def test_each_get_gives_a_value_of_its_own(self) -> None:
        ref = echo.remote([1])
        value(ref).append(2)
        assert value(ref) == [1]

    @pytest.mark.parametrize("size", [10, 200_000])
    def test_what_is_shared_inside_one_value_stays_shared(self, size: int) -> None:
        array = np.arange(size)
        count = remote(lambda items: len({id(item) for item in items}))
        assert value(count.remote([array] * 99)) == 1
        assert len({id(item) for item in value(put([array] * 99))}) == 1


class Dependencies(Part):
    """A task and the tasks that make its inputs."""

    def test_a_task_does_not_begin_before_its_input_is_there(
        self, turnstile: Turnstile, notes: Notes
    ) -> None:
        pending = hold.remote(turnstile, 1)
        after = noted.remote(notes, pending)
        turnstile.arrived()
        assert value(echo.remote("meanwhile")) == "meanwhile"
        assert notes.lines == []
        turnstile.let()
        assert value(after) == 1

    def test_what_needs_a_failed_input_does_not_run_and_fails_alike(self, notes: Notes) -> None:
        first = noted.remote(notes, fail.remote("broken"))
        second = noted.remote(notes, 1, first)
        for ref in (first, second):
            with pytest.raises(ValueError, match="broken") as caught:
                value(ref)
            assert isinstance(caught.value, TaskError)
            assert any("was not run" in note for note in caught.value.__notes__)
        assert notes.lines == []

    def test_an_input_that_fails_later_does_the_same(self, turnstile: Turnstile, notes: Notes) -> None:
        fail_later = remote(lambda turnstile: turnstile.wait() or 1 / 0)
        ref = noted.remote(notes, fail_later.remote(turnstile), put(1))
        turnstile.let()
        with pytest.raises(ZeroDivisionError):
            value(ref)
        assert notes.lines == []

    def test_a_chain_passes_each_value_on(self) -> None:
        ref = put(0)
        for _ in range(30):
            ref = remote(lambda x: x + 1).remote(ref)
        assert value(ref) == 30
