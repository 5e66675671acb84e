"""What is under some keys of a Redis, watched from then on, as far as commands that write have to know it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from ...errors import CommandError
from .._forms import ModelForm, ScriptForm
from .._keyspace import MAGIC, Value, unloaded, unpack
from .._tensors import DTYPES, Tensor
from ._link import Link, LostError
from ._replies import Answer
from ._view import OTHER, Found

__all__ = ["FRONT", "is_image", "survey"]

FRONT: Final = b"%d" % len(MAGIC)
"""The last byte that tells what a string is: the letter behind the magic."""


def is_image(data: bytes) -> bool:
    """Tell whether a string of Redis' is a tensor, a model or a script of ours."""
    return data.startswith(MAGIC)


def survey(
    link: Link, reads: Sequence[bytes], types: Sequence[bytes], then: Callable[[Found | CommandError], None]
) -> None:
    """Watch keys on a link and see what is there.

    Parameters
    ----------
    link
        Which somebody has alone.
    reads
        Keys whose tensors are fetched.
    types
        Keys for which a value of the right type is given; what is in it means nothing. That is so, too, for
        a model or a script under one of `reads`.
    then
        Given what was found, or the error.
    """
    asked: list[tuple[bytes, ...]] = [(b"GET", key) for key in reads]
    for key in types:  # an empty string cannot be told from nothing by its front
        asked += ((b"TYPE", key), (b"GETRANGE", key, b"0", FRONT))
    if asked:
        link.send_all([(b"WATCH", *reads, *types), *asked], partial(_surveyed, reads, types, then))
    else:
        then({})


def _surveyed(
    reads: Sequence[bytes],
    types: Sequence[bytes],
    then: Callable[[Found | CommandError], None],
    answers: list[Answer] | LostError,
) -> None:
    if isinstance(answers, LostError):
        then(answers)
        return
    for answer in answers:
        if isinstance(answer, CommandError) and not answer.text.startswith("WRONGTYPE"):
            then(answer)
            return
    found, split = Found(), 1 + len(reads)
    try:
        for key, whole in zip(reads, answers[1:split], strict=True):
            found[key] = _value(whole)
    except CommandError as error:
        then(error)
        return
    for key, kind, front in zip(types, answers[split::2], answers[split + 1 :: 2], strict=True):
        found[key] = None if kind == "none" else _stub(front)
    then(found)


_EMPTY: Final = ModelForm(backend="ONNX", device=b"CPU", blob=b"")
_STUBS: Final[dict[bytes, Value]] = {
    b"T": Tensor(DTYPES[b"INT8"], (0,), b""),
    b"M": unloaded(_EMPTY, CommandError("ERR this model was not fetched")),
    b"S": unloaded(ScriptForm(device=b"CPU", source=b""), CommandError("ERR this script was not fetched")),
}


def _value(answer: Answer) -> object:
    if isinstance(answer, bytes) and is_image(answer):
        is_tensor = answer[len(MAGIC)] == ord("T")
        return unpack(answer) if is_tensor else _stub(answer[: len(MAGIC) + 1])
    return OTHER if isinstance(answer, CommandError) else answer


def _stub(front: Answer) -> object:
    if isinstance(front, bytes):
        return _STUBS.get(front[len(MAGIC) :], OTHER) if is_image(front) else b""
    return OTHER
