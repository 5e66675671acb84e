"""The tensor server: what it has loaded, how fast that runs, what runs in the background, what took long."""

from typing import Final

from fastapi import APIRouter, Response

from ...errors import SettingError, StoreUnavailableError
from ...server import Inspector, ModelFigures
from ._render import address
from ._view import Poster, Tab, Viewer

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
        return view.page("server.html", tab=TAB.key, where=inspector.address, why=str(error), figures=None)
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


def _quantiles(model: ModelFigures) -> dict[str, list[float | None]]:
    return {
        name: [spread.quantile(share) for share in _SHARES]
        for name, spread in (("run", model.run), ("queue", model.queue), ("batch", model.batch))
    }
