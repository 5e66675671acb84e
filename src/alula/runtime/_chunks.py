"""Data in chunks, as ``"iris#"`` names them: asked of a model side by side, learned one after the other.

Only a few chunks are in memory at a time; what a model gives for them is put together in their order.
"""

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np

from ..futures import ObjectRef, get, put, remote
from ._inputs import as_rows, as_target

__all__ = ["call_in_chunks", "in_chunks"]

_AHEAD: Final = 8  # chunks that are under way at a time


def in_chunks(value: Any) -> bool:
    """Tell whether data come as an iterator of chunks."""
    return isinstance(value, Iterator)


def call_in_chunks(estimator: Any, action: str, X: Any, Y: Any, options: Mapping[str, Any]) -> Any:
    """Call a method of an estimator on data of which at least one part comes in chunks.

    ``partial_fit`` is called once for each. What predicts or transforms is called in other workers, side by
    side. A score is made of the predictions for all, by accuracy or R², whichever is the estimator's. What
    else there is, is called once, on all chunks put together.

    Raises
    ------
    ValueError
        If X and Y have not as many rows, or there is no chunk at all.
    """
    if action == "partial_fit":
        for x, y in _pairs(X, Y):
            estimator.partial_fit(as_rows(x, estimator), *_target(y), **options)
        return estimator
    metric = _metric(estimator) if action == "score" and not options else None
    if metric is not None:
        return metric(as_target(_whole(Y)), _side_by_side(estimator, "predict", X, {}))
    if action in ("predict", "predict_proba", "decision_function", "transform"):
        return _side_by_side(estimator, action, X, options)
    return getattr(estimator, action)(as_rows(_whole(X), estimator), *_target(_whole(Y)), **options)


def _side_by_side(estimator: Any, action: str, X: Any, options: Mapping[str, Any]) -> Any:
    call, kept = remote(_called), put(estimator)
    under_way: deque[ObjectRef[Any]] = deque()
    found: list[Any] = []
    for x in X if in_chunks(X) else [X]:
        if len(under_way) == _AHEAD:
            found.append(get(under_way.popleft()))
        under_way.append(call.remote(kept, action, x, dict(options)))
    found += [get(ref) for ref in under_way]
    return _joined(found)


def _called(estimator: Any, action: str, x: Any, options: dict[str, Any]) -> Any:
    return getattr(estimator, action)(as_rows(x, estimator), **options)


def _pairs(X: Any, Y: Any) -> Iterator[tuple[Any, Any]]:
    """Give chunks of X, each with as many rows of Y."""
    if Y is None:
        yield from ((x, None) for x in X)
    elif in_chunks(X) and in_chunks(Y):
        yield from zip(X, Y, strict=True)
    elif in_chunks(X):
        at = 0
        for x in X:
            yield x, Y[at : at + len(x)]
            at += len(x)
        if at != len(Y):
            raise ValueError(f"X has {at} rows, and Y has {len(Y)}")
    else:
        yield X, _whole(Y)


def _target(y: Any) -> tuple[Any, ...]:
    return () if y is None else (as_target(y),)


def _whole(value: Any) -> Any:
    return _joined(list(value)) if in_chunks(value) else value


def _joined(found: list[Any]) -> Any:
    """Put together what was given for chunks, in the form that the first has."""
    if not found:
        raise ValueError("empty input")
    if isinstance(found[0], np.ndarray):
        return np.concatenate(found)
    if hasattr(found[0], "iloc"):
        import pandas

        return pandas.concat(found)
    return [value for chunk in found for value in _several(chunk)]


def _several(chunk: Any) -> Iterable[Any]:
    return chunk if isinstance(chunk, (list, tuple)) else [chunk]


def _metric(estimator: Any) -> Any:
    """Give how an estimator rates itself, if it does so as all of its kind; None if nobody knows."""
    if "sklearn" not in sys.modules:  # then it is no estimator of that kind
        return None
    from sklearn.base import ClassifierMixin, RegressorMixin
    from sklearn.metrics import accuracy_score, r2_score

    score = getattr(type(estimator), "score", None)
    return {ClassifierMixin.score: accuracy_score, RegressorMixin.score: r2_score}.get(score)
