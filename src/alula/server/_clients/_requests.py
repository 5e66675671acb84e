"""Commands as they are sent, each with what its reply means. Pure: nothing is sent here."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from numpy.typing import ArrayLike, NDArray

from ._arrays import Word, array_of, fields_of, tensor_words

__all__ = [
    "Key",
    "Request",
    "config_get",
    "config_set",
    "delete",
    "execute_words",
    "info",
    "milliseconds",
    "modelexecute",
    "modelget",
    "modelstore",
    "reset",
    "scan",
    "script_words",
    "scriptexecute",
    "scriptget",
    "scriptstore",
    "tensorget",
    "tensorset",
]

Key: TypeAlias = str | bytes
"""The name of a value on the server."""

_T = TypeVar("_T")

_CHUNK: Final = 511 << 20  # bytes of a model that a server takes in one word


@dataclass(frozen=True, slots=True)
class Request(Generic[_T]):
    """A command, and how its reply is read."""

    words: Sequence[Word]
    read: Callable[[Any], _T]


def tensorset(key: Key, value: ArrayLike) -> Request[None]:
    """Store an array."""
    return Request(tensor_words(key, value), _done)


def tensorget(key: Key) -> Request[NDArray[Any]]:
    """Give an array."""
    return Request(["AI.TENSORGET", key, "META", "BLOB"], array_of)


def modelstore(
    key: Key,
    backend: str,
    device: str,
    blob: bytes,
    *,
    tag: Key,
    batchsize: int,
    minbatchsize: int,
    minbatchtimeout: float,
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> Request[None]:
    """Store a model; what is 0 or empty is not sent."""
    words: list[Word] = ["AI.MODELSTORE", key, backend, device]
    words += ["TAG", tag] if tag else []
    words += ["BATCHSIZE", batchsize] if batchsize else []
    words += ["MINBATCHSIZE", minbatchsize] if minbatchsize else []
    words += ["MINBATCHTIMEOUT", milliseconds(minbatchtimeout)] if minbatchtimeout else []
    words += ["INPUTS", *_counted(inputs)] if inputs else []
    words += ["OUTPUTS", *_counted(outputs)] if outputs else []
    view = memoryview(blob)
    return Request([*words, "BLOB", *(view[at : at + _CHUNK] for at in range(0, len(blob), _CHUNK))], _done)


def modelget(key: Key) -> Request[dict[str, Any]]:
    """Give what is known of a model, and its file."""
    return Request(["AI.MODELGET", key, "META", "BLOB"], _described)


def modelexecute(
    key: Key, inputs: Sequence[Key], outputs: Sequence[Key], timeout: float | None
) -> Request[None]:
    """Run a model on tensors that are stored, and store what it gives."""
    return Request([*execute_words(key, inputs, outputs), *_timeout(timeout)], _ended)


def scriptstore(key: Key, device: str, source: str, entry_points: Sequence[str], tag: Key) -> Request[None]:
    """Store a script."""
    begin: list[Word] = ["AI.SCRIPTSTORE", key, device, *(["TAG", tag] if tag else [])]
    return Request([*begin, "ENTRY_POINTS", *_counted(entry_points), "SOURCE", source], _done)


def scriptget(key: Key) -> Request[dict[str, Any]]:
    """Give what is known of a script, and its text."""
    return Request(["AI.SCRIPTGET", key, "META", "SOURCE"], _described)


def scriptexecute(
    key: Key,
    function: str,
    inputs: Sequence[Key],
    outputs: Sequence[Key],
    keys: Sequence[Key],
    args: Sequence[Word],
    timeout: float | None,
) -> Request[None]:
    """Run a function of a script."""
    words = script_words(key, function, inputs, outputs, keys, args)
    return Request([*words, *_timeout(timeout)], _ended)


def delete(command: str, key: Key) -> Request[None]:
    """Remove a model or script."""
    return Request([command, key], _done)


def scan(command: str) -> Request[dict[str, str]]:
    """Give the tags of all models or scripts, by key."""
    return Request([command], lambda reply: {_text(key): _text(tag) for key, tag in reply})


def info(key: Key) -> Request[dict[str, Any]]:
    """Give what AI.INFO says."""
    return Request(["AI.INFO", key], _described)


def reset(key: Key) -> Request[None]:
    """Begin to count anew."""
    return Request(["AI.INFO", key, "RESETSTAT"], _done)


def config_get(name: str) -> Request[Any]:
    """Give a setting of AI.CONFIG."""
    return Request(["AI.CONFIG", "GET", name], _shown)


def config_set(name: str, *values: Word) -> Request[None]:
    """Change a setting of AI.CONFIG."""
    return Request(["AI.CONFIG", name, *values], _done)


# --------------------------------------------------------------------------------------- the words


def execute_words(key: Key, inputs: Sequence[Key], outputs: Sequence[Key]) -> list[Word]:
    """Give the words of AI.MODELEXECUTE up to its outputs."""
    return ["AI.MODELEXECUTE", key, "INPUTS", *_counted(inputs), "OUTPUTS", *_counted(outputs)]


def script_words(
    key: Key,
    function: str,
    inputs: Sequence[Key],
    outputs: Sequence[Key],
    keys: Sequence[Key],
    args: Sequence[Word],
) -> list[Word]:
    """Give the words of AI.SCRIPTEXECUTE up to its outputs."""
    words: list[Word] = ["AI.SCRIPTEXECUTE", key, function]
    words += ["KEYS", *_counted(keys)] if keys else []
    words += ["INPUTS", *_counted(inputs)] if inputs or not keys else []
    words += ["ARGS", *_counted(args)] if args else []
    return [*words, *(["OUTPUTS", *_counted(outputs)] if outputs else [])]


def milliseconds(seconds: float) -> int:
    """Give a time as it is sent; what is short, but a time, is not sent as none."""
    return max(1, round(seconds * 1000))


def _timeout(seconds: float | None) -> list[Word]:
    return [] if seconds is None else ["TIMEOUT", milliseconds(seconds)]


def _counted(words: Iterable[Word]) -> list[Word]:
    listed = list(words)
    return [len(listed), *listed]


# ------------------------------------------------------------------------------------- the replies


def _done(reply: Any) -> None:
    return None


def _ended(reply: Any) -> None:
    if reply in (b"TIMEDOUT", "TIMEDOUT"):
        raise TimeoutError("the command waited in the server's queue for longer than its timeout")


def _described(reply: Any) -> dict[str, Any]:
    fields = fields_of(reply)
    blob = fields.pop("blob", None)
    shown = {name.lower().replace(" ", "_"): _shown(value) for name, value in fields.items()}
    return shown if blob is None else {**shown, "blob": b"".join(blob) if isinstance(blob, list) else blob}


def _shown(value: Any) -> Any:
    """Give a value of a description: texts are texts, and lists of them lists."""
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return _text(value) if isinstance(value, bytes) else value


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
