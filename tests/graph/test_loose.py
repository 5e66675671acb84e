"""Nodes that start without all their inputs: quorums, handles to what they leave, graphs that catch."""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula._core._ids import Key
from alula.errors import TaskCancelledError
from alula.graph import (
    Call,
    Cancel,
    Done,
    Drive,
    Failed,
    Frontier,
    Graph,
    Grown,
    Node,
    Outcome,
    Pending,
    Scope,
    Then,
)

randoms = st.randoms(use_true_random=True)


def node(*args: object, **options: Any) -> Node[Any]:
    return Node(options.pop("fn", "add"), args, {}, options)


def wait(*args: object, quorum: int = 1, **options: Any) -> Node[Any]:
    return node(*args, fn="wait", quorum=quorum, **options)


class Place:
    """Does what each node's function says, when the test says so; keeps what was started and cancelled."""

    def __init__(self, random: Random | None = None) -> None:
        self.started: list[Call] = []
        self.cancelled: list[Key] = []
        self.moves: dict[Key, Callable[[], None]] = {}
        self.alarms: list[tuple[float, Callable[[], None]]] = []
        self.outcomes: list[Outcome] = []
        self.closed = 0
        self._random = random

    def drive(self, graph: Graph, **options: Any) -> Drive:
        self.scope = Scope()
        return Drive(
            graph, self, self.scope, then=self.outcomes.append, alarm=self.alarm, closed=self.close, **options
        ).start()

    def start(self, call: Call, then: Then) -> Cancel:
        assert call.key not in {other.key for other in self.started}, "started twice"
        self.started.append(call)
        self.moves[call.key] = partial(self._answer, call, then)
        return partial(self.cancelled.append, call.key)

    def alarm(self, seconds: float, then: Callable[[], None]) -> Cancel:
        self.alarms.append((seconds, then))
        return lambda: self.alarms.remove((seconds, then))

    def close(self) -> None:
        self.closed += 1

    def move(self, key: Key) -> None:
        self.moves.pop(key)()

    def run(self) -> None:
        """Let everything answer, in any order, cancelled things as they like."""
        assert self._random is not None
        while self.moves:
            self.move(self._random.choice(list(self.moves)))

    def _answer(self, call: Call, then: Then) -> None:
        then(self._outcome(call))

    def _outcome(self, call: Call) -> Outcome:
        if call.key in self.cancelled and (self._random is None or self._random.randrange(2)):
            return Failed(TaskCancelledError(str(call.key)))
        failed = [arg for arg in call.args if isinstance(arg, Failed)]
        match call.fn:
            case "add":
                return Done((None, failed[0].error)) if failed else Done(sum(call.args))
            case "pair":
                return Done((None, failed[0].error) if failed else (call.args[0], None))
            case "fail":
                return Failed(ValueError("no"))
            case "wait":
                left = [arg.key for arg in call.args if isinstance(arg, Pending)]
                ready = [arg for arg in call.args if not isinstance(arg, Pending)]
                return failed[0] if failed else Done((ready, left))
            case grow:
                return Grown(grow(call))


# ----------------------------------------------------------------------------------------- quorums


def test_a_quorum_starts_when_enough_have_ended_and_takes_no_more_in_the_order_of_its_inputs() -> None:
    a, b, c = (node(n) for n in range(3))
    graph, place = Graph.of(wait(a, b, c, quorum=2)), Place()
    frontier = Frontier(graph)
    assert len(frontier.ready()) == 3
    for n in (c, b, a):
        frontier.done(graph.key(n))
    [key] = frontier.ready()
    assert frontier.loose is not None
    assert frontier.loose.taken[key] == (graph.key(a), graph.key(b))
    assert place.outcomes == []


def test_it_is_given_values_and_marks_in_place_of_what_has_not_ended() -> None:
    a, b = node(1), node(2)
    graph, place = Graph.of(wait(a, b)), Place()
    place.drive(graph)
    place.move(graph.key(b))
    assert place.started[-1].args == (Pending(graph.key(a)), 2)


def test_the_outputs_end_the_run_and_what_is_left_is_cancelled() -> None:
    a, b, c = node(1), node(2), node(3)
    late = node(c, 1)
    graph, place = Graph.of(wait(a, b, late)), Place()
    drive = place.drive(graph)
    place.move(graph.key(a))
    place.move(graph.outputs[0])
    assert place.outcomes == [Done((([1], [graph.key(b), graph.key(late)]),))]
    assert set(place.cancelled) == {graph.key(b), graph.key(c)}
    assert drive.skipped == {graph.key(late)}
    assert place.closed == 0
    place.move(graph.key(b))
    place.move(graph.key(c))
    assert place.closed == 1
    assert not place.scope


def test_what_may_run_on_does_so_and_all_that_it_needs() -> None:
    a, b = node(1), node(2)
    late = node(b, 1)
    graph, place = Graph.of(wait(a, late, abandon="run")), Place()
    place.drive(graph)
    place.move(graph.key(a))
    place.move(graph.outputs[0])
    assert len(place.outcomes) == 1
    place.move(graph.key(b))
    assert place.cancelled == []
    place.move(graph.key(late))
    assert place.closed == 1


def test_a_quorum_starts_with_what_there_is_when_its_time_is_over() -> None:
    a, b = node(1), node(2)
    graph, place = Graph.of(wait(a, b, quorum=2, timeout=5.0)), Place()
    place.drive(graph)
    place.move(graph.key(b))
    [(seconds, over)] = place.alarms
    assert seconds == 5
    over()
    assert place.started[-1].args == (Pending(graph.key(a)), 2)
    assert place.alarms == []


def test_its_alarm_is_given_up_when_it_starts_and_set_off_too_late_does_nothing() -> None:
    a = node(1)
    graph, place = Graph.of(wait(a, timeout=5.0)), Place()
    place.drive(graph)
    [(_, over)] = place.alarms
    place.move(graph.key(a))
    assert place.alarms == []
    over()
    place.move(graph.outputs[0])
    assert place.outcomes == [Done((([1], []),))]


def test_a_failed_input_has_ended() -> None:
    a, bad = node(1), node(fn="fail")
    graph, place = Graph.of(wait(a, node(bad))), Place()
    place.drive(graph)
    place.move(graph.key(bad))
    [_, failed] = place.started[-1].args
    assert isinstance(failed, Failed)
    assert place.started[-1].args[0] == Pending(graph.key(a))


def test_a_failure_that_nobody_needs_does_not_matter() -> None:
    a, bad = node(1), node(fn="fail")
    graph, place = Graph.of(node(wait(a, bad), fn=lambda _: Graph.of(node(3), creator="x"))), Place()
    place.drive(graph)
    place.move(graph.key(a))
    place.move(place.started[-1].key)
    place.move(graph.key(bad))
    place.move(graph.outputs[0])
    place.move(place.started[-1].key)
    assert place.outcomes == [Done((3,))]


# ----------------------------------------------------------------------------------------- handles


def reading(call: Call) -> Graph:
    """Read all that a split has left, in a graph that has grown."""
    [(ready, left)] = call.args
    return Graph.of(node(*ready, *map(Pending, left)), creator=call.key)


def waiting(call: Call) -> Graph:
    """Wait on, until nothing is left; give how many there were."""
    [(ready, left)] = call.args
    if not left:
        return Graph.of(node(*ready), creator=call.key)
    return Graph.of(node(wait(*map(Pending, left)), fn=waiting), creator=call.key)


@given(randoms, st.integers(1, 6), st.integers(1, 6))
def test_what_was_left_is_read_by_graphs_that_grow_later(random: Random, size: int, quorum: int) -> None:
    nodes = [node(node(n)) for n in range(size)]
    place = Place(random)
    place.drive(Graph.of(node(wait(*nodes, quorum=min(quorum, size)), fn=reading)))
    place.run()
    assert place.outcomes == [Done((sum(range(size)),))]
    assert place.closed == 1
    assert not place.scope


@given(randoms, st.integers(1, 8))
def test_a_chain_of_waits_starts_each_task_once_and_comes_to_its_end(random: Random, size: int) -> None:
    place = Place(random)
    place.drive(Graph.of(node(wait(*[node(n) for n in range(size)]), fn=waiting)))
    place.run()
    assert isinstance(place.outcomes[0], Done)
    assert sum(call.fn == "wait" for call in place.started) == size
    assert place.closed == 1


@given(randoms, st.integers(1, 5))
def test_to_read_one_that_has_failed_or_will_is_a_failure(random: Random, size: int) -> None:
    nodes = [node(1), *[node(node(fn="fail")) for _ in range(size)]]
    place = Place(random)
    place.drive(Graph.of(node(wait(*nodes), fn=reading)))
    place.run()
    [outcome] = place.outcomes
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, ValueError)
    assert place.closed == 1


def test_one_that_is_not_known_here_is_looked_for_with_all_that_it_needs() -> None:
    """As after a crash: only the newest graph is driven, and it reads what an earlier one has made."""
    a, b = node(1), node(2)
    old = Graph.of(node(a, b), node(4), creator="old")
    place = Place(Random(0))
    place.drive(Graph.of(node(Pending(old.outputs[0]), 10)), find=lambda key: old)
    place.run()
    assert place.outcomes == [Done((13,))]
    assert len(place.started) == 4  # not the other output


def test_one_that_nobody_can_find_fails_the_graph_that_reads_it() -> None:
    place = Place(Random(0))
    place.drive(Graph.of(node(fn=lambda call: Graph.of(node(Pending(Key("?"))), creator=call.key))))
    place.run()
    [outcome] = place.outcomes
    assert isinstance(outcome, Failed)


# ---------------------------------------------------------------------------------------- catching


def growing(*nodes: Callable[[], Node[Any]], catches: bool = True) -> Callable[[Call], Graph]:
    """Grow into the pair of what some nodes give."""

    def grow(call: Call) -> Graph:
        made = [make() for make in nodes]
        return Graph.of(node(*made, fn="pair", catches=catches), creator=call.key)

    return grow


@given(randoms, st.integers(0, 3))
def test_a_failure_goes_no_further_than_the_output_of_a_graph_that_catches(random: Random, deep: int) -> None:
    def fails() -> Node[Any]:
        made = node(fn="fail")
        for _ in range(deep):
            made = node(made, node(1))
        return made

    place = Place(random)
    place.drive(Graph.of(node(fn=growing(fails, lambda: node(2), lambda: node(node(3))))))
    place.run()
    [outcome] = place.outcomes
    assert isinstance(outcome, Done)
    [(value, error)] = outcome.value
    assert value is None
    assert isinstance(error, ValueError)
    assert place.closed == 1
    assert not place.scope


@given(randoms)
def test_a_graph_that_catches_may_be_the_first_one(random: Random) -> None:
    place = Place(random)
    place.drive(Graph.of(node(node(fn="fail"), node(2), fn="pair", catches=True)))
    place.run()
    [outcome] = place.outcomes
    assert isinstance(outcome, Done)
    [(_, error)] = outcome.value
    assert isinstance(error, ValueError)


@given(randoms)
def test_a_failure_in_what_grew_inside_is_caught_by_the_nearest(random: Random) -> None:
    def inner(catches: bool) -> Callable[[], Node[Any]]:
        return lambda: node(fn=growing(lambda: node(node(fn="fail")), catches=catches))

    place = Place(random)
    place.drive(Graph.of(node(fn=growing(inner(False))), node(fn=growing(inner(True)))))
    place.run()
    [outcome] = place.outcomes
    assert isinstance(outcome, Done)
    [(value, error), (inside, nothing)] = outcome.value
    assert (value, nothing) == (None, None)
    assert isinstance(error, ValueError)
    assert isinstance(inside[1], ValueError)


def test_what_a_caught_failure_makes_needless_is_cancelled_or_never_starts() -> None:
    graph, place = Graph.of(node(fn=growing(lambda: node(fn="fail"), lambda: node(node(1))))), Place()
    drive = place.drive(graph)
    place.move(graph.outputs[0])
    bad, other = (call.key for call in place.started[1:])
    place.move(bad)
    assert place.cancelled == [other]
    assert len(drive.skipped) == 1
    place.move(place.started[-1].key)
    assert isinstance(place.outcomes[0], Done)
    place.move(other)
    assert place.closed == 1


def test_a_chain_that_catches_takes_constant_memory() -> None:
    graph = Graph.of(node())
    frontier, sizes = Frontier(graph), set()
    [key] = frontier.ready()
    for _ in range(100):
        grown = Graph.of(node(node(), catches=True), creator=key)
        frontier.done(key, grown)
        [first] = frontier.ready()
        frontier.done(first)
        [key] = frontier.ready()
        frontier.freed()
        assert frontier.loose is not None
        sizes.add(len(frontier.loose.shelters) + len(frontier._readers) + len(frontier._heir))
    assert len(sizes) <= 2


def test_a_run_that_has_failed_cancels_what_only_waits() -> None:
    idle, bad, busy = node(1, idle=True), node(fn="fail"), node(2)
    graph, place = Graph.of(node(idle, bad, busy)), Place()
    place.drive(graph)
    place.move(graph.key(bad))
    assert place.cancelled == [graph.key(idle)]


@pytest.mark.parametrize("quorum", [0, 1])
def test_a_quorum_of_nothing_starts_at_once(quorum: int) -> None:
    graph, place = Graph.of(wait(*[node(1)] * quorum, quorum=0)), Place()
    place.drive(graph)
    place.move(graph.outputs[0])
    assert isinstance(place.outcomes[0], Done)
