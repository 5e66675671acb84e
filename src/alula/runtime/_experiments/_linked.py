"""The experiments of an object: those that track its calls, by label."""

from collections.abc import Mapping
from typing import Any, Final

from ...objects import Catalog, Metadata
from ._experiment import CARDS, Experiment, existing_experiment, open_experiment
from ._recorder import Place
from ._tracking import linked

__all__ = ["experiment_of", "experiments_of"]

_DEFAULT: Final = "default"


def experiment_of(place: Place, catalog: Catalog, name: str, label: str | None) -> Experiment:
    """Give the experiment that tracks an object, making and linking one of its name if there is none.

    Raises
    ------
    NameNotFoundError
        If there is no such object.
    """
    metadata = catalog.resolve(name)
    known = linked(metadata).get(label or _DEFAULT)
    experiment = open_experiment(place, known or metadata.name)
    if known is None:
        experiment.track(metadata.name, label or _DEFAULT, _store(catalog))
    return experiment


def experiments_of(place: Place, catalog: Catalog, name: str, raw: bool) -> Mapping[str, Any]:
    """Give the experiments that track an object by label, and all of them under ``"_all_"``.

    Parameters
    ----------
    raw
        Give the metadata of their cards.

    Raises
    ------
    NameNotFoundError
        If there is no such object.
    """
    found: dict[str, Any] = {}
    for label, each in linked(catalog.resolve(name)).items():
        one: Experiment | Metadata | None = (
            place.catalogs.models.metadata(CARDS + each) if raw else existing_experiment(place, each)
        )
        if one is not None:
            found[label] = one
    once = {each.name: each for each in found.values()}
    return {**found, "_all_": list(once.values())}


def _store(catalog: Catalog) -> str:
    return {"models/": "models", "scripts/": "scripts", "jobs/": "jobs"}[catalog.prefix]
