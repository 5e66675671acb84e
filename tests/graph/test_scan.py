from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.graph import Mark, Name, fill, scan

A, B = Name("a"), Name("b")


@dataclass
class Box:
    item: Any


class Pair(NamedTuple):
    left: Any
    right: Any


leaves = st.one_of(st.integers(), st.text(max_size=3), st.none(), st.builds(Name, st.sampled_from("abc")))
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.integers(), inner, max_size=3),
        st.builds(Box, inner),
    ),
    max_leaves=12,
)


def plainly(value: Any) -> Any:
    """Put the text of a name in its place, in the most obvious way."""
    match value:
        case Name(name):
            return f"value of {name!r}"
        case Box(item):
            return Box(plainly(item))
        case list():
            return [plainly(item) for item in value]
        case tuple():
            return tuple([plainly(item) for item in value])
        case dict():
            return {key: plainly(item) for key, item in value.items()}
        case _:
            return value


def given_of(mark: Mark) -> str:
    assert isinstance(mark, Name)
    return f"value of {mark.name!r}"


@given(values)
def test_every_mark_is_replaced_however_deep(value: object) -> None:
    assert fill(value, given_of) == plainly(value)


@given(values)
def test_what_is_found_is_what_is_asked_for(value: object) -> None:
    asked: list[Mark] = []
    fill(value, asked.append)
    found = scan(value)
    assert {id(mark) for mark in found} == {id(mark) for mark in asked}
    assert len({id(mark) for mark in found}) == len(found)


def test_marks_are_found_in_the_order_in_which_they_stand() -> None:
    assert scan(({"x": [B, Box(A)]}, B)) == [B, A]


@pytest.mark.parametrize("value", [[1, (2,)], {"x": [1]}, Box([1]), Pair(1, 2), {1, 2}, np.arange(3)])
def test_what_holds_no_mark_is_the_same_object_afterwards(value: object) -> None:
    assert fill(value, given_of) is value


def test_the_part_without_marks_is_the_same_object_afterwards() -> None:
    part = [1, 2]
    assert fill([part, A], given_of)[0] is part


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Pair(1, A), Pair(1, "value of 'a'")),
        (defaultdict[str, Any](list, x=A), defaultdict[str, Any](list, x="value of 'a'")),
        (OrderedDict(x=A), OrderedDict(x="value of 'a'")),
        (deque([A], maxlen=3), deque(["value of 'a'"], maxlen=3)),
        ({A, 1}, {"value of 'a'", 1}),
        (frozenset({A}), frozenset({"value of 'a'"})),
        ({A: 1}, {"value of 'a'": 1}),
    ],
)
def test_a_container_of_any_class_keeps_its_class(value: object, expected: object) -> None:
    assert scan(value) == [A]
    filled = fill(value, given_of)
    assert type(filled) is type(expected)
    assert filled == expected


def test_a_part_that_stands_in_two_places_still_does() -> None:
    part = [A]
    first, second = fill([part, part], given_of)
    assert first is second


def test_parts_shared_at_every_level_cost_one_look_each() -> None:
    value: list[Any] = [A]
    for _ in range(200):
        value = [value, value]
    assert scan(value) == [A]
    assert fill(value, given_of) is not value


def test_a_container_inside_itself_is_no_endless_loop() -> None:
    value: list[Any] = [A]
    value.append(value)
    assert scan(value) == [A]
    assert fill(value, given_of)[0] == "value of 'a'"


def test_large_buffers_beside_a_mark_are_not_copied() -> None:
    array = np.zeros(1000)
    filled = fill(Box([array, A]), given_of)
    assert filled.item[1] == "value of 'a'"
    assert np.shares_memory(filled.item[0], array)


@pytest.mark.parametrize("value", [Box(Lock()), print, Box, lambda: A, np.array([1.0])])
def test_what_cannot_hold_a_mark_or_be_looked_through_is_left_alone(value: object) -> None:
    assert scan(value) == []
    assert fill(value, given_of) is value
