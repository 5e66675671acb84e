"""Who is served first when workers are scarce."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from alula.futures._embedded._turns import PATIENCE, Request, in_turn

NOW = 100.0


@dataclass(frozen=True)
class Client:
    id: int
    depth: int = 1


def order(queue: list[Request[Client]], working: dict[int, int], *, deep: bool = False) -> list[int]:
    return [request.number for request in in_turn(queue, working, NOW, deepest_first=deep)]


def asked(number: int, client: int, *, depth: int = 1, ago: float = 0.0) -> Request[Client]:
    return Request(Client(client, depth), number, {"CPU": 1}, since=NOW - ago)


def test_who_has_fewest_workers_comes_first_and_then_who_came_first() -> None:
    queue = [asked(1, 7), asked(2, 8), asked(3, 9)]
    assert order(queue, {7: 2, 8: 0, 9: 1}) == [2, 3, 1]
    assert order(queue, {}) == [1, 2, 3]


def test_several_requests_of_one_take_turns_with_those_of_others() -> None:
    queue = [asked(1, 7), asked(2, 7), asked(3, 7), asked(4, 8), asked(5, 8)]
    assert order(queue, {}) == [1, 4, 2, 5, 3]


def test_who_has_waited_for_too_long_comes_before_everybody() -> None:
    late = PATIENCE + 0.1
    assert order([asked(1, 7), asked(2, 8, ago=late), asked(3, 9, ago=late)], {8: 9}) == [2, 3, 1]


def test_among_many_processes_the_deepest_come_first() -> None:
    queue = [asked(1, 7, depth=1), asked(2, 8, depth=3), asked(3, 9, depth=3), asked(4, 6, depth=2)]
    assert order(queue, {8: 5}, deep=True) == [2, 3, 4, 1]


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 3), st.integers(0, 4)), max_size=12), st.booleans())
def test_each_request_has_its_turn_once(asks: list[tuple[int, float, int]], deep: bool) -> None:
    queue = [asked(i, client, depth=depth, ago=ago) for i, (client, ago, depth) in enumerate(asks)]
    assert sorted(order(queue, {}, deep=deep)) == list(range(len(asks)))
