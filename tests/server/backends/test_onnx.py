import struct
import subprocess
import sys

import numpy as np
import pytest
from onnx import TensorProto, helper

from alula.errors import CommandError
from alula.server import Tensor
from alula.server._backends import OnnxBackend
from alula.server._backends._onnx import OnnxSession, _providers, message
from alula.server._models import Stop
from alula.server._payloads import values
from alula.server._tensors import DTYPES
from tests.server.world import SPLIT, endless, onnx_model


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


def test_probabilities_by_class_are_a_table() -> None:
    node = helper.make_node("ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_strings=["no", "yes"])
    row = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    graph = helper.make_graph(
        [node],
        "zip",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_value_info("y", helper.make_sequence_type_proto(row))],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    session = load(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())
    [found] = session.run([Tensor.of(np.array([[0.25, 0.75], [1, 0]], "f4"))])
    assert (found.dtype.name, found.shape, values(found)) == ("FLOAT", (2, 2), [0.25, 0.75, 1.0, 0.0])


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


MUL_BOTH = onnx_model("Mul", {"a": [2, 3], "b": [2, 3]}, ["y"])


DIMENSIONS = "Got invalid dimensions for input: {} for the following indices {} {}."
FIX = "Please fix either the inputs or the model"


@pytest.mark.parametrize(
    ("shapes", "why"),
    [
        (((3, 3), (2, 3)), DIMENSIONS.format("a", " index: 0 Got: 3 Expected: 2 ", FIX)),
        (((3, 4), (9, 9)),
         DIMENSIONS.format("a", " index: 0 Got: 3 Expected: 2  index: 1 Got: 4 Expected: 3 ", FIX)),
        (((2, 3), (2, 5)), DIMENSIONS.format("b", " index: 1 Got: 5 Expected: 3 ", FIX)),
        (((2,), (3,)), f"Invalid rank for input: a Got: 1 Expected: 2 {FIX}."),
    ],
)  # fmt: skip
def test_the_first_input_of_a_wrong_shape_is_named(shapes: tuple[tuple[int, ...], ...], why: str) -> None:
    with pytest.raises(CommandError) as caught:
        load(MUL_BOTH).run([Tensor.of(np.zeros(shape, "f4")) for shape in shapes])
    assert caught.value.text == why


def test_a_shape_that_may_be_any_is_not_blamed() -> None:
    model = onnx_model("Mul", {"a": None, "b": [2]}, ["y"])
    with pytest.raises(CommandError, match="for input: b for"):
        load(model).run([Tensor.of(np.zeros(shape, "f4")) for shape in (3, 3)])


def test_the_number_of_inputs_must_be_right() -> None:
    with pytest.raises(CommandError) as caught:
        load(MUL_BOTH).run([Tensor.of(np.zeros(1, "f4"))])
    assert caught.value.text == "ERR Expected 2 inputs but got 1"


ENDED = "Exiting due to terminate flag being set to true"


def test_a_run_that_takes_too_long_is_ended() -> None:
    session = OnnxBackend(timeout=0.05).load(endless(), "CPU")
    with pytest.raises(CommandError, match=ENDED):
        session.run([Tensor.of(np.ones((), "f4"))], Stop())
    [zero] = session.run([Tensor.of(np.zeros((), "f4"))], Stop())
    assert values(zero) == [0.0]


def test_a_run_that_nobody_wants_is_ended() -> None:
    stop = Stop()
    stop.ask()
    with pytest.raises(CommandError, match=ENDED):
        load(endless()).run([Tensor.of(np.ones((), "f4"))], stop)


def test_a_model_with_a_loop_may_take_any_time() -> None:
    assert not load(endless()).steady
    assert load(MUL_BOTH).steady


def test_what_too_little_memory_says() -> None:
    text = (
        "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Mul node. Name:'' "
        "Status Message: /bfc_arena.cc:360 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool) "
        "Available memory of 1048576 is smaller than requested bytes of 4194304\n"
    )
    assert message(text) == (
        "Non-zero status code returned while running Mul node. Name:'' Status Message: "
        "Onnxruntime memory limit exceeded, memory allocation failed. "
    )


def test_the_memory_of_all_models_can_be_limited() -> None:
    """In a process of its own, for the limit holds for the whole process."""
    program = """
import numpy as np
from alula.errors import CommandError
from alula.server import Tensor
from alula.server._backends import OnnxBackend
from tests.server.world import MUL
session = OnnxBackend(memory_limit=1 << 20).load(MUL, "CPU")
for size in (1000, 1 << 20):
    try:
        [found] = session.run([Tensor.of(np.ones(size, "f4"))] * 2)
        print(found.shape)
    except CommandError as error:
        print("memory limit exceeded, memory allocation failed." in error.text)
try:
    OnnxBackend(memory_limit=10).load(MUL, "CPU")
except CommandError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == [
        "(1000,)",
        "True",
        "Exception during initialization: Onnxruntime memory limit exceeded, memory allocation failed.",
    ]


def test_devices_become_providers() -> None:
    cuda = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert _providers("CPU:3", cuda) == ["CPUExecutionProvider"]
    assert _providers("GPU", cuda) == [("CUDAExecutionProvider", {"device_id": 0}), "CPUExecutionProvider"]
    assert _providers("GPU:1", cuda)[0] == ("CUDAExecutionProvider", {"device_id": 1})
    with pytest.raises(CommandError, match="GPU requested but ONNX couldn't find CUDA"):
        _providers("GPU", ["CPUExecutionProvider"])
