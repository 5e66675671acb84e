"""Several runs of an experiment beside each other: a chart for each metric, and what differs in a table."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Response

from ...runtime import Board, RunRow
from ._render import address
from ._series import chart_of
from ._view import Viewer

__all__ = ["router"]

router = APIRouter()

_MOST: Final = 20  # runs that a chart can tell apart, with eight colours and four kinds of lines
_LATEST: Final = 5  # runs that are compared where nobody chose any
_CHARTS: Final = 4
_POINTS: Final = 3000  # of all lines of a chart together

Runs = Annotated[list[int] | None, Query(alias="run")]
Metrics = Annotated[list[str] | None, Query(alias="metric")]


@router.get("/compare/{name:path}")
def compare(
    view: Viewer,
    name: str,
    run: Runs = None,
    metric: Metrics = None,
    x: Literal["step", "time"] = "step",
    log: bool = False,
) -> Response:
    """Show runs beside each other."""
    view.permit("experiment", name, "get")
    board = view.om().runtime.experiments.board(name)
    numbers = list(dict.fromkeys(run or []))[:_MOST] or [
        row.run.number for row in board.page(columns=[], limit=_LATEST).rows
    ]
    rows = board.rows(*numbers)
    keys = board.keys(*numbers).metrics
    drawn = [each for each in (metric or keys) if each in keys][:_CHARTS]
    charts = [(key, _drawn(board, key, numbers, x, log=log)) for key in drawn]
    return view.page(
        "compare.html",
        tab="experiments",
        board=board,
        runs=[row.run for row in rows],
        table=_differing(rows),
        metrics=keys,
        drawn=drawn,
        charts=charts,
        x=x,
        log=log,
        dropped=len(set(run or [])) - len(numbers),
        without=lambda number: address(
            "compare", name, run=[n for n in numbers if n != number], metric=metric, x=x
        ),
    )


def _drawn(
    board: Board, key: str, numbers: list[int], x: Literal["step", "time"], *, log: bool
) -> dict[str, Any] | None:
    series = board.series(key, numbers, x=x, points=max(60, _POINTS // len(numbers)))
    facts = chart_of(series, key, x_label="step" if x == "step" else "seconds since the start")
    return None if facts is None else {**facts, "log": log}


def _differing(rows: Sequence[RunRow]) -> list[tuple[str, list[Any], bool]]:
    """Give for each name the values of the runs, and whether they differ; parameters first."""
    names = sorted({name for row in rows for name in row.values}, key=lambda name: (name[0] != "p", name))
    table = [(name, [row.values.get(name) for row in rows]) for name in names]
    return [(name, values, any(each != values[0] for each in values)) for name, values in table]
