"""Conditions on labels say yes or no, and nonsense is refused where it is written."""

from typing import Any

import cloudpickle
import pytest

from alula.futures import DoesNotExist, Exists, In, NotIn, TaskOptions
from alula.futures import NodeAffinitySchedulingStrategy as Affinity
from alula.futures import NodeLabelSchedulingStrategy as Labels
from alula.futures._strategies import condition


@pytest.mark.parametrize(
    ("text", "right", "wrong"),
    [
        ("a", ["a"], ["b", None]),
        ("!a", ["b", None], ["a"]),
        ("in(a, b)", ["a", "b"], ["c", None]),
        ("!in(a,b)", ["c", None], ["a", "b"]),
        ("us-west.2_x", ["us-west.2_x"], ["us-west"]),
    ],
)
def test_a_selector_is_read_as_a_condition(
    text: str, right: list[str | None], wrong: list[str | None]
) -> None:
    read = condition(text)
    assert all(read.holds(value) for value in right)
    assert not any(read.holds(value) for value in wrong)


@pytest.mark.parametrize("text", ["", "!", "in()", "in(a", "a b", "!in(a,,b)", "in(!a)", "-a", "a,b"])
def test_a_selector_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not of the form"):
        condition(text)
    with pytest.raises(ValueError, match=r"label_selector\['zone'\]"):
        TaskOptions().merged({"label_selector": {"zone": text}})


def test_conditions_by_operator() -> None:
    assert [In("a", "b").holds(v) for v in ("a", "c", None)] == [True, False, False]
    assert [NotIn("a").holds(v) for v in ("a", "c", None)] == [False, True, True]
    assert [Exists().holds(v) for v in ("a", None)] == [True, False]
    assert [DoesNotExist().holds(v) for v in ("a", None)] == [False, True]


@pytest.mark.parametrize(
    "make",
    [
        In,
        lambda: NotIn(1),  # type: ignore[arg-type]  # the mistakes are the point
        lambda: Labels({}),
        lambda: Labels({"zone": "a"}),  # type: ignore[dict-item]  # as above
        lambda: Labels([]),  # type: ignore[arg-type]  # as above
        lambda: Affinity("here", soft=False),
        lambda: Affinity(7, soft=False),  # type: ignore[arg-type]  # as above
    ],
)
def test_a_strategy_that_cannot_be_meant_is_refused(make: Any) -> None:
    with pytest.raises(ValueError, match=r"must|cannot|takes"):
        make()


@pytest.mark.parametrize(
    "strategy", [Affinity("ab", soft=True), Labels({"a": In("b"), "c": Exists()}, soft={"d": DoesNotExist()})]
)
def test_strategies_compare_by_value_can_be_keys_and_travel(strategy: Any) -> None:
    again = cloudpickle.loads(cloudpickle.dumps(strategy))
    assert again == strategy
    assert {strategy: 1}[again] == 1


def test_tasks_that_demand_the_same_share_workers() -> None:
    one = TaskOptions().merged({"label_selector": {"b": "1", "a": "!2"}, "runtime_env": {"pip": ["x", "y"]}})
    other = TaskOptions().merged(
        {"runtime_env": {"pip": ["x", "y"]}, "label_selector": {"a": "!2", "b": "1"}}
    )
    assert one.shape == other.shape
    assert hash(one.shape) == hash(other.shape)
    assert one.shape != TaskOptions().shape
