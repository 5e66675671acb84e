"""ONNX models, run by ONNX Runtime, which is imported when the first model is loaded.

Its messages become the ones that RedisAI's clients know: without the prefix that its Python package
adds, and in the words of the version that RedisAI was built with.
"""

import os
import re
from collections.abc import Sequence
from typing import Any

from ...errors import CommandError, MissingExtraError
from .._models import Stop
from .._tensors import Tensor
from ._protobuf import has_external_data

__all__ = ["OnnxBackend"]


class OnnxBackend:
    """Loads ONNX models.

    Parameters
    ----------
    threads
        Threads by which one run may split a single operator. With the default, 1, a small model is
        fastest, and the models of a DAG run side by side instead; 0 leaves it to ONNX Runtime.
    """

    def __init__(self, *, threads: int = 1) -> None:
        self._threads = threads

    def load(self, blob: bytes, device: str) -> "OnnxSession":
        """Make a model ready; see `Backend`."""
        runtime = _runtime()
        providers = _providers(device, runtime.get_available_providers())
        if has_external_data(blob):
            raise CommandError("Initializer tensors with external data is not allowed.")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 4  # what goes wrong is said in the reply
        # Threads that spin while they wait take the cores from the models of other requests.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            return OnnxSession(runtime.InferenceSession(blob, options, providers=providers))
        except Exception as error:  # its errors share no class of their own
            raise CommandError(_load_message(str(error))) from error


class OnnxSession:
    """A loaded ONNX model."""

    __slots__ = ("_run", "inputs", "outputs")

    def __init__(self, session: Any) -> None:
        self.inputs: tuple[str, ...] = tuple([entry.name for entry in session.get_inputs()])
        self.outputs: tuple[str, ...] = tuple([entry.name for entry in session.get_outputs()])
        self._run = session.run

    def run(self, inputs: Sequence[Tensor], stop: Stop | None = None) -> tuple[Tensor, ...]:
        """Compute the outputs; see `Session`."""
        arrays = [tensor.array() for tensor in inputs]
        try:
            found = self._run(self.outputs, dict(zip(self.inputs, arrays, strict=True)))
        except Exception as error:  # its errors share no class of their own
            raise CommandError(message(str(error))) from error
        return tuple([_tensor(value, name) for value, name in zip(found, self.outputs, strict=True)])


def _runtime() -> Any:
    # The official builds report to their maker unless this is said before they are loaded.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "serve", "running ONNX models") from error
    return onnxruntime


def _providers(device: str, available: Sequence[str]) -> list[Any]:
    """Say what ONNX Runtime is to run a device's models on."""
    kind, _, number = device.partition(":")
    if kind != "GPU":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in available:
        raise CommandError("ERR GPU requested but ONNX couldn't find CUDA")
    return [("CUDAExecutionProvider", {"device_id": int(number or 0)}), "CPUExecutionProvider"]


def _tensor(value: Any, name: str) -> Tensor:
    if not hasattr(value, "dtype"):  # a sequence or a map, which scikit-learn's exporter likes
        raise CommandError(f"ERR unsupported dtype: output {name} is not a tensor")
    return Tensor.of(value)


# ------------------------------------------------------------------------------------- messages

_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")


def message(text: str) -> str:
    """Give a message of ONNX Runtime in RedisAI's words, on one line."""
    text = _PREFIX.sub("", text).replace("inputs/outputs or the model", "inputs or the model")
    return re.sub(r"[\r\n]", " ", text)


def _load_message(text: str) -> str:
    if "protobuf parsing failed" in text:
        return "No graph was found in the protobuf."
    return message(text)
