"""Models by name: each action is a task, and gives a result at once."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn

from .._core._ids import new_id
from ..errors import UnsupportedError, suggest
from ..futures import Function, TaskOptions
from ..graph import Node
from ..objects import Catalogs, Deployment, Metadata, Reference, check_name
from ..workflow import Overlap
from . import _bodies as bodies
from ._data import PREVIOUS, drop_kept, hand_over, refer
from ._defaults import required
from ._experiments import Experiment, Place, experiment_of, experiments_of
from ._orders import Order
from ._remote import check_url, remove_model
from ._results import AsyncResult
from ._schedules import Planned, Schedule, Scheduling
from ._search import search
from ._search_words import SEARCH
from ._task_id import task_id
from ._tasks import Tasks
from ._wish import Wish

__all__ = ["ModelProxy", "missing"]

_FIT, _FIT_TRANSFORM, _APPLY, _SCORE, _DEPLOY = (
    Function(body, TaskOptions())
    for body in (bodies.fit, bodies.fit_transform, bodies.apply, bodies.score, bodies.deploy)
)
_ACTIONS: Final = {
    "fit": _FIT,
    "fit_transform": _FIT_TRANSFORM,
    "partial_fit": _FIT,
    "predict": _APPLY,
    "predict_proba": _APPLY,
    "decision_function": _APPLY,
    "reduce": _APPLY,
    "transform": _APPLY,
    "score": _SCORE,
}


_REPEATED: Final = {
    "fit": bodies.fit,
    "partial_fit": bodies.fit,
    "predict": bodies.apply,
    "transform": bodies.apply,
    "score": bodies.score,
}


class ModelProxy:
    """A stored model, as one who has work for it sees it.

    Wherever data are taken: the name of a dataset, which may have columns in brackets (``"iris[x,y]"``);
    ``"*"`` for the dataset that the model was last fitted on; a DataFrame, Series or array; or a list,
    tuple or dict of values. Names are looked up by the worker. One dimension is taken for one column.

    Attributes
    ----------
    name
        As it was given.
    """

    def __init__(self, name: str, catalogs: Catalogs, tasks: Tasks, wish: Wish) -> None:
        self.name = name
        self._catalogs, self._tasks, self._wish = catalogs, tasks, wish

    def require(
        self, label: str | None = None, *, always: bool = False, drop: bool = False, **resources: Any
    ) -> "ModelProxy":
        """Give this model with a requirement of its own.

        Parameters
        ----------
        label, resources
            As for `Runtime.require`.
        always
            Whether it is kept with the model, and holds for every client that requires nothing else.
        drop
            Whether to remove what was kept.

        Raises
        ------
        LabelError, ValueError, TypeError
            As `Runtime.require`; a `TypeError` also if what is to be kept does not fit into JSON.
        """
        wish = required(
            self._catalogs.models, self.name, self._wish, label, resources, always=always, drop=drop
        )
        return ModelProxy(self.name, self._catalogs, self._tasks, wish)

    def fit(self, X: Any = PREVIOUS, Y: Any = None, **options: Any) -> AsyncResult[Metadata]:
        """Train the model anew and store it as a new version.

        Parameters
        ----------
        X, Y
            Data and, for those that learn from them, targets.
        options
            For the estimator's method, such as ``sample_weight``.

        Returns
        -------
        AsyncResult
            Of the metadata of the new version, whose ``attributes["dataset"]`` say what it learned from.

        Raises
        ------
        TypeError
            If the data are of a type that no estimator takes, or something cannot be pickled.
        ValueError
            If the data are empty.
        InvalidNameError
            If a name is wrongly written.
        """
        return self._submit("fit", X, Y, None, options)

    def partial_fit(self, X: Any = PREVIOUS, Y: Any = None, **options: Any) -> AsyncResult[Metadata]:
        """Train the model further and store it as a new version; as `fit` otherwise."""
        return self._submit("partial_fit", X, Y, None, options)

    def fit_transform(
        self, X: Any = PREVIOUS, Y: Any = None, rName: str | None = None, **options: Any
    ) -> AsyncResult[Metadata]:
        """Train the model anew, store it as a new version, and transform the data.

        Parameters
        ----------
        rName
            The name of a dataset to make of what comes of the data; by default that is not kept.

        Returns
        -------
        AsyncResult
            Of the metadata of the new version; with `rName`, of that dataset.

        Raises
        ------
        TypeError, ValueError, InvalidNameError
            As `fit`.
        """
        return self._submit("fit_transform", X, Y, rName, options)

    def predict(self, X: Any = PREVIOUS, rName: str | None = None, **options: Any) -> AsyncResult[Any]:
        """Let the model predict.

        Parameters
        ----------
        X
            Data.
        rName
            The name of a dataset to make of the result.
        options
            For the estimator's method.

        Returns
        -------
        AsyncResult
            Of what the estimator gives; with `rName`, of the metadata of that dataset.

        Raises
        ------
        TypeError, ValueError, InvalidNameError
            As `fit`.
        """
        return self._submit("predict", X, None, rName, options)

    def predict_proba(self, X: Any = PREVIOUS, rName: str | None = None, **options: Any) -> AsyncResult[Any]:
        """Give the probabilities of the classes, one row each; as `predict` otherwise."""
        return self._submit("predict_proba", X, None, rName, options)

    def decision_function(
        self, X: Any = PREVIOUS, rName: str | None = None, **options: Any
    ) -> AsyncResult[Any]:
        """Give the confidence of the model in its predictions; as `predict` otherwise."""
        return self._submit("decision_function", X, None, rName, options)

    def transform(self, X: Any = PREVIOUS, rName: str | None = None, **options: Any) -> AsyncResult[Any]:
        """Let the model transform data; as `predict` otherwise."""
        return self._submit("transform", X, None, rName, options)

    def reduce(self, X: Any = PREVIOUS, rName: str | None = None, **options: Any) -> AsyncResult[Any]:
        """Let a function model combine results; as `predict` otherwise.

        As the last task of a mapreduce it is given the list of what the others gave.
        """
        return self._submit("reduce", X, None, rName, options)

    def score(self, X: Any = PREVIOUS, Y: Any = None, **options: Any) -> AsyncResult[float]:
        """Rate the model: accuracy for classifiers, R² for regressors; as `fit` otherwise."""
        return self._submit("score", X, Y, None, options)

    def gridsearch(
        self,
        X: Any,
        Y: Any = None,
        parameters: Any = None,
        *,
        cv: Any = 5,
        groups: Any = None,
        fit_params: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> AsyncResult[Metadata]:
        """Search for the best parameters: each candidate on each fold is a part of the task, side by side.

        The fitted search object is stored as a model ``<name>.<ISO time>.gs``, and the table of its results
        as a dataset of the same name; the model's ``attributes["gridsearch"]`` say which. A search whose
        process dies goes on with the parts that are not recorded.

        Parameters
        ----------
        X, Y
            Data and targets, as for `fit`.
        parameters
            Lists of values by parameter, or a list of such grids.
        cv
            Folds, or what divides the rows, as scikit-learn's `GridSearchCV` takes it.
        groups
            To which group each row belongs, for a `cv` that keeps groups together: values, or the name of a
            dataset (``"iris[patient]"``).
        fit_params
            For the estimator's ``fit``, by keyword, one value for each row: values, or the name of a dataset.
        options
            Others of `GridSearchCV`: ``scoring``, ``refit``, ``error_score``, ``return_train_score``.

        Returns
        -------
        AsyncResult
            Of the metadata of the model.

        Raises
        ------
        TypeError, ValueError
            As scikit-learn says it, if the estimator has no such parameter, or the search no such option;
            and as `fit`.
        MissingExtraError
            If scikit-learn is not installed here.
        """
        datasets, task = self._catalogs.datasets, new_id()
        self._tasks.sweep(datasets)
        order = self._order(SEARCH, task, None, {})
        given = {"cv": cv, "options": options, "catalogs": self._catalogs, "tasks": self._tasks}
        given |= {"groups": groups, "fit": fit_params}
        try:
            return search(order, X, Y, parameters, wish=self._wish, **given)
        except BaseException:  # there is no task, and nobody else removes what was kept for it
            drop_kept(datasets, task)
            raise

    def deploy(self, as_: str | None = None, *, server: str | None = None) -> AsyncResult[Deployment]:
        """Convert the model to ONNX and hand it to the tensor servers on this store.

        The model on the server has one input, ``input``, float32 of shape (rows, features). A
        classifier's outputs are ``label`` and ``probabilities``. Its tag is the number of the version.

        Parameters
        ----------
        as_
            The key under which servers have it; the model's name by default. It takes the place of what
            is there.
        server
            Address of one server to give it to instead: ``redis://host:port``.

        Returns
        -------
        AsyncResult
            Of what was deployed. It fails with `DeployError` if ONNX has no form for the model or the
            server does not take it, and with `MissingExtraError` if skl2onnx is not installed.

        Raises
        ------
        ValueError
            If `server` is no such address.
        InvalidNameError
            If the key is empty or has a character with a meaning.
        """
        if server is not None:
            check_url(server)
        key = Reference.parse(self.name).name if as_ is None else check_name(as_)
        order = self._order("deploy", new_id(), None, {})
        return self._tasks.submit(_DEPLOY, order, key, server, wish=self._wish)

    def undeploy(self, as_: str | None = None, *, server: str | None = None) -> None:
        """Take the model away from the tensor servers; what runs there goes on.

        Parameters
        ----------
        as_
            The key under which servers have it; the model's name by default.
        server
            Address of one server to take it from instead: ``redis://host:port``.

        Raises
        ------
        NameNotFoundError
            If nothing is deployed under that key.
        DeployError
            If that server does not take it away, or cannot be reached.
        ValueError
            If `server` is no such address.
        InvalidNameError
            If the key is empty or has a character with a meaning.
        """
        key = Reference.parse(self.name).name if as_ is None else check_name(as_)
        if server is None:
            self._catalogs.deployments.drop(key)
        else:
            check_url(server)
            remove_model(server, key)

    def experiment(self, label: str | None = None) -> Experiment:
        """Give the experiment that tracks the calls of this model, making one of its name if there is none.

        Parameters
        ----------
        label
            Of the executors whose calls are tracked; ``"default"`` by default.
        """
        return experiment_of(self._place(), self._catalogs.models, self.name, label)

    def experiments(self, raw: bool = False) -> Mapping[str, Any]:
        """Give the experiments that track this model, by label, and all of them under ``"_all_"``.

        Parameters
        ----------
        raw
            Give the metadata of what stands for them among the models.
        """
        return experiments_of(self._place(), self._catalogs.models, self.name, raw)

    def bind(
        self,
        action: str,
        X: Any,
        Y: Any = None,
        *,
        rName: str | None = None,
        after: Node[Any] | None = None,
        **options: Any,
    ) -> Node[Any]:
        """Make a node of an action, for a graph of one's own; its task id is ``<action> <model>``.

        Parameters
        ----------
        action
            The name of a method of this class, but for `deploy`.
        X, Y
            Data as for that method, or other nodes, which give values or the metadata of a dataset. Values
            are stored with the graph.
        rName
            As for `predict`.
        after
            A node to wait for, whose value is not looked at.
        options
            For the estimator's method.

        Returns
        -------
        Node
            Of what the action gives.

        Raises
        ------
        ValueError
            If there is no such action.
        UnsupportedError
            If a label is required: all of a workflow runs on one executor.
        TypeError, ValueError, InvalidNameError
            As that method.
        """
        if action not in _ACTIONS:
            raise ValueError(f"no action {action!r} of a model can be bound; {suggest(action, _ACTIONS)}")
        if self._wish.label != Wish().label:
            raise UnsupportedError("a label for one task of it", "workflow", "submit that task by itself")
        args = [_carried(X), None if Y is None else _carried(Y), *([] if after is None else [after])]
        order = self._order(action, new_id(), rName, options)
        return self._tasks.bind(_ACTIONS[action], order, *args, wish=self._wish)

    def schedule(
        self,
        run_at: str | Mapping[str, Any] | Schedule,
        action: str,
        X: Any = "*",
        Y: Any = None,
        *,
        rName: str | None = None,
        last_run: datetime | None = None,
        overlap: Overlap = "skip",
        catchup: bool = True,
        **options: Any,
    ) -> Metadata:
        """Let an action of the model happen again and again; give the model's metadata.

        Parameters
        ----------
        action
            ``"fit"``, ``"partial_fit"``, ``"predict"``, ``"transform"`` or ``"score"``.
        X, Y, rName, options
            As for that method; names of datasets are looked up each time.
        run_at, last_run, overlap, catchup
            As for `alula.runtime.JobProxy.schedule`.

        Raises
        ------
        ValueError
            If `run_at` is not understood, or there is no such action.
        TypeError, InvalidNameError
            As that method.
        """
        if action not in _REPEATED:
            raise ValueError(
                f"no action {action!r} of a model can be scheduled; {suggest(action, _REPEATED)}"
            )
        how = Planned(schedule=Schedule.of(run_at), overlap=overlap, catchup=catchup, since=last_run)
        order = self._order(action, "", rName, options)
        data = refer(X), None if Y is None else refer(Y)
        return self._scheduling().put(how, _REPEATED[action], order, *data, wish=self._wish)

    def get_schedule(
        self, action: str, only_pending: bool = False
    ) -> tuple[str | None, list[dict[str, Any]]]:
        """Give the cron expression by which an action happens, or None, and its triggers."""
        return self._scheduling().get("model", self.name, action, only_pending=only_pending)

    def drop_schedule(self, action: str) -> Metadata:
        """Let an action happen by no schedule any more; give the model's metadata."""
        return self._scheduling().drop("model", self.name, action)

    def __repr__(self) -> str:
        return f"<model {self.name}>"

    if not TYPE_CHECKING:  # so that type checkers go on telling what there is

        def __getattr__(self, name: str) -> NoReturn:
            raise missing("a model of the runtime", name, type(self))

    # ------------------------------------------------------------------------------------- inside

    def _place(self) -> Place:
        home = str(self._tasks.settings(self._catalogs.bucket).home)
        return Place(self._catalogs, home, task_id)

    def _scheduling(self) -> Scheduling:
        return Scheduling(self._catalogs, self._tasks.settings(self._catalogs.bucket))

    def _order(self, action: str, task: str, result: str | None, options: Mapping[str, Any]) -> Order:
        return Order(
            settings=self._tasks.settings(self._catalogs.bucket),
            task=task,
            action=action,
            kind="model",
            name=self.name,
            result=None if result is None else check_name(result),
            kwargs=options,
        )

    def _submit(
        self, action: str, X: Any, Y: Any, result: str | None, options: Mapping[str, Any]
    ) -> AsyncResult[Any]:
        datasets, task = self._catalogs.datasets, new_id()
        self._tasks.sweep(datasets)
        order = self._order(action, task, result, options)
        try:
            x = hand_over(X, task=task, part="X", datasets=datasets)
            y = None if Y is None else hand_over(Y, task=task, part="Y", datasets=datasets)
            return self._tasks.submit(_ACTIONS[action], order, x, y, wish=self._wish)
        except BaseException:  # there is no task, and nobody else removes what was kept for it
            drop_kept(datasets, task)
            raise


def _carried(data: Any) -> Any:
    return data if isinstance(data, Node) else refer(data)


def missing(what: str, name: str, cls: type) -> AttributeError:
    """Make the error for an attribute that is not there: the nearest one, and what there is."""
    known = [known for known in dir(cls) if not known.startswith("_")]
    return AttributeError(f"{what} has no {name!r}; {suggest(name, known)}")
