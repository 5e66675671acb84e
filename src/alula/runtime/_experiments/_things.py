"""Artifacts: objects that a run keeps, in the row if they are small and plain, else among the objects.

Nothing here knows of rows: an object goes in and JSON comes out, and the other way round.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..._core._extras import imported
from ...errors import KindError, NameNotFoundError
from ...objects import Catalog, Catalogs, Metadata
from ._values import plain

__all__ = ["concatenated", "keep", "pandas", "refer", "restore"]

_INLINE: Final = 32 << 10  # characters of JSON up to which a value stands in its row
_REFERENCE: Final = {"store", "name", "version", "kind"}


def refer(metadata: Metadata) -> dict[str, Any]:
    """Give what stands in a row for one version of an object."""
    found = {"store": metadata.prefix, "bucket": metadata.bucket, "name": metadata.name}
    return {**found, "version": metadata.version, "kind": metadata.kind}


def keep(obj: Any, name: str, catalogs: Catalogs) -> Any:
    """Give what stands in a row for an object, keeping the object if it is not plain.

    Parameters
    ----------
    name
        Under which it is kept among the datasets or models.

    Raises
    ------
    TypeError
        If it cannot be pickled.
    InvalidNameError
        If the name has a character with a meaning.
    """
    if isinstance(obj, Metadata):
        return refer(obj)
    value = plain(obj)
    if _is_plain(value):
        return value
    return refer(_put(obj, name, catalogs))


def restore(value: Any, catalogs: Catalogs) -> Any:
    """Give the object for which something stands in a row.

    Raises
    ------
    NameNotFoundError
        If what it refers to was dropped.
    """
    if not (isinstance(value, Mapping) and value.keys() >= _REFERENCE):
        return value
    place = catalogs if value.get("bucket") in (None, catalogs.bucket) else catalogs[value["bucket"]]
    catalog = _catalog(place, value["store"])
    if catalog is None:
        raise NameNotFoundError(f"{value['store']}{value['name']}")
    return catalog.load(value["name"], version=value["version"])


def concatenated(parts: Sequence[Any]) -> Any:
    """Give one object of several: rows of frames, series and arrays after each other, and items of lists.

    What cannot be put together comes as a list.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    if any(type(part) is not type(first) for part in parts):
        return list(parts)
    if isinstance(first, (list, tuple)):
        return type(first)(item for part in parts for item in part)
    if type(first).__module__.partition(".")[0] == "numpy" and getattr(first, "ndim", None):
        import numpy

        return numpy.concatenate(list(parts))
    if type(first).__name__ in ("DataFrame", "Series"):
        return pandas().concat(list(parts))
    return list(parts)


def pandas() -> Any:
    """Import pandas, in which tables are given.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    return imported("pandas", "lab", "tables of experiments and logs")


def _is_plain(value: Any) -> bool:
    """Tell whether JSON gives a value back as it is, and not too long."""
    if value is None or isinstance(value, (bool, int, float)):
        return True
    if not isinstance(value, (str, list, dict)):
        return False
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        return False
    return len(text) <= _INLINE and (isinstance(value, str) or bool(json.loads(text) == value))


def _put(obj: Any, name: str, catalogs: Catalogs) -> Metadata:
    for catalog in (catalogs.datasets, catalogs.models):
        try:
            return catalog.put(obj, name)
        except KindError:
            continue
    return catalogs.models.put(obj, name, kind="python.model")


def _catalog(catalogs: Catalogs, prefix: str) -> Catalog | None:
    every = (getattr(catalogs, name, None) for name in ("datasets", "models", "scripts", "jobs"))
    return next((each for each in every if each is not None and each.prefix == prefix), None)
