"""The bodies of tasks: what runs in a worker, on objects that it looks up by name itself.

A body may be run again, because its process died after it had stored its result and before anybody knew.
So a version that is stored says which task made it, and a later attempt finds it instead of making another.

Data stand beside the order, so that in a graph they may be the values of other nodes. What comes `after` them
is not looked at: the task only has to wait for it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

from .._core._settings import Settings
from ..objects import Catalog, Catalogs, Deployment, Metadata, open_catalogs
from ._attempts import Attempt, Attempts
from ._inputs import Input, as_rows, as_target, read_input
from ._onnx import to_onnx
from ._remote import store_model

__all__ = ["Order", "apply", "deploy", "fit", "ping", "score"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a body is told of its task.

    Attributes
    ----------
    settings
        Where the objects are, and in which bucket.
    task
        The id of the task.
    action
        What is asked for: the name of an estimator's method.
    model
        The name of the model, if it is about one; may say a version.
    result
        The name of the dataset to be made of the result, if any.
    options
        For the estimator's method.
    """

    settings: Settings
    task: str
    action: str
    model: str = ""
    result: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def fit(order: Order, x: Any, y: Any = None, *after: Any) -> Metadata:
    """Train a model; give the metadata of the new version."""
    with _opened(order) as at:
        models, model = at.catalogs.models, at.model()
        if (made := at.made(models, model.metadata.name)) is not None:
            return made
        X, Y = at.read(x, model, "Xname"), at.read(y, model, "Yname")
        model.call(order.action, X, Y, order.options)
        facts = {"dataset": _dataset(X, Y), "task_id": order.task}
        kind = model.metadata.kind
        return models.put(model.estimator, model.metadata.name, attributes=facts, kind=kind)


def apply(order: Order, x: Any, y: None = None, *after: Any) -> Any:
    """Compute with a model; give the result, or the metadata of the dataset that was made of it."""
    with _opened(order) as at:
        datasets, result = at.catalogs.datasets, order.result
        if result is not None and (made := at.made(datasets, result)) is not None:
            return made
        model = at.model()
        value = model.call(order.action, at.read(x, model, "Xname"), Input(None), order.options)
        return value if result is None else datasets.put(value, result, attributes={"task_id": order.task})


def score(order: Order, x: Any, y: Any = None, *after: Any) -> float:
    """Rate a model on data."""
    with _opened(order) as at:
        model = at.model()
        X, Y = at.read(x, model, "Xname"), at.read(y, model, "Yname")
        return float(model.call(order.action, X, Y, order.options))


def deploy(order: Order, key: str, server: str | None) -> Deployment:
    """Convert a model and hand it to the servers of this store, or to one by its address."""
    with _opened(order) as at:
        model = at.model()
        blob, tag = to_onnx(model.estimator, model.metadata.name), str(model.metadata.version)
        if server is None:
            return at.catalogs.deployments.put(key, blob, tag=tag)
        store_model(server, key, tag, blob)
        digest, now = sha256(blob).hexdigest(), datetime.now(UTC)
        return Deployment(key=key, tag=tag, digest=digest, backend="ONNX", device="CPU", created=now)


def ping(order: Order, args: tuple[Any, ...], exception: bool) -> dict[str, Any]:
    """Say who is there."""
    with _opened(order) as at:
        if exception:
            raise RuntimeError("this ping was asked to fail")
        return {
            "message": "pong",
            "time": datetime.now(UTC).isoformat(),
            "args": args,
            "kwargs": dict(order.options),
            "worker": at.attempt.executor,
        }


@dataclass(frozen=True, slots=True)
class _Model:
    """A model, and the metadata of the very version that was read."""

    estimator: Any
    metadata: Metadata

    def call(self, action: str, X: Input, Y: Input, options: Mapping[str, Any]) -> Any:
        """Call a method; if the estimator has none of that name, that is its own `AttributeError`."""
        method = getattr(self.estimator, action)
        target = () if Y.value is None else (as_target(Y.value),)
        return method(as_rows(X.value, self.estimator), *target, **options)


@dataclass(frozen=True, slots=True)
class _At:
    """Where a body stands: its order, the attempt that it is, and the objects."""

    order: Order
    attempt: Attempt
    catalogs: Catalogs

    def model(self) -> _Model:
        metadata = self.catalogs.models.resolve(self.order.model)
        # By its number: another version may have come since.
        return _Model(self.catalogs.models.load(metadata.name, version=metadata.version), metadata)

    def read(self, data: Any, model: _Model, linked: str) -> Input:
        """Read data; ``"*"`` is what the model's attributes have under `linked`."""
        known = model.metadata.attributes.get("dataset", {})
        return read_input(data, self.catalogs.datasets, known.get(linked))

    def made(self, catalog: Catalog, name: str) -> Metadata | None:
        """Give the version that an earlier attempt has stored, if it got so far."""
        if self.attempt.number == 1 or not catalog.exists(name):
            return None
        # The first: later versions that were put by hand may have inherited the attribute.
        versions = catalog.versions(name)
        return next((v for v in versions if v.attributes.get("task_id") == self.order.task), None)


@contextmanager
def _opened(order: Order) -> Iterator[_At]:
    catalogs = _catalogs(order.settings)
    with Attempts(catalogs.store).running(order.task) as attempt:
        yield _At(order, attempt, catalogs)


@lru_cache(maxsize=8)
def _catalogs(settings: Settings) -> Catalogs:
    """Open the catalogs once in the life of a worker."""
    return open_catalogs(settings)


def _dataset(X: Input, Y: Input) -> dict[str, Any]:
    return {
        "Xname": X.name,
        "Yname": Y.name,
        "Xmeta": X.facts(),
        "Ymeta": Y.facts(),
        "features": X.columns(),
        "labels": Y.columns(),
    }
