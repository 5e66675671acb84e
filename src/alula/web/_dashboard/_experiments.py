"""Experiments: which there are, and the runs of one, in the columns and the order that one likes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response

from ...runtime import Board, RunsPage
from ._listing import PAGE, pattern_of
from ._render import address
from ._series import chart_of
from ._view import Tab, View, Viewer

__all__ = ["TAB", "router"]

TAB = Tab("Experiments", "/experiments", "experiments")
router = APIRouter()

_RUNS: Final = 50  # on a page
_COLUMNS: Final = 8  # that are shown where nobody chose any
_LINES: Final = 8  # in the chart beside the table

Columns = Annotated[list[str] | None, Query(alias="column")]
Offset = Annotated[int, Query(alias="from", ge=0)]


@router.get("/experiments")
def show_experiments(view: Viewer) -> Response:
    """List the experiments of the bucket."""
    view.permit_some("experiment", "list")
    experiments = view.om().runtime.experiments
    asked = view.query.get("name", "")
    found = experiments.list(pattern_of(asked), after=view.query.get("after"), limit=PAGE + 1)
    shown = [each for each in found[:PAGE] if view.may("experiment", each.name, "list")]
    older = address("experiments", name=asked, after=found[PAGE - 1].name) if len(found) > PAGE else ""
    newer = address("experiments", name=asked) if view.query.get("after") else ""
    return view.page("experiments.html", tab=TAB.key, found=shown, asked=asked, newer=newer, older=older)


@router.get("/experiment/{name:path}")
def show_experiment(
    view: Viewer,
    name: str,
    column: Columns = None,
    start: Offset = 0,
    where: str = "",
    sort: str = "-run",
    metric: str = "",
) -> Response:
    """Show the runs of an experiment."""
    view.permit("experiment", name, "get")
    board = view.om().runtime.experiments.board(name)
    wrong = ""
    asked = None if column is None else [each for each in column if each]  # a form says so that it has none
    try:
        page = board.page(where, sort=sort, columns=asked, limit=_RUNS, offset=start)
    except ValueError as error:
        wrong = str(error)
        page = board.page(limit=_RUNS)
        sort = "-run"
    columns = list(page.columns[:_COLUMNS]) if asked is None else asked
    link = _Links(view, name, {"where": where, "sort": sort, "column": column, "metric": metric})
    keys = [each.removeprefix("metrics.") for each in page.columns if each.startswith("metrics.")]
    drawn = metric if metric in keys else _first(sort, keys)
    return view.page(
        "experiment.html",
        tab=TAB.key,
        board=board,
        runs=page,
        columns=columns,
        all_columns=_known(page, columns),
        where=where,
        wrong=wrong,
        sort=sort,
        link=link,
        metric=drawn,
        metrics=keys,
        chart=_chart(board, page, drawn),
        start=start,
        newer=link(start=max(0, start - _RUNS) or None) if start else "",
        older=link(start=start + _RUNS) if start + _RUNS < page.matched else "",
    )


class _Links:
    """Addresses of the page that is shown, with something changed."""

    def __init__(self, view: View, name: str, asked: Mapping[str, Any]) -> None:
        self._name, self._asked = name, asked

    def __call__(self, *, start: int | None = None, **changed: Any) -> str:
        return address("experiment", self._name, **{**self._asked, **changed, "from": start})

    def sorted(self, column: str, sort: str) -> str:
        """Give the address that sorts by a column: the highest first, and the other way the next time."""
        return self(sort=column if sort == f"-{column}" else f"-{column}")


def _known(page: RunsPage, chosen: Iterable[str]) -> list[str]:
    return sorted({*page.columns, *chosen})


def _first(sort: str, keys: Sequence[str]) -> str:
    """Give the metric that is drawn where nobody chose one: that by which runs are sorted, or the first."""
    sorted_by = sort.removeprefix("-").removeprefix("metrics.")
    return sorted_by if sorted_by in keys else next(iter(keys), "")


def _chart(board: Board, page: RunsPage, metric: str) -> Mapping[str, Any] | None:
    runs = [row.run.number for row in page.rows[:_LINES]]
    return chart_of(board.series(metric, runs, points=200), metric) if metric else None
