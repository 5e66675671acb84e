"""Names of versions as people write them for lineage: ``m``, ``models/m@v3``, ``data/iris@best``, ``m^``."""

import re
from collections.abc import Iterator
from typing import Final

from ..errors import InvalidNameError, NameNotFoundError
from ..objects import Catalog, Catalogs, Reference
from ._ancestry import Ancestry, Version

__all__ = ["version_of"]

_NUMBER: Final = re.compile(r"v(?P<number>[1-9]\d*)")


def version_of(text: str, catalogs: Catalogs, ancestry: Ancestry) -> Version:
    """Give the version for which a name stands.

    Parameters
    ----------
    text
        A name as anywhere else; ``@v3`` is version 3, unless there is such a tag. A name that is in several
        stores is a model, before a dataset, a script, a notebook; ``data/``, ``models/``, ``scripts/`` or
        ``jobs/`` before it says which.

    Raises
    ------
    NameNotFoundError
        If there is no such version, nor was there ever one that a task touched.
    InvalidNameError
        If the name is wrongly written.
    """
    every = (catalogs.models, catalogs.datasets, catalogs.scripts, catalogs.jobs)
    for catalog, name in _candidates(text, every):
        found = _found(catalog, name, ancestry)
        if found is not None:
            return found
    known = [catalog.prefix + name for catalog in every for name in catalog.list()]
    raise NameNotFoundError(text, known)


def _candidates(text: str, every: tuple[Catalog, ...]) -> Iterator[tuple[Catalog, str]]:
    for catalog in every:
        if text.startswith(catalog.prefix):
            yield catalog, text.removeprefix(catalog.prefix)
    for catalog in every:
        yield catalog, text


def _found(catalog: Catalog, name: str, ancestry: Ancestry) -> Version | None:
    reference = Reference.parse(name)
    if reference.columns is not None:
        raise InvalidNameError(name, "lineage is of whole versions, not of columns")
    number = _NUMBER.fullmatch(reference.tag or "")
    try:
        metadata = catalog.metadata(name)
    except NameNotFoundError:
        if number is None:
            raise
        metadata = None
    if metadata is not None:
        return Version(catalog.prefix, metadata.name, metadata.version, catalog.bucket)
    if number is None:
        return None
    version = Version(catalog.prefix, reference.name, int(number["number"]), catalog.bucket)
    there = catalog.metadata(reference.name) is not None
    exists = there and any(each.version == version.version for each in catalog.versions(reference.name))
    return version if exists or ancestry.knows(version) else None
