"""ONNX models as ONNX: other programs read them, and a tensor server loads them as they are."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import MissingExtraError
from .._shelf import Raw
from ._kind import Ask, Dumped, How, refuse_appending
from ._plain import class_of

__all__ = ["Onnx"]

_is_proto = class_of("onnx", "ModelProto")


class Onnx:
    """The kind of an ``onnx.ModelProto``, or of the bytes of one."""

    name = "onnx.model"
    on_request = False
    checks_itself = False
    options: frozenset[str] = frozenset()

    def accepts(self, value: object) -> bool:
        """Tell whether it is such a model, or bytes."""
        return isinstance(value, bytes) or _is_proto(value)

    def ready(self) -> None:
        """Import onnx."""
        _onnx()

    def dump(self, value: Any, how: How) -> Dumped:
        """Check the model and take its bytes; note inputs, outputs and operator sets.

        Raises
        ------
        TypeError
            If it is no ONNX model, or one that ONNX itself finds wrong.
        """
        onnx = _onnx()
        try:
            model = onnx.load_from_string(value) if isinstance(value, bytes) else value
            onnx.checker.check_model(model)
        except Exception as error:  # protobuf's and the checker's have no class in common
            raise TypeError(f"this is no ONNX model: {str(error).strip().partition(chr(10))[0]}") from error
        data = value if isinstance(value, bytes) else model.SerializeToString()
        facts = {
            "inputs": [put.name for put in model.graph.input],
            "outputs": [put.name for put in model.graph.output],
            "opsets": {each.domain or "ai.onnx": each.version for each in model.opset_import},
            "bytes": isinstance(value, bytes),
        }
        return Dumped(Raw((data,)), facts)

    def extend(self, facts: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse: there is no telling what appending would mean."""
        raise refuse_appending(self.name, "model")

    def load(self, parts: Sequence[Any], ask: Ask) -> Any:
        """Give what was put: the model, or its bytes."""
        [part] = parts
        return bytes(part) if ask.facts["bytes"] else _onnx().load_from_string(bytes(part))


def _onnx() -> Any:
    try:
        import onnx
        import onnx.checker
    except ImportError as error:
        raise MissingExtraError("onnx", "lab", "keeping an ONNX model") from error
    return onnx
