"""Fingerprints of calls: whether a task that was made anew is the one whose value was kept.

They have to be the same in every process, which the pickles of functions are not: those name each
definition by an id that is drawn when it is made. What differs without a reason only costs a second run.
"""

from hashlib import blake2b
from types import CodeType
from typing import Any

import cloudpickle

from ..futures import Function
from ._vault import Stored

__all__ = ["fingerprint"]


def fingerprint(function: Function, arguments: Stored) -> str:
    """Give the fingerprint of a call.

    Parameters
    ----------
    function
        Its code counts, with its defaults and what it captures.
    arguments
        Sealed, with marks for the values of other tasks.
    """
    target: Any = function.target
    parts = (function.name, *_code(getattr(target, "__code__", None)), _captured(target), arguments.digest)
    return blake2b(repr(parts).encode(), digest_size=20).hexdigest()


def _code(code: CodeType | None) -> tuple[object, ...]:
    if code is None:
        return ()
    inner = [_code(const) if isinstance(const, CodeType) else const for const in code.co_consts]
    return code.co_code, code.co_names, inner


def _captured(target: Any) -> bytes:
    cells = [_content(cell) for cell in getattr(target, "__closure__", None) or ()]
    kept = (getattr(target, "__defaults__", None), getattr(target, "__kwdefaults__", None), cells)
    try:
        return bytes(cloudpickle.dumps(kept, protocol=5))
    except Exception:  # the user's values: then this is no other's call
        return str(id(kept)).encode()


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a name that is not bound yet
        return None
