"""The words of AI.MODELSTORE and AI.MODELSET. Every check has its place in the order and its own text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..errors import CommandError, MissingExtraError
from ._models import Backend, Model, Pace, Session
from ._words import integer, said

__all__ = ["BACKENDS", "Given", "MissingBackendError", "check_device", "is_device", "read_set", "read_store"]

BACKENDS: Final = ("TF", "TFLITE", "TORCH", "ONNX")
"""Those that there are; whether one can be loaded shows when it is needed."""

_NO_BLOB: Final = "ERR Insufficient arguments, missing model BLOB"


class MissingBackendError(CommandError):
    """A backend that is not here: its framework is not installed, or nobody has written it yet."""

    def __init__(self) -> None:
        super().__init__("ERR Could not load backend")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a model is to be; `Model` says what the attributes are."""

    backend: str
    device: bytes
    tag: bytes = b""
    batchsize: int = 0
    minbatchsize: int = 0
    minbatchtimeout: int = 0
    blob: bytes

    def load(self, backends: Mapping[str, Backend]) -> Session:
        """Load the model, on whatever thread; `CommandError` says why that is not possible."""
        backend = backends.get(self.backend)
        if backend is None:
            raise MissingBackendError
        try:
            return backend.load(self.blob, self.device.decode().upper())
        except MissingExtraError as error:
            raise MissingBackendError from error

    def model(self, session: Session) -> Model:
        """Make the model out of what the backend loaded."""
        return Model(
            backend=self.backend,
            device=self.device,
            tag=self.tag,
            batchsize=self.batchsize,
            minbatchsize=self.minbatchsize,
            minbatchtimeout=self.minbatchtimeout,
            blob=self.blob,
            session=session,
            pace=Pace(steady=session.steady),
        )


def read_store(words: list[bytes]) -> Given:
    """Read ``AI.MODELSTORE key backend device [option ...] BLOB chunk ...``, six words or more."""
    backend = words[2].upper().decode(errors="replace")
    if backend not in BACKENDS:
        raise CommandError("ERR unsupported backend")
    check_device(words[3])
    at, tag = 4, b""
    if said(words, at) == b"TAG" and at + 1 < len(words):
        at, tag = at + 2, words[at + 1]
    at, size = _option(words, at, "BATCHSIZE")
    at, least = _option(words, at, "MINBATCHSIZE", needs=("BATCHSIZE", size))
    at, wait = _option(words, at, "MINBATCHTIMEOUT", needs=("MINBATCHSIZE", least))
    if at >= len(words):
        raise CommandError(_NO_BLOB)
    at = _names(words, at, backend)
    if said(words, at) != b"BLOB":
        raise CommandError("ERR Invalid argument, expected BLOB")
    if at + 1 == len(words):
        raise CommandError(_NO_BLOB)
    blob = words[at + 1] if at + 2 == len(words) else b"".join(words[at + 1 :])
    return Given(
        backend=backend,
        device=words[3],
        tag=tag,
        batchsize=size,
        minbatchsize=least,
        minbatchtimeout=wait,
        blob=blob,
    )


def check_device(device: bytes) -> None:
    """Refuse what is no device."""
    if not is_device(device):
        raise CommandError("ERR Invalid DEVICE")


def is_device(device: bytes) -> bool:
    """Tell whether this is ``CPU``, ``GPU``, ``CPU:<n>`` or ``GPU:<n>``, in any case."""
    kind, _, number = device.upper().partition(b":")
    return kind in (b"CPU", b"GPU") and (not number or (number.isdigit() and len(device) < 10))


def _option(
    words: list[bytes], at: int, name: str, *, needs: tuple[str, int] | None = None
) -> tuple[int, int]:
    """Read an option with a number, if it stands there; give where it ends, and the number or 0.

    One above 0 is of no use without the option that it `needs`.
    """
    if said(words, at) != name.encode():
        return at, 0
    number = integer(words[at + 1]) if at + 1 < len(words) else None
    if number is None or number < 0:
        raise CommandError(f"ERR Invalid argument for {name}")
    if number and needs is not None and not needs[1]:
        raise CommandError(f"ERR {name} specified without {needs[0]}")
    return at + 2, number


def _names(words: list[bytes], at: int, backend: str) -> int:
    """Skip the names of inputs and outputs, which TF needs and nobody else may give."""
    if backend != "TF":
        if said(words, at) == b"INPUTS":
            raise CommandError("ERR INPUTS argument should not be specified for this backend")
        return at
    for kind in ("input", "output"):
        if said(words, at) != f"{kind}s".upper().encode():
            raise CommandError(f"ERR {kind.upper()}S not specified for TF")
        count = integer(words[at + 1]) if at + 1 < len(words) else None
        if count is None or count < 1:
            raise CommandError(f"ERR Invalid argument for {kind}_count")
        at += 2 + count
        if at > len(words):
            raise CommandError(f"ERR number of model {kind}s does not match the number of given arguments")
    return at


# ------------------------------------------------------------------------------------- MODELSET

_KEYWORDS: Final = {b"INPUTS", b"OUTPUTS", b"TAG", b"BATCHSIZE", b"MINBATCHSIZE", b"MINBATCHTIMEOUT", b"BLOB"}


def read_set(words: list[bytes]) -> Given:
    """Read ``AI.MODELSET key backend device [option ...] BLOB chunk ...``, four words or more: deprecated.

    It counts no names, and its checks come in another order.
    """
    backend = words[2].upper().decode(errors="replace")
    if backend not in BACKENDS:
        raise CommandError("ERR unsupported backend")
    if len(words[3]) > 10 or words[3].upper() in _KEYWORDS:
        raise CommandError("ERR Invalid DEVICE")
    at, tag = 4, b""
    if said(words, at) == b"TAG" and at + 1 < len(words):
        at, tag = at + 2, words[at + 1]
    if backend == "TFLITE" and said(words, at) == b"BATCHSIZE":
        raise CommandError("ERR Auto-batching not supported by the TFLITE backend")
    at, size = _option(words, at, "BATCHSIZE")
    at, least = _set_option(words, at, "MINBATCHSIZE", {"BATCHSIZE": size})
    at, wait = _set_option(words, at, "MINBATCHTIMEOUT", {"BATCHSIZE": size, "MINBATCHSIZE": least})
    chunks = words[_set_blob(words, at, backend) :]
    if not is_device(words[3]):
        raise CommandError("ERR unsupported device")
    return Given(
        backend=backend,
        device=words[3],
        tag=tag,
        batchsize=size,
        minbatchsize=least,
        minbatchtimeout=wait,
        blob=chunks[0] if len(chunks) == 1 else b"".join(chunks),
    )


def _set_option(words: list[bytes], at: int, name: str, needs: Mapping[str, int]) -> tuple[int, int]:
    """Read an option that is of no use without others, whatever its number is."""
    if said(words, at) == name.encode():
        for other, number in needs.items():
            if not number:
                raise CommandError(f"ERR {name} specified without {other}")
    return _option(words, at, name)


def _set_blob(words: list[bytes], at: int, backend: str) -> int:
    """Find where the chunks begin, behind whatever else stands there."""
    if at >= len(words):
        raise CommandError(_NO_BLOB)
    if backend == "TF":
        at = _set_names(words, at)
    blob = next((i for i in range(at, len(words)) if words[i].upper() == b"BLOB"), len(words))
    if blob + 1 >= len(words):
        raise CommandError(_NO_BLOB)
    return blob + 1


def _set_names(words: list[bytes], at: int) -> int:
    """Skip the names of inputs, which TF needs, up to those of outputs."""
    if said(words, at) == b"BLOB":
        raise CommandError("ERR Insufficient arguments, INPUTS and OUTPUTS not specified")
    if said(words, at) != b"INPUTS":
        raise CommandError("ERR INPUTS not specified")
    outputs = next((i for i in range(at, len(words)) if words[i].upper() == b"OUTPUTS"), None)
    if outputs is None:
        raise CommandError("ERR OUTPUTS not specified")
    return outputs
