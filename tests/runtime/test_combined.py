"""Tasks that are combined: in sequence, in parallel, and as map and reduce."""

import threading
from typing import Any

import pytest
from sklearn.preprocessing import StandardScaler

import alula as om
from alula.errors import TaskNotFoundError, WorkflowStillActiveError
from alula.runtime import AsyncResult, GroupResult
from alula.testing import Turnstile
from tests.faults.processes import eventually
from tests.runtime.estimators import Adder, Echo

pytestmark = pytest.mark.usefixtures("engine")

ENOUGH = 30.0


@pytest.fixture
def echo() -> None:
    om.models.put(Echo(), "echo")


def say(number: float, **how: Any) -> AsyncResult[Any]:
    """Call the model by the name of the module's runtime, as the founding page does."""
    return om.runtime.model("echo").predict([[number]], **how)


# -------------------------------------------------------------------------------------- the sequence


@pytest.mark.usefixtures("echo")
def test_each_task_of_a_sequence_is_given_what_the_one_before_gave() -> None:
    with om.runtime.sequence() as crt:
        for i in range(3):
            say(i)
        result = crt.run()
    first = {"X": 0, "before": None}
    second = {"X": 1, "before": first}
    assert result.get(ENOUGH) == {"X": 2, "before": second}
    assert result.getall() == [first, second, {"X": 2, "before": second}]


@pytest.mark.usefixtures("echo")
def test_results_of_a_sequence_know_those_before_and_after() -> None:
    with om.runtime.sequence() as crt:
        say(0)
        say(1)
    result = crt.run()  # after the block, as well
    assert isinstance(result, AsyncResult)
    assert result.get(ENOUGH)["X"] == 1
    parent = result.parent
    assert isinstance(parent, AsyncResult)
    assert (parent.get()["X"], parent.parent, parent.children, result.children) == (0, None, [result], [])
    assert result.collect() == {result, parent}
    again = om.runtime.result(result.id, wait=False)
    assert again.parent == parent


@pytest.mark.usefixtures("echo")
def test_a_sequence_stops_at_the_first_that_fails() -> None:
    with om.runtime.sequence() as crt:
        say(0)
        say(1, fail=True)
        say(2)
        last = say(3)
        result = crt.run()
    with pytest.raises(LookupError, match="no luck with 1"):
        result.get(ENOUGH)
    with pytest.raises(LookupError, match="no luck with 1"):
        result.getall()
    values = result.getall(propagate=False)
    assert values[0] == {"X": 0, "before": None}
    assert all(isinstance(value, LookupError) for value in values[1:])
    assert [last.status, result.status] == ["REVOKED"] * 2
    assert "no luck with 1" in (result.traceback or "")


@pytest.mark.parametrize("made", ["scaled", None])
def test_a_model_without_data_takes_what_the_task_before_has_given(made: str | None) -> None:
    """Values are data, and so is the dataset that was made of them."""
    om.models.put(StandardScaler().fit([[0.0], [2.0]]), "scaler")
    om.models.put(Adder(), "adder")
    with om.runtime.sequence() as crt:
        crt.model("scaler").transform([[3.0]], rName=made)
        crt.model("adder").fit()
    assert crt.run().get(ENOUGH).attributes["dataset"]["Xname"] == made
    assert om.models.get("adder").total_ == 2.0


def test_a_model_that_was_fitted_is_no_data() -> None:
    om.models.put(Adder(), "adder")
    with om.runtime.sequence() as crt:
        crt.model("adder").fit([[1.0]])
        crt.model("adder").predict()
    with pytest.raises(TypeError, match="which is no dataset"):
        crt.run().get(ENOUGH)


# --------------------------------------------------------------------------- parallel, map and reduce


@pytest.mark.usefixtures("echo")
def test_results_of_a_parallel_stand_in_the_order_of_submission() -> None:
    with om.runtime.parallel() as crt:
        calls = [say(i) for i in range(5)]
        result = crt.run()
    assert isinstance(result, GroupResult)
    assert [value["X"] for value in result.get(ENOUGH)] == [0, 1, 2, 3, 4]
    assert result.getall() == result.get()
    assert (result.ready(), result.successful(), result.failed(), result.completed_count()) == (
        *(True, True, False),
        5,
    )
    assert repr(result) == f"<GroupResult: {result.id} [{', '.join(call.id for call in calls)}]>"
    assert result.results == result.children == calls
    assert result.collect() == {result}
    assert om.runtime.result(result.id) == result.get()


@pytest.mark.usefixtures("echo")
def test_others_of_a_parallel_go_on_when_one_fails() -> None:
    with om.runtime.parallel() as crt:
        say(0, fail=True)
        say(1)
        group = crt.run()
    with pytest.raises(LookupError, match="no luck with 0"):
        group.get(ENOUGH)
    values = group.get(propagate=False)
    assert isinstance(values[0], LookupError)
    assert values[1] == {"X": 1, "before": None}
    assert (group.status, group.failed(), group.completed_count()) == ("FAILURE", True, 1)


@pytest.mark.usefixtures("echo")
def test_the_last_of_a_mapreduce_is_given_all_others_in_order() -> None:
    with om.runtime.mapreduce() as crt:
        for i in range(4):
            say(i)
        result = crt.run()
    assert [each["X"] for each in result.get(ENOUGH)["before"]] == [0, 1, 2]
    [single] = [each for each in result.collect() if isinstance(each, AsyncResult)]
    [group] = [each for each in result.collect() if isinstance(each, GroupResult)]
    assert (single, len(group), result.parent) == (result, 3, group)
    assert [value["X"] for value in result.getall()] == [0, 1, 2, 3]


@pytest.mark.usefixtures("echo")
def test_the_last_of_a_mapreduce_does_not_run_on_a_part_unless_it_is_told_to() -> None:
    def run(on_error: Any) -> Any:
        with om.runtime.mapreduce() as crt:
            say(0)
            say(1, fail=True)
            say(2)
            return crt.run(on_error=on_error)

    with pytest.raises(LookupError, match="no luck with 1"):
        run("stop").get(ENOUGH)
    before = run("partial").get(ENOUGH)["before"]
    assert before[0] == {"X": 0, "before": None}
    assert isinstance(before[1], LookupError)


def test_a_block_may_be_revoked_before_its_tasks_have_begun(turnstile: Turnstile) -> None:
    om.models.put(Echo(turnstile), "echo")
    with om.runtime.sequence() as crt:
        first = say(0, stop=True)
        second = say(1)
        third = say(2)
        crt.run()
    turnstile.arrived()
    assert eventually(lambda: first.status == "STARTED")  # it has taken longer than a moment
    assert [each.status for each in (second, third)] == ["PENDING", "PENDING"]
    with pytest.raises(WorkflowStillActiveError):
        first.forget()
    third.revoke()
    assert (third.status, second.status) == ("REVOKED", "PENDING")
    turnstile.let()
    assert second.get(ENOUGH)["X"] == 1
    with pytest.raises(om.errors.TaskCancelledError):
        third.get(ENOUGH)


def test_a_group_is_revoked_whole(turnstile: Turnstile) -> None:
    om.models.put(Echo(turnstile), "echo")
    with om.runtime.parallel() as crt:
        for i in range(4):
            say(i, stop=True)
        group = crt.run()
    turnstile.arrived()
    group.revoke()
    assert {result.status for result in group} == {"REVOKED"}


def total(data: Any = None, method: str = "", **others: Any) -> Any:
    """Stand for a model that adds up what it is given, or what it has learned from."""
    return {"method": method, "of": data if method == "reduce" else [len(each) for each in data]}


@pytest.mark.usefixtures("echo")
def test_a_function_may_be_a_model_and_combine_what_the_others_gave() -> None:
    om.models.put(total, "total", kind="virtualobj.dill")
    with om.runtime.mapreduce() as crt:
        crt.model("echo").predict([[1.0]])
        crt.model("echo").predict([[2.0]])
        crt.model("total").reduce()
    reduced = crt.run().get(ENOUGH)
    assert (reduced["method"], [each["X"] for each in reduced["of"]]) == ("reduce", [1.0, 2.0])
    refused = om.runtime.model("total").score([[1.0]], [1, 2]).get(ENOUGH, propagate=False)
    assert isinstance(refused, TypeError)  # what it gives is no number
    assert om.runtime.model("total").fit([[1.0]], [1, 2]).get(ENOUGH).version == 2
    with pytest.raises(AttributeError, match="reduce"):
        om.runtime.model("echo").reduce([1]).get(ENOUGH)


# ------------------------------------------------------------------------------ what cannot be combined


def test_nothing_cannot_be_run() -> None:
    for make in (om.runtime.sequence, om.runtime.parallel, om.runtime.mapreduce):
        with make() as crt, pytest.raises(ValueError, match="nothing to run"):
            crt.run()


@pytest.mark.usefixtures("echo")
def test_a_mapreduce_takes_two() -> None:
    with om.runtime.mapreduce() as crt:
        say(0)
    with pytest.raises(ValueError, match="at least two"):
        crt.run()


@pytest.mark.usefixtures("echo")
def test_blocks_are_not_nested_and_not_used_twice() -> None:
    with om.runtime.sequence() as crt:
        with pytest.raises(ValueError, match="cannot be nested"), om.runtime.parallel():
            pass
        say(0)
    assert crt.run().get(ENOUGH)["X"] == 0
    with pytest.raises(ValueError, match="used once"), crt:
        pass
    with pytest.raises(RuntimeError, match="has ended"):
        crt.model("echo").predict([[1.0]])


@pytest.mark.usefixtures("echo")
def test_an_exception_discards_what_was_noted_and_leaves_the_runtime_usable() -> None:
    crt, noted = om.runtime.sequence(), []

    def broken() -> None:
        with crt:
            noted.append(say(0))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    with pytest.raises(ValueError, match="nothing to run"):
        crt.run()
    with pytest.raises(TaskNotFoundError):
        noted[0].get()
    assert say(1).get(ENOUGH)["X"] == 1


@pytest.mark.usefixtures("echo")
def test_data_may_be_left_out_only_behind_another_task() -> None:
    with pytest.raises(TypeError, match="needs data"):
        om.runtime.model("echo").predict()
    with om.runtime.sequence() as crt:
        crt.model("echo").predict()
    with pytest.raises(ValueError, match="no task comes before it"):
        crt.run()


@pytest.mark.usefixtures("echo")
def test_what_other_threads_call_meanwhile_is_not_noted() -> None:
    values: list[Any] = []
    with om.runtime.sequence() as crt:
        other = threading.Thread(target=lambda: values.append(say(7).get(ENOUGH)))
        other.start()
        other.join()
        noted = threading.Thread(target=lambda: crt.model("echo").predict([[1.0]]))
        noted.start()
        noted.join()
        result = crt.run()
    assert values == [{"X": 7, "before": None}]
    assert len(result.getall()) == 1


@pytest.mark.usefixtures("echo")
def test_a_ping_inside_of_a_block_does_not_wait() -> None:
    with om.runtime.sequence() as crt:
        om.runtime.ping(1)
        say(0)
    assert crt.run().get(ENOUGH)["before"]["args"] == (1,)


@pytest.mark.usefixtures("echo")
def test_on_error_is_one_of_two_words() -> None:
    with om.runtime.mapreduce() as crt:
        say(0)
        say(1)
        with pytest.raises(ValueError, match="did you mean 'partial'"):
            crt.run(on_error="partail")  # type: ignore[arg-type]  # that is what it is about
