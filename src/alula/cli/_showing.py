"""Values on the terminal: for people or as JSON; and errors of the caller's in one paragraph."""

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.pretty import Pretty
from rich.text import Text

from ..errors import AlulaError
from ..web import as_json as plain
from ._terminal import err, out

__all__ = ["as_text", "print_json", "refusing", "show"]


def as_text(value: Any) -> str:
    """Give a value as JSON."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(as_text(value))


def show(value: Any, *, as_json: bool) -> int:
    """Print a value; give the status for the shell, which is 1 if JSON has no form for it."""
    if not as_json:
        console = out()
        if isinstance(value, str):
            console.out(value, highlight=False)
        else:
            console.print(Pretty(value))
        return 0
    try:
        print_json(value)
    except TypeError as error:
        err().print(f"the value is no JSON ({error}): leave --json away", highlight=False, markup=False)
        return 1
    return 0


@contextmanager
def refusing() -> Iterator[None]:
    """Say in one paragraph what a call refuses, and end with status 1, as for errors of Alula's own.

    What it warns of is said in a line, without the code that it came from.
    """
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield
        for each in warned:
            err().print(str(each.message), style="yellow", highlight=False, markup=False)
    except (AlulaError, OSError, typer.BadParameter):
        raise
    except (TypeError, ValueError, LookupError, AttributeError, ImportError) as error:
        said = error.args[0] if isinstance(error, KeyError) and error.args else error
        err().print(Text.assemble(("alula: ", "bold red"), f"{type(error).__name__}: {said}"))
        sys.exit(1)
