"""Notebooks as the JSON that Jupyter reads: checked when they are put, harmless to open."""

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..._core._extras import imported
from ...errors import suggest
from .._shelf import Raw
from ._kind import Ask, Dumped, How, refuse_appending
from ._plain import class_of

__all__ = ["Notebooks"]

_OPTIONS: Final = ("ep_kwargs", "keep_output")
_EP_KWARGS: Final[Mapping[str, Any]] = {
    "timeout": (int, float),  # seconds that each cell may take
    "startup_timeout": (int, float),  # seconds in which the kernel has to come up
    "allow_errors": bool,  # whether to go on after a cell that raised
    "kernel_name": str,
}
_is_notebook = class_of("nbformat", "NotebookNode")


def _nbformat() -> Any:
    return imported("nbformat", "lab", "keeping a notebook")


class Notebooks:
    """The kind of a notebook; a text is code for one cell, or a notebook file's content."""

    name = "script.ipynb"
    on_request = False
    checks_itself = False
    options: frozenset[str] = frozenset()

    def accepts(self, value: object) -> bool:
        """Tell whether it is a notebook of nbformat's, or text."""
        return isinstance(value, str) or _is_notebook(value)

    def ready(self) -> None:
        """Import nbformat."""
        _nbformat()

    def dump(self, value: Any, how: How) -> Dumped:
        """Check it and write JSON; note the kernel and the number of cells.

        Raises
        ------
        ValueError
            If it is no notebook, or the text is no Python; says where.
        """
        notebook = _parsed(value) if isinstance(value, str) else value
        nbformat = _nbformat()
        try:
            notebook = nbformat.convert(nbformat.from_dict(notebook), 4)
            _, notebook = nbformat.validator.normalize(notebook)
            nbformat.validate(notebook)
            text = nbformat.writes(notebook)
        except (nbformat.ValidationError, AttributeError, KeyError, TypeError, ValueError) as error:
            said = str(error).partition("\n")[0]
            raise ValueError(f"this is no notebook that can be run: {said}") from error
        kernel = notebook.metadata.get("kernelspec", {}).get("name", "python3")
        facts = {"cells": len(notebook.cells), "kernel": kernel, **_options(notebook.metadata)}
        return Dumped(Raw((text.encode(),)), facts)

    def extend(self, facts: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse: a notebook is put whole."""
        raise refuse_appending(self.name, "notebook")

    def load(self, parts: Sequence[Any], ask: Ask) -> Any:
        """Give a notebook of nbformat's, in its version 4."""
        [text] = parts
        return _nbformat().reads(bytes(text).decode(), as_version=4)


def _options(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a notebook's own metadata say, under ``alula``, of how it is to be run."""
    said = metadata.get("alula", {})
    if not isinstance(said, dict):
        raise ValueError(f"what a notebook says under 'alula' in its metadata is a dict, not {said!r}")
    for name in said:
        if name not in _OPTIONS:
            raise ValueError(f"no option {name!r} of notebooks; {suggest(name, _OPTIONS)}")
    for name, value in said.get("ep_kwargs", {}).items():
        if name not in _EP_KWARGS:
            raise ValueError(f"no ep_kwargs {name!r} of notebooks; {suggest(name, _EP_KWARGS)}")
        if isinstance(value, bool) != (name == "allow_errors") or not isinstance(value, _EP_KWARGS[name]):
            raise ValueError(f"ep_kwargs {name!r} cannot be {value!r}")
    return dict(said)


def _parsed(text: str) -> Any:
    """Read the content of a notebook file, or make a notebook of one cell of code."""
    nbformat = _nbformat()
    if text.lstrip().startswith("{") and isinstance(found := _json(text), dict) and "cells" in found:
        return found
    _check_code(text)
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text)])


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None  # code may begin with a brace, too


def _check_code(code: str) -> None:
    """Refuse what is no Python, once the lines that are IPython's own are taken for what they mean."""
    try:
        from IPython.core.inputtransformer2 import TransformerManager
    except ImportError:  # then there is no kernel here either: whoever runs it will say
        return
    manager: Any = TransformerManager  # it has types for some of it
    try:
        ast.parse(manager().transform_cell(code))
    except SyntaxError as error:
        raise ValueError(f"this code cannot be parsed: {error}") from error
