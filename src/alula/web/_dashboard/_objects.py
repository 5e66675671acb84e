"""Objects by name: lists of datasets, models, scripts and notebooks, and what can be done with each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from fastapi import APIRouter, Response
from starlette.background import BackgroundTask
from starlette.responses import FileResponse

from ...objects import Catalog, Metadata, check_name
from ...runtime import Instance
from .._problems import Refused
from ._listing import PAGE, pattern_of
from ._render import address
from ._view import Poster, Tab, View, Viewer

__all__ = ["TAB", "router"]

TAB = Tab("Objects", "/datasets", "objects")
router = APIRouter()

_LARGEST: Final = 512 << 20  # bytes of an archive that is made for a browser


@dataclass(frozen=True, slots=True)
class _Store:
    """One sort of object.

    Attributes
    ----------
    resource
        As rules and addresses of pages name it.
    title, empty
        What a person calls them, and how one is made.
    catalog
        Where they are.
    but
        What the names of those begin with that have places of their own.
    """

    resource: str
    title: str
    empty: str
    catalog: Callable[[Instance], Catalog]
    but: tuple[str, ...] = ()


_STORES: Final[Mapping[str, _Store]] = {
    "datasets": _Store("dataset", "Datasets", "alula.datasets.put(frame, 'iris')", lambda om: om.datasets),
    "models": _Store(
        "model",
        "Models",
        "alula.models.put(LinearRegression(), 'line')",
        lambda om: om.models,
        but=("experiments/",),
    ),
    "scripts": _Store("script", "Scripts", "alula.scripts.put(my_function, 'clean')", lambda om: om.scripts),
    "jobs": _Store(
        "job", "Notebooks", "alula.jobs.put(notebook, 'report')", lambda om: om.jobs, but=("results/",)
    ),
}
_TABS: Final = [(key, store.title, f"/{key}") for key, store in _STORES.items()]


def _show(view: View, key: str) -> Response:
    store = _STORES[key]
    view.permit_some(store.resource, "list")
    asked, after = view.query.get("name", ""), view.query.get("after")
    om = view.om()
    catalog = store.catalog(om)
    found = catalog.page(pattern_of(asked), but=store.but, after=after, limit=PAGE + 1)
    shown = [each for each in found[:PAGE] if view.may(store.resource, each.name, "list")]
    deployed = {each.key for each in om.deployments.list()} if key == "models" else set()
    return view.page(
        "objects.html",
        tab=TAB.key,
        key=key,
        tabs_of_objects=_TABS,
        store=store,
        found=shown,
        asked=asked,
        deployed=deployed,
        suffix=catalog.suffix,
        newer=address(key, name=asked) if after else "",
        older=address(key, name=asked, after=found[PAGE - 1].name) if len(found) > PAGE else "",
    )


def show_datasets(view: Viewer) -> Response:
    """List the datasets."""
    return _show(view, "datasets")


def show_models(view: Viewer) -> Response:
    """List the models."""
    return _show(view, "models")


def show_scripts(view: Viewer) -> Response:
    """List the scripts."""
    return _show(view, "scripts")


def show_jobs(view: Viewer) -> Response:
    """List the notebooks."""
    return _show(view, "jobs")


for _key, _handler in zip(_STORES, (show_datasets, show_models, show_scripts, show_jobs), strict=True):
    router.add_api_route(f"/{_key}", _handler, methods=["GET"])


def _store_of(resource: str) -> _Store:
    found = next((store for store in _STORES.values() if store.resource == resource), None)
    if found is None:
        raise Refused(404, f"there is no sort of object called {resource!r}")
    return found


@router.post("/tag/{resource}/{name:path}")
def tag_version(view: Poster, resource: str, name: str) -> Response:
    """Give a version one more name."""
    store = _store_of(resource)
    view.permit(resource, name, "tag")
    tag, version = view.form.get("tag", "").strip(), view.form.get("version", "")
    with view.doing():
        _version(store, view, name, version).save(tag=tag)
    return view.back(_back(resource, name, version), f"{name} v{version} is tagged {tag!r}")


@router.post("/promote/{resource}/{name:path}")
def promote_version(view: Poster, resource: str, name: str) -> Response:
    """Copy a version into another bucket, or under another name."""
    store = _store_of(resource)
    view.permit(resource, name, "promote")
    version = view.form.get("version", "")
    bucket, asname = (view.form.get(field, "").strip() for field in ("bucket", "asname"))
    view.permit(resource, asname or name, "promote")
    if view.rights is None or not view.rights.allow_bucket(bucket or view.bucket):
        raise Refused(403, f"bucket {bucket} is not available: no rule of this token allows it")
    with view.doing():
        target = store.catalog(view.om()[bucket or view.bucket])
        made = store.catalog(view.om()).promote(f"{name}@v{version}", target, asname or None)
    said = f"{name} v{version} is {made.name} v{made.version} in {made.bucket}"
    return view.back(_back(resource, name, version), said)


@router.get("/archive/{resource}/{name:path}")
def give_archive(view: Viewer, resource: str, name: str, version: int) -> Response:
    """Give a version as one file, which `from_archive` reads."""
    store = _store_of(resource)
    view.permit(resource, name, "get")
    metadata = _version(store, view, name, str(version))
    if metadata.size > _LARGEST:
        command = f"to_archive({name!r}, path)"
        raise Refused(
            413, f"{name} has {metadata.size:,} bytes: let Python write its archive, with {command}"
        )
    folder = Path(mkdtemp(prefix="alula-archive-"))
    path = store.catalog(view.om()).to_archive(f"{name}@v{version}", folder / "archive")

    def clean() -> None:
        path.unlink(missing_ok=True)
        folder.rmdir()

    called = f"{metadata.name.replace('/', '_')}-v{version}.alula"
    return FileResponse(path, filename=called, background=BackgroundTask(clean))


def _version(store: _Store, view: View, name: str, version: str) -> Metadata:
    return store.catalog(view.om()).resolve(f"{check_name(name)}@v{version}")


def _back(resource: str, name: str, version: Any) -> str:
    return address(resource, name, version=version)
