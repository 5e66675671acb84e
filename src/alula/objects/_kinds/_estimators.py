"""Estimators of scikit-learn: as skops where that is asked for and holds them whole, else their pickle.

A skops file runs nothing when it is read, but importing skops imports all of scikit-learn, which takes two
seconds in each process. So it is the choice of whoever puts, or of the setting ``pickles``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import MissingExtraError
from .._shelf import Raw
from ._kind import Ask, Dumped, How, refuse_appending
from ._plain import class_of

__all__ = ["Estimators"]


class Estimators:
    """The kind of an estimator or pipeline."""

    name = "sklearn.joblib"
    on_request = False
    checks_itself = False
    options = frozenset({"safe"})
    accepts = staticmethod(class_of("sklearn.base", "BaseEstimator"))

    def ready(self) -> None:
        """Import scikit-learn."""
        try:
            import sklearn
        except ImportError as error:
            raise MissingExtraError("scikit-learn", "lab", f"reading {self.name}") from error
        assert sklearn

    def dump(self, value: Any, how: How) -> Dumped:
        """Write skops, or take the estimator as it is; note its class, the version and the form."""
        import sklearn

        cls = type(value)
        facts = {"class": f"{cls.__module__}.{cls.__qualname__}", "sklearn": sklearn.__version__}
        data = _as_skops(value) if how.options.get("safe", how.pickles != "trusted") else None
        if data is None:
            return Dumped(value, {**facts, "format": "pickle"})
        return Dumped(Raw((data,)), {**facts, "format": "skops"})

    def extend(self, facts: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse: there is no telling what appending would mean."""
        raise refuse_appending(self.name, "model")

    def load(self, parts: Sequence[Any], ask: Ask) -> Any:
        """Give the estimator."""
        [part] = parts
        return _skops().loads(bytes(part)) if isinstance(part, memoryview) else part


def _skops() -> Any:
    try:
        import skops.io
    except ImportError as error:
        raise MissingExtraError("skops", "lab", "keeping a model without a pickle") from error
    return skops.io


def _as_skops(model: Any) -> bytes | None:
    """Write an estimator as skops; None unless it holds nothing unknown and comes back equal."""
    skops = _skops()
    from joblib import hash as digest  # which scikit-learn brings along

    try:
        data: bytes = skops.dumps(model)
        if skops.get_untrusted_types(data=data):
            return None
        same = digest(skops.loads(data)) == digest(model)
    except Exception:  # whatever an estimator of anybody's raises on this way: then it is not for skops
        return None
    return data if same else None
