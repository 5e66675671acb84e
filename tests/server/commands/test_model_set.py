"""AI.MODELSET, and models of TorchScript."""

import pytest

from tests.server.torch_world import torch_model
from tests.server.world import MUL, Wire, Words

OK = b"+OK\r\n"
NO_BLOB = "ERR Insufficient arguments, missing model BLOB"

REFUSED: list[tuple[tuple[Words, ...], str]] = [
    (("NOPE", "CPU", "BLOB", "b"), "ERR unsupported backend"),
    (("ONNX", "CPU:1234567", "BLOB", "b"), "ERR Invalid DEVICE"),
    *[(("ONNX", word, "x"), "ERR Invalid DEVICE") for word in ("INPUTS", "OUTPUTS", "TAG", "batchsize")],
    *[(("ONNX", word, "x"), "ERR Invalid DEVICE") for word in ("MINBATCHSIZE", "MINBATCHTIMEOUT", "BLOB")],
    (("ONNX", "TPU", "BLOB", "b"), "ERR unsupported device"),
    (("TFLITE", "CPU", "BATCHSIZE", "1", "BLOB", "b"),
     "ERR Auto-batching not supported by the TFLITE backend"),
    (("ONNX", "CPU", "BATCHSIZE", "x"), "ERR Invalid argument for BATCHSIZE"),
    (("ONNX", "CPU", "MINBATCHSIZE", "x"), "ERR MINBATCHSIZE specified without BATCHSIZE"),
    (("ONNX", "CPU", "BATCHSIZE", "0", "MINBATCHSIZE", "1"), "ERR MINBATCHSIZE specified without BATCHSIZE"),
    (("ONNX", "CPU", "BATCHSIZE", "1", "MINBATCHSIZE", "x"), "ERR Invalid argument for MINBATCHSIZE"),
    (("ONNX", "CPU", "MINBATCHTIMEOUT", "1"), "ERR MINBATCHTIMEOUT specified without BATCHSIZE"),
    (("ONNX", "CPU", "BATCHSIZE", "1", "MINBATCHTIMEOUT", "1"),
     "ERR MINBATCHTIMEOUT specified without MINBATCHSIZE"),
    (("ONNX", "CPU", "BATCHSIZE", "2", "MINBATCHSIZE", "1", "MINBATCHTIMEOUT", "x"),
     "ERR Invalid argument for MINBATCHTIMEOUT"),
    (("ONNX", "CPU"), NO_BLOB),
    (("ONNX", "CPU", "TAG", "t"), NO_BLOB),
    (("ONNX", "CPU", "x", "y"), NO_BLOB),
    (("ONNX", "CPU", "BLOB"), NO_BLOB),
    (("TF", "CPU", "BLOB", "b"), "ERR Insufficient arguments, INPUTS and OUTPUTS not specified"),
    (("TF", "CPU", "x", "BLOB", "b"), "ERR INPUTS not specified"),
    (("TF", "CPU", "INPUTS", "a", "BLOB", "b"), "ERR OUTPUTS not specified"),
    (("TF", "CPU", "INPUTS", "a", "OUTPUTS", "b"), NO_BLOB),
    (("TF", "CPU", "INPUTS", "a", "OUTPUTS", "b", "BLOB", "b"), "ERR Could not load backend"),
    (("TFLITE", "CPU", "BLOB", "b"), "ERR Could not load backend"),
    (("ONNX", "CPU", "BLOB", "b"), "No graph was found in the protobuf."),
    (("TORCH", "GPU", "BLOB", "b"), "GPU requested but Torch couldn't find CUDA"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "why"), REFUSED)
def test_a_model_that_is_not_right_is_refused_with_its_text(
    wire: Wire, words: tuple[Words, ...], why: str
) -> None:
    assert wire.ask("AI.MODELSET", "m", *words) == f"-{why}\r\n".encode()
    assert wire.ask("EXISTS m") == b":0\r\n"


def test_the_arity_is_looked_at_first(wire: Wire) -> None:
    arity = b"-ERR wrong number of arguments for 'AI.modelset' command\r\n"
    assert wire.ask("AI.modelset m NOPE") == arity


def test_a_model_is_stored_whatever_stands_between(wire: Wire) -> None:
    options = ("TAG", "t", "BATCHSIZE", 4, "MINBATCHSIZE", 2, "MINBATCHTIMEOUT", 10)
    assert (
        wire.ask("AI.MODELSET", "m", "onnx", "cpu", *options, "INPUTS", "a", "BLOB", MUL[:9], MUL[9:]) == OK
    )
    assert wire.ask("AI.MODELGET m META") == (
        b"*16\r\n$7\r\nbackend\r\n$4\r\nONNX\r\n$6\r\ndevice\r\n$3\r\ncpu\r\n$3\r\ntag\r\n$1\r\nt\r\n"
        b"$9\r\nbatchsize\r\n:4\r\n$12\r\nminbatchsize\r\n:2\r\n$6\r\ninputs\r\n*2\r\n$1\r\n0\r\n$1\r\n1\r\n"
        b"$7\r\noutputs\r\n*1\r\n$1\r\n2\r\n$15\r\nminbatchtimeout\r\n:10\r\n"
    )
    assert wire.ask("AI.MODELGET m BLOB") == b"$%d\r\n%b\r\n" % (len(MUL), MUL)


def test_the_type_of_the_key_is_looked_at_last(wire: Wire) -> None:
    assert wire.ask("AI.TENSORSET k INT8 1") == OK
    assert wire.ask("AI.MODELSET", "k", "ONNX", "CPU", "BLOB", MUL) == (
        b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
    )


# ---------------------------------------------------------------------------------- TorchScript


def test_a_torchscript_model_names_its_inputs_and_counts_its_outputs(wire: Wire) -> None:
    assert wire.ask("AI.MODELSTORE", "m", "torch", "CPU", "BLOB", torch_model("both")) == OK
    fields = wire.ask("AI.MODELGET m META")
    assert fields.startswith(b"*16\r\n$7\r\nbackend\r\n$5\r\nTORCH\r\n")
    assert (
        b"$6\r\ninputs\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n$7\r\noutputs\r\n*2\r\n$0\r\n\r\n$0\r\n\r\n" in fields
    )


def test_a_torchscript_model_runs_and_refuses_what_it_cannot_take(wire: Wire) -> None:
    assert wire.ask("AI.MODELSTORE", "m", "TORCH", "CPU", "BLOB", torch_model("mul")) == OK
    assert wire.ask("AI.TENSORSET a FLOAT 2 VALUES 2 3") == OK
    assert wire.ask("AI.TENSORSET w UINT16 1 VALUES 1") == OK
    assert wire.ask("AI.MODELEXECUTE m INPUTS 2 a a OUTPUTS 1 b") == OK
    assert wire.ask("AI.TENSORGET b VALUES") == b"*2\r\n$1\r\n4\r\n$1\r\n9\r\n"
    assert wire.ask("AI.MODELEXECUTE m INPUTS 2 a w OUTPUTS 1 b") == b"-Unsupported kUInt bits 16\r\n"
    assert wire.ask("AI.TENSORSET c FLOAT 3") == OK
    reply = wire.ask("AI.MODELEXECUTE m INPUTS 2 a c OUTPUTS 1 b")
    assert b"The size of tensor a (2) must match the size of tensor b (3)" in reply


@pytest.mark.parametrize(
    ("model", "dtype", "why"),
    [
        ("bfloat16", "FLOAT", "BFloat16 is not supported by dlpack"),
        ("same", "UINT16", "Unsupported kUInt bits 16"),
        ("same", "STRING", "Unsupported code 7"),
    ],
)
def test_what_torchscript_does_not_know_is_an_error(wire: Wire, model: str, dtype: str, why: str) -> None:
    assert wire.ask("AI.MODELSTORE", "m", "TORCH", "CPU", "BLOB", torch_model(model)) == OK
    assert wire.ask("AI.TENSORSET", "x", dtype, 1) == OK
    assert wire.ask("AI.MODELEXECUTE m INPUTS 1 x OUTPUTS 1 y") == f"-{why}\r\n".encode()


def test_a_model_of_a_list_can_be_asked_for_no_number_of_outputs(wire: Wire) -> None:
    assert wire.ask("AI.MODELSTORE", "m", "TORCH", "CPU", "BLOB", torch_model("listed")) == OK
    assert wire.ask("AI.TENSORSET a FLOAT 1") == OK
    assert wire.ask("AI.MODELEXECUTE m INPUTS 1 a OUTPUTS 2 b c") == (
        b"-Number of keys given as OUTPUTS here does not match model definition\r\n"
    )
