from collections.abc import Mapping

import pytest
from onnx import TensorProto, helper

from alula.server import LoadTime, Server, background
from alula.server._backends import OnnxBackend
from tests.server.redis_server import ON_ALL_KEYSPACES
from tests.server.world import MUL, Connect, Controlled, Wire, Words, endless, onnx_model

OK = b"+OK\r\n"
WRONGTYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
EMPTY = b"-ERR model key is empty\r\n"

REFUSED: list[tuple[tuple[Words, ...], str]] = [
    (("NOPE", "x", "BLOB", "b"), "ERR unsupported backend"),
    (("ONNX", "TPU", "BLOB", "b"), "ERR Invalid DEVICE"),
    (("ONNX", "CPU:x", "BLOB", "b"), "ERR Invalid DEVICE"),
    (("ONNX", "CPU:123456", "BLOB", "b"), "ERR Invalid DEVICE"),
    (("ONNX", "CPU1", "BLOB", "b"), "ERR Invalid DEVICE"),
    (("ONNX", "CPU", "BATCHSIZE", "x", "BLOB", "b"), "ERR Invalid argument for BATCHSIZE"),
    (("ONNX", "CPU", "BATCHSIZE", "-1", "BLOB", "b"), "ERR Invalid argument for BATCHSIZE"),
    (("ONNX", "CPU", "TAG", "BATCHSIZE", "BATCHSIZE"), "ERR Invalid argument for BATCHSIZE"),
    (("ONNX", "CPU", "MINBATCHSIZE", "x", "BLOB", "b"), "ERR Invalid argument for MINBATCHSIZE"),
    (("ONNX", "CPU", "MINBATCHSIZE", "1", "BLOB", "b"), "ERR MINBATCHSIZE specified without BATCHSIZE"),
    (("ONNX", "CPU", "BATCHSIZE", "1", "MINBATCHTIMEOUT", "x"), "ERR Invalid argument for MINBATCHTIMEOUT"),
    (
        ("ONNX", "CPU", "BATCHSIZE", "1", "MINBATCHTIMEOUT", "1", "BLOB"),
        "ERR MINBATCHTIMEOUT specified without MINBATCHSIZE",
    ),
    (("ONNX", "CPU", "TAG", "t"), "ERR Insufficient arguments, missing model BLOB"),
    (("ONNX", "CPU", "BATCHSIZE", "0"), "ERR Insufficient arguments, missing model BLOB"),
    (("TF", "CPU", "BLOB", "b"), "ERR INPUTS not specified for TF"),
    (("TF", "CPU", "INPUTS", "x"), "ERR Invalid argument for input_count"),
    (("TF", "CPU", "INPUTS", "0"), "ERR Invalid argument for input_count"),
    (
        ("TF", "CPU", "INPUTS", "2", "a"),
        "ERR number of model inputs does not match the number of given arguments",
    ),
    (("TF", "CPU", "INPUTS", "1", "a"), "ERR OUTPUTS not specified for TF"),
    (("TF", "CPU", "INPUTS", "1", "a", "OUTPUTS", "x"), "ERR Invalid argument for output_count"),
    (
        ("TF", "CPU", "INPUTS", "1", "a", "OUTPUTS", "2", "b"),
        "ERR number of model outputs does not match the number of given arguments",
    ),
    (("TF", "CPU", "INPUTS", "1", "a", "OUTPUTS", "1", "b"), "ERR Invalid argument, expected BLOB"),
    (
        ("ONNX", "CPU", "INPUTS", "1", "a", "BLOB", "b"),
        "ERR INPUTS argument should not be specified for this backend",
    ),
    (("ONNX", "CPU", "OUTPUTS", "1", "a", "BLOB", "b"), "ERR Invalid argument, expected BLOB"),
    (("ONNX", "CPU", "MINBATCHSIZE", "0", "TAG", "t"), "ERR Invalid argument, expected BLOB"),
    (("ONNX", "CPU", "TAG", "t", "BLOB"), "ERR Insufficient arguments, missing model BLOB"),
    (("TF", "CPU", "INPUTS", "1", "a", "OUTPUTS", "1", "b", "BLOB", "b"), "ERR Could not load backend"),
    (("TFLITE", "CPU", "BLOB", "b"), "ERR Could not load backend"),
    (("TORCH", "GPU", "BLOB", "b"), "GPU requested but Torch couldn't find CUDA"),
    (("ONNX", "CPU", "BLOB", "this is no model"), "No graph was found in the protobuf."),
    (("ONNX", "CPU", "BLOB", ""), "No graph was found in the protobuf."),
    (("ONNX", "GPU:1", "BLOB", MUL), "ERR GPU requested but ONNX couldn't find CUDA"),
]  # fmt: skip


@ON_ALL_KEYSPACES
@pytest.mark.parametrize(("words", "why"), REFUSED)
def test_a_model_that_is_not_right_is_refused_with_its_text(
    wire: Wire, words: tuple[Words, ...], why: str
) -> None:
    assert wire.ask("AI.MODELSTORE", "m", *words) == f"-{why}\r\n".encode()
    assert wire.ask("EXISTS m") == b":0\r\n"


@ON_ALL_KEYSPACES
def test_the_arity_is_looked_at_first(wire: Wire) -> None:
    assert wire.ask("AI.modelstore m NOPE x BLOB") == (
        b"-ERR wrong number of arguments for 'AI.modelstore' command\r\n"
    )


@ON_ALL_KEYSPACES
def test_the_type_of_the_key_is_looked_at_last(wire: Wire) -> None:
    assert wire.ask("AI.TENSORSET k INT8 1") == OK
    assert wire.ask("AI.MODELSTORE k ONNX CPU BLOB nonsense") == b"-No graph was found in the protobuf.\r\n"
    assert wire.ask("AI.MODELSTORE", "k", "ONNX", "CPU", "BLOB", MUL) == WRONGTYPE
    assert wire.ask("TYPE k") == b"+AI_TENSOR\r\n"


@ON_ALL_KEYSPACES
def test_a_model_that_reads_files_of_the_server_is_refused(wire: Wire) -> None:
    weights = TensorProto(name="w", data_type=1, dims=[2], data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value="etc/hostname")
    graph = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["y"])], "g", [],
        [helper.make_tensor_value_info("y", 1, None)], [weights],
    )  # fmt: skip
    blob = helper.make_model(graph).SerializeToString()
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", blob) == (
        b"-Initializer tensors with external data is not allowed.\r\n"
    )


@ON_ALL_KEYSPACES
def test_a_model_with_an_operator_that_nobody_knows_is_refused_on_one_line(wire: Wire) -> None:
    blob = onnx_model("Nope", {"x": None}, ["y"])
    reply = wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", blob)
    assert reply.startswith(b"-This is an invalid model.")
    assert wire.ask("PING") == b"+PONG\r\n"


# ------------------------------------------------------------------------------------- reading

FIELDS = (
    b"$7\r\nbackend\r\n$4\r\nONNX\r\n$6\r\ndevice\r\n$3\r\ncpu\r\n$3\r\ntag\r\n$2\r\nv1\r\n"
    b"$9\r\nbatchsize\r\n:8\r\n$12\r\nminbatchsize\r\n:4\r\n$6\r\ninputs\r\n*2\r\n$1\r\n0\r\n$1\r\n1\r\n"
    b"$7\r\noutputs\r\n*1\r\n$1\r\n2\r\n$15\r\nminbatchtimeout\r\n:50\r\n"
)
WHOLE = b"$%d\r\n%b\r\n" % (len(MUL), MUL)


@ON_ALL_KEYSPACES
@pytest.mark.parametrize(
    ("asked", "reply"),
    [
        ((), b"*18\r\n" + FIELDS + b"$4\r\nblob\r\n" + WHOLE),
        (("META", "BLOB"), b"*18\r\n" + FIELDS + b"$4\r\nblob\r\n" + WHOLE),
        (("meta",), b"*16\r\n" + FIELDS),
        (("BLOB",), WHOLE),
        (("NOPE", "BLOB"), WHOLE),
    ],
)
def test_a_model_comes_back_as_it_was_stored(wire: Wire, asked: tuple[str, ...], reply: bytes) -> None:
    options = ["TAG", "v1", "BATCHSIZE", "8", "MINBATCHSIZE", "4", "MINBATCHTIMEOUT", "50", "BLOB"]
    assert wire.ask("AI.MODELSTORE", "m", "onnx", "cpu", *options, MUL[:10], MUL[10:]) == OK
    assert wire.ask("AI.MODELGET", "m", *asked) == reply


@ON_ALL_KEYSPACES
@pytest.mark.parametrize("command", ["AI.MODELGET", "AI.MODELDEL"])
def test_what_is_no_model_cannot_be_read_or_deleted_as_one(wire: Wire, command: str) -> None:
    assert wire.ask(command, "nope") == EMPTY
    assert wire.ask("AI.TENSORSET k INT8 1") == OK
    assert wire.ask(command, "k") == WRONGTYPE


@pytest.mark.parametrize(
    ("size", "chunks"), [(2, [b"ab", b"cd", b""]), (3, [b"abc", b"d"]), (4, [b"abcd", b""]), (5, None)]
)
def test_a_large_blob_comes_in_pieces(
    controlled: Controlled, connect: Connect, size: int, chunks: list[bytes] | None
) -> None:
    controlled.add("abcd", lambda inputs: (inputs[0],))
    with background(
        Server(port=0, load_time=LoadTime(model_chunk_size=size), backends={"ONNX": controlled})
    ) as server:
        wire = connect(server)
        assert wire.ask("AI.MODELSTORE m ONNX CPU BLOB abcd") == OK
        pieces = [b"$%d\r\n%b\r\n" % (len(piece), piece) for piece in chunks or [b"abcd"]]
        head = b"*%d\r\n" % len(pieces) if chunks else b""
        assert wire.ask("AI.MODELGET m BLOB") == head + b"".join(pieces)


@ON_ALL_KEYSPACES
def test_a_model_is_deleted(wire: Wire, models: Server) -> None:
    assert wire.ask("AI.MODELDEL mul") == OK
    assert wire.ask("AI.MODELGET mul") == EMPTY


@ON_ALL_KEYSPACES
@pytest.mark.parametrize("command", ["AI._MODELSCAN", "ai.modelscan"])
def test_models_are_listed_with_their_tags(wire: Wire, blobs: Mapping[str, bytes], command: str) -> None:
    assert wire.ask("AI.TENSORSET t INT8 1") == OK
    assert wire.ask(command) == b"*0\r\n"
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", blobs["mul"]) == OK
    assert wire.ask("AI.MODELSTORE", "pt_model", "ONNX", "CPU", "TAG", "x", "BLOB", blobs["sum"]) == OK
    assert wire.ask(command) == b"*2\r\n*2\r\n$8\r\npt_model\r\n$1\r\nx\r\n*2\r\n$1\r\nm\r\n$0\r\n\r\n"


def test_a_run_that_takes_too_long_is_ended(connect: Connect) -> None:
    with background(Server(port=0, backends={"ONNX": OnnxBackend(timeout=0.05)})) as server:
        wire = connect(server)
        assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", endless()) == OK
        assert wire.ask("AI.TENSORSET x FLOAT VALUES 1") == OK
        reply = wire.ask("AI.MODELEXECUTE m INPUTS 1 x OUTPUTS 1 y")
        assert reply == (
            b"-Non-zero status code returned while running Loop node. Name:'' Status Message: "
            b"Exiting due to terminate flag being set to true.\r\n"
        )
        assert wire.ask("AI.INFO m").endswith(b"calls\r\n:1\r\n$6\r\nerrors\r\n:1\r\n")


@ON_ALL_KEYSPACES
def test_a_wrong_shape_is_told_in_the_words_that_clients_know(wire: Wire, models: Server) -> None:
    assert wire.ask("AI.TENSORSET a FLOAT 3") == OK
    assert wire.ask("AI.MODELEXECUTE mul2 INPUTS 2 a a OUTPUTS 1 b") == (
        b"-Got invalid dimensions for input: 0 for the following indices  index: 0 Got: 3 Expected: 2  "
        b"Please fix either the inputs or the model.\r\n"
    )


def test_a_model_that_is_too_large_for_the_memory_is_refused(connect: Connect) -> None:
    with background(Server(port=0, backends={"ONNX": OnnxBackend(memory_limit=10)})) as server:
        assert connect(server).ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", MUL) == (
            b"-Exception during initialization: "
            b"Onnxruntime memory limit exceeded, memory allocation failed.\r\n"
        )
