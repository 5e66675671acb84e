"""The calls people make, checked before any engine is asked."""

from collections.abc import Iterator
from typing import Any

import pytest

import alula
from alula.errors import UnsupportedError
from alula.futures import (
    ActorClass,
    RemoteFunction,
    available_resources,
    cancel,
    cluster_resources,
    get,
    kill,
    method,
    nodes,
    put,
    remote,
    wait,
)


@pytest.fixture(scope="module", autouse=True)
def engine() -> Iterator[None]:
    alula.init(num_cpus=1, resources={"disk": 3})
    yield
    alula.shutdown()


@remote
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


class Tally:
    """Counts."""

    def __init__(self, start: int = 0) -> None:
        self.count = start

    def add(self, n: int = 1) -> int:
        self.count += n
        return self.count

    @method(num_returns=2)
    def both(self) -> tuple[int, int]:
        return self.count, -self.count


Counter = remote(Tally)


def test_what_remote_makes_looks_like_what_it_was_made_of() -> None:
    assert isinstance(add, RemoteFunction)
    assert isinstance(Counter, ActorClass)
    assert (add.__name__, add.__doc__, add.__module__) == ("add", "Add two numbers.", __name__)
    assert (Counter.__name__, Counter.__doc__, Counter.__module__) == ("Tally", "Counts.", __name__)
    assert "add" in repr(add)
    assert "Tally" in repr(Counter)
    assert "Tally" in repr(Counter.remote())


@pytest.mark.parametrize("call", [add, Counter, lambda: Counter.remote().add()], ids=["f", "class", "method"])
def test_what_runs_elsewhere_cannot_be_called_here(call: Any) -> None:
    with pytest.raises(TypeError, match=r"\.remote\("):
        call()


@pytest.mark.parametrize("targets", [(), (3,), (add, add)], ids=["none", "a number", "two"])
def test_remote_takes_one_function_or_class(targets: Any) -> None:
    with pytest.raises(TypeError, match="remote"):
        remote(*targets)


def test_options_are_checked_when_the_decorator_is_applied() -> None:
    with pytest.raises(ValueError, match="did you mean 'num_cpus'"):
        remote(num_cpu=1)(lambda: None)
    with pytest.raises(ValueError, match="max_retries"):
        add.options(max_retries=-5)
    with pytest.raises(UnsupportedError, match="placement_group"):
        Counter.options(placement_group=1)
    with pytest.raises(ValueError, match="max_calls"):
        add.options(max_calls=1)


def test_the_same_options_make_the_same_function() -> None:
    metadata = {"a": 1}
    first = add.options(num_cpus=2, metadata=metadata)
    assert add.options(num_cpus=2, metadata={"a": 1}) is first
    metadata["a"] = 2
    assert add.options(num_cpus=2, metadata=metadata).function.options.metadata == {"a": 2}
    assert first.function.options.metadata == {"a": 1}


def test_equal_options_of_another_type_are_checked_as_well() -> None:
    add.options(num_cpus=1, max_retries=1)
    with pytest.raises(TypeError, match="must be a number"):
        add.options(num_cpus=True, max_retries=1)


def test_options_that_may_change_are_read_at_each_call() -> None:
    environment = {"env_vars": {"A": "1"}}
    first = add.options(runtime_env=environment)
    environment["env_vars"]["A"] = "2"
    assert add.options(runtime_env=environment) is not first


def test_options_make_another_function_and_leave_the_first() -> None:
    both: Any = remote(lambda: (1, 2)).options(num_returns=2)
    assert get(both.remote()) == [1, 2]
    assert add.options(num_returns=0).remote(1) is None
    assert get(add.remote(1)) == 2


@pytest.mark.parametrize("args", [(), (1, 2, 3)])
def test_arguments_that_do_not_fit_are_refused_at_the_call(args: tuple[Any, ...]) -> None:
    for call in (add.remote, add.bind):
        with pytest.raises(TypeError, match="add"):
            call(*args)
    with pytest.raises(TypeError, match="Tally"):
        Counter.remote(1, 2, 3)


def test_methods_are_known_by_name() -> None:
    counter = Counter.remote(4)
    assert get(counter.add.remote(2)) == 6
    assert get(counter.both.remote()) == [6, -6]
    assert get(counter.both.options(num_returns=1).remote()) == (6, -6)
    with pytest.raises(AttributeError, match="did you mean 'both'"):
        _ = counter.bott
    with pytest.raises(AttributeError):
        _ = counter.__missing__


@pytest.mark.parametrize("value", [(), 3, None, "ref", [3], [add]], ids=str)
def test_only_references_can_be_asked_for(value: Any) -> None:
    with pytest.raises(ValueError, match="ObjectRef"):
        get(value)


@pytest.mark.parametrize("refs", [3, (), {}, [1]], ids=str)
def test_only_lists_of_references_can_be_waited_for(refs: Any) -> None:
    with pytest.raises(TypeError, match="ObjectRef"):
        wait(refs)


@pytest.mark.parametrize("given", [{"num_returns": 0}, {"num_returns": 3}, {"timeout": -1}], ids=str)
def test_a_wait_that_makes_no_sense_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        wait([put(1), put(2)], **given)


def test_a_wait_takes_each_reference_once() -> None:
    ref = put(1)
    with pytest.raises(ValueError, match="once"):
        wait([ref, ref])
    assert wait([]) == ([], [])
    assert get([]) == []
    assert get([ref, ref]) == [1, 1]


def test_other_wrong_arguments_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match="put"):
        put(put(1))
    with pytest.raises(TypeError, match="cancel"):
        cancel(3)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(ValueError, match="kill"):
        kill(add)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(ValueError, match="nobody"):
        alula.get_actor("nobody")


def test_a_graph_runs_on_the_engine() -> None:
    assert get(add.bind(add.bind(1), add.bind(2)).execute()) == 5


def test_the_machine_can_be_described() -> None:
    total = cluster_resources()
    assert (total["CPU"], total["disk"]) == (1, 3)
    assert total["memory"] > total["object_store_memory"] > 0
    assert available_resources() == total
    [node] = nodes()
    assert node["Alive"] is True
    assert node["Resources"] == total
    assert node["Labels"]["ray.io/node-id"] == node["NodeID"]
