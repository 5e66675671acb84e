"""Filters as people write them: what they mean, and what is no filter."""

from typing import Any

import pytest

from alula.errors import NameNotFoundError
from alula.objects._filters import OPERATORS, Condition, conditions

KNOWN = ["age", "name", "a__lt"]


@pytest.mark.parametrize(
    ("given", "condition"),
    [
        ({"age": 3}, Condition("age", "eq", 3)),
        ({"age__gte": 3}, Condition("age", "gte", 3)),
        ({"age__in": (1, 2)}, Condition("age", "in", [1, 2])),
        ({"age__between": [1, 2]}, Condition("age", "between", [1, 2])),
        ({"name__startswith": "x"}, Condition("name", "startswith", "x")),
        ({"name__isnull": False}, Condition("name", "isnull", False)),
        ({"a__lt": 3}, Condition("a__lt", "eq", 3)),
        ({"a__lt__gt": 3}, Condition("a__lt", "gt", 3)),
    ],
)
def test_a_filter_is_a_column_and_an_operator(given: dict[str, Any], condition: Condition) -> None:
    assert conditions(given, KNOWN, "data/d") == (condition,)


@pytest.mark.parametrize(("key", "named"), [("agee", "agee"), ("agee__gt", "agee"), ("x__y__z", "x__y__z")])
def test_an_unknown_column_is_named_with_those_that_exist(key: str, named: str) -> None:
    with pytest.raises(NameNotFoundError, match=rf"data/d\[{named}\] does not exist.*data/d\[age\]"):
        conditions({key: 1}, KNOWN, "data/d")


@pytest.mark.parametrize("key", ["age__gtt", "age__$where", "age__"])
def test_an_unknown_operator_is_named_with_those_that_exist(key: str) -> None:
    with pytest.raises(ValueError, match=r"there is no operator .*There are: 'between'"):
        conditions({key: 1}, KNOWN, "data/d")


@pytest.mark.parametrize(
    "given",
    [{"age__in": 5}, {"age__between": [1]}, {"name__match": 5}, {"age__isnull": 1}, {"age__in": "ab"}],
)
def test_what_cannot_be_compared_with_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(given))} takes"):
        conditions(given, KNOWN, "data/d")


def test_every_operator_of_the_contract_is_there() -> None:
    contract = "eq ne not lt lte gt gte in between contains startswith endswith isnull match"
    assert frozenset(contract.split()) == OPERATORS
