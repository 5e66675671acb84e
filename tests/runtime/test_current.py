"""The task as its own code sees it."""

from typing import Any

import pytest

import alula as om
from alula._core._settings import Settings
from alula.errors import ResultExpiredError
from alula.runtime import Progress, current_task
from alula.runtime._opened import opened
from alula.runtime._orders import Order
from alula.testing import Turnstile, faults
from tests.runtime.estimators import Seer

pytestmark = pytest.mark.usefixtures("engine")


def test_there_is_no_task_outside_of_any() -> None:
    assert current_task() is None


def test_code_finds_its_task_and_what_it_was_called_with() -> None:
    om.models.put(Seer(), "seer")
    result = om.runtime.model("seer").predict([[1.0]], colour="red")
    seen = result.get()
    assert seen["id"] == result.id
    assert [seen[name] for name in ("attempt", "action", "kind", "name", "bucket")] == [
        *(1, "predict", "model", "seer", "omegaml")
    ]
    assert (seen["args"], seen["kwargs"]) == (([[1.0]],), {"colour": "red"})
    assert (seen["previous"], seen["results"]) == (None, None)


def test_names_of_data_are_text_to_it() -> None:
    om.models.put(Seer(), "seer")
    om.datasets.put([[1.0]], "rows")
    assert om.runtime.model("seer").predict("rows").get()["args"] == ("rows",)


def test_code_is_given_the_instance_of_its_task() -> None:
    with om.setup(bucket="mine") as mine:
        mine.models.put(Seer(), "seer")
        seen: Any = mine.runtime.model("seer").predict([[1.0]]).get()
    assert seen["models"] == ["seer"]
    assert seen["default"] == "mine"  # and what the package itself gives is the same


def test_progress_is_seen_while_the_task_runs(turnstile: Turnstile) -> None:
    om.models.put(Seer(turnstile), "seer")
    result = om.runtime.model("seer").predict([[1.0]])
    turnstile.arrived()
    said = result.progress
    assert said is not None
    assert (said.done, said.total, said.text, str(said)) == (1, 4, "a quarter", "1/4 a quarter")
    turnstile.let()
    result.get()
    last = om.runtime.result(result.id, wait=False).progress
    assert last is not None
    assert (last.fraction, str(last)) == (0.75, "3/4")


def test_a_task_that_says_nothing_has_no_progress() -> None:
    answer = om.runtime.ping(wait=False)
    answer.get()
    assert answer.progress is None


def test_progress_of_unknown_length_has_no_fraction() -> None:
    assert (Progress(3).fraction, str(Progress(3))) == (None, "3")


def test_who_is_ahead_of_what_the_store_shows_waits_for_the_task_before(turnstile: Turnstile) -> None:
    """Nothing was forgotten: it has only not ended yet, as far as this process can see."""
    om.models.put(Seer(turnstile), "seer")
    before = om.runtime.model("seer").predict([[1.0]])
    turnstile.arrived()
    settings = Settings.load()
    with faults({"output.awaited": turnstile.let}), opened(_after(before.id, settings)) as at:
        assert at.context.previous["id"] == before.id
    before.forget()
    with opened(_after(before.id, settings)) as at, pytest.raises(ResultExpiredError):
        _ = at.context.previous


def _after(task: str, settings: Settings) -> Order:
    return Order(settings=settings, task="the-next", action="ping", previous=task)
