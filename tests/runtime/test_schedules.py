"""What is scheduled begins at each of its times once, and says at its object how it went."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeAlias

import numpy as np
import pytest

import alula as om
from alula import workflow
from alula._core._settings import Settings
from alula.errors import NameNotFoundError, NotebookError
from alula.runtime import Schedule
from alula.runtime._schedules._triggers import cancelled, planned, settled, triggers_of
from alula.store import Executors, Store
from alula.testing import Clock
from alula.workflow import Executor, WorkflowExecutionError
from alula.workflow._vault import Vault

pytestmark = [
    pytest.mark.usefixtures("engine"),
    pytest.mark.filterwarnings("ignore:no living executor looks after schedules"),
]

Keep: TypeAlias = Callable[[Clock], Executor]

ENOUGH = 50.0


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALULA_TIMEZONE", "Europe/Vienna")


@pytest.fixture
def keep() -> Iterator[Keep]:
    """Open executors that claim, by a clock of the test's."""
    opened: list[tuple[Executor, Store]] = []

    def open_one(clock: Clock) -> Executor:
        settings = Settings.load()
        store = Store.open(settings.store, clock=clock)
        executors = Executors(store)
        lease = executors.register(["default"], claims=True)
        executor = Executor(store, Vault.of(settings), lease, executors, claims=True)
        opened.append((executor, store))
        return executor

    yield open_one
    for executor, store in opened:
        executor.close()
        store.close()


def run_due(keeper: Executor) -> list[str]:
    """Begin what is due, and run it; give the ids of the tasks."""
    keeper._runs.write(keeper.schedules.fire)
    handles = keeper.claim(5)
    for handle in handles:
        with suppress(WorkflowExecutionError):  # which the triggers say, too
            handle.result(ENOUGH)
    return [handle.id for handle in handles]


def due_of(name: str) -> float:
    """Give the time that a notebook waits for."""
    _, [trigger] = om.jobs.get_schedule(name, only_pending=True)
    return datetime.fromisoformat(trigger["event"]).timestamp()


def marks(name: str) -> list[str]:
    _, triggers = om.jobs.get_schedule(name)
    return [trigger["status"] for trigger in triggers]


# --------------------------------------------------------------------------------------- notebooks


def test_a_scheduled_notebook_runs_at_each_time_once_whoever_looks_after_it(keep: Keep) -> None:
    om.jobs.create("print(args, x)", "report")
    om.jobs.schedule("report", "daily, at 06:00", args=[1], kwargs={"x": 2})
    clock = Clock(now=due_of("report"))
    one, other = keep(clock), keep(clock)
    [task] = [*run_due(one), *run_due(other)]
    [noted] = om.jobs.resolve("report").attributes["job_runs"]
    assert (noted["task_id"], noted["params"]) == (task, {"args": [1], "kwargs": {"x": 2}})
    assert om.runtime.result(task).name == noted["results"]
    assert marks("report") == ["OK", "PENDING"]
    assert due_of("report") == clock.time() + 86400


def test_one_that_fails_says_so_and_goes_on(keep: Keep) -> None:
    om.jobs.create("1 / 0", "bad")
    om.jobs.schedule("bad", {"hour": 6})
    keeper = keep(Clock(now=due_of("bad")))
    [task] = run_due(keeper)
    with pytest.raises(NotebookError, match="ZeroDivisionError"):
        om.runtime.result(task)
    assert marks("bad") == ["ERROR", "PENDING"]


def test_a_schedule_is_noted_at_the_notebook_and_stored_in_utc() -> None:
    om.jobs.create("pass", "report")
    metadata = om.runtime.job("report").schedule("daily, at 06:00", last_run=datetime(2026, 7, 1))
    [trigger] = metadata.attributes["triggers"]
    assert metadata.attributes["config"]["run-at"] == "00 06 * * *"
    assert trigger["event"] == trigger["run-at"] == "2026-07-01T04:00:00+00:00"
    assert (trigger["event-kind"], trigger["status"]) == ("scheduled", "PENDING")
    assert metadata.attributes["next_run_time"] == trigger["event"]
    assert om.runtime.job("report").get_schedule() == ("00 06 * * *", [trigger])


def test_scheduled_again_it_waits_for_one_time_only() -> None:
    om.jobs.create("pass", "report")
    om.jobs.schedule("report", "daily, at 06:00")
    om.jobs.schedule("report", Schedule("06:05/12:10", timezone="UTC"))
    cron, triggers = om.jobs.get_schedule("report")
    assert cron == "05 06 * * * | 10 12 * * *"
    assert [trigger["status"] for trigger in triggers] == ["CANCELLED", "PENDING"]


def test_a_dropped_schedule_begins_nothing_more() -> None:
    om.jobs.create("pass", "report")
    om.jobs.schedule("report", "daily, at 06:00")
    metadata = om.jobs.drop_schedule("report")
    assert "run-at" not in metadata.attributes["config"]
    assert om.jobs.get_schedule("report", only_pending=True) == (None, [])
    assert marks("report") == ["CANCELLED"]
    assert workflow.list_schedules() == []


def test_a_dropped_notebook_takes_its_schedule_with_it(keep: Keep) -> None:
    for name in ("one", "two"):
        om.jobs.create("pass", name)
        om.jobs.schedule(name, "daily, at 06:00")
    due = due_of("two")
    om.jobs.drop("one")
    [left] = workflow.list_schedules()
    assert left.name.endswith("two")
    super(type(om.jobs), om.jobs).drop("two")  # as a process does that knows nothing of schedules
    run_due(keep(Clock(now=due)))
    assert workflow.list_schedules() == []


@pytest.mark.parametrize(
    "comment",
    [
        '# omega-ml:\n#   run-at: "*/5 6 * * *"',
        '# alula:\n#   schedule: "every 5 minutes, hours 6"',
        "# cron: '*/5 6 * * *'  # in the morning",
        "# run-at: every 5 minutes, hour 6",
    ],
)
def test_a_notebook_may_begin_with_its_own_schedule(comment: str) -> None:
    with pytest.warns(UserWarning, match="more often than once an hour"):
        om.jobs.create(f"{comment}\nprint('x')", "report")
    assert om.jobs.get_schedule("report")[0] in ("*/5 6 * * *", "*/5 06 * * *")
    om.jobs.drop_schedule("report")
    with pytest.warns(UserWarning, match="more often"):
        om.jobs.schedule("report")


@pytest.mark.parametrize(
    "comment",
    ['# alula:\n#   run-at: "daily', "# alula:\n#   when: daily", "# alula:\n", "# cron: [1, 2]"],
)
def test_one_that_cannot_be_read_is_refused_when_it_is_put(comment: str) -> None:
    with pytest.raises(ValueError, match="Notebook configuration cannot be parsed"):
        om.jobs.create(f"{comment}\nprint('x')", "report")
    assert om.jobs.list() == []


def test_other_comments_are_no_schedules() -> None:
    om.jobs.create("# Report: monthly numbers\nprint('x')", "report")
    with pytest.raises(ValueError, match="no run-at specification found, cannot schedule"):
        om.jobs.schedule("report")


def test_what_cannot_be_scheduled_is_refused() -> None:
    om.jobs.create("pass", "report")
    with pytest.raises(NameNotFoundError, match="jobs/repot"):
        om.jobs.schedule("repot", "daily")
    with pytest.raises(ValueError, match="'whenever'"):
        om.jobs.schedule("report", "whenever")
    with pytest.raises(ValueError, match="overlap is one of"):
        om.jobs.schedule("report", "daily", overlap="maybe")
    with pytest.raises(TypeError, match="argument 0 is of object"):
        om.jobs.schedule("report", "daily", args=[object()])
    om.jobs.put(om.jobs.get("report"), "results/report")
    with pytest.raises(ValueError, match="schedule the notebook that ran"):
        om.jobs.schedule("results/report", "daily")
    assert workflow.list_schedules() == []


def test_what_was_missed_runs_once_or_not_at_all(keep: Keep) -> None:
    for name, catchup in (("late", True), ("never", False)):
        om.jobs.create("pass", name)
        om.jobs.schedule(name, "daily, at 06:00", catchup=catchup)
    clock = Clock(now=due_of("late") + 3 * 86400 + 3600)
    keeper = keep(clock)
    assert [task.partition("@")[0] for task in run_due(keeper)] == ["run jobs/omegaml/late"]
    assert due_of("late") == due_of("never") == clock.time() + 86400 - 3600


def test_each_day_has_one_run_also_when_the_clock_is_changed(keep: Keep) -> None:
    om.jobs.create("pass", "report")
    om.jobs.schedule("report", "daily, at 02:30", last_run=datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert datetime.fromtimestamp(due_of("report"), UTC).isoformat() == "2026-03-29T01:00:00+00:00"
    om.jobs.schedule("report", "daily, at 02:30", last_run=datetime(2026, 10, 25, 0, 45, tzinfo=UTC))
    assert datetime.fromtimestamp(due_of("report"), UTC).isoformat() == "2026-10-26T01:30:00+00:00"


def test_nobody_to_look_after_it_is_a_warning(keep: Keep) -> None:
    om.jobs.create("pass", "report")
    with warnings.catch_warnings(record=True, action="always") as caught:
        om.jobs.schedule("report", "daily")
    assert "no living executor looks after schedules with the labels ['default']" in str(caught[0].message)
    keep(Clock(now=datetime.now(UTC).timestamp()))
    with warnings.catch_warnings(record=True, action="always") as caught:
        om.jobs.schedule("report", "daily")
    assert caught == []


# ------------------------------------------------------------------------------- models and scripts


@pytest.mark.usefixtures("line")
def test_a_model_may_be_scheduled(keep: Keep) -> None:
    model = om.runtime.model("mymodel")
    model.schedule("mondays, at 03:00", "fit", "data-X", "data-Y")
    cron, [trigger] = model.get_schedule("fit")
    assert cron == "00 03 * * 1"
    [task] = run_due(keep(Clock(now=datetime.fromisoformat(trigger["event"]).timestamp())))
    assert om.runtime.result(task).version == 2
    assert [each["status"] for each in model.get_schedule("fit")[1]] == ["OK", "PENDING"]
    model.drop_schedule("fit")
    assert model.get_schedule("fit", only_pending=True) == (None, [])
    with pytest.raises(ValueError, match=r"'fitt'.*did you mean 'fit'"):
        model.schedule("daily", "fitt", np.ones((2, 1)))


def test_a_script_may_be_scheduled(keep: Keep) -> None:
    def double(data: Any = None, **kwargs: Any) -> Any:
        return 2 * data

    om.scripts.put(double, "double")
    script = om.runtime.script("double")
    script.schedule("daily", args=[21])
    _, [trigger] = script.get_schedule()
    [task] = run_due(keep(Clock(now=datetime.fromisoformat(trigger["event"]).timestamp())))
    assert om.runtime.result(task) == 42
    script.drop_schedule()
    assert script.get_schedule()[0] is None


# ----------------------------------------------------------------------------------------- triggers


def test_a_run_that_is_noted_twice_stands_there_once() -> None:
    before = planned({"mine": 1}, "run", "@daily", 100.0, 0.0)
    once = settled(before, "run", 100.0, "OK", 200.0, 150.0)
    twice = settled(once, "run", 100.0, "OK", 200.0, 160.0)
    for attributes in (once, twice):
        assert [trigger["status"] for trigger in attributes["triggers"]] == ["OK", "PENDING"]
        assert attributes["mine"] == 1


def test_the_schedules_of_two_actions_do_not_touch_each_other() -> None:
    both = planned(planned({}, "fit", "a", 100.0, 0.0), "score", "b", 200.0, 0.0)
    gone = cancelled(both, "fit", 50.0)
    assert [trigger["status"] for trigger in triggers_of(gone, "fit", None, only_pending=False)] == [
        "CANCELLED"
    ]
    assert [trigger["status"] for trigger in triggers_of(gone, "score", 200.0, only_pending=True)] == [
        "PENDING"
    ]
