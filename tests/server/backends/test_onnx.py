import struct

import numpy as np
import pytest
from onnx import TensorProto

from alula.errors import CommandError
from alula.server import Tensor
from alula.server._backends import OnnxBackend
from alula.server._backends._onnx import OnnxSession, _providers, message
from alula.server._payloads import values
from alula.server._tensors import DTYPES
from tests.server.world import SPLIT, onnx_model


def load(blob: bytes) -> OnnxSession:
    return OnnxBackend().load(blob, "CPU")


def test_names_come_from_the_file_and_outputs_in_their_order() -> None:
    session = load(SPLIT)
    assert (session.inputs, session.outputs) == (("x",), ("low", "high"))
    outputs = session.run([Tensor.of(np.arange(4, dtype="f4"))])
    assert [values(output) for output in outputs] == [[0, 1], [2, 3]]


KINDS = {
    "FLOAT": TensorProto.FLOAT, "DOUBLE": TensorProto.DOUBLE, "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16, "INT32": TensorProto.INT32, "INT64": TensorProto.INT64,
    "UINT8": TensorProto.UINT8, "UINT16": TensorProto.UINT16, "BOOL": TensorProto.BOOL,
    "STRING": TensorProto.STRING,
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_every_dtype_goes_in_and_out(name: str) -> None:
    dtype = DTYPES[name.encode()]
    data = b"\0a\0\xc3\xa9\0" if name == "STRING" else bytes([1] * dtype.size * 3)
    tensor = Tensor(dtype, (3, 1), data)
    [output] = load(onnx_model("Identity", {"x": None}, ["y"], KINDS[name])).run([tensor])
    assert (output.dtype, output.shape, bytes(output.data)) == (dtype, (3, 1), data)


def test_scalars_and_empty_tensors_are_tensors() -> None:
    identity = load(onnx_model("Identity", {"x": None}, ["y"]))
    [scalar] = identity.run([Tensor(DTYPES[b"FLOAT"], (), struct.pack("<f", 5))])
    [empty] = identity.run([Tensor(DTYPES[b"FLOAT"], (0, 3), b"")])
    assert (values(scalar), scalar.shape, values(empty), empty.shape) == ([5.0], (), [], (0, 3))


def test_a_text_that_is_not_utf_8_is_an_error_and_no_crash() -> None:
    session = load(onnx_model("Identity", {"x": None}, ["y"], TensorProto.STRING))
    with pytest.raises(CommandError, match="codec can't decode"):
        session.run([Tensor(DTYPES[b"STRING"], (1,), b"\xff\0")])


def test_an_output_that_has_no_name_of_a_type_fails_the_run() -> None:
    session = load(onnx_model("Cast", {"x": None}, ["y"], to=TensorProto.UINT32))
    with pytest.raises(CommandError, match="ERR unsupported dtype uint32"):
        session.run([Tensor.of(np.zeros(1, "f4"))])


def test_an_output_that_is_no_tensor_fails_the_run() -> None:
    session = load(onnx_model("SequenceConstruct", {"x": None}, ["y"], outputs_are_sequences=True))
    with pytest.raises(CommandError, match="ERR unsupported dtype: output y is not a tensor"):
        session.run([Tensor.of(np.zeros(1, "f4"))])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got x\n y", "Got x  y"),
        ("a\r\nb", "a  b"),
        ("Please fix either the inputs/outputs or the model.", "Please fix either the inputs or the model."),
    ],
)
def test_messages_are_those_that_clients_know(text: str, said: str) -> None:
    assert message(text) == said


def test_devices_become_providers() -> None:
    cuda = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert _providers("CPU:3", cuda) == ["CPUExecutionProvider"]
    assert _providers("GPU", cuda) == [("CUDAExecutionProvider", {"device_id": 0}), "CPUExecutionProvider"]
    assert _providers("GPU:1", cuda)[0] == ("CUDAExecutionProvider", {"device_id": 1})
    with pytest.raises(CommandError, match="GPU requested but ONNX couldn't find CUDA"):
        _providers("GPU", ["CPUExecutionProvider"])
