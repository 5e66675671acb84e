"""What becomes of data on their way into a task, and of what was kept for one."""

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alula._core._settings import Settings
from alula.errors import PickleRefusedError
from alula.graph import Name
from alula.objects import Catalog, Datasets, open_catalogs
from alula.runtime._data import CARRIED, LINKED, Kept, drop_kept, hand_over, sweep_kept
from alula.runtime._inputs import read_input

TASK = "6e8f48c2-8103-4474-bd2a-22c3141c31b8"


@pytest.fixture
def datasets() -> Iterator[Catalog]:
    with open_catalogs(Settings.load()) as catalogs:
        yield catalogs.datasets


@pytest.fixture
def strict() -> Iterator[Datasets]:
    """Give datasets of which none may be a pickle."""
    with open_catalogs(Settings.load(pickles="none")) as catalogs:
        yield catalogs.datasets


def handed(data: Any, datasets: Catalog) -> Any:
    return hand_over(data, task=TASK, part="X", datasets=datasets)


def test_a_text_is_a_name(datasets: Catalog) -> None:
    assert handed("iris[x,y]", datasets) == Name("iris[x,y]")
    assert handed("*", datasets) == LINKED


def test_small_values_are_carried_as_they_are(datasets: Catalog) -> None:
    frame = pd.DataFrame({"x": [1.0]})
    assert handed(frame, datasets) is frame
    assert datasets.list(include_temp=True) == []


@pytest.mark.parametrize(
    "data",
    [
        np.zeros(CARRIED, dtype="u1"),
        [[f"{i:0100}"] for i in range(CARRIED // 100)],
        {"nested": [list(range(CARRIED))]},
        pd.DataFrame({"mixed": ["a", 1, None] * CARRIED}),
    ],
    ids=["array", "list", "dict", "frame of mixed types"],
)
def test_it_is_the_size_of_all_that_is_inside_that_counts(data: Any, datasets: Catalog) -> None:
    kept = handed(data, datasets)
    assert kept == Kept(f"_temp_{TASK}_X")
    [value] = datasets.load(kept.name)
    assert pickle.dumps(value) == pickle.dumps(data)


def test_what_was_kept_is_hidden_and_can_be_dropped(datasets: Catalog) -> None:
    handed(np.zeros(CARRIED), datasets)
    assert datasets.list() == []
    drop_kept(datasets, TASK)
    assert datasets.list(include_temp=True) == []


def test_only_what_was_kept_for_a_task_that_is_over_is_swept(datasets: Catalog) -> None:
    other = TASK.replace("6", "7")
    for task in (TASK, other):
        hand_over(np.zeros(CARRIED), task=task, part="X", datasets=datasets)
    datasets.put([1], "_temp_of_mine")
    sweep_kept(datasets, lambda task, kept: task == TASK)
    assert datasets.list(include_temp=True) == [f"_temp_{other}_X", "_temp_of_mine"]


@pytest.mark.parametrize(
    "data",
    [np.zeros(CARRIED), pd.DataFrame({"x": np.zeros(CARRIED)}), [[0.0]] * CARRIED, {"x": [0.0] * CARRIED}],
    ids=lambda data: type(data).__name__,
)
def test_large_values_need_no_pickles(strict: Datasets, data: Any) -> None:
    stands = hand_over(data, task=TASK, part="X", datasets=strict)
    back = read_input(stands, strict, None).value
    assert type(back) is type(data)
    np.testing.assert_array_equal(np.asarray(back), np.asarray(data))


def test_what_only_a_pickle_holds_is_refused_at_once_where_there_are_none(strict: Datasets) -> None:
    with pytest.raises(PickleRefusedError, match="_temp_"):
        hand_over([object()] * CARRIED, task=TASK, part="X", datasets=strict)


def test_a_single_number_is_no_data(datasets: Catalog) -> None:
    with pytest.raises(ValueError, match=r"give \[\[3\]\]"):
        handed(np.array(3), datasets)
