"""Remote functions: how they are called, what their options may be, and that tasks may start tasks."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ...futures import get, put, remote
from .._turnstile import Turnstile
from ._part import LIMIT, Notes, Part, value

__all__ = ["Calls", "Nesting", "Options"]


@remote
def add(a: int, b: int = 10, *, twice: bool = False) -> int:
    """Add."""
    return (a + b) * (2 if twice else 1)


@remote
def depth(levels: int) -> int:
    """Go down by so many tasks, each waiting for the next."""
    return 1 + get(depth.remote(levels - 1)) if levels else 0


@remote
def fib(n: int) -> int:
    """Compute a Fibonacci number by as many tasks as there are calls."""
    return n if n < 2 else sum(get([fib.remote(n - 1), fib.remote(n - 2)]))


class Calls(Part):
    """Calling a remote function."""

    def test_arguments_and_defaults_are_those_of_python(self) -> None:
        assert get([add.remote(1), add.remote(1, 2), add.remote(1, b=3, twice=True)]) == [11, 3, 8]

    def test_a_remote_function_is_not_called_directly(self) -> None:
        with pytest.raises(TypeError, match=r"add\.remote"):
            add(1)

    @pytest.mark.parametrize(
        ("args", "kwargs"),
        [((), {}), ((1, 2, 3), {}), ((1,), {"c": 2}), ((1,), {"a": 2})],
        ids=["missing", "too many", "unknown", "given twice"],
    )
    def test_arguments_that_do_not_fit_are_refused_at_the_call(
        self, args: tuple[int, ...], kwargs: dict[str, int]
    ) -> None:
        with pytest.raises(TypeError, match="add"):
            add.remote(*args, **kwargs)
        with pytest.raises(TypeError, match="add"):
            add.bind(*args, **kwargs)

    def test_a_function_may_be_made_remote_in_three_ways(self) -> None:
        def double(x: int) -> int:
            return 2 * x

        ways: list[Any] = [remote(double), remote(num_cpus=0.5)(double), remote(double).options(num_cpus=2)]
        assert [value(way.remote(4)) for way in ways] == [8, 8, 8]

    def test_many_tasks_give_each_its_own_value(self) -> None:
        assert get([add.remote(i, i) for i in range(200)], timeout=LIMIT) == [2 * i for i in range(200)]

    def test_a_coroutine_function_gives_its_result(self) -> None:
        async def later() -> str:
            return "result"

        task: Any = remote(later)
        assert value(task.remote()) == "result"

    def test_what_a_function_captures_is_what_it_was_at_the_first_call(self) -> None:
        factor = 2
        scale = remote(lambda x: factor * x)
        assert value(scale.remote(5)) == 10
        factor = 3
        assert value(scale.remote(5)) == 10

    def test_a_function_that_cannot_be_pickled_is_refused_at_the_call(self) -> None:
        guard = threading.Lock()
        with pytest.raises(TypeError, match="guard"):
            remote(lambda: guard.locked()).remote()


class Options(Part):
    """`options` and `num_returns`."""

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"num_cpu": 1}, ValueError),
            ({"num_cpus": "1"}, TypeError),
            ({"num_cpus": -1}, ValueError),
            ({"num_returns": 1.5}, TypeError),
            ({"num_returns": -1}, ValueError),
            ({"max_retries": -2}, ValueError),
            ({"retry_exceptions": ValueError}, TypeError),
            ({"resources": {"CPU": 1}}, ValueError),
            ({"name": 3}, TypeError),
        ],
        ids=str,
    )
    def test_a_wrong_option_is_refused_where_it_is_written(
        self, options: dict[str, Any], error: type[Exception]
    ) -> None:
        with pytest.raises(error, match=next(iter(options))):
            add.options(**options)
        with pytest.raises(error, match=next(iter(options))):
            remote(**options)(lambda: None)

    def test_options_leave_the_original_as_it_was(self) -> None:
        pair = remote(lambda: (1, 2))
        assert len(get(pair.options(num_returns=2).remote())) == 2
        assert value(pair.remote()) == (1, 2)

    def test_no_returns_give_none(self, notes: Notes, turnstile: Turnstile) -> None:
        @remote(num_returns=0)
        def leave(notes: Notes, turnstile: Turnstile) -> str:
            notes.add()
            turnstile.wait()
            return "ignored"

        assert leave.remote(notes, turnstile) is None
        turnstile.arrived()
        assert notes.lines == ["ran"]

    @pytest.mark.parametrize("kind", [tuple, list, iter], ids=["tuple", "list", "generator"])
    def test_several_returns_give_a_reference_each(self, kind: Callable[[Any], Any]) -> None:
        @remote(num_returns=3)
        def three() -> Any:
            return (i for i in (7, 8, 9)) if kind is iter else kind((7, 8, 9))

        refs = three.remote()
        assert isinstance(refs, list)
        assert get(refs, timeout=LIMIT) == [7, 8, 9]

    @pytest.mark.parametrize("given", [(1,), (1, 2, 3), 5, None], ids=str)
    def test_a_wrong_number_of_results_is_an_error_of_every_reference(self, given: Any) -> None:
        for ref in remote(num_returns=2)(lambda: given).remote():
            with pytest.raises(ValueError, match="num_returns=2"):
                value(ref)

    def test_a_generator_that_fails_is_an_error_of_the_task(self) -> None:
        @remote(num_returns=2)
        def broken() -> Iterator[int]:
            yield 1
            raise KeyError("second")

        with pytest.raises(KeyError, match="second"):
            get(broken.remote(), timeout=LIMIT)


class Nesting(Part):
    """Tasks that start tasks and wait for them."""

    def test_a_task_may_start_others_and_wait(self) -> None:
        assert value(fib.remote(5)) == 5

    def test_a_recursion_may_be_deeper_than_there_are_cores(self) -> None:
        assert value(depth.remote(5)) == 5

    def test_a_task_may_give_the_reference_of_another(self) -> None:
        started = remote(lambda: add.remote(1, 2))
        assert value(value(started.remote())) == 3

    def test_a_task_may_put(self) -> None:
        assert value(value(remote(lambda: put("kept")).remote())) == "kept"

    def test_a_value_made_in_a_task_outlives_the_task_that_asked_for_it(self) -> None:
        refs = value(remote(lambda: [add.remote(i, 1) for i in range(5)]).remote())
        assert get(refs, timeout=LIMIT) == [1, 2, 3, 4, 5]

    def test_a_remote_function_may_be_an_argument(self) -> None:
        apply = remote(lambda function, *args: get(function.remote(*args)))
        assert value(apply.remote(add, 3, 4)) == 7
