"""Scripts by name: functions, classes, and what each of them is given."""

import threading
from typing import Any

import pytest

import alula as om
from alula.errors import NameNotFoundError, TaskError
from alula.runtime import current_task

pytestmark = pytest.mark.usefixtures("engine")


class OddError(Exception):
    """An error of the script's own."""


def told(om: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    return {"bucket": om.datasets.bucket, "args": args, "kwargs": kwargs}


def plain(a: int, b: int = 1) -> int:
    return a + b


def handler(data: Any = None, method: Any = None, meta: Any = None, **others: Any) -> dict[str, Any]:
    return {"data": data, "method": method, "meta": str(meta.name), "others": sorted(others)}


class Counter:
    def run(self, om: Any, start: int) -> int:
        return start + 1


def test_a_script_is_given_the_instance_and_what_it_is_called_with() -> None:
    om.scripts.put(told, "told")
    result = om.runtime.script("told").run(1, "two", three=[3])
    assert result.get() == {"bucket": "omegaml", "args": (1, "two"), "kwargs": {"three": [3]}}
    assert repr(om.runtime.script("told")) == "<script told>"


def test_a_script_runs_in_the_bucket_from_which_it_was_called() -> None:
    mine = om.bucket("mine")
    mine.scripts.put(told, "told")
    assert mine.runtime.script("told").run().get()["bucket"] == "mine"


def test_a_plain_function_is_called_as_it_is() -> None:
    om.scripts.put(plain, "plain")
    assert om.runtime.script("plain").run(2, b=3).get() == 5


def test_a_class_is_made_and_its_method_called() -> None:
    om.scripts.put(Counter, "counter")
    assert om.runtime.script("counter").run(4).get() == 5


def test_a_function_that_asks_as_omega_mls_do_is_told_what_they_are() -> None:
    om.scripts.put(handler, "handler")
    seen = om.runtime.script("handler").run([1, 2], colour="red").get()
    assert seen["data"] == [1, 2]
    assert (seen["method"], seen["meta"]) == ("run", "handler")
    assert seen["others"] == ["args", "colour", "om", "store", "tracking"]


def test_a_script_may_use_the_objects_and_the_runtime() -> None:
    def busy(om: Any) -> Any:
        om.datasets.put([1, 2], "made")
        return om.runtime.ping("from inside")["args"], current_task() is not None

    om.scripts.put(busy, "busy")
    assert om.runtime.script("busy").run().get() == (("from inside",), True)
    assert om.datasets.get("made") == [1, 2]


def test_the_error_of_a_script_is_of_the_class_that_it_raised_with_its_traceback() -> None:
    def broken(om: Any, number: int) -> float:
        return number / 0

    om.scripts.put(broken, "broken")
    result = om.runtime.script("broken").run(1)
    with pytest.raises(ZeroDivisionError) as caught:
        result.get()
    assert isinstance(caught.value, TaskError)
    assert result.status == "FAILURE"
    assert "in broken" in (result.traceback or "")


def test_an_error_of_a_class_of_its_own_comes_as_what_it_is() -> None:
    def odd() -> None:
        raise OddError("odd")

    om.scripts.put(odd, "odd")
    with pytest.raises(OddError, match="odd"):
        om.runtime.script("odd").run().get()


def test_a_version_may_be_named() -> None:
    om.scripts.put(plain, "script")
    om.scripts.put(told, "script")
    assert om.runtime.script("script^").run(1).get() == 2


def test_forwarded_results_come_by_name_or_by_the_task() -> None:
    def first(om: Any) -> int:
        return 1

    def second(om: Any, add: int, previous: int = 0) -> int:
        return previous + add

    def third(om: Any) -> Any:
        task = om.runtime.current_task()  # as the module's own
        assert task is current_task()
        assert task is not None
        return task.previous

    def last(om: Any, results: list[int]) -> int:
        return sum(results)

    for script in (first, second, third, last):
        om.scripts.put(script, script.__name__)
    with om.runtime.sequence() as crt:
        crt.script("first").run()
        crt.script("second").run(10)
        crt.script("third").run()
        result = crt.run()
    assert result.getall() == [1, 11, 11]
    with om.runtime.mapreduce() as crt:
        crt.script("first").run()
        om.runtime.script("second").run(5)
        crt.script("last").run()
        result = crt.run()
    assert result.get() == 6


def test_a_script_that_is_not_there_is_said_to_be_missing_at_once() -> None:
    om.scripts.put(plain, "plain")
    with pytest.raises(NameNotFoundError, match=r"scripts/plane.*did you mean 'scripts/plain'"):
        om.runtime.script("plane")
    with pytest.raises(AssertionError):
        om.runtime.script("nope")


def test_arguments_that_cannot_be_pickled_are_refused_at_once() -> None:
    om.scripts.put(plain, "plain")
    with pytest.raises(TypeError, match="lock"):
        om.runtime.script("plain").run(threading.Lock())


def test_a_script_can_be_run_and_nothing_else() -> None:
    om.scripts.put(plain, "plain")
    with pytest.raises(AttributeError, match="has no 'fit'"):
        om.runtime.script("plain").fit()  # type: ignore[attr-defined]  # that is what it is about
