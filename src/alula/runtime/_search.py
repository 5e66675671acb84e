"""A search for the best parameters, as one task whose parts run side by side.

Each candidate on each fold is a node of the task's workflow, with a record of its own. So whoever goes on
with a search after its process has died fits only what is not recorded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ..errors import MissingExtraError
from ..futures import Function, TaskOptions
from ..graph import Node
from ..objects import Catalogs, Reference
from . import _search_bodies as bodies
from ._data import hand_over, refer
from ._inputs import as_rows, read_input
from ._orders import Order
from ._results import AsyncResult
from ._search_bodies import Plan
from ._search_words import PART
from ._tasks import Tasks
from ._wish import Wish

__all__ = ["search"]

_LOAD, _SPLIT, _PART, _CONCLUDE = (
    Function(body, TaskOptions()) for body in (bodies.load, bodies.split, bodies.fit_part, bodies.conclude)
)
_REFUSED = {
    "n_jobs": "the tasks run on the pool: require(num_cpus=...) says what each of them holds",
    "pre_dispatch": "the pool decides what runs when",
}


def search(
    order: Order,
    X: Any,
    Y: Any,
    parameters: Any,
    *,
    cv: Any,
    options: Mapping[str, Any],
    groups: Any = None,
    fit: Mapping[str, Any] | None = None,
    catalogs: Catalogs,
    tasks: Tasks,
    wish: Wish,
) -> AsyncResult[Any]:
    """Submit a search, after scikit-learn has looked at what is wanted.

    Parameters
    ----------
    order
        Names the task and the model.
    cv, options
        As scikit-learn's `GridSearchCV` takes them.
    groups, fit
        Values with one for each row, or the name of a dataset: of the rows, and by keyword for the
        estimator's ``fit``.

    Raises
    ------
    TypeError, ValueError
        As scikit-learn says it, if it cannot be searched like this.
    MissingExtraError
        If scikit-learn is not installed here.
    """
    for name in options.keys() & _REFUSED.keys():
        raise ValueError(f"{name}= is no option of a search here: {_REFUSED[name]}")
    cv = [*cv] if isinstance(cv, Iterator) else cv
    began = datetime.fromtimestamp(catalogs.store.clock.time(), UTC).isoformat()
    by_row = {name: refer(given) for name, given in (fit or {}).items()}
    of_rows = None if groups is None else refer(groups)
    plan = Plan(parameters=parameters, cv=cv, options=options, began=began, fit=by_row, groups=of_rows)
    candidates = _checked(order, plan, catalogs)
    folds = _count(order, X, Y, plan, catalogs)
    stored = f"{Reference.parse(order.name).name}.{began}.gs"
    order = replace(order, result=stored, kwargs={"parameters": parameters, "cv": cv, **options})
    datasets = catalogs.datasets
    x = hand_over(X, task=order.task, part="X", datasets=datasets)
    y = None if Y is None else hand_over(Y, task=order.task, part="Y", datasets=datasets)

    def node(body: Function, title: str, *args: Any, **more: Any) -> Node[Any]:
        return Node(body.with_options(wish.options), args, options={"task_id": title, **more})

    loaded = node(_LOAD, f"read {order.name}", order, x, y, plan, checkpoint=False)
    splits = node(_SPLIT, "split", loaded, cv)
    parts = [
        node(_PART, f"{PART}{at} fold {fold}", loaded, splits, fold, candidate, options)
        for at, candidate in enumerate(candidates)
        for fold in range(folds)
    ]
    return tasks.submit(_CONCLUDE, order, x, y, plan, loaded, splits, *parts, wish=wish)


def _checked(order: Order, plan: Plan, catalogs: Catalogs) -> list[Mapping[str, Any]]:
    """Give the candidates, if the estimator takes each of them and the search its options."""
    try:
        from sklearn.base import clone
        from sklearn.metrics import check_scoring
        from sklearn.model_selection import GridSearchCV, ParameterGrid
    except ImportError as error:
        raise MissingExtraError(error.name or "sklearn", "lab", "a search for parameters") from error
    estimator = catalogs.models.load(order.name)
    GridSearchCV(estimator, plan.parameters, cv=plan.cv, **plan.options)
    candidates = [*ParameterGrid(plan.parameters)]
    for candidate in candidates:
        clone(estimator).set_params(**candidate)
    check_scoring(estimator, scoring=plan.options.get("scoring"))
    return candidates


def _count(order: Order, X: Any, Y: Any, plan: Plan, catalogs: Catalogs) -> int:
    """Give the number of folds; where it depends on the data, by looking at them here."""
    from sklearn.model_selection import check_cv

    splitter = check_cv(plan.cv)
    try:
        return int(splitter.get_n_splits())
    except (TypeError, ValueError):  # one for each row, say
        linked = catalogs.models.resolve(order.name).attributes.get("dataset", {})
        x = read_input(refer(X), catalogs.datasets, linked.get("Xname"))
        y = read_input(None if Y is None else refer(Y), catalogs.datasets, linked.get("Yname"))
        groups = read_input(plan.groups, catalogs.datasets, None).value
        return int(splitter.get_n_splits(as_rows(x.value, None), y.value, groups))
