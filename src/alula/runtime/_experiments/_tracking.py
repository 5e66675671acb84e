"""Which experiment tracks the calls of an object: noted in the object's attributes, by label."""

from collections.abc import Mapping
from typing import Any, Final

from ...errors import NameNotFoundError
from ...objects import Catalog, Catalogs, Metadata

__all__ = ["link", "linked", "tracked", "unlink"]

_STORES: Final = ("models", "scripts", "jobs")
_LISTED: Final = "experiments"  # of all labels, as programs written for omega-ml read it


def link(catalogs: Catalogs, name: str, experiment: str, label: str, store: str | None) -> None:
    """Let an experiment track an object under a label.

    Raises
    ------
    NameNotFoundError
        If there is no such object.
    """
    catalog, metadata = _found(catalogs, name, store)
    _note(catalog, metadata, {**linked(metadata), label: experiment})


def unlink(catalogs: Catalogs, name: str, label: str, store: str | None) -> None:
    """Let nobody track an object under a label; raises as `link` does."""
    catalog, metadata = _found(catalogs, name, store)
    _note(catalog, metadata, {k: v for k, v in linked(metadata).items() if k != label})


def linked(metadata: Metadata) -> dict[str, str]:
    """Give the experiments that track an object, by label."""
    found: Mapping[str, Any] = metadata.attributes.get("tracking") or {}
    return {label: name for label, name in found.items() if isinstance(name, str)}


def tracked(metadata: Metadata, labels: tuple[str, ...]) -> str | None:
    """Give the experiment that tracks an object under the first of some labels for which there is one."""
    found = metadata.attributes.get("tracking")
    if not found:  # most have none, and each call passes here
        return None
    by_label = linked(metadata)
    return next((by_label[label] for label in labels if label in by_label), None)


def _note(catalog: Catalog, metadata: Metadata, by_label: Mapping[str, str]) -> None:
    names = sorted(set(by_label.values()))
    catalog.annotate(metadata.name, {"tracking": {**by_label, _LISTED: names}})


def _found(catalogs: Catalogs, name: str, store: str | None) -> tuple[Catalog, Metadata]:
    stores = [getattr(catalogs, each, None) for each in (_STORES if store is None else (store,))]
    here: list[Catalog] = [each for each in stores if each is not None]
    for catalog in here:
        if (metadata := catalog.metadata(name)) is not None:
            return catalog, metadata
    known = [each for catalog in here for each in catalog.list()]
    raise NameNotFoundError(f"{store or 'models'}/{name}", known)
