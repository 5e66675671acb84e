"""The name value pairs that stand behind a module's file on a command line, as RedisAI reads them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from ..errors import CommandError
from ._load_time import LoadTime
from ._words import integer

__all__ = ["module_settings"]


_NUMBERS: Final = {
    "THREADS_PER_QUEUE": 1,
    "INTRA_OP_PARALLELISM": 1,
    "INTER_OP_PARALLELISM": 1,
    "MODEL_CHUNK_SIZE": 1,
    "MODEL_EXECUTION_TIMEOUT": 1000,
    "BACKEND_MEMORY_LIMIT": 1,
}
"""Those that are numbers, and the least that each may be."""

_BACKENDS: Final = ("TF", "TFLITE", "TORCH", "ONNX")


def module_settings(words: Sequence[str], before: LoadTime) -> LoadTime:
    """Read the pairs; of one that is given twice the last one counts, of one that is not what was before.

    Where a backend's file lies says nothing here: backends are packages, and are found as such.

    Raises
    ------
    CommandError
        If there is no such setting, or it cannot have that value; the text is RedisAI's.
    """
    found: dict[str, Any] = {}  # the names are those of `LoadTime`
    for at in range(0, len(words), 2):
        name, *values = words[at : at + 2]
        value = values[0] if values else ""
        if name.upper() in _NUMBERS:
            found[name.lower()] = _number(name, value)
        elif name.upper() == "BACKENDSPATH" and value:
            found["backends_path"] = value
        elif name.upper() not in _BACKENDS or not value:
            raise _refused(name, value)
    if "model_execution_timeout" in found:
        found["model_execution_timeout"] /= 1000
    return replace(before, **found)


def _number(name: str, value: str) -> int:
    number = integer(value.encode(errors="surrogateescape"))
    if number is None or number < _NUMBERS[name.upper()]:
        raise _refused(name, value)
    return number


def _refused(name: str, value: str) -> CommandError:
    return CommandError(f"ERR error processing argument: {name} {value}")
