"""The engine of this process: one default, made at its first use, and an override inside `with`.

A worker process has its own engine set as the default before any of the user's code runs in it.
"""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from importlib import import_module
from threading import RLock
from typing import Any, Final

from .._core._settings import Settings
from ._engine import Engine

__all__ = ["current", "current_or_none", "open_engine", "set_default", "start", "stop", "using", "waiting"]

_ENGINES: Final = {"embedded": "._embedded", "ray": "._ray"}  # the one place that chooses by name

_default: Engine | None = None
_settings: Settings | None = None
_lock = RLock()
_override: ContextVar[Engine | None] = ContextVar("alula_engine", default=None)


def open_engine(settings: Settings, **options: Any) -> Engine:
    """Start, or join, the engine that the settings name."""
    module = import_module(_ENGINES[settings.engine], __package__)
    engine: Engine = module.open_engine(settings, **options)
    return engine


def current() -> Engine:
    """Give the engine to use here, starting the default one if there is none."""
    return _override.get() or _default or start(again=True)  # another thread may be faster


def current_or_none() -> Engine | None:
    """Give the engine to use here, if there is one."""
    return _override.get() or _default


def start(*, again: bool = False, options: dict[str, Any] | None = None, **given: Any) -> Engine:
    """Start the default engine.

    Raises
    ------
    RuntimeError
        If there is one, unless `again` says that this is fine and the settings agree.
    """
    global _default, _settings
    with _lock:
        if _default is not None:
            if given or options or not again:
                _refuse(again, given)
            return _default
        _settings = Settings.load(**given)
        _default = open_engine(_settings, **(options or {}))
        atexit.register(stop)
        return _default


def _refuse(again: bool, given: dict[str, Any]) -> None:
    if not again:
        raise RuntimeError(
            "Alula is initialised already: call shutdown() first, or pass ignore_reinit_error=True"
        )
    now = Settings.load(**given)
    if _settings is not None and now != _settings:
        wrong = [n for n in Settings.__slots__ if getattr(now, n) != getattr(_settings, n)]
        raise RuntimeError(
            "Alula is initialised already, with "
            + "; ".join(f"{n}={getattr(_settings, n)!r}, not {getattr(now, n)!r}" for n in wrong)
        )


def stop() -> None:
    """End the default engine, if there is one."""
    global _default, _settings
    with _lock:
        engine, _default, _settings = _default, None, None
    if engine is not None:
        atexit.unregister(stop)
        engine.close()


def set_default(engine: Engine) -> None:
    """Make an engine that exists already the default of this process."""
    global _default
    _default = engine


@contextmanager
def using(engine: Engine) -> Iterator[Engine]:
    """Use an engine inside a `with` block; other threads and tasks are not affected."""
    token = _override.set(engine)
    try:
        yield engine
    finally:
        _override.reset(token)


@contextmanager
def waiting() -> Iterator[None]:
    """Lend the cores of the calling task while it waits for something that is no reference.

    Without this a task that waits for other tasks, by another way than `get`, could wait for ever: for
    those may need the very cores that it holds. Outside of tasks it does nothing.
    """
    engine = current_or_none()
    with engine.waiting() if engine is not None else nullcontext():
        yield
