"""The kinds of object, by the store that takes them.

Each kind is one value of the `Kind` protocol; which there are is said here and nowhere else.
"""

from collections.abc import Mapping
from typing import Any, Final

from ...errors import KindError, suggest
from ._frames import Frames, Series
from ._functions import Functions
from ._kind import Dumped, Kind
from ._notebooks import Notebooks
from ._plain import Plain, class_of

__all__ = ["KINDS", "STORES", "Dumped", "Kind", "choose"]

STORES: Final = {"data/": "datasets", "models/": "models", "scripts/": "scripts", "jobs/": "jobs"}
"""What people call the store of a prefix."""

_BY_PREFIX: Final[dict[str, tuple[Kind, ...]]] = {
    "data/": (
        Frames(),
        Series(),
        Plain("ndarray.bin", class_of("numpy", "ndarray")),
        Plain("python.data", lambda value: isinstance(value, (dict, list, tuple))),
    ),
    "models/": (
        Plain("sklearn.joblib", class_of("sklearn.base", "BaseEstimator"), package="sklearn", extra="lab"),
        Plain("python.model", lambda value: True, on_request=True),
        Plain("experiment.tracker", lambda value: isinstance(value, dict), on_request=True),
    ),
    "scripts/": (Functions(),),
    "jobs/": (Notebooks(),),
}

KINDS: Final[Mapping[str, Mapping[str, Kind]]] = {
    prefix: {kind.name: kind for kind in kinds} for prefix, kinds in _BY_PREFIX.items()
}
"""Every kind by prefix and name."""


def choose(prefix: str, value: Any, name: str | None) -> Kind:
    """Give the kind that keeps a value: the one named, or the first that accepts it.

    Raises
    ------
    KindError
        If none accepts it, or the one named does not.
    ValueError
        If there is no kind of that name.
    """
    kinds = KINDS[prefix]
    if name is not None and name not in kinds:
        raise ValueError(f"there is no kind {name!r} in {STORES[prefix]}; {suggest(name, kinds)}")
    for kind in kinds.values():
        asked = not kind.on_request if name is None else kind.name == name
        if asked and kind.accepts(value):
            return kind
    raise KindError(type(value), STORES[prefix], [name] if name else kinds)
