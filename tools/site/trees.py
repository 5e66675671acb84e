"""Trees that are drawn in docstrings stay drawn: on a page they are blocks, and no paragraph."""

from textwrap import indent
from typing import Any

from griffe import Extension, Module

__all__ = ["Trees"]


class Trees(Extension):
    """Tells mkdocstrings where the docstring of a module holds a tree."""

    def on_module(self, *, mod: Module, **_: Any) -> None:
        """Move what is drawn to the right, as Markdown wants what is to stay as it is."""
        if mod.docstring is not None:
            parts = mod.docstring.value.split("\n\n")
            drawn = [indent(part, "    ") if "\n├─" in part else part for part in parts]
            mod.docstring.value = "\n\n".join(drawn)
