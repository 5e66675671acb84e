"""The words of AI.MODELSTORE. Every check has its place in the order and its own text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..errors import CommandError, MissingExtraError
from ._forms import ModelForm, ScriptForm
from ._models import Backend, Model, Session
from ._words import integer, said

__all__ = ["BACKENDS", "Given", "check_device", "load", "read_store"]

BACKENDS: Final = ("TF", "TFLITE", "TORCH", "ONNX")
"""Those that there are; whether one can be loaded shows when it is needed."""


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
            raise CommandError("ERR Could not load backend")
        try:
            return backend.load(self.blob, self.device.decode().upper())
        except MissingExtraError as error:
            raise CommandError("ERR Could not load backend") from error

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
        )


def load(form: ModelForm | ScriptForm, backends: Mapping[str, Backend]) -> Model:
    """Make a model ready again out of what was kept of it.

    Raises
    ------
    CommandError
        In the backend's words, or if there is none.
    """
    if isinstance(form, ScriptForm):
        raise CommandError("ERR Could not load backend")
    given = Given(
        backend=form.backend,
        device=form.device,
        tag=form.tag,
        batchsize=form.batchsize,
        minbatchsize=form.minbatchsize,
        minbatchtimeout=form.minbatchtimeout,
        blob=form.blob,
    )
    return given.model(given.load(backends))


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
        raise CommandError("ERR Insufficient arguments, missing model BLOB")
    at = _names(words, at, backend)
    if said(words, at) != b"BLOB":
        raise CommandError("ERR Invalid argument, expected BLOB")
    if at + 1 == len(words):
        raise CommandError("ERR Insufficient arguments, missing model BLOB")
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
    """Refuse what is not ``CPU``, ``GPU``, ``CPU:<n>`` or ``GPU:<n>``, in any case."""
    kind, colon, number = device.upper().partition(b":")
    digits = not number or (number.isdigit() and len(device) < 10)
    if kind not in (b"CPU", b"GPU") or not digits or (number and not colon):
        raise CommandError("ERR Invalid DEVICE")


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
