"""The catalog of models, each of whose versions has a name that never moves, its commit."""

from dataclasses import replace
from typing import Any

from ._catalog import Catalog
from ._metadata import Metadata

__all__ = ["Models"]


class Models(Catalog):
    """The models of one bucket."""

    _derived = frozenset({"versions"})

    def metadata(self, name: str, raw: bool = False) -> Metadata | None:
        """Give what is known of a model or one version of it; None if there is none of that name.

        Parameters
        ----------
        raw
            Only of the version itself. Else ``attributes["versions"]`` tell of all: ``tags`` (the commit of
            each tag), ``commits`` (pairs of commit and version number, the oldest first) and ``tree`` (the
            commit before each commit, or None).
        """
        found = super().metadata(name)
        if found is None or raw:
            return found
        return replace(found, attributes={**found.attributes, "versions": self._tree(found.name)})

    def revisions(self, name: str) -> list[str]:
        """Give all names of a model's versions, as ``m@tag`` and ``m@commit``, the oldest version first.

        Raises
        ------
        NameNotFoundError
            If there is none of that name.
        """
        return [
            f"{version.name}@{label}"
            for version in self.versions(name)
            for label in (*version.tags, version.commit)
            if label is not None
        ]

    def _tree(self, name: str) -> dict[str, Any]:
        versions = self.versions(name)
        return {
            "tags": {tag: each.commit for each in versions for tag in each.tags},
            "commits": [[each.commit, each.version] for each in versions],
            "tree": {each.commit: each.kind_meta.get("parent") for each in versions},
        }
