"""One run of an experiment: its parameters, metrics and artifacts, what happened in it, what it logged."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, Response

from ...runtime import Board, Event, Record
from ._render import address
from ._series import chart_of
from ._view import View, Viewer

__all__ = ["router"]

router = APIRouter()

_CHARTS: Final = 6
_EVENTS: Final = 50
_RECORDS: Final = 100
_TASKS: Final = 5  # whose logs are shown
_STORES: Final = {"data/": "dataset", "models/": "model", "scripts/": "script", "jobs/": "job"}


@router.get("/run/{number}/{name:path}")
def show_run(view: Viewer, number: int, name: str, after: int = 0) -> Response:
    """Show a run of an experiment."""
    view.permit("experiment", name, "get")
    board = view.om().runtime.experiments.board(name)
    [row] = board.rows(number)
    keys = board.keys(number)
    events = board.events(number, after=after, limit=_EVENTS + 1)
    tasks = list(dict.fromkeys(each.task for each in events if each.task is not None))
    params, metrics = (
        {key: row.values[f"{group}.{key}"] for key in found if f"{group}.{key}" in row.values}
        for group, found in (("params", keys.params), ("metrics", keys.metrics))
    )
    more = address("run", str(number), name, after=events[_EVENTS - 1].id) if len(events) > _EVENTS else ""
    return view.page(
        "experiment_run.html",
        tab="experiments",
        board=board,
        run=row.run,
        params=params,
        metrics=metrics,
        charts=_charts(board, number, keys.metrics),
        machine=_charts(board, number, keys.profile, event="profile"),
        artifacts=[_artifact(view, each) for each in board.events(number, event="artifact")],
        events=events[:_EVENTS],
        said=_said,
        more=more,
        first=address("run", str(number), name) if after else "",
        tasks=tasks[:_TASKS],
        records=_records(view, tasks[:_TASKS]),
    )


def _charts(
    board: Board, number: int, keys: Sequence[str], event: Any = "metric"
) -> list[tuple[str, Mapping[str, Any]]]:
    """Give a chart for each of the first keys of which there is more than one number."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    for key in keys:
        chart = chart_of(
            board.series(key, [number], event=event, x="time" if event == "profile" else "step"),
            key,
            x_label="seconds since the start" if event == "profile" else "step",
        )
        if chart is not None:
            found.append((key, chart))
        if len(found) == _CHARTS:
            break
    return found


def _artifact(view: View, event: Event) -> dict[str, Any]:
    """Give an artifact: where it lies, if it is an object with a name, else what it is."""
    value = event.value
    if not _is_reference(value):
        return {"key": event.key, "at": event.at, "value": value, "href": "", "kind": "value"}
    page = _STORES.get(value["store"], "")
    shown = page and value.get("bucket") in (None, view.bucket)
    href = address(page, value["name"], version=value["version"]) if shown else ""
    return {"key": event.key, "at": event.at, "value": _said(event), "href": href, "kind": value["kind"]}


def _said(event: Event) -> Any:
    """Give what was logged; of an object its name."""
    value = event.value
    return f"{value['store']}{value['name']} v{value['version']}" if _is_reference(value) else value


def _is_reference(value: Any) -> bool:
    return isinstance(value, Mapping) and {"store", "name", "version", "kind"} <= value.keys()


def _records(view: View, tasks: Sequence[str]) -> list[Record]:
    """Give the last lines that the tasks of a run have logged, by time."""
    log = view.om().logger.dataset
    found = [record for task in tasks for record in log.get(task=task, tail=_RECORDS, raw=True)]
    return sorted(found, key=lambda record: record.id)[-_RECORDS:]
