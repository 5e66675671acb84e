"""Errors on their way between processes.

An exception is carried as its class, arguments, attributes and notes, and rebuilt without calling its
``__init__``, so that classes with unusual constructors survive. Its traceback travels as text.
"""

import pickle
from typing import Any

import cloudpickle

from ..errors import TaskError, native_facts, remote_traceback

__all__ = ["pack_error", "pack_task_error", "unpack_error"]

_OWN_FRAMES = ("alula/futures/", "alula/workflow/", "alula/runtime/")


def _dumps(value: object) -> bytes:
    data: bytes = cloudpickle.dumps(value, protocol=5)
    return data


def pack_task_error(error: BaseException, task: str) -> bytes:
    """Carry what the code of a task raised; it arrives as a `TaskError`."""
    text = remote_traceback(error, hide=_OWN_FRAMES)
    if isinstance(error, TaskError):  # raised by a `get` inside the task: the first cause stays the cause
        error = error.cause
    return _dumps(("task", _taken_apart(error), task, text, ()))


def pack_error(error: BaseException) -> bytes:
    """Carry an error of Alula's own; it arrives as it is, with its ``__cause__``."""
    if isinstance(error, TaskError):
        notes = getattr(error, "__notes__", ())
        return _dumps(("task", _taken_apart(error.cause), error.task, error.remote_traceback, notes))
    cause = pack_error(error.__cause__) if error.__cause__ is not None else None
    return _dumps(("own", _taken_apart(error), cause))


def unpack_error(data: bytes) -> BaseException:
    """Rebuild a carried error."""
    match pickle.loads(data):
        case ("task", apart, task, text, notes):
            error: BaseException = TaskError.of(_put_together(apart), task=task, remote_traceback=text)
            if notes:  # those of the cause among them
                error.__notes__ = list(notes)
        case ("own", apart, cause):
            error = _put_together(apart)
            error.__cause__ = unpack_error(cause) if cause else None
        case other:
            raise ValueError(f"not a carried error: {other!r}")
    return error


def _taken_apart(error: BaseException) -> bytes:
    """Pickle what an exception is made of, leaving out piece by piece what cannot be pickled."""
    if isinstance(error, BaseExceptionGroup):
        inner = [_taken_apart(e) for e in error.exceptions]
        return _dumps(("group", type(error), error.message, inner, _state(error)))
    for args, state in ((error.args, _state(error)), (_texts(error.args), ({}, {}))):
        try:
            data = _dumps(("one", type(error), args, state))
            pickle.loads(data)
        except Exception:  # whatever a user's class does when pickled
            continue
        return data
    stand_in = f"{type(error).__qualname__}: {error}"
    return _dumps(("one", RuntimeError, (stand_in,), ({}, {})))


def _state(error: BaseException) -> tuple[dict[str, Any], dict[str, Any]]:
    """What it holds beside its arguments: attributes, and what built-in classes keep elsewhere."""
    facts = error.__dict__, native_facts(error)
    attributes, native = ({k: v for k, v in held.items() if _pickles(v)} for held in facts)
    return attributes, native


def _pickles(value: object) -> bool:
    try:
        _dumps(value)
    except Exception:  # as above
        return False
    return True


def _texts(args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(arg if _pickles(arg) else repr(arg) for arg in args)


def _put_together(data: bytes) -> BaseException:
    match pickle.loads(data):
        case ("group", cls, message, inner, state):
            error: BaseException = cls(message, [_put_together(e) for e in inner])
        case ("one", cls, args, state):
            error = cls.__new__(cls)
            error.args = args
        case other:
            raise ValueError(f"not a carried error: {other!r}")
    attributes, native = state
    error.__dict__.update(attributes)
    for name, value in native.items():
        setattr(error, name, value)
    return error
