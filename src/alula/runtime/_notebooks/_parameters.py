"""Parameters: what a run gives to its notebook, as a cell that anybody can read, in papermill's convention.

The cell stands behind the one that is tagged ``parameters``, whose values it replaces, or else at the top.
"""

import keyword
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ...objects import Metadata

__all__ = ["PARAMETERS", "TAG", "check_parameters", "inject", "plain", "source_of", "variables_of", "written"]

PARAMETERS: Final = "parameters"
"""The tag of the cell that has the defaults."""

TAG: Final = "injected-parameters"
"""The tag of the cell that has the values of a run."""

_OURS: Final = ("args", "kwargs", "previous", "results")


def check_parameters(args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Refuse what cannot be a parameter, before anything is submitted.

    Raises
    ------
    TypeError
        If a value is neither JSON nor the metadata of a stored object; says where it stands.
    ValueError
        If a keyword cannot be the name of a variable.
    """
    for name in kwargs:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise ValueError(f"{name!r} cannot be the name of a variable in a notebook")
        if name in _OURS:
            raise ValueError(f"{name!r} is what the runtime itself tells a notebook: take another name")
    for i, value in enumerate(args):
        plain(value, f"argument {i}")
    for name, value in kwargs.items():
        plain(value, name)


def plain(value: Any, where: str) -> Any:
    """Give a value as JSON has it; of the metadata of a stored object, its name.

    Raises
    ------
    TypeError
        If it is neither; `where` says where it stands.
    """
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Metadata():
            return value.name
        case list() | tuple():
            return [plain(each, f"{where}[{i}]") for i, each in enumerate(value)]
        case dict():
            for key in value:
                if not isinstance(key, str):
                    raise TypeError(f"{where}: the keys of a dict are text in JSON, and {key!r} is not")
            return {key: plain(each, f"{where}[{key!r}]") for key, each in value.items()}
        case _:
            raise TypeError(
                f"{where} is of {type(value).__name__}, and a notebook takes JSON: numbers, texts, lists and "
                "dicts; or the metadata of a stored object: put it into alula.datasets and give its name"
            )


def variables_of(args: Sequence[Any], kwargs: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, str]:
    """Give the variables that a notebook is to find, each as Python source.

    Parameters
    ----------
    before
        ``previous`` or ``results``, as source, if tasks went before this one.
    """
    if not args and not kwargs and not before:
        return {}
    found = {"args": _literal([plain(each, "") for each in args])}
    found["kwargs"] = _literal({name: plain(each, "") for name, each in kwargs.items()})
    if len(args) == 1:
        param = _literal(plain(args[0], ""))
        found |= {"param": param, "job": f"{{'param': {param}}}"}
    return found | {name: _literal(plain(value, "")) for name, value in kwargs.items()} | dict(before)


def source_of(value: Any, task: str) -> str:
    """Write the result of an earlier task as source: JSON as it is, an object's name, else how to read it."""
    try:
        return _literal(plain(value, ""))
    except TypeError:
        return f"__import__('alula').runtime.result({task!r})"


def inject(notebook: Any, variables: Mapping[str, str], cell: Any) -> int | None:
    """Put a cell with variables into a notebook; give its position, or None if there are none.

    Parameters
    ----------
    cell
        An empty cell of code, to be used.
    """
    notebook.cells = [each for each in notebook.cells if TAG not in _tags(each)]  # of an earlier run
    if not variables:
        return None
    cell.source = written(variables)
    cell.metadata["tags"] = [TAG]
    tagged = [i for i, each in enumerate(notebook.cells) if PARAMETERS in _tags(each)]
    at = tagged[0] + 1 if tagged else 0
    notebook.cells.insert(at, cell)
    return at


def written(variables: Mapping[str, str]) -> str:
    """Write a cell with variables."""
    return "\n".join(["# Parameters", *(f"{name} = {text}" for name, text in variables.items())])


def _tags(cell: Any) -> Sequence[str]:
    tags: Sequence[str] = cell.metadata.get("tags", ()) if cell.cell_type == "code" else ()
    return tags


def _literal(value: Any) -> str:
    """Write JSON as Python."""
    match value:
        case float() if not math.isfinite(value):
            return f"float({str(value)!r})"
        case list():
            return f"[{', '.join(map(_literal, value))}]"
        case dict():
            return f"{{{', '.join(f'{key!r}: {_literal(each)}' for key, each in value.items())}}}"
        case _:
            return repr(value)
