"""What the page of any object begins with: which version is shown, which others there are, attributes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...errors import NameNotFoundError
from ...objects import Catalog, Metadata, check_name
from ._view import View

__all__ = ["Shown", "shown"]

_LATEST: Final = 20  # versions in the table
_LONGEST: Final = 20_000  # characters of attributes


@dataclass(frozen=True, slots=True)
class Shown:
    """A version of an object, and those around it.

    Attributes
    ----------
    resource
        As rules and addresses of pages name its sort.
    metadata
        Of the version that is shown.
    versions
        The newest ones, from the newest to the oldest.
    attributes
        As JSON, cut where it is long; empty if there are none.
    """

    resource: str
    metadata: Metadata
    versions: Sequence[Metadata]
    attributes: str

    @property
    def is_latest(self) -> bool:
        """Whether no newer version is there."""
        return self.metadata.version == self.versions[0].version


def shown(view: View, catalog: Catalog, resource: str, name: str) -> Shown:
    """Find the version that the address asks for, the latest by default.

    Raises
    ------
    Refused
        With status 403, if it may not be seen.
    NameNotFoundError
        If there is no such object or version; also while it is being removed.
    InvalidNameError
        If the name has a character with a meaning.
    """
    view.permit(resource, check_name(name), "get")
    versions = catalog.versions(name, last=_LATEST)[::-1]
    asked = view.query.get("version", "")
    found = next((each for each in versions if str(each.version) == asked), None if asked else versions[0])
    metadata = found or catalog.metadata(f"{name}@v{asked}", raw=True)
    if metadata is None:
        raise NameNotFoundError(f"{catalog.prefix}{name}@v{asked}")
    return Shown(resource, metadata, versions, _attributes(metadata.attributes))


def _attributes(given: Mapping[str, Any]) -> str:
    kept = {name: value for name, value in given.items() if name not in ("job_runs", "job_results")}
    text = json.dumps(kept, indent=2, ensure_ascii=False, default=str) if kept else ""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n…"
