"""Actors in graphs: `bind` of classes and of their methods."""

import asyncio
from typing import Any

import pytest

from ...errors import ActorDiedError
from ...futures import ActorHandle, get, remote
from ...graph import InputNode
from ._actors import Counter
from ._part import LIMIT, Notes, Part, ended, value
from ._values import echo, fail

__all__ = ["Stages"]


class Meeting:
    """Coroutines that wait for one another."""

    def __init__(self, notes: Notes) -> None:
        self.notes, self.met = notes, asyncio.Event()

    async def come(self) -> str:
        """Be there."""
        self.met.set()
        self.notes.add("came")
        return "came"

    async def wait(self) -> str:
        """Wait for who comes."""
        await self.met.wait()
        return "met"

    async def run(self) -> str:
        """Have the name of something that a node can do as well."""
        return "ran"


class Stillborn:
    """An actor that cannot be."""

    def __init__(self) -> None:
        raise RuntimeError("not today")

    def live(self) -> None:
        """Never happens."""


class Stages(Part):
    """Actors that live as long as an execution."""

    def test_a_call_of_an_actor_in_a_graph(self) -> None:
        assert value(Counter.bind(10).add.bind(5).execute()) == 15

    def test_each_execution_has_an_actor_of_its_own(self) -> None:
        node = Counter.bind(10).add.bind()
        assert [value(node.execute()), value(node.execute())] == [11, 11]

    def test_one_node_of_a_class_is_one_actor(self) -> None:
        counter, other = Counter.bind(10), Counter.bind(10)
        pids = echo.bind([counter.pid.bind(), counter.pid.bind(), other.pid.bind()])
        first, second, third = get(value(pids.execute()), timeout=LIMIT)
        assert first == second != third

    def test_calls_run_in_the_order_in_which_they_were_bound(self) -> None:
        counter = Counter.bind(1)
        counter.add.bind(10)  # nobody reads it, and yet it comes first
        assert value(counter.add.bind(100).execute()) == 111
        later = counter.add.bind(1000)
        assert value(counter.add.bind(later).execute()) == 1111 + 1111

    def test_calls_and_actors_take_values_of_other_nodes_and_input(self) -> None:
        with InputNode() as inp:
            counter = Counter.bind(echo.bind(inp.start))
            node = echo.bind(counter.add.bind(inp[0]["amount"]))
        assert value(node.execute({"amount": 2}, start=40)) == 42

    def test_an_actor_as_an_argument_is_its_handle(self) -> None:
        counter = Counter.bind(10)
        counter.add.bind(1)
        ask = remote(lambda actors: get(actors["it"].add.remote(5)))
        assert value(ask.bind({"it": counter}).execute()) == 15, "its calls belong to graphs that read them"

    def test_an_actor_may_be_given_another(self) -> None:
        class Outer:
            def __init__(self, inner: ActorHandle) -> None:
                self.inner = inner

            def add(self, amount: int) -> Any:
                return get(self.inner.add.remote(amount))

        outer = remote(Outer).bind(Counter.bind(10))
        outer.add.bind(1)
        assert value(outer.add.bind(1).execute()) == 12

    def test_a_class_on_its_own_gives_the_handle(self) -> None:
        counter = Counter.bind(echo.bind(3)).execute()
        assert isinstance(counter, ActorHandle)
        assert value(counter.add.remote()) == 4

    def test_a_living_actor_may_be_called_in_a_graph(self) -> None:
        counter = Counter.remote(3)
        node = echo.bind(counter.add.bind(echo.bind(2)))
        assert [value(node.execute()), value(node.execute())] == [5, 7]

    def test_an_actor_ends_with_its_execution(self) -> None:
        assert ended(value(Counter.bind().pid.bind().execute()))

    def test_calls_of_coroutines_run_at_once(self, notes: Notes) -> None:
        meeting = remote(Meeting).bind(notes)
        both = echo.bind([meeting.wait.bind(), meeting.come.bind()])
        assert get(value(both.execute()), timeout=LIMIT) == ["met", "came"]
        assert notes.lines == ["came"]

    def test_what_was_bound_before_is_called_at_once_too(self, notes: Notes) -> None:
        meeting = remote(Meeting).bind(notes)
        meeting.come.bind()
        assert value(meeting.wait.bind().execute()) == "met"

    def test_a_method_may_have_the_name_of_what_nodes_can_do(self, notes: Notes) -> None:
        meeting: Any = remote(Meeting).bind(notes)
        assert value(meeting.run.bind().execute()) == "ran"

    def test_options_of_the_class_and_of_the_method(self) -> None:
        counter = Counter.options(name="of a graph").bind(echo.bind(3))
        assert value(counter.add.options(name="plus").bind().execute()) == 4
        assert value(counter.pair.options(num_returns=1).bind().execute()) == (4, -4)

    def test_a_failure_of_a_call_is_the_failure_of_the_graph(self) -> None:
        counter = Counter.bind()
        counter.spoil.bind(1)
        with pytest.raises(ValueError, match="spoilt"):
            value(counter.add.bind().execute())

    def test_an_actor_that_cannot_be_made_fails_its_calls(self) -> None:
        with pytest.raises(ActorDiedError):
            value(remote(Stillborn).bind().live.bind().execute())

    def test_an_input_of_the_actor_that_fails_is_the_failure_of_the_graph(self) -> None:
        with pytest.raises(ValueError, match="broken"):
            value(Counter.bind(fail.bind("broken")).add.bind().execute())

    @pytest.mark.parametrize(
        ("wrong", "error", "words"),
        [
            (lambda: Counter.bind(1, 2), TypeError, "too many"),
            (lambda: Counter.bind().pair.bind(), ValueError, "num_returns=2"),
            (lambda: Counter.bind().ad, AttributeError, "add"),
            (lambda: Counter.bind().bind(), AttributeError, "no method 'bind'"),
            (lambda: Counter.bind().add.remote(), TypeError, r"add\.bind"),
            (lambda: Counter.bind().add(), TypeError, r"add\.bind"),
            (lambda: Counter.bind().add.options(wrong=1), ValueError, "wrong"),
        ],
    )
    def test_what_cannot_be_bound_is_refused(self, wrong: Any, error: type[Exception], words: str) -> None:
        with pytest.raises(error, match=words):
            wrong()
