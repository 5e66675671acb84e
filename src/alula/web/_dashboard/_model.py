"""A model: its versions and tags, what it was made of and what came of it, and the servers that have it."""

from typing import Any, Final

from fastapi import APIRouter, Response

from ...objects import check_name
from ...runtime import Lineage
from ._pictures import inline
from ._render import address
from ._versions import shown
from ._view import Poster, View, Viewer

__all__ = ["router"]

router = APIRouter()

_DEPTH: Final = 4  # tasks that are followed in each direction
_FACTS: Final = {
    "class": "Class",
    "format": "Format",
    "sklearn": "scikit-learn",
    "parameters": "Parameters",
    "commit": "Commit",
}
_PAGES: Final = {"data/": "dataset", "models/": "model", "scripts/": "script", "jobs/": "job"}


@router.get("/model/{name:path}")
def show_model(view: Viewer, name: str) -> Response:
    """Show a model."""
    om = view.om()
    found = shown(view, om.models, "model", name)
    metadata = found.metadata
    lineage = om.runtime.lineage(f"{metadata.name}@v{metadata.version}", depth=_DEPTH)
    keys = {*lineage.deployments, metadata.name}
    facts = metadata.kind_meta
    return view.page(
        "model.html",
        tab="objects",
        shown=found,
        facts=[(said, facts.get(key)) for key, said in _FACTS.items()],
        lineage=lineage,
        picture=inline(lineage.picture) if lineage.before or lineage.after else None,
        steps=[_step(view, each) for each in (*lineage.before[::-1], *lineage.after)],
        uses=_uses(lineage),
        deployments=[each for each in om.deployments.list() if each.key in keys],
        experiments=sorted(
            {e for e in (metadata.attributes.get("tracking") or {}).values() if isinstance(e, str)}
        ),
    )


@router.post("/deploy/{name:path}")
def deploy(view: Poster, name: str) -> Response:
    """Hand a version to the tensor servers; that is a task, which this does not wait for."""
    version, key = view.form.get("version", ""), view.form.get("key", "").strip() or name
    _permit(view, name, key, "deploy")
    with view.doing():
        task = view.om().runtime.model(f"{name}@v{version}").deploy(key)
    said = f"{name} v{version} is being deployed as {key}: task {task.id}"
    return view.back(address("model", name, version=version), said)


@router.post("/undeploy/{name:path}")
def undeploy(view: Poster, name: str) -> Response:
    """Take a model away from the tensor servers."""
    key = view.form.get("key", "")
    _permit(view, name, key, "undeploy")
    with view.doing():
        view.om().runtime.model(name).undeploy(key)
    return view.back(address("model", name), f"{key} is not deployed any more")


def _permit(view: View, name: str, key: str, action: str) -> None:
    """Refuse unless that is allowed on the model, and on what has its key on the servers."""
    view.permit("model", check_name(name), action)
    view.permit("model", key, action)


def _step(view: View, step: Any) -> dict[str, Any]:
    """Give a task of the lineage as a row of the table, which says what the picture shows."""
    return {
        "task": step.task,
        "action": step.action,
        "ended": step.ended,
        "run": (step.experiment, step.run) if step.run is not None else None,
        "reads": [_version(view, each) for each in step.reads],
        "writes": [_version(view, each) for each in step.writes],
    }


def _version(view: View, version: Any) -> tuple[str, str]:
    page = _PAGES.get(version.prefix)
    there = page is not None and version.bucket == view.bucket
    return str(version), address(page, version.name, version=version.version) if there and page else ""


def _uses(lineage: Lineage) -> dict[str, int]:
    """Give how often tasks have used the version and made nothing of it."""
    return lineage.uses.get(lineage.version, {})
