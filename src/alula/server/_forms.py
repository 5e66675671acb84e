"""Models and scripts as they are kept: all that a client gave, and nothing of what a backend made of it."""

from dataclasses import dataclass

__all__ = ["ModelForm", "ScriptForm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelForm:
    """What a model can be loaded from again.

    Attributes
    ----------
    backend
        ``TF``, ``TFLITE``, ``TORCH`` or ``ONNX``.
    device, tag
        As the client wrote them.
    batchsize, minbatchsize, minbatchtimeout
        As given, 0 if not; the last in milliseconds.
    inputs, outputs
        The names that it had. Only TF needs them to load it.
    blob
        The model's file, byte for byte.
    """

    backend: str
    device: bytes
    tag: bytes = b""
    batchsize: int = 0
    minbatchsize: int = 0
    minbatchtimeout: int = 0
    inputs: tuple[bytes, ...] = ()
    outputs: tuple[bytes, ...] = ()
    blob: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptForm:
    """What a script can be compiled from again.

    Attributes
    ----------
    device, tag
        As the client wrote them.
    entry_points
        Functions that AI.SCRIPTSTORE named; none for a script of AI.SCRIPTSET.
    source
        Its text.
    """

    device: bytes
    tag: bytes = b""
    entry_points: tuple[bytes, ...] = ()
    source: bytes
