"""The tensor server: what it has loaded, how fast that runs, what runs in the background, what took long."""

from math import inf
from typing import Final

from fastapi import APIRouter, Response

from ...errors import SettingError, StoreUnavailableError
from ...server import Inspector, ModelFigures
from ._render import address
from ._view import Poster, Tab, Viewer
from ._words import count, took

__all__ = ["TAB", "router"]

TAB = Tab("Server", "/server", "server")
router = APIRouter()

_SHARES: Final = (0.5, 0.95, 0.99)
_MODELS: Final = 100


@router.get("/server")
def show_server(view: Viewer) -> Response:
    """Show the server as it is now."""
    view.permit_some("server", "get")
    inspector = Inspector(view.board.site.server)
    try:
        figures = inspector.figures(models=_MODELS)
    except (StoreUnavailableError, SettingError) as error:
        return view.page("server.html", tab=TAB.key, where=inspector.address, why=_why(error), figures=None)
    deployed = {each.key for each in view.om().deployments.list()}
    loaded = {each.key for each in figures.models}
    return view.page(
        "server.html",
        tab=TAB.key,
        where=inspector.address,
        figures=figures,
        rows=[(each, _quantiles(each), each.key in deployed) for each in figures.models],
        since=next((each.since for each in figures.models if each.since is not None), None),
        missing=sorted(deployed - loaded) if len(loaded) == figures.total else [],
    )


@router.post("/server/cancel")
def cancel_run(view: Poster) -> Response:
    """Stop a run in the background."""
    run = view.form.get("run", "")
    view.permit("server", run, "cancel")
    stopped = Inspector(view.board.site.server).cancel(run)
    said = f"Run {run} is cancelled" if stopped else f"Run {run} had ended before"
    return view.back(address("server"), said, failed=not stopped)


def _quantiles(model: ModelFigures) -> dict[str, list[str]]:
    """Give how long runs took and waited, and how many ran together, by share."""
    return {
        "run": [_time(model.run.quantile(share)) for share in _SHARES],
        "queue": [_time(model.queue.quantile(share)) for share in _SHARES],
        "batch": [count(model.batch.quantile(share)) for share in _SHARES],
    }


def _time(seconds: float | None) -> str:
    """Write the bound of a bin: models may be quicker than what pages tell of elsewhere."""
    if seconds is None or seconds >= 0.001:
        return "> 5 s" if seconds == inf else took(seconds)
    return f"{seconds * 1e6:g} µs"


def _why(error: BaseException) -> str:
    """Say what the connection has run into; that it is no store is nobody's fault here."""
    return str(error.__cause__ or error)
