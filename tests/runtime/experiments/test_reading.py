"""What was logged is read by run, key and time; what there is not, is an empty table."""

import sys
from datetime import UTC, datetime, timedelta

import matplotlib as mpl
import pandas as pd
import pytest

import alula as om
from alula.errors import MissingExtraError, NameNotFoundError
from alula.runtime import Experiment
from alula.runtime._experiments._values import FIXED
from tests.postgres import ON_BOTH


@pytest.fixture
def runs(exp: Experiment) -> Experiment:
    """Three runs: run r has r metrics and a parameter."""
    for r in (1, 2, 3):
        with exp:
            exp.log_param("lr", r / 10)
            for step in range(r):
                exp.log_metric("acc", r + step / 10, step=step, dt=datetime(2026, r, 1 + step, tzinfo=UTC))
    return exp


def numbers(exp: Experiment, run: object, **where: object) -> list[float]:
    return [row["value"] for row in exp.data(run, key="acc", raw=True, **where)]  # type: ignore[arg-type]  # any


def test_no_data_are_an_empty_table_with_the_columns(exp: Experiment) -> None:
    for frame in (exp.data(), exp.data(run="*"), exp.data(run=7, key="x"), exp.data(taskid="none")):
        assert (list(frame.columns), len(frame)) == (list(FIXED), 0)
    with exp:
        assert len(exp.data(key="none")) == 0
    assert exp.data(raw=True, key="none") == []
    assert len(exp.summary()) == 1


@ON_BOTH
def test_runs_are_picked_as_people_say_them(runs: Experiment) -> None:
    assert numbers(runs, None) == [3, 3.1, 3.2]
    assert numbers(runs, 1) == [1]
    assert numbers(runs, -1) == [3, 3.1, 3.2]
    assert numbers(runs, -99) == [1]
    assert numbers(runs, [1, -2]) == [1, 2, 2.1]
    assert numbers(runs, slice(1, 3)) == [1, 2, 2.1]
    assert numbers(runs, "*") == numbers(runs, "all") == [1, 2, 2.1, 3, 3.1, 3.2]
    assert numbers(runs, 4) == []
    with pytest.raises(ValueError, match="run='latest' is no run"):
        runs.data("latest")
    with pytest.raises(TypeError, match="is no run"):
        runs.data(1.5)  # type: ignore[arg-type]  # what is refused


def test_the_active_run_is_the_one_that_is_meant(runs: Experiment) -> None:
    runs.start()
    assert numbers(runs, None) == []


def test_events_keys_and_steps_are_filters(runs: Experiment) -> None:
    assert numbers(runs, "*", step=[1, 2]) == [2.1, 3.1, 3.2]
    assert numbers(runs, "*", step=0, event="metric") == [1, 2, 3]
    assert len(runs.data("*", key=["acc", "lr"])) == 9
    assert set(runs.data("*", event=["start", "stop"])["event"]) == {"start", "stop"}


def test_rows_come_by_time(runs: Experiment) -> None:
    with runs:
        runs.log_metric("acc", 0, dt=datetime(2025, 1, 1, tzinfo=UTC))
    assert numbers(runs, "*")[:2] == [0, 1]
    frame = runs.data("*")
    assert frame["dt"].is_monotonic_increasing
    assert str(frame["dt"].dt.tz) == "UTC"


def test_times_are_filters(runs: Experiment) -> None:
    assert numbers(runs, "*", since="2026-03-01") == [3, 3.1, 3.2]
    assert numbers(runs, "*", since=datetime(2026, 2, 2), end="2026-03-01T00:00:00+00:00") == [2.1, 3]
    assert numbers(runs, "*", since=timedelta(seconds=0), end=timedelta(days=400_000 // 24 // 60)) == []
    with pytest.raises(ValueError, match="'last week' is no time: write it as"):
        runs.data(since="last week")


def test_rows_may_be_had_in_parts(runs: Experiment) -> None:
    assert [len(part) for part in runs.data("*", key="acc", batchsize=4)] == [4, 2]
    assert [part[0]["value"] for part in runs.data("*", key="acc", raw=True, batchsize=4)] == [1, 3.1]
    assert numbers(runs, "*", slice=(1, 3)) == [2, 2.1]
    assert numbers(runs, "*", slice=slice(0, None, 2)) == [1, 2.1, 3.1]
    later = runs.data("*", key="acc", lazy=True)
    assert len(later.value) == len(list(later)) == 6
    for wrong in ({"batchsize": 0}, {"slice": (-1, 2)}):
        with pytest.raises(ValueError, match="rows"):
            runs.data(**wrong)


def test_another_experiment_may_be_read(runs: Experiment) -> None:
    other = om.runtime.experiment("other")
    assert set(other.data("*", experiment="myexp")["experiment"]) == {"myexp"}
    with pytest.raises(
        NameNotFoundError, match=r"experiments/myex does not exist; did you mean 'experiments/myexp'"
    ):
        other.data(experiment="myex")


def test_a_column_that_is_all_numbers_can_be_computed_with(runs: Experiment) -> None:
    frame = runs.data("*", key="acc")
    assert frame["value"].dtype == "float64"
    assert frame.groupby("run")["value"].max().to_list() == [1, 2.1, 3.2]


def test_the_summary_describes_each_metric_and_the_latency(runs: Experiment) -> None:
    table = runs.summary()
    assert list(table.index) == [("metric", "acc"), ("run", "latency")]
    assert table.loc[("metric", "acc"), ["count", "min", "max"]].to_list() == [6, 1, 3.2]
    assert table.loc[("run", "latency"), "count"] == 3
    full = runs.summary(perf_stats=True)
    assert list(full.index)[2:] == [("run", "utilization"), ("run", "group_latency")]


def test_stats_tell_how_long_tasks_took(exp: Experiment) -> None:
    exp.start()
    at = datetime.now(UTC)
    for event, second in [("task_call", 0), ("task_success", 2), ("task_call", 3), ("task_failure", 4)]:
        exp.log_event(event, "fit", 1, dt=at + timedelta(seconds=second))
    rows = [row for row in exp.data(raw=True) if row["event"] != "start"]
    from alula.runtime._experiments import Stats

    stats = Stats(rows)
    assert stats.latency()[1] == pytest.approx(4)
    assert stats.throughput()[1] == pytest.approx(0.5)
    assert stats.utilization()[1] == pytest.approx(0.75)
    assert stats.group_latency()[1] == pytest.approx(1.5)
    assert len(exp.stats.metrics()) == 0


@ON_BOTH
def test_compare_has_one_row_for_each_run(runs: Experiment) -> None:
    table = runs.compare()
    assert list(table.index) == [1, 2, 3]
    assert table["metrics.acc"].to_list() == [1, 2.1, 3.2]
    assert table["params.lr"].to_list() == [0.1, 0.2, 0.3]
    assert set(table["status"]) == {"STOPPED"}
    assert runs.compare(value="min")["metrics.acc"].to_list() == [1, 2, 3]
    assert runs.compare(value="first")["metrics.acc"].to_list() == [1, 2, 3]
    assert runs.compare(value="mean")["metrics.acc"].to_list() == pytest.approx([1, 2.05, 3.1])
    assert list(runs.compare([1, 2], keys="lr").columns)[4:] == ["params.lr"]
    with pytest.raises(ValueError, match="did you mean 'max'"):
        runs.compare(value="maxi")  # type: ignore[arg-type]  # what is refused


def test_compare_of_nothing_is_an_empty_table(exp: Experiment) -> None:
    assert list(exp.compare().columns) == ["status", "started", "seconds", "parent"]
    assert len(exp.search("metrics.acc > 1")) == 0


@ON_BOTH
def test_runs_are_found_by_what_they_reached(runs: Experiment) -> None:
    assert list(runs.search("metrics.acc > 2 and params.lr < .25").index) == [2]
    assert list(runs.search("metrics.acc < 2.05", value="first").index) == [1, 2]
    assert list(runs.search("run != 2 and status = 'STOPPED'").index) == [1, 3]
    with pytest.raises(ValueError, match="cannot be read"):
        runs.search("__import__('os').system('true')")


def test_plots_have_a_line_for_each_run_or_a_point(runs: Experiment) -> None:
    with mpl.rc_context({"backend": "agg"}):
        axes = runs.plot("acc")
        assert [len(line.get_xdata()) for line in axes.get_lines()] == [1, 2, 3]
        again = runs.plot("acc", x="run", ax=axes)
        assert again is axes
        assert list(axes.get_lines()[-1].get_ydata()) == [1, 2.1, 3.2]
        mpl.pyplot.close("all")
    with pytest.raises(NameNotFoundError, match=r"did you mean 'experiments/myexp.acc.'"):
        runs.plot("ac")
    with pytest.raises(ValueError, match="neither"):
        runs.plot("acc", x="time")  # type: ignore[arg-type]  # what is refused


def test_without_matplotlib_the_extra_is_named(runs: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"alula\[plot\]"):
        runs.plot("acc")


def test_upstreams_way_to_plot_runs(runs: Experiment) -> None:
    with mpl.rc_context({"backend": "agg"}):
        assert runs.data("*", key="acc").plot(x="run", y="value") is not None
        mpl.pyplot.close("all")
    assert isinstance(runs.data(), pd.DataFrame)
