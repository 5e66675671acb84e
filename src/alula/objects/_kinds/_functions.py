"""Functions and classes as scripts: their code travels with them, so a worker needs no module of theirs."""

import inspect
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from types import FunctionType
from typing import Any, Final

import cloudpickle

from ...errors import StoreError
from ._kind import Ask, Dumped, How, refuse_appending

__all__ = ["FUNCTION", "Functions"]

FUNCTION: Final = "virtualobj.dill"
"""The name of the kind."""

_ONE = Lock()  # what cloudpickle is told of modules holds for the whole process


class Functions:
    """The kind of a function or class, pickled by value together with its source.

    Parameters
    ----------
    on_request
        Whether it is chosen only by ``kind=``.
    """

    name = FUNCTION
    checks_itself = False
    options: frozenset[str] = frozenset()

    def __init__(self, *, on_request: bool = False) -> None:
        self.on_request = on_request

    def accepts(self, value: object) -> bool:
        """Tell whether it is a function or a class written in Python."""
        return isinstance(value, (FunctionType, type)) and value.__module__ != "builtins"

    def ready(self) -> None:
        """Need nothing."""

    def dump(self, value: Any, how: How) -> Dumped:
        """Pickle it by value; note its name, source, and the Python that its code is for.

        Warns
        -----
        UserWarning
            If it has variables of the function around it, which are frozen as they are now.
        """
        if free := getattr(getattr(value, "__code__", None), "co_freevars", ()):
            warnings.warn(
                f"{value.__qualname__} takes along {', '.join(free)} as they are now; pass them as arguments "
                "if they are to change",
                stacklevel=4,
            )
        with _by_value(value):
            try:
                code = cloudpickle.dumps(value, protocol=5)
            except Exception as error:  # whatever somebody's __reduce__ raises
                raise TypeError(f"{value.__qualname__} cannot be pickled: {error}") from error
        facts = {"function": value.__qualname__, "source": _source(value), "python": _python()}
        return Dumped((_python(), code), facts)

    def extend(self, facts: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse: a function is put whole."""
        raise refuse_appending(self.name, "function")

    def load(self, parts: Sequence[Any], ask: Ask) -> Any:
        """Give the function.

        Raises
        ------
        StoreError
            If it was put by another minor version of Python, whose code this one cannot run.
        """
        [(python, code)] = parts
        if python != _python():
            raise StoreError(
                f"this function was put by Python {python}, and here is {_python()}: put it again"
            )
        return cloudpickle.loads(code)


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _source(value: Any) -> str | None:
    try:
        return inspect.getsource(value)
    except (OSError, TypeError):  # typed at a prompt
        return None


@contextmanager
def _by_value(value: Any) -> Iterator[None]:
    """Let the code of a function's own module be pickled, where by default only its name would be."""
    module = sys.modules.get(value.__module__)
    known = module is None or module.__name__ in cloudpickle.list_registry_pickle_by_value()
    if known or module is None or module.__name__ == "__main__":
        yield
        return
    with _ONE:
        cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            cloudpickle.unregister_pickle_by_value(module)
