"""The catalog of notebooks, whose names all end in ``.ipynb``, whether they are written so or not."""

from typing import Any

from ._catalog import Catalog
from ._metadata import Metadata

__all__ = ["Jobs"]


class Jobs(Catalog):
    """The notebooks of one bucket."""

    suffix = ".ipynb"

    def create(self, code: str, name: str, **options: Any) -> Metadata:
        """Make a notebook of one cell of code; as `put` otherwise.

        Raises
        ------
        ValueError
            If the code cannot be parsed.
        """
        return self.put(code, name, **options)
