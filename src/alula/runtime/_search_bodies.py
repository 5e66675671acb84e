"""The parts of a search for the best parameters: what runs in workers.

scikit-learn carries out every step itself. Its search hands each fit to joblib, and here a backend of
joblib's stands at both ends: in a part, one that keeps what the one fit of that part gives; at the end, one
that hands back what the parts have recorded. So the search is what scikit-learn makes of the same folds.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from ..objects import Catalog, Metadata, Reference, tell
from ._attempts import Attempts
from ._inputs import Input, as_rows, as_target, read_input
from ._opened import At, catalogs_of, opened
from ._orders import Order

__all__ = ["Loaded", "Plan", "conclude", "fit_part", "load", "split"]

_OURS: Final = {"n_jobs": 2, "pre_dispatch": "all"}  # one job would not be handed to any backend
_ITS_OWN: Final = {"n_jobs": None, "pre_dispatch": "2*n_jobs"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is searched, and how.

    Attributes
    ----------
    parameters, cv, options
        As scikit-learn's `GridSearchCV` takes them.
    began
        When it was submitted; ISO text, UTC.
    fit
        For the estimator's ``fit``, by keyword: values, or the name of a dataset.
    groups
        Of the rows, for a splitter that keeps them together: as `fit`; None if there are none.
    """

    parameters: Any
    cv: Any
    options: Mapping[str, Any]
    began: str
    fit: Mapping[str, Any] = field(default_factory=dict)
    groups: Any = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model and data, in the versions on which all parts of a search work."""

    estimator: Any
    model: Metadata
    X: Input
    Y: Input
    fit: Mapping[str, Any]
    groups: Any

    def rows(self) -> tuple[Any, Any]:
        """Give data and targets as the estimator takes them."""
        target = None if self.Y.value is None else as_target(self.Y.value)
        return as_rows(self.X.value, self.estimator), target


def load(order: Order, x: Any, y: Any, plan: Plan) -> Loaded:
    """Read the model and the data, once for all parts on this machine."""
    catalogs = catalogs_of(order.settings)
    with Attempts(catalogs.store).running(order.task):
        model = catalogs.models.resolve(order.name)
        estimator = catalogs.models.load(model.name, version=model.version)
        linked = model.attributes.get("dataset", {})
        X = read_input(x, catalogs.datasets, linked.get("Xname"))
        Y = read_input(y, catalogs.datasets, linked.get("Yname"))
        fit = {name: _column(given, catalogs.datasets) for name, given in plan.fit.items()}
        groups = None if plan.groups is None else _column(plan.groups, catalogs.datasets)
        return Loaded(estimator, model, X, Y, fit, groups)


def _column(given: Any, datasets: Catalog) -> Any:
    """Give values that there are one of for each row, which may be named as a dataset is."""
    found = read_input(given, datasets, None).value
    return as_target(found) if hasattr(found, "shape") else found


def split(loaded: Loaded, cv: Any) -> list[tuple[Any, Any]]:
    """Divide the rows into folds: recorded, for a splitter may divide otherwise the next time."""
    from sklearn.base import is_classifier
    from sklearn.model_selection import check_cv

    X, y = loaded.rows()
    splitter = check_cv(cv, y, classifier=is_classifier(loaded.estimator))
    return list(splitter.split(X, y, loaded.groups))


def fit_part(
    loaded: Loaded, folds: Sequence[tuple[Any, Any]], fold: int, candidate: Mapping[str, Any], options: Any
) -> Any:
    """Fit one candidate on one fold, and rate it; give what scikit-learn notes of it."""
    found: list[Any] = []

    def keep(_at: int, work: Callable[[], list[Any]]) -> Any:
        found.extend(work())
        raise _Kept

    grid = {name: [value] for name, value in candidate.items()}
    with suppress(_Kept):
        _searched(loaded, grid, [folds[fold]], {**options, "refit": False}, 1, keep)
    return found[0]


def conclude(
    order: Order, x: Any, y: Any, plan: Plan, loaded: Loaded, folds: Sequence[tuple[Any, Any]], *parts: Any
) -> Metadata:
    """Let scikit-learn choose the best, fit that on all rows, and store the search and its table."""
    name = order.result
    assert name is not None
    with opened(order, x, y) as at:
        for metadata in (loaded.model, loaded.X.metadata, loaded.Y.metadata):
            if metadata is not None:
                tell("read", metadata)
        models, datasets = at.catalogs.models, at.catalogs.datasets
        if at.made(models, name) is None:
            done = _searched(
                loaded, plan.parameters, folds, plan.options, len(parts), lambda at, _work: parts[at]
            )
            vars(done).pop("_checked_cv_orig", None)  # the folds, which may be larger than all the rest
            models.put(done.set_params(cv=plan.cv, **_ITS_OWN), name, attributes={"task_id": order.task})
        search = models.load(name)
        if at.made(datasets, name) is None:
            datasets.put(_table(search), name, attributes={"task_id": order.task})
        return _noted(at, plan, loaded, search)


class _Kept(Exception):
    """The one fit of a part is done, and nothing that scikit-learn would do then is wanted."""


def _searched(
    loaded: Loaded,
    parameters: Any,
    folds: Sequence[Any],
    options: Mapping[str, Any],
    parts: int,
    answer: Callable[[int, Callable[[], Any]], Any],
) -> Any:
    """Run a search of scikit-learn's whose fits are answered here.

    Parameters
    ----------
    parts
        How many there are.
    answer
        Given the number of a fit and what does it, gives what comes of it.
    """
    import joblib
    from sklearn.model_selection import GridSearchCV

    search = GridSearchCV(loaded.estimator, parameters, cv=[*folds], **{**options, **_OURS})
    with joblib.parallel_config(backend=_backend()(parts, answer)):
        search.fit(*loaded.rows(), **loaded.fit)
    return search


@lru_cache(maxsize=1)
def _backend() -> Any:
    """Make the class of backends; here, for joblib is imported by those who search and nobody else."""
    from joblib.parallel import FallbackToBackend, ParallelBackendBase, ThreadingBackend

    class Backend(ParallelBackendBase):  # type: ignore[misc]  # joblib has no types
        """Answers the calls of the first loop that asks; later ones, of the refit, run as anywhere."""

        supports_retrieve_callback = True

        def __init__(self, parts: int, answer: Callable[[int, Any], Any]) -> None:
            super().__init__(nesting_level=0)
            self._parts, self._answer, self._at = parts, answer, 0

        def effective_n_jobs(self, n_jobs: int) -> int:
            return n_jobs

        def configure(self, n_jobs: int = 1, parallel: Any = None, **_: Any) -> int:
            if self._at == self._parts:
                raise FallbackToBackend(ThreadingBackend(nesting_level=0))
            self.parallel = parallel
            return self.effective_n_jobs(n_jobs)

        def submit(self, func: Any, callback: Any = None) -> Any:
            at, self._at = self._at, self._at + 1
            given = [self._answer(at, func)]
            callback(given)
            return given

        def retrieve_result_callback(self, out: Any) -> Any:
            return out

    return Backend


def _table(search: Any) -> Any:
    """Give the results as a frame that any store can hold: what is no number is text."""
    import pandas

    columns = {}
    for name, values in search.cv_results_.items():
        listed = values.tolist() if hasattr(values, "tolist") else values
        plain = all(value is None or isinstance(value, (bool, int, float)) for value in listed)
        columns[name] = listed if plain else [value if value is None else _text(value) for value in listed]
    return pandas.DataFrame(columns)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _noted(at: At, plan: Plan, loaded: Loaded, search: Any) -> Metadata:
    """Add the search to the attributes of the model, unless it is there already."""
    name = Reference.parse(at.order.name).name
    entry = {
        "datetime": plan.began,
        "Xname": loaded.X.name,
        "Yname": loaded.Y.name,
        "gsModel": at.order.result,
        "best_params": json.loads(json.dumps(getattr(search, "best_params_", None), default=str)),
        "best_score": getattr(search, "best_score_", None),
    }

    def added(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        others = [each for each in attributes.get("gridsearch", []) if each["gsModel"] != entry["gsModel"]]
        return {**attributes, "gridsearch": [*others, entry]}

    return at.catalogs.models.amend(name, added)
