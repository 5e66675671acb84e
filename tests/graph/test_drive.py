"""What a drive does in single cases; that it is right for any graph is shown in test_drive_properties."""

import tracemalloc
from typing import Any

import pytest

from alula._core._ids import Key
from alula.errors import FencedError, StoreUnavailableError, TaskCancelledError
from alula.graph import (
    Call,
    Cancel,
    Done,
    Drive,
    Failed,
    Graph,
    Grown,
    InputNode,
    Name,
    Node,
    Outcome,
    Recorded,
    Scope,
    Then,
)

LINKS = 10_000
FULL = StoreUnavailableError("memory", "it is full")


class Here:
    """A place that calls the function at once; one that gives a graph grows."""

    def start(self, call: Call, then: Then) -> Cancel:
        try:
            value = call.fn(*call.args, **call.kwargs)
        except Exception as error:  # what a node's function raises is its outcome
            then(Failed(error))
        else:
            then(Grown(value) if isinstance(value, Graph) else Done(value))
        return lambda: None


class Memory:
    """A home that keeps what it is given."""

    def __init__(self, **stored: Any) -> None:
        self.stored: dict[Key | str | bytes, Outcome] = {k: Done(v) for k, v in stored.items()}
        self.committed: list[tuple[Any, ...]] = []

    def recall(self, mark: Key | Name) -> Outcome | None:
        return self.stored.get(mark.name if isinstance(mark, Name) else mark)

    def record(self, key: Key, outcome: Done[Any] | Grown, then: Recorded) -> None:
        self.stored[key] = outcome
        then(None)

    def commit(self, values: tuple[Any, ...], then: Recorded) -> None:
        self.committed.append(values)
        then(None)


def run(node: Node[Any], home: Memory | None = None, **given: Any) -> Outcome:
    """Run a node here, and give how it ended."""
    outcomes: list[Outcome] = []
    Drive(Graph.of(node), Here(), Scope(), home, then=outcomes.append, **given).start()
    (outcome,) = outcomes
    return outcome


def error_of(outcome: Outcome) -> BaseException:
    assert isinstance(outcome, Failed)
    return outcome.error


def add(a: int, b: int) -> int:
    return a + b


def test_names_are_read_from_the_home_and_inputs_from_what_the_run_is_given() -> None:
    inp = InputNode()
    node: Node[int] = Node(add, (Node(add, (Name("x"), inp[0])), inp.y))
    assert run(node, Memory(x=1), args=(20,), kwargs={"y": 300}) == Done((321,))


def test_the_whole_is_committed_with_the_values_of_its_outputs() -> None:
    home = Memory()
    run(Node(add, (1, 2)), home)
    assert home.committed == [(3,)]


@pytest.mark.parametrize("home", [None, Memory()])
def test_a_name_that_is_stored_nowhere_fails_the_node_that_reads_it(home: Memory | None) -> None:
    error = error_of(run(Node(add, (Name("nothing"), 1)), home))
    assert isinstance(error, LookupError)
    assert "'nothing'" in str(error)


def test_a_missing_input_fails_the_node_that_reads_it() -> None:
    assert isinstance(error_of(run(Node(add, (InputNode()[0], 1)))), LookupError)


def test_a_place_that_refuses_a_call_has_answered_it() -> None:
    class Full(Here):
        def start(self, call: Call, then: Then) -> Cancel:
            raise FULL

    outcomes: list[Outcome] = []
    Drive(Graph.of(Node(add, (1, 2))), Full(), Scope(), then=outcomes.append).start()
    assert outcomes == [Failed(FULL)]


class BrokenRecord(Memory):
    def record(self, key: Key, outcome: Done[Any] | Grown, then: Recorded) -> None:
        raise FULL


class BrokenCommit(Memory):
    def commit(self, values: tuple[Any, ...], then: Recorded) -> None:
        raise FULL


class LateCommit(Memory):
    def commit(self, values: tuple[Any, ...], then: Recorded) -> None:
        then(FULL)


class BrokenRecall(Memory):
    """Can be asked once, and never again."""

    def recall(self, mark: Key | Name) -> Outcome | None:
        if self.stored:
            raise FULL
        self.stored[""] = Done(None)
        return None


@pytest.mark.parametrize("home", [BrokenRecord(), BrokenCommit(), LateCommit()])
def test_a_home_that_cannot_write_fails_the_run(home: Memory) -> None:
    assert run(Node(add, (1, 2)), home) == Failed(FULL)


def test_a_home_that_cannot_tell_what_of_a_continuation_has_run_fails_the_run() -> None:
    """Nothing of it may start: it may have run already."""
    started: list[int] = []
    inner = Graph.of(Node(started.append, (1,)), creator="outer")
    assert run(Node(lambda: inner), BrokenRecall(), on_error="skip") == Failed(FULL)
    assert started == []


def test_a_recorded_value_that_is_lost_when_it_is_read_fails_the_run() -> None:
    class Forgetful(Memory):
        def recall(self, mark: Key | Name) -> Outcome | None:
            return self.stored.pop(mark, None) if isinstance(mark, str) else None

    node: Node[int] = Node(add, (1, 2))
    error = error_of(run(node, Forgetful(**{Graph.of(node).outputs[0]: 3})))
    assert isinstance(error, LookupError)


def test_an_error_without_truth_is_an_error_all_the_same() -> None:
    class Empty(Exception):
        def __len__(self) -> int:
            return 0

    class Fenced(Memory):
        def record(self, key: Key, outcome: Done[Any] | Grown, then: Recorded) -> None:
            then(Empty())

    def fail() -> None:
        raise Empty

    assert isinstance(error_of(run(Node(fail))), Empty)
    assert isinstance(error_of(run(Node(add, (1, 2)), Fenced())), Empty)


@pytest.mark.parametrize("home", [None, Memory()])
def test_what_the_caller_does_wrong_at_the_end_is_not_taken_for_a_failure(home: Memory | None) -> None:
    outcomes: list[Outcome] = []

    def then(outcome: Outcome) -> None:
        outcomes.append(outcome)
        raise FencedError("the caller", 1)

    scope = Scope()
    with pytest.raises(FencedError):
        Drive(Graph.of(Node(add, (1, 2))), Here(), scope, home, then=then).start()
    assert outcomes == [Done((3,))]
    assert not scope


def test_at_the_end_each_node_can_be_asked_how_it_ended() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    good: Node[Any] = Node(add, (1, 2))
    bad: Node[Any] = Node(fail)
    after: Node[Any] = Node(add, (bad, 1))
    grows: Node[Any] = Node(lambda: Graph.of(bad, creator="grows"))
    graph = Graph.of(good, bad, after, grows)
    told: list[Outcome | None] = []

    def then(_: Outcome) -> None:
        told.extend(map(drive.outcome, graph.outputs))

    drive = Drive(graph, Here(), Scope(), then=then, on_error="skip")
    drive.start()
    first, second, third, fourth = told
    assert first == Done(3)
    assert isinstance(second, Failed)
    assert third is None
    assert isinstance(fourth, Failed)
    assert isinstance(fourth.error, ZeroDivisionError)


def test_an_output_that_was_recorded_before_can_be_asked_for_as_well() -> None:
    graph = Graph.of(Node(add, (1, 2)))
    told: list[Outcome | None] = []
    drive = Drive(
        graph,
        Here(),
        Scope(),
        Memory(**{graph.outputs[0]: 3}),
        then=lambda _: told.append(drive.outcome(graph.outputs[0])),
    )
    drive.start()
    assert told == [Done(3)]


def test_cancelled_before_its_start_it_starts_nothing() -> None:
    outcomes: list[Outcome] = []
    started: list[int] = []
    drive = Drive(Graph.of(Node(started.append, (1,))), Here(), Scope(), then=outcomes.append)
    drive.cancel()
    drive.start()
    drive.cancel()
    assert [type(error_of(outcome)) for outcome in outcomes] == [TaskCancelledError]
    assert started == []


def test_an_answer_that_comes_while_another_thread_lets_go_of_the_inbox_is_not_left_there() -> None:
    """The thread in the inbox found it empty; before it is out, an answer arrives and finds it there."""
    answers: list[Cancel] = []

    class Later(Here):
        def start(self, call: Call, then: Then) -> Cancel:
            answers.append(lambda: then(Done(1)))
            return lambda: None

    class Narrow:
        def __init__(self, lock: Any) -> None:
            self.lock = lock

        def acquire(self, *, blocking: bool) -> bool:
            return bool(self.lock.acquire(blocking=blocking))

        def release(self) -> None:
            if answers:
                answers.pop()()
            self.lock.release()

    outcomes: list[Outcome] = []
    drive = Drive(Graph.of(Node(add, (1, 2))), Later(), Scope(), then=outcomes.append)
    drive._at_work = Narrow(drive._at_work)  # type: ignore[assignment]  # a lock whose release takes its time
    drive.start()
    assert outcomes == [Done((1,))]


def chain(n: int) -> int | Graph:
    """Count down to zero, one continuation a step."""
    return Graph.of(Node(chain, (n - 1,)), creator=str(n)) if n else 0


@pytest.mark.parametrize("home", [None, Memory()])
def test_a_chain_of_ten_thousand_continuations_is_no_recursion(home: Memory | None) -> None:
    assert run(Node(chain, (LINKS,)), home) == Done((0,))


def test_a_chain_of_continuations_takes_constant_memory() -> None:
    def peak(links: int) -> int:
        tracemalloc.start()
        run(Node(chain, (links,)))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(3000)  # fills what the interpreter keeps for itself, such as free tuples
    assert peak(6000) < peak(3000) + 20 * 3000  # less than a key for each link


def test_a_chain_that_was_recorded_is_resumed_at_its_end() -> None:
    home = Memory()
    run(Node(chain, (LINKS,)), home)
    *_, last = (key for key, outcome in home.stored.items() if isinstance(outcome, Done))
    del home.stored[last]
    recorded = len(home.stored)
    assert run(Node(chain, (LINKS,)), home) == Done((0,))
    assert len(home.stored) == recorded + 1


def test_a_graph_of_ten_thousand_levels_runs() -> None:
    node: Node[int] = Node(add, (0, 1))
    for _ in range(9_999):
        node = Node(add, (node, 1))
    assert run(node) == Done((10_000,))


def test_a_graph_of_ten_thousand_nodes_side_by_side_runs() -> None:
    node: Node[int] = Node(sum, ([Node(add, (0, 1)) for _ in range(10_000)],))
    assert run(node) == Done((10_000,))
