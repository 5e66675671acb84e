"""The kinds of object, by the store that takes them.

Each kind is one value of the `Kind` protocol; which there are is said here and nowhere else.
"""

from collections.abc import Mapping
from typing import Any, Final

from ...errors import KindError, suggest
from ._arrays import Arrays
from ._documents import Csv, Documents
from ._estimators import Estimators
from ._files import Files
from ._frames import Frames, Groups, Series
from ._functions import FUNCTION, Functions
from ._kind import Ask, Dumped, How, Kind, check_options
from ._notebooks import Notebooks
from ._onnx import Onnx
from ._packages import Packages, Requirements
from ._plain import Json, Plain
from ._torch import Modules, Script, States

__all__ = ["FUNCTION", "KINDS", "STORES", "Ask", "Dumped", "How", "Kind", "check_options", "choose"]

STORES: Final = {"data/": "datasets", "models/": "models", "scripts/": "scripts", "jobs/": "jobs"}
"""What people call the store of a prefix."""

_BY_PREFIX: Final[dict[str, tuple[Kind, ...]]] = {
    "data/": (
        Frames(),
        Series(),
        Arrays(),
        Groups(),
        Documents(),
        Csv(),
        Json("python.data", lambda value: isinstance(value, (dict, list, tuple))),
        Files(),
    ),
    "models/": (
        Estimators(),
        Onnx(),
        Modules(),
        Script(),
        States(),
        Json("experiment.tracker", lambda value: isinstance(value, dict), on_request=True),
        Functions(on_request=True),
        Plain("python.model", lambda value: True, on_request=True),
    ),
    "scripts/": (Functions(), Packages(), Requirements()),
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
