"""Wishes: where and how tasks are to run, as ``require`` collects them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from ..errors import LabelError, suggest
from ..futures import Function, TaskOptions
from ..workflow import options
from ._logging import Capture, capture_of

__all__ = ["LOCAL", "Wish", "label_of"]

LOCAL: Final = "local"
"""The label of the process itself."""

_OURS: Final = ("metadata", "_metadata", "name", "num_returns")  # what the runtime itself says to the engine
_RETRIES: Final = {
    "retries": "max_retries",
    "backoff": "retry_delay",
    "backoff_factor": "retry_backoff",
    "max_backoff": "retry_max_delay",
    "jitter": "retry_jitter",
    "retry_on": "retry_exceptions",
    "timeout": "timeout",
}
_UNITS: Final = {
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_ANYTHING: Final = Function(len, TaskOptions())


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Where and how tasks are to run.

    Attributes
    ----------
    label
        What their executor must be able to do; None for this process's own executor.
    asked
        Whether somebody asked for that label, so that a default of the object's does not count.
    options
        For the engine: cores, resources, retries.
    cached
        Whether what another task has computed from the same will do.
    callbacks
        Scripts that run when a task has ended, however, each with its keywords.
    logging
        What is to be captured for the log, if anything is.
    """

    label: str | None = "default"
    asked: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    cached: bool = False
    callbacks: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    logging: Capture | None = None

    def labelled(self, label: object) -> Self:
        """Give this wish with a label; None leaves it as it is.

        Raises
        ------
        LabelError
            If it cannot be the label of any executor.
        """
        return self if label is None else replace(self, label=label_of(label), asked=True)

    def with_resources(self, given: Mapping[str, Any]) -> Self:
        """Give this wish with more options: those of the engine, and the words of `require` for retries.

        Raises
        ------
        ValueError, TypeError
            If there is no such option, or not with that value.
        UnsupportedError
            If the engine cannot provide it.
        """
        if "logging" in given:
            others = {name: value for name, value in given.items() if name != "logging"}
            return replace(self.with_resources(others), logging=capture_of(given["logging"]))
        engine: dict[str, Any] = {}
        retries: dict[str, Any] = {}
        cached = self.cached
        for name, value in given.items():
            if name == "cached":
                cached = _flag(value)
                continue
            if name in _OURS:
                raise ValueError(f"{name}= is no resource that a task may require")
            if name in _RETRIES:
                retries[_RETRIES[name]] = value
            else:
                engine[name] = _bytes(value) if name == "memory" else value
        if retries:
            engine["metadata"] = {**self.options.get("metadata", {}), **options(**retries)["metadata"]}
        try:
            _ANYTHING.with_options(engine)  # refuses what is none, where it was written
        except ValueError as error:
            unknown = [name for name in engine if name in str(error)]
            raise ValueError(
                f"{error}; {suggest(unknown[0], _RETRIES)}" if unknown else str(error)
            ) from error
        return replace(self, options={**self.options, **engine}, cached=cached)


def label_of(label: object) -> str | None:
    """Check a label; None stands for this process.

    Raises
    ------
    LabelError
        If it cannot be the label of any executor.
    """
    if not isinstance(label, str) or not label.strip() or "," in label:
        raise LabelError(label)
    return None if label == LOCAL else label.strip()


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"cached is True or False, not {value!r}")
    return value


def _bytes(given: Any) -> Any:
    """Read an amount of memory: a number of bytes, or text such as ``"8GB"``."""
    if not isinstance(given, str):
        return given
    number, unit = given.strip().rstrip("BKMGTi"), given.strip().lstrip("0123456789. ")
    try:
        return float(number) * _UNITS[unit]
    except (ValueError, KeyError) as error:
        raise ValueError(f"memory={given!r} is no amount such as '8GB' or '500MiB'") from error
