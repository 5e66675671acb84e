"""The bodies of tasks: what runs in a worker, on objects that it looks up by name itself.

A body may be run again, because its process died after it had stored its result and before anybody knew.
So a version that is stored says which task made it, and a later attempt finds it instead of making another.

Data stand beside the order, so that in a graph they may be the values of other nodes. What comes `after` them
is not looked at: the task only has to wait for it.
"""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any, Final

from ..objects import Deployment, Metadata
from ._inputs import Input
from ._onnx import to_onnx
from ._opened import opened
from ._orders import Order
from ._remote import store_model
from ._script_calls import call_script, entry_of

__all__ = ["CALLBACK", "apply", "deploy", "fit", "fit_transform", "ping", "run_script", "score"]


CALLBACK: Final = "callback"
"""The action of a script that runs because another task has ended."""


def fit(order: Order, x: Any, y: Any = None, *after: Any) -> Metadata:
    """Train a model; give the metadata of the new version."""
    with opened(order, x, y) as at:
        models, model = at.catalogs.models, at.model()
        if (made := at.made(models, model.metadata.name)) is not None:
            return made
        X, Y = at.read(x, model, "Xname"), at.read(y, model, "Yname")
        model.call(order.action, X, Y, order.kwargs)
        facts = {"dataset": _dataset(X, Y), "task_id": order.task}
        kind = model.metadata.kind
        return models.put(model.estimator, model.metadata.name, attributes=facts, kind=kind)


def fit_transform(order: Order, x: Any, y: Any = None, *after: Any) -> Metadata:
    """Train a model and transform the data; give the metadata of the new version, or of the dataset."""
    with opened(order, x, y) as at:
        models, datasets, model, result = at.catalogs.models, at.catalogs.datasets, at.model(), order.result
        if result is not None and (kept := at.made(datasets, result)) is not None:
            return kept
        X, Y = at.read(x, model, "Xname"), at.read(y, model, "Yname")
        made = at.made(models, model.metadata.name)
        if made is None:
            value = model.call(order.action, X, Y, order.kwargs)
            facts = {"dataset": _dataset(X, Y), "task_id": order.task}
            kind = model.metadata.kind
            made = models.put(model.estimator, model.metadata.name, attributes=facts, kind=kind)
        elif result is not None:  # an attempt has died between the two
            fitted = replace(model, estimator=models.load(made.name, version=made.version))
            value = fitted.call("transform", X, Input(None), {})
        return made if result is None else datasets.put(value, result, attributes={"task_id": order.task})


def apply(order: Order, x: Any, y: None = None, *after: Any) -> Any:
    """Compute with a model; give the result, or the metadata of the dataset that was made of it."""
    with opened(order, x, soon=order.result is None) as at:
        datasets, result = at.catalogs.datasets, order.result
        if result is not None and (made := at.made(datasets, result)) is not None:
            return made
        model = at.warm_model()
        X = at.read(x, model, "Xname")
        value = at.cached(partial(model.call, order.action, X, Input(None), order.kwargs), model.metadata, X)
        return value if result is None else datasets.put(value, result, attributes={"task_id": order.task})


def score(order: Order, x: Any, y: Any = None, *after: Any) -> float:
    """Rate a model on data."""
    with opened(order, x, y, soon=True) as at:
        model = at.warm_model()
        X, Y = at.read(x, model, "Xname"), at.read(y, model, "Yname")
        rate = partial(model.call, order.action, X, Y, order.kwargs)
        rated = float(at.cached(rate, model.metadata, X, Y))
        at.context.notes["metrics"] = {order.action: rated}
        return rated


def run_script(order: Order) -> Any:
    """Run a script; give what it returns."""
    with opened(order) as at:
        metadata = at.catalogs.scripts.resolve(order.name)
        script = at.catalogs.scripts.load(metadata.name, version=metadata.version)
        entry = entry_of(script, order.name, order.settings)
        if order.action == CALLBACK:
            [result] = results = at.context.results or []
            state = "ERROR" if isinstance(result, BaseException) else "SUCCESS"
            return entry(at.context.instance, state=state, results=results, **order.kwargs)
        offered = at.offered()
        call = partial(call_script, entry, order.args, order.kwargs)
        return at.cached(
            partial(call, method=order.action, meta=metadata, offered=offered),
            metadata,
            order.args,
            {name: value for name, value in offered.items() if name in ("previous", "results")},
        )


def deploy(order: Order, key: str, server: str | None) -> Deployment:
    """Convert a model and hand it to the servers of this store, or to one by its address."""
    with opened(order) as at:
        model = at.model()
        blob, tag = to_onnx(model.estimator, model.metadata.name), str(model.metadata.version)
        where = key if server is None else f"{key} at {server.rpartition('@')[2]}"
        at.context.notes["deployments"] = {where: model.metadata.version}
        if server is None:
            return at.catalogs.deployments.put(key, blob, tag=tag)
        store_model(server, key, tag, blob)
        digest, now = sha256(blob).hexdigest(), datetime.now(UTC)
        return Deployment(key=key, tag=tag, digest=digest, backend="ONNX", device="CPU", created=now)


def ping(order: Order, exception: bool) -> dict[str, Any]:
    """Say who is there."""
    with opened(order, soon=True) as at:
        if exception:
            raise RuntimeError("this ping was asked to fail")
        return {
            "message": "pong",
            "time": datetime.now(UTC).isoformat(),
            "args": order.args,
            "kwargs": dict(order.kwargs),
            "worker": at.attempt.executor,
        }


def _dataset(X: Input, Y: Input) -> dict[str, Any]:
    return {
        "Xname": X.name,
        "Yname": Y.name,
        "Xmeta": X.facts(),
        "Ymeta": Y.facts(),
        "features": X.columns(),
        "labels": Y.columns(),
    }
