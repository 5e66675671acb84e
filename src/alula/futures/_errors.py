"""Errors on their way between processes.

An exception is carried as its class, arguments, attributes, notes and cause, and rebuilt without calling
its ``__init__``, so that classes with unusual constructors survive. Its traceback travels as text.
"""

import os
import pickle
from types import MemberDescriptorType
from typing import Any

import cloudpickle

from ..errors import TaskError, blank, native_facts
from ._traceback import story

__all__ = ["pack_error", "pack_task_error", "unpack_error"]

_LINKS = 20  # causes of causes that are carried


def _dumps(value: object) -> bytes:
    data: bytes = cloudpickle.dumps(value, protocol=5)
    return data


def pack_task_error(error: BaseException, task: str) -> bytes:
    """Carry what the code of a task raised; it arrives as a `TaskError`."""
    text = story(error, task)
    notes = getattr(error, "__notes__", ()) if isinstance(error, TaskError) else ()
    # One that was raised by a `get` inside the task: the first cause stays the cause.
    return _dumps(("task", _taken_apart(_first(error)), (task, os.getpid(), text), notes))


def pack_error(error: BaseException) -> bytes:
    """Carry an error of Alula's own; it arrives as it is, with its ``__cause__``."""
    if isinstance(error, TaskError):
        facts = (error.task, error.pid, error.remote_traceback)
        return _dumps(("task", _taken_apart(error.cause), facts, getattr(error, "__notes__", ())))
    cause = pack_error(error.__cause__) if error.__cause__ is not None else None
    return _dumps(("own", _taken_apart(error, _LINKS), cause))


def unpack_error(data: bytes) -> BaseException:
    """Rebuild a carried error."""
    match pickle.loads(data):
        case ("task", apart, (task, pid, text), notes):
            error: BaseException = TaskError.of(
                _put_together(apart), task=task, pid=pid, remote_traceback=text
            )
            if notes:  # those of the cause among them
                error.__notes__ = list(notes)
        case ("own", apart, cause):
            error = _put_together(apart)
            error.__cause__ = unpack_error(cause) if cause else None
        case other:
            raise ValueError(f"not a carried error: {other!r}")
    return error


def _first(error: BaseException) -> BaseException:
    return error.cause if isinstance(error, TaskError) else error


def _taken_apart(error: BaseException, link: int = 0) -> bytes:
    """Pickle what an exception is made of, leaving out piece by piece what cannot be pickled.

    `link` counts the causes that led here: beyond some, and in a circle, they are left out.
    """
    if isinstance(error, TaskError):  # among the members of a group
        return _dumps(("carried", pack_error(error)))
    cause = None
    if error.__cause__ is not None and link < _LINKS:
        cause = _taken_apart(_first(error.__cause__), link + 1)
    if isinstance(error, BaseExceptionGroup):
        inner = [_taken_apart(e, link + 1) for e in error.exceptions]
        return _dumps(("group", type(error), error.message, inner, _state(error), cause))
    for args, state in ((error.args, _state(error)), (_texts(error.args), ({}, {}))):
        try:
            data = _dumps(("one", type(error), args, state, cause))
            _put_together(data)
        except Exception:  # whatever a user's class does when pickled, or made
            continue
        return data
    known = next(cls for cls in type(error).__mro__ if cls.__module__ == "builtins")
    return _dumps(("one", known, (f"{type(error).__qualname__}: {error}",), ({}, {}), cause))


def _state(error: BaseException) -> tuple[dict[str, Any], dict[str, Any]]:
    """What it holds beside its arguments: attributes, and what is kept elsewhere."""
    facts = error.__dict__, native_facts(error)
    attributes, native = ({k: v for k, v in held.items() if _pickles(v)} for held in facts)
    return attributes, native


def _pickles(value: object) -> bool:
    try:
        pickle.loads(_dumps(value))
    except Exception:  # as above
        return False
    return True


def _texts(args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(arg if _pickles(arg) else repr(arg) for arg in args)


def _put_together(data: bytes) -> BaseException:
    match pickle.loads(data):
        case ("carried", packed):
            return unpack_error(packed)
        case ("group", cls, message, inner, state, cause):
            members = BaseExceptionGroup(message, [_put_together(e) for e in inner])
            error: BaseException = blank(cls, members)
        case ("one", cls, args, state, cause):
            error = blank(cls, BaseException())
            state[1]["args"] = args
        case other:
            raise ValueError(f"not a carried error: {other!r}")
    attributes, native = state
    # A class that travels whole leaves its slots behind: elsewhere their content is an attribute like others.
    slots = {name for name in attributes if isinstance(getattr(cls, name, None), MemberDescriptorType)}
    error.__dict__.update({name: value for name, value in attributes.items() if name not in slots})
    native = {**native, **{name: attributes[name] for name in slots}}
    for name, value in {**native, "__cause__": cause and _put_together(cause)}.items():
        BaseException.__setattr__(error, name, value)  # past that of the class: it may be frozen
    return error
