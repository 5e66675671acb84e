"""Estimators as ONNX, the form in which tensor servers load them."""

import warnings
from typing import Any, Final

from ..errors import DeployError, MissingExtraError

__all__ = ["INPUT", "OPSETS", "to_onnx"]

INPUT: Final = "input"
"""The name of the one input of every deployed model: float32, shape (rows, features)."""

OPSETS: Final = {"": 17, "ai.onnx.ml": 3}
"""Versions of the operators that are used: old enough for servers of some years ago."""


def to_onnx(estimator: Any, model: str) -> bytes:
    """Convert a fitted scikit-learn estimator or pipeline; what is ONNX already stays as it is.

    Parameters
    ----------
    model
        Its name, for messages.

    Returns
    -------
    bytes
        A model with one input. A classifier's outputs are ``label``, int64 of shape (rows,), and
        ``probabilities``, float32 of shape (rows, classes).

    Raises
    ------
    NotFittedError
        If it is not fitted.
    DeployError
        If ONNX has no form for it.
    MissingExtraError
        If skl2onnx is not installed.
    """
    if isinstance(estimator, bytes):
        return estimator
    if hasattr(estimator, "SerializeToString"):
        return bytes(estimator.SerializeToString())
    try:
        import skl2onnx
        from sklearn.base import BaseEstimator, is_classifier
        from sklearn.utils.validation import check_is_fitted
    except ImportError as error:
        raise MissingExtraError(error.name or "skl2onnx", "lab", "deploying a model") from error
    if not isinstance(estimator, BaseEstimator):
        raise DeployError(model, f"a {type(estimator).__name__} is no scikit-learn estimator")
    check_is_fitted(estimator)
    shape = [None, _features(estimator, model)]
    # Without this the probabilities would be a list of dicts, which no tensor can hold.
    options = {id(estimator): {"zipmap": False}} if is_classifier(estimator) else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it says is about scikit-learn's future, not about the model
        try:
            converted = skl2onnx.convert_sklearn(
                estimator,
                model,
                [(INPUT, skl2onnx.common.data_types.FloatTensorType(shape))],
                options=options,
                target_opset=OPSETS,
            )
        except Exception as error:  # whatever a converter raises, it could not convert
            raise DeployError(model, f"ONNX has no form for it: {_first_line(error)}") from error
    blob: bytes = converted.SerializeToString()
    return blob


def _features(estimator: Any, model: str) -> int:
    try:
        return int(estimator.n_features_in_)
    except AttributeError as error:
        raise DeployError(model, "it does not say how many features it takes (n_features_in_)") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
