"""Experiments for people who look at them: tables and charts that cost what they show."""

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import alula as om
from alula.errors import NameNotFoundError
from alula.runtime import Board, Experiment
from alula.runtime._experiments._thinning import thinned
from tests.postgres import ON_BOTH

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def board(exp: Experiment) -> Board:
    """Five runs: run r learns up to r + 2, and the last goes on."""
    for r in (1, 2, 3, 4):
        with exp:
            exp.log_param("model", "tree" if r % 2 else "line")
            for step in range(3):
                exp.log_metric("acc", r + step, step=step, dt=START + timedelta(seconds=step))
            if r == 4:
                exp.log_metric("only", 1)
                exp.log_artifact({"a": 1}, "kept")
    exp.start()
    return om.runtime.experiments.board("myexp")


def numbers(board: Board, *args: str, **how: object) -> list[int]:
    return [row.run.number for row in board.page(*args, **how).rows]  # type: ignore[arg-type]  # any


@ON_BOTH
def test_runs_come_page_by_page_with_what_they_have(board: Board) -> None:
    page = board.page(limit=2)
    assert [row.run.number for row in page.rows] == [5, 4]
    assert page.rows[1].values == {"metrics.acc": 6, "metrics.only": 1, "params.model": "line"}
    assert page.columns == ("metrics.acc", "metrics.only", "params.model")
    assert (page.matched, page.total) == (5, 5)
    assert numbers(board, limit=2, offset=2) == [3, 2]
    assert board.page(limit=1, offset=3, columns=["params.model", "metrics.none"]).rows[0].values == {
        "params.model": "line"
    }
    assert board.page(offset=99).rows == ()


@ON_BOTH
def test_runs_are_sorted_by_what_they_have(board: Board) -> None:
    assert numbers(board, sort="run") == [1, 2, 3, 4, 5]
    assert numbers(board, sort="-metrics.acc") == [4, 3, 2, 1, 5]
    assert numbers(board, sort="metrics.acc") == [1, 2, 3, 4, 5]
    assert numbers(board, sort="params.model") == [2, 4, 1, 3, 5]
    assert numbers(board, sort="seconds")[-1] == 5
    assert numbers(board, sort="-status")[:4] == [4, 3, 2, 1]


def test_runs_are_searched(board: Board) -> None:
    page = board.page("metrics.acc > 3.5 and params.model = 'line'", limit=1)
    assert ([row.run.number for row in page.rows], page.matched, page.total) == ([4], 2, 5)
    assert numbers(board, 'status = "STARTED"') == [5]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"where": "metrics.acc >"}, "cannot be read"),
        ({"sort": "color"}, "no column 'color'"),
        ({"sort": "metrics."}, "no column"),
        ({"columns": ["what.x"]}, "no column 'what.x'"),
    ],
)
def test_what_cannot_be_asked_is_refused(board: Board, how: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        board.page(**how)  # type: ignore[arg-type]  # wrong on purpose


def test_a_run_is_told_with_its_keys(board: Board) -> None:
    [four, one] = board.rows(4, 1)
    assert (four.run.number, four.run.status, one.run.number) == (4, "STOPPED", 1)
    assert (four.values["params.model"], one.values["params.model"]) == ("line", "tree")
    keys = board.keys(3, 4)
    assert (keys.metrics, keys.params, keys.profile) == (("acc", "only"), ("model",), ())
    with pytest.raises(NameNotFoundError, match="run 9"):
        board.rows(4, 9)


@ON_BOTH
def test_a_metric_is_a_line_for_each_run(board: Board) -> None:
    two = board.series("acc", [1, 4, 5, 9])
    assert [(each.run, each.whole) for each in two] == [(1, True), (4, True)]
    assert two[1].points == [(0, 4), (1, 5), (2, 6)]
    [timed] = board.series("acc", [1], x="time")
    assert [round(x - timed.points[0][0], 3) for x, _ in timed.points] == [0, 1, 2]
    with pytest.raises(ValueError, match="x='color'"):
        board.series("acc", [1], x="color")  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(ValueError, match="points=3"):
        board.series("acc", [1], points=3)


@ON_BOTH
def test_of_a_long_metric_rows_are_looked_at_evenly(exp: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alula.runtime._experiments._board._LOOKED_AT", 50)
    with exp:
        for step in range(300):
            exp.log_metric("loss", step, step=step)
            if step % 3 == 0:
                exp.log_metric("bare", step)
    board = om.runtime.experiments.board("myexp")
    [series] = board.series("loss", [1])
    steps = [x for x, _ in series.points]
    assert (series.whole, steps[0], steps[-1]) == (False, 0, 299)
    assert 40 <= len(steps) <= 50
    assert max(b - a for a, b in pairwise(steps)) < 12
    [bare] = board.series("bare", [1])  # without steps they lie by their times
    assert [x for x, _ in bare.points] == sorted(x for x, _ in bare.points)


@given(st.lists(st.floats(-10, 10), max_size=300), st.integers(4, 100))
def test_thinned_lines_keep_their_ends_and_extremes(values: list[float], most: int) -> None:
    points = list(enumerate(values))
    kept = thinned(points, most)
    assert len(kept) <= most
    assert set(kept) <= set(points)
    assert list(kept) == sorted(kept)
    if points:
        assert (kept[0], kept[-1]) == (points[0], points[-1])
        for pick in (min, max):
            assert pick(much for _, much in kept) == pick(values)


def test_thinned_lines_leave_out_what_is_no_number() -> None:
    points = [(n, math.nan if n % 2 else n) for n in range(40)]
    assert all(much == much for _, much in thinned(points, 10)[:-1])
    assert len(thinned([(n, math.nan) for n in range(40)], 10)) <= 10


def test_what_happened_is_told_in_pages(board: Board) -> None:
    events = board.events(4)
    assert [each.event for each in events] == ["start", "artifact", "stop"]
    assert [each.event for each in board.events(4, after=events[0].id, limit=1)] == ["artifact"]
    [kept] = board.events(4, event="artifact")
    assert (kept.key, kept.value) == ("kept", {"a": 1})
    assert board.events(9) == []


def test_experiments_are_listed_with_their_runs(board: Board) -> None:
    om.runtime.experiment("other", provider="profiling")
    mine, other = om.runtime.experiments.list()
    assert (mine.name, mine.runs, mine.going, mine.failed, mine.provider) == ("myexp", 5, 1, 0, "default")
    assert (other.name, other.runs, other.latest, other.provider) == ("other", 0, None, "profiling")
    assert (mine.latest or 0) > 0
    assert [each.name for each in om.runtime.experiments.list("o*")] == ["other"]
    assert [each.name for each in om.runtime.experiments.list(after="myexp", limit=1)] == ["other"]


def test_looking_makes_no_experiment(exp: Experiment) -> None:
    with pytest.raises(NameNotFoundError, match="did you mean"):
        om.runtime.experiments.board("myex")
    assert [each.name for each in om.runtime.experiments.list()] == ["myexp"]
