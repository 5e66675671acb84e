"""The operations of a DAG, each also a command of its own: words in, a declaration out.

Every check has its place in the order and its own text, and both are a contract. What a check needs
to know of the keyspace it asks through `Look`.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias

from ..errors import CommandError
from ._payloads import Layout, values
from ._resident import Value
from ._resp import Reply
from ._script_ops import Invoke, LookScript
from ._tensors import DTYPES
from ._words import integer, said, shown

__all__ = [
    "MAX_DIMENSIONS",
    "Format",
    "Get",
    "Look",
    "Op",
    "Run",
    "Set",
    "read_execute",
    "read_get",
    "read_run",
    "read_set",
]

MAX_DIMENSIONS: Final = 64
"""As many as an array may have."""


class Look(LookScript, Protocol):
    """What parsing asks about keys."""

    def tensor(self, key: bytes) -> None:
        """Raise `CommandError` unless the key holds a tensor."""
        ...

    def counts(self, key: bytes) -> tuple[int, int] | None:
        """Give how many inputs and outputs the model under a key has; None if any number will do.

        Raises `CommandError` if the key holds no model.
        """
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """What of a tensor AI.TENSORGET answers.

    Attributes
    ----------
    meta
        Whether dtype and shape, with names to the fields.
    content
        The elements: as one blob, one by one, or not at all.
    """

    meta: bool
    content: Literal["blob", "values"] | None

    def reply(self, tensor: Value) -> Reply:
        """Answer with a tensor."""
        content: Reply = None
        if self.content is not None:
            content = tensor.host().data if self.content == "blob" else values(tensor.host())
        if not self.meta:
            return content
        fields: list[Any] = [b"dtype", tensor.dtype.name.encode(), b"shape", tensor.shape]
        return [*fields, self.content.encode(), content] if self.content else fields


@dataclass(frozen=True, slots=True)
class Set:
    """TENSORSET: bind a name to a tensor out of the command's own words.

    Attributes
    ----------
    key
        The name.
    layout
        How the payload is read.
    start
        Where it begins among the operation's words; it goes on to the last of them.
    """

    key: bytes
    layout: Layout
    start: int


@dataclass(frozen=True, slots=True)
class Get:
    """TENSORGET: answer with a tensor."""

    key: bytes
    format: Format


@dataclass(frozen=True, slots=True)
class Run:
    """MODELRUN or MODELEXECUTE: inputs and outputs belong to the model's by position.

    Attributes
    ----------
    model
        Key of the model.
    inputs, outputs
        Names of tensors.
    timeout
        Milliseconds that it may wait in a queue; None is for ever.
    """

    model: bytes
    inputs: tuple[bytes, ...]
    outputs: tuple[bytes, ...]
    timeout: int | None = None


Op: TypeAlias = Set | Get | Run | Invoke


# ------------------------------------------------------------------------------------- TENSORSET


def read_set(words: list[bytes]) -> Set:
    """Read ``TENSORSET key dtype [dim ...] [BLOB data | VALUES value ...]``, four words or more."""
    dtype = DTYPES.get(words[2].upper())
    if dtype is None:
        raise CommandError("ERR invalid data type")
    at = next((i for i in range(3, len(words)) if words[i].upper() in _FORMS), len(words))
    shape = tuple([_dimension(word) for word in words[3:at]])
    if len(shape) > MAX_DIMENSIONS:
        raise CommandError("ERR invalid or negative value found in tensor shape")
    layout = Layout(dtype, shape, _FORMS.get(said(words, at), "zeros"))
    given = len(words) - at - 1
    if layout.form == "blob" and given != 1:
        raise CommandError(
            "ERR a single binary string should come after the BLOB argument in 'AI.TENSORSET' command"
        )
    if layout.form == "values" and given != layout.count:
        raise CommandError("ERR wrong number of values was given in 'AI.TENSORSET' command")
    return Set(words[1], layout, min(at + 1, len(words)))


_FORMS: Final[dict[bytes, Literal["blob", "values"]]] = {b"BLOB": "blob", b"VALUES": "values"}


def _dimension(word: bytes) -> int:
    number = integer(word)
    if number is None or number < 1:
        raise CommandError("ERR invalid or negative value found in tensor shape")
    return number


# ------------------------------------------------------------------------------------- TENSORGET


def read_get(words: list[bytes]) -> Get:
    """Read ``TENSORGET key [META] [BLOB | VALUES]``, two to four words."""
    asked = {word.upper() for word in words[2:]}
    if not asked <= {b"META", b"BLOB", b"VALUES"}:
        raise CommandError("ERR unsupported data format")
    if asked >= {b"BLOB", b"VALUES"}:
        raise CommandError("ERR both BLOB and VALUES specified")
    if not asked:
        return Get(words[1], Format(meta=True, content="blob"))
    content: Literal["blob", "values"] | None = None
    if asked != {b"META"}:
        content = "values" if b"VALUES" in asked else "blob"
    return Get(words[1], Format(meta=b"META" in asked, content=content))


# --------------------------------------------------------------------------------- MODELEXECUTE

_NO_INPUTS_MATCH: Final = "Number of keys given as INPUTS here does not match model definition"
_NO_OUTPUTS_MATCH: Final = "Number of keys given as OUTPUTS here does not match model definition"
_IN_DAG: Final = "ERR TIMEOUT not allowed within a DAG command"


def read_execute(words: list[bytes], look: Look, *, in_dag: bool) -> Run:
    """Read ``MODELEXECUTE key INPUTS n key ... OUTPUTS n key ... [TIMEOUT ms]``."""
    if len(words) < 8:
        raise CommandError("ERR wrong number of arguments for 'AI.MODELEXECUTE' command")
    counts = look.counts(words[1])
    expected = counts or (None, None)
    inputs, at = _counted(words, 2, "input", expected[0])
    outputs, at = _counted(words, at, "output", expected[1])
    return Run(words[1], inputs, outputs, _timeout_behind(words, at, in_dag=in_dag))


def _counted(
    words: list[bytes], at: int, kind: Literal["input", "output"], expected: int | None
) -> tuple[tuple[bytes, ...], int]:
    """Read ``INPUTS n key ...`` or its twin; give the keys and where they end."""
    if said(words, at) != f"{kind}s".upper().encode():
        raise CommandError(f"ERR {kind.upper()}S not specified")
    count = integer(words[at + 1]) if at + 1 < len(words) else None
    if count is None:
        raise CommandError(f"ERR Invalid argument for {kind}_count")
    if count <= 0:
        raise CommandError(f"ERR {kind.capitalize()} count must be a positive integer")
    if expected is not None and count != expected:
        raise CommandError(_NO_INPUTS_MATCH if kind == "input" else _NO_OUTPUTS_MATCH)
    start, end = at + 2, at + 2 + count
    if end > len(words):
        raise CommandError(
            f"ERR number of {kind} keys to AI.MODELEXECUTE command "
            "does not match the number of given arguments"
        )
    return tuple(words[start:end]), end


def _timeout_behind(words: list[bytes], at: int, *, in_dag: bool) -> int | None:
    if at == len(words):
        return None
    if said(words, at) != b"TIMEOUT":
        raise CommandError(f"Invalid argument: {shown(words[at])}")
    if in_dag:
        raise CommandError(_IN_DAG)
    if at + 1 == len(words):
        raise CommandError("ERR No value provided for TIMEOUT")
    timeout = _timeout(words[at + 1])
    if at + 2 < len(words):
        raise CommandError(f"Invalid argument: {shown(words[at + 2])}")
    return timeout


def _timeout(word: bytes) -> int:
    timeout = integer(word)
    if timeout is None or timeout <= 0:
        raise CommandError("ERR Invalid value for TIMEOUT")
    return timeout


# ------------------------------------------------------------------------------------- MODELRUN


def read_run(words: list[bytes], look: Look, *, in_dag: bool) -> Run:
    """Read ``MODELRUN key [TIMEOUT ms] INPUTS key ... OUTPUTS key ...``: deprecated, without counts."""
    if len(words) < 6:
        raise CommandError("ERR wrong number of arguments for 'AI.MODELRUN' command")
    counts = look.counts(words[1])
    timeout, at = None, 2
    if said(words, 2) == b"TIMEOUT":
        if in_dag:
            raise CommandError(_IN_DAG)
        timeout, at = _timeout(words[3]), 4
    if said(words, at) != b"INPUTS":
        raise CommandError("ERR INPUTS not specified")
    middle = next((i for i in range(at + 1, len(words)) if words[i].upper() == b"OUTPUTS"), len(words))
    inputs, outputs = tuple(words[at + 1 : middle]), tuple(words[middle + 1 :])
    if counts is not None and len(inputs) != counts[0]:
        raise CommandError(_NO_INPUTS_MATCH)
    if counts is not None and len(outputs) != counts[1]:
        raise CommandError(_NO_OUTPUTS_MATCH)
    return Run(words[1], inputs, outputs, timeout)
