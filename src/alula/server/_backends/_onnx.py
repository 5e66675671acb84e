"""ONNX models, run by ONNX Runtime, which is imported when the first model is loaded.

Its messages become the ones that RedisAI's clients know: without the prefix that its Python package
adds, and in the words of the version that RedisAI was built with.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CommandError, MissingExtraError
from .._models import Stop
from .._tensors import Tensor
from ._deadlines import Deadlines
from ._protobuf import has_external_data

__all__ = ["OnnxBackend"]


class OnnxBackend:
    """Loads ONNX models.

    Parameters
    ----------
    threads
        Threads by which one run may split a single operator. 0 is this backend's own choice: one, by which
        a small model is fastest, and the models of a DAG run side by side instead.
    inter_threads
        Operators of one run that may run side by side; 0 is one.
    timeout
        Seconds after which a run is ended.
    memory_limit
        Bytes that all models of the process may hold together for what they compute; 0 is no limit. It
        holds for the whole process, as ONNX Runtime keeps one arena for all who share a limit.
    """

    def __init__(
        self, *, threads: int = 0, inter_threads: int = 0, timeout: float = 5.0, memory_limit: int = 0
    ) -> None:
        self._threads, self._inter_threads = threads or 1, inter_threads
        self._memory_limit = memory_limit
        self._deadlines = Deadlines(timeout)
        self._runtime: Any = None

    def open(self) -> None:
        """Import ONNX Runtime; see `Backend`."""
        if self._runtime is None:
            runtime = _import()
            if self._memory_limit:
                _limit_memory(runtime, self._memory_limit)
            self._runtime = runtime

    def facts(self) -> Mapping[str, str]:
        """Give its version, once it was imported.

        How much memory it has, and how often it asked for some, its Python package does not tell: 0.
        """
        if self._runtime is None:
            return {}
        version: str = self._runtime.__version__
        return {
            "onnxruntime_version": version,
            "onnxruntime_memory": "0",
            "onnxruntime_memory_access_num": "0",
        }

    def load(self, blob: bytes, device: str) -> "OnnxSession":
        """Make a model ready; see `Backend`."""
        self.open()
        providers = _providers(device, self._runtime.get_available_providers())
        if has_external_data(blob):
            raise CommandError("Initializer tensors with external data is not allowed.")
        if 0 < self._memory_limit < len(blob):
            raise CommandError(f"Exception during initialization: {_MEMORY}")
        try:
            session = self._runtime.InferenceSession(blob, self._options(), providers=providers)
        except Exception as error:  # its errors share no class of their own
            raise CommandError(_load_message(str(error))) from error
        # Only a loop may run for longer than another time on inputs of the same shapes. One whose name is
        # in the file for another reason is taken for one, too.
        return OnnxSession(session, self._runtime.RunOptions, self._deadlines, steady=b"Loop" not in blob)

    def _options(self) -> Any:
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = self._threads
        if self._inter_threads:
            options.inter_op_num_threads = self._inter_threads
            options.execution_mode = self._runtime.ExecutionMode.ORT_PARALLEL
        options.log_severity_level = 4  # what goes wrong is said in the reply
        # Threads that spin while they wait take the cores from the models of other requests.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        if self._memory_limit:
            options.add_session_config_entry("session.use_env_allocators", "1")
        return options


class OnnxSession:
    """A loaded ONNX model."""

    __slots__ = ("_deadlines", "_options", "_session", "inputs", "outputs", "steady")

    def __init__(
        self, session: Any, options: Callable[[], Any], deadlines: Deadlines, *, steady: bool
    ) -> None:
        self.inputs: tuple[str, ...] = tuple([entry.name for entry in session.get_inputs()])
        self.outputs: tuple[str, ...] = tuple([entry.name for entry in session.get_outputs()])
        self.steady = steady
        self._session, self._options, self._deadlines = session, options, deadlines

    def run(self, inputs: Sequence[Tensor], stop: Stop | None = None) -> tuple[Tensor, ...]:
        """Compute the outputs; see `Session`."""
        if len(inputs) != len(self.inputs):
            raise CommandError(f"ERR Expected {len(self.inputs)} inputs but got {len(inputs)}")
        arrays = [tensor.array() if tensor.dtype.size else _strings(tensor) for tensor in inputs]
        feed = dict(zip(self.inputs, arrays, strict=True))
        try:
            # Without a stop it is a run of a model known to be quick: there is nothing to look after.
            found = self._session.run(self.outputs, feed) if stop is None else self._run(feed, stop)
        except Exception as error:  # its errors share no class of their own
            raise CommandError(self._why(str(error), arrays)) from error
        return tuple([_tensor(value, name) for value, name in zip(found, self.outputs, strict=True)])

    def _run(self, feed: dict[str, NDArray[Any]], stop: Stop) -> Any:
        """Run until the end, or until that is not wanted any more, or for as long as a run may take."""
        options = self._options()
        end = partial(setattr, options, "terminate", True)
        stop.watch(end)
        mark = self._deadlines.begin(end)
        try:
            return self._session.run(self.outputs, feed, options)
        finally:
            self._deadlines.end(mark)

    def _why(self, text: str, arrays: Sequence[NDArray[Any]]) -> str:
        """Say why a run failed; of several inputs of wrong shapes, the first is named."""
        if "nvalid dimensions for input: " in text or "Invalid rank for input: " in text:
            for entry, array in zip(self._session.get_inputs(), arrays, strict=True):
                if why := _mismatch(entry.name, array.shape, entry.shape):
                    return why
        return message(text)


def _import() -> Any:
    # The official builds report to their maker unless this is said before they are loaded.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "serve", "running ONNX models") from error
    return onnxruntime


@cache  # one allocator serves the process
def _limit_memory(runtime: Any, limit: int) -> None:
    """Make the arena that sessions share which have a limit."""
    kind = runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    place = runtime.OrtMemoryInfo("Cpu", kind, 0, runtime.OrtMemType.DEFAULT)
    as_needed = 1  # not in powers of two, by which half of the limit might stay unused
    config = runtime.OrtArenaCfg({"max_mem": limit, "arena_extend_strategy": as_needed})
    runtime.create_and_register_allocator(place, config)


def _providers(device: str, available: Sequence[str]) -> list[Any]:
    """Say what ONNX Runtime is to run a device's models on."""
    kind, _, number = device.partition(":")
    if kind != "GPU":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in available:
        raise CommandError("ERR GPU requested but ONNX couldn't find CUDA")
    return [("CUDAExecutionProvider", {"device_id": int(number or 0)}), "CPUExecutionProvider"]


def _strings(tensor: Tensor) -> NDArray[Any]:
    """Give the array of a STRING tensor; ONNX Runtime reads each string up to its NUL, also a longest one."""
    array = tensor.array()
    return array.astype(f"S{array.dtype.itemsize + 1}")


def _tensor(value: Any, name: str) -> Tensor:
    if hasattr(value, "dtype"):
        return Tensor.of(value)
    if value and isinstance(value, list) and all(isinstance(row, dict) for row in value):
        # Probabilities by class, as scikit-learn's exporter likes them: a row each, in the classes' order.
        return Tensor.of(np.array([[row[label] for label in value[0]] for row in value], np.float32))
    raise CommandError(f"ERR unsupported dtype: output {name} is not a tensor")


# ------------------------------------------------------------------------------------- messages

_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
_MEMORY = "Onnxruntime memory limit exceeded, memory allocation failed."
_NO_MEMORY = re.compile(
    r"(\S+:\d+ \S.*? )?Available memory of \d+ is smaller than requested bytes of \d+", re.DOTALL
)
_FIX = "Please fix either the inputs or the model"


def message(text: str) -> str:
    """Give a message of ONNX Runtime in RedisAI's words, on one line."""
    text = _PREFIX.sub("", text).replace("inputs/outputs or the model", "inputs or the model")
    return re.sub(r"[\r\n]", " ", _NO_MEMORY.sub(_MEMORY, text))


def _load_message(text: str) -> str:
    if "protobuf parsing failed" in text:
        return "No graph was found in the protobuf."
    return message(text)


def _mismatch(name: str, got: Sequence[int], expected: Sequence[Any]) -> str | None:
    """Say how a shape does not fit; a dimension that is no number may be any."""
    if not expected:  # a scalar, or anything
        return None
    if len(got) != len(expected):
        return f"Invalid rank for input: {name} Got: {len(got)} Expected: {len(expected)} {_FIX}."
    wrong = [
        f" index: {i} Got: {length} Expected: {wanted} "
        for i, (length, wanted) in enumerate(zip(got, expected, strict=True))
        if isinstance(wanted, int) and length != wanted
    ]
    if not wrong:
        return None
    return f"Got invalid dimensions for input: {name} for the following indices {''.join(wrong)} {_FIX}."
