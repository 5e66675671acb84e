"""Every text of AI.MODELEXECUTE, AI.MODELRUN and the DAG commands, and what they leave behind."""

import struct

import pytest
import redis

from alula.server import Server
from tests.server.redis_server import ON_ALL_KEYSPACES
from tests.server.world import Wire, Words, onnx_model, request

OK = b"+OK\r\n"
WRONGTYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
ABSENT = "ERR tensor key is empty or in a different shard"
INPUTS_DIFFER = "Number of keys given as INPUTS here does not match model definition"
OUTPUTS_DIFFER = "Number of keys given as OUTPUTS here does not match model definition"


@pytest.fixture
def wire(wire: Wire, models: object) -> Wire:
    """A connection to a server with models, and the tensors a = b = 2 3 and c of three elements."""
    for key, values in (("a", "2 3"), ("b", "2 3"), ("c", "1 2 3")):
        assert wire.ask(f"AI.TENSORSET {key} FLOAT {len(values.split())} VALUES {values}") == OK
    return wire


def keys(wire: Wire) -> set[bytes]:
    found = wire.ask("KEYS *").split(b"\r\n")[2::2]
    return set(found) - {b"mul", b"mul2", b"sum", b"split", b"a", b"b", b"c"}


# --------------------------------------------------------------------------- AI.MODELEXECUTE

EXECUTE = [
    ("mul INPUTS 1 a OUTPUTS 1", "ERR wrong number of arguments for 'AI.MODELEXECUTE' command"),
    ("nope NOPE 1 a OUTPUTS 1 b", "ERR model key is empty"),
    ("a NOPE 1 a OUTPUTS 1 b", WRONGTYPE),
    ("mul NOPE 1 a OUTPUTS 1 b", "ERR INPUTS not specified"),
    ("mul INPUTS x a OUTPUTS 1 b", "ERR Invalid argument for input_count"),
    ("mul INPUTS 0 a OUTPUTS 1 b", "ERR Input count must be a positive integer"),
    ("mul INPUTS -1 a OUTPUTS 1 b", "ERR Input count must be a positive integer"),
    ("mul INPUTS 3 a OUTPUTS 1 b", INPUTS_DIFFER),
    ("sum INPUTS 3 a", "ERR wrong number of arguments for 'AI.MODELEXECUTE' command"),
    ("mul INPUTS 2 a b NOPE 1 c", "ERR OUTPUTS not specified"),
    ("mul INPUTS 2 a b c d", "ERR OUTPUTS not specified"),
    ("mul INPUTS 2 a b OUTPUTS x c", "ERR Invalid argument for output_count"),
    ("mul INPUTS 2 a b OUTPUTS 0 c", "ERR Output count must be a positive integer"),
    ("mul INPUTS 2 a b OUTPUTS 2 c", OUTPUTS_DIFFER),
    (
        "split INPUTS 1 a OUTPUTS 2 c",
        "ERR number of output keys to AI.MODELEXECUTE command does not match the number of given arguments",
    ),
    ("mul INPUTS 2 a b OUTPUTS 1 d NOPE", "Invalid argument: NOPE"),
    ("mul INPUTS 2 a b OUTPUTS 1 d TIMEOUT", "ERR No value provided for TIMEOUT"),
    ("mul INPUTS 2 a b OUTPUTS 1 d TIMEOUT x", "ERR Invalid value for TIMEOUT"),
    ("mul INPUTS 2 a b OUTPUTS 1 d TIMEOUT 0", "ERR Invalid value for TIMEOUT"),
    ("mul INPUTS 2 a b OUTPUTS 1 d TIMEOUT 9 NOPE", "Invalid argument: NOPE"),
    ("mul INPUTS 2 a nope OUTPUTS 1 d", ABSENT),
    ("mul INPUTS 2 nope mul OUTPUTS 1 d", ABSENT),
    ("mul INPUTS 2 mul nope OUTPUTS 1 d", WRONGTYPE),
    ("mul INPUTS 2 a b OUTPUTS 1 mul", WRONGTYPE),
]


@pytest.mark.parametrize(("words", "why"), EXECUTE)
def test_a_modelexecute_that_is_not_right(wire: Wire, words: str, why: str) -> None:
    assert wire.ask("AI.MODELEXECUTE " + words) == f"-{why}\r\n".encode()
    assert keys(wire) == set()


def test_more_inputs_are_promised_than_there_are_words(wire: Wire) -> None:
    # With eight words or more only a model of many inputs can run out of them.
    assert wire.ask("AI.MODELSTORE", "wide", "ONNX", "CPU", "BLOB", wide()) == OK
    why = "number of input keys to AI.MODELEXECUTE command does not match the number of given arguments"
    assert wire.ask("AI.MODELEXECUTE wide INPUTS 9 a a a a") == f"-ERR {why}\r\n".encode()


def wide() -> bytes:
    """A model of nine inputs."""
    return onnx_model("Sum", dict.fromkeys("abcdefghi"), ["y"])


@ON_ALL_KEYSPACES
@pytest.mark.parametrize("end", ["", " TIMEOUT 5000", " timeout 5000"])
def test_a_model_runs_on_keys_and_stores_its_output(wire: Wire, end: str) -> None:
    assert wire.ask("ai.modelexecute mul inputs 2 a b outputs 1 d" + end) == OK
    assert wire.ask("AI.TENSORGET d VALUES") == b"*2\r\n$1\r\n4\r\n$1\r\n9\r\n"


@ON_ALL_KEYSPACES
def test_all_outputs_are_stored_and_of_two_of_one_name_the_last(wire: Wire) -> None:
    assert wire.ask("AI.MODELEXECUTE split INPUTS 1 a OUTPUTS 2 low high") == OK
    assert wire.ask("AI.TENSORGET low VALUES") == b"*1\r\n$1\r\n2\r\n"
    assert wire.ask("AI.TENSORGET high VALUES") == b"*1\r\n$1\r\n3\r\n"
    assert wire.ask("AI.MODELEXECUTE split INPUTS 1 a OUTPUTS 2 one one") == OK
    assert wire.ask("AI.TENSORGET one VALUES") == b"*1\r\n$1\r\n3\r\n"


@ON_ALL_KEYSPACES
def test_an_output_key_of_another_type_gives_one_error_and_stores_nothing(wire: Wire) -> None:
    wire.send(request("AI.MODELEXECUTE split INPUTS 1 a OUTPUTS 2 low mul") + request("PING"))
    assert [wire.reply(), wire.reply()] == [f"-{WRONGTYPE}\r\n".encode(), b"+PONG\r\n"]
    assert keys(wire) == set()


DIMENSIONS = (
    "Got invalid dimensions for input: 0 for the following indices  index: 0 Got: 3 Expected: 2  "
    "Please fix either the inputs or the model."
)
BAD_RUNS: list[tuple[str, str]] = [
    ("AI.MODELEXECUTE mul2 INPUTS 2 c a OUTPUTS 1 d", DIMENSIONS),
    ("AI.MODELRUN mul2 INPUTS c a OUTPUTS d", DIMENSIONS),
    (
        "AI.MODELEXECUTE mul2 INPUTS 2 e a OUTPUTS 1 d",
        "Invalid rank for input: 0 Got: 2 Expected: 1 Please fix either the inputs or the model.",
    ),
    (
        "AI.MODELEXECUTE mul INPUTS 2 i a OUTPUTS 1 d",
        "Unexpected input data type. Actual: (tensor(int8)) , expected: (tensor(float))",
    ),
]


@pytest.mark.parametrize(("words", "why"), BAD_RUNS)
def test_a_run_that_fails_answers_in_the_backend_s_words(wire: Wire, words: str, why: str) -> None:
    assert wire.ask("AI.TENSORSET e FLOAT 1 2") == OK
    assert wire.ask("AI.TENSORSET i INT8 2") == OK
    assert wire.ask(words) == f"-{why}\r\n".encode()
    assert keys(wire) == {b"e", b"i"}


# -------------------------------------------------------------------------------- AI.MODELRUN

RUN = [
    ("mul INPUTS a OUTPUTS", "ERR wrong number of arguments for 'AI.MODELRUN' command"),
    ("nope NOPE a b c", "ERR model key is empty"),
    ("a NOPE a b c", WRONGTYPE),
    ("mul TIMEOUT x a b", "ERR Invalid value for TIMEOUT"),
    ("mul TIMEOUT 0 INPUTS a", "ERR Invalid value for TIMEOUT"),
    ("mul NOPE a b OUTPUTS c", "ERR INPUTS not specified"),
    ("mul TIMEOUT 9 a b OUTPUTS c", "ERR INPUTS not specified"),
    ("mul INPUTS a OUTPUTS c d", INPUTS_DIFFER),
    ("mul INPUTS a b c", INPUTS_DIFFER),
    ("mul INPUTS a b OUTPUTS", OUTPUTS_DIFFER),
    ("mul INPUTS a b OUTPUTS c OUTPUTS", OUTPUTS_DIFFER),
    ("mul INPUTS a nope OUTPUTS d", ABSENT),
    ("mul INPUTS mul a OUTPUTS d", WRONGTYPE),
]


@pytest.mark.parametrize(("words", "why"), RUN)
def test_a_modelrun_that_is_not_right(wire: Wire, words: str, why: str) -> None:
    assert wire.ask("AI.MODELRUN " + words) == f"-{why}\r\n".encode()
    assert keys(wire) == set()


@ON_ALL_KEYSPACES
def test_modelrun_runs_with_and_without_a_timeout(wire: Wire) -> None:
    assert wire.ask("AI.MODELRUN mul TIMEOUT 5000 INPUTS a b OUTPUTS d") == OK
    assert wire.ask("AI.MODELRUN split INPUTS d OUTPUTS OUTPUTS e") == OK  # a second OUTPUTS is a key
    assert wire.ask("AI.TENSORGET OUTPUTS VALUES") == b"*1\r\n$1\r\n4\r\n"


# ----------------------------------------------------------------------------- DAGs that are wrong

UNEXPECTED = "ERR Invalid DAG command. Unexpected argument:  "
NEEDS_SECTION = (
    "ERR AI.DAGEXECUTE and AI.DAGEXECUTE_RO commands must contain at least one out of "
    "ROUTING, LOAD, PERSIST keywords"
)
LOADS = "ERR number of keys to LOAD into DAG does not match the number of given arguments"
PERSISTS = "ERR number of keys to PERSIST after DAG execution does not match the number of given arguments"
NO_INPUT = "ERR INPUT key cannot be found in DAG"
VOLATILE = "ERR a volatile key cannot be loaded or persisted"
WRITES = "ERR a non volatile key cannot be written in a read-only DAG"
BLOB = "ERR a single binary string should come after the BLOB argument in 'AI.TENSORSET' command"
VALUES = "ERR wrong number of values was given in 'AI.TENSORSET' command"

DAGS = [
    # 1. the number of words
    ("AI.DAGRUN", "ERR wrong number of arguments for 'AI.DAGRUN' command"),
    ("AI.DAGRUNRO x", "ERR wrong number of arguments for 'AI.DAGRUNRO' command"),
    ("AI.DAGRUN x", "ERR wrong number of arguments for 'AI.DAGRUN' command"),
    ("ai.dagrun_ro x", "ERR wrong number of arguments for 'AI.DAGRUN_RO' command"),
    ("AI.DAGEXECUTE ROUTING x |> x", "ERR missing arguments for 'AI.DAGEXECUTE' command"),
    ("AI.DAGEXECUTE_RO LOAD 0 x", "ERR missing arguments for 'AI.DAGEXECUTE_RO' command"),
    # 2. from left to right: the sections
    ("AI.DAGRUN LOAD 1", "ERR missing arguments after LOAD keyword in DAG command"),
    ("AI.DAGRUN LOAD x a |> TENSORGET a", "ERR invalid or negative value found in number of keys to LOAD"),
    ("AI.DAGRUN LOAD 0 a |> TENSORGET a", "ERR invalid or negative value found in number of keys to LOAD"),
    ("AI.DAGRUN LOAD 9 a b nope", ABSENT),
    ("AI.DAGRUN LOAD 9 a b mul", WRONGTYPE),
    ("AI.DAGRUN LOAD 3 a b", LOADS),
    ("AI.DAGRUN LOAD 3 a b |> TENSORGET a", ABSENT),  # it does not stop at the pipe
    ("AI.DAGRUN LOAD 1 ~a~ |> TENSORGET ~a~", VOLATILE),
    ("AI.DAGRUN PERSIST 1", "ERR missing arguments after PERSIST keyword in DAG command"),
    ("AI.DAGRUN PERSIST x a", "ERR invalid or negative value found in number of keys to PERSIST"),
    ("AI.DAGRUN PERSIST 2 d d", "ERR PERSIST keys must be unique"),
    ("AI.DAGRUN PERSIST 3 d e", PERSISTS),
    ("AI.DAGRUN PERSIST 1 ~d~ |> TENSORSET ~d~ INT8 1", VOLATILE),
    ("AI.DAGRUN_RO PERSIST x", "ERR PERSIST cannot be specified in a read-only DAG"),
    ("AI.DAGRUNRO PERSIST x", "ERR PERSIST cannot be specified in a read-only DAG"),
    ("AI.DAGEXECUTE_RO PERSIST 1 d |> x", "ERR PERSIST cannot be specified in a read-only DAG"),
    ("AI.DAGRUN LOAD 1 a ROUTING", "ERR Missing ROUTING value"),
    ("AI.DAGRUN LOAD 1 a TIMEOUT", "ERR No value provided for TIMEOUT"),
    ("AI.DAGRUN TIMEOUT x |> TENSORSET d INT8 1", "ERR Invalid value for TIMEOUT"),
    ("AI.DAGRUN TIMEOUT -1 |> TENSORSET d INT8 1", "ERR Invalid value for TIMEOUT"),
    ("AI.DAGEXECUTE ROUTING x PERSIST 1 a BAD_ARG", UNEXPECTED + "BAD_ARG"),
    ("AI.DAGRUN LOAD 1 a LOAD 1 b |> TENSORGET a", UNEXPECTED + "LOAD"),
    ("AI.DAGRUN PERSIST 1 d PERSIST 1 e |> TENSORGET a", UNEXPECTED + "PERSIST"),
    ("AI.DAGRUN ROUTING x routing y |> TENSORGET a", UNEXPECTED + "routing"),
    ("AI.DAGRUN TIMEOUT 5 TIMEOUT 6 |> TENSORGET a", UNEXPECTED + "TIMEOUT"),
    ("AI.DAGRUN TIMEOUT 99999999999999999999 TENSORGET a", "ERR Invalid value for TIMEOUT"),
    ("AI.DAGRUN NOPE a b", UNEXPECTED + "NOPE"),
    ("AI.DAGRUN NOPE a |>", UNEXPECTED + "NOPE"),  # from left to right
    ("AI.DAGRUN |> TENSORGET a PERSIST 1 a", "wrong number of arguments for 'AI.TENSORGET' command"),
    ("AI.DAGEXECUTE ROUTING x AI.TENSORGET a META", UNEXPECTED + "AI.TENSORGET"),
    ("AI.DAGEXECUTE ROUTING x => TENSORGET a", UNEXPECTED + "=>"),
    ("AI.DAGRUN LOAD 1 a |> TENSORGET a |>", UNEXPECTED + "|>"),
    ("AI.DAGRUN TENSORGET a =>", UNEXPECTED + "=>"),
    ("AI.DAGRUN TIMEOUT 5 =>", UNEXPECTED + "=>"),
    ("AI.DAGEXECUTE |> NOPE x |> NOPE |>", UNEXPECTED + "|>"),  # before 3 and 5
    # 3. and 4.
    ("AI.DAGEXECUTE TIMEOUT 5 |> AI.NOPE x", NEEDS_SECTION),
    ("AI.DAGEXECUTE_RO |> AI.TENSORSET a INT8 x", NEEDS_SECTION),
    ("AI.DAGRUN PERSIST 1 a", "ERR DAG is empty"),
    ("AI.DAGEXECUTE LOAD 1 a ROUTING x", "ERR DAG is empty"),
    # 5. each operation
    ("AI.DAGRUN |> TENSORGET", "wrong number of arguments for 'AI.TENSORGET' command"),
    ("AI.DAGRUN |> TENSORGET a META BLOB META", "wrong number of arguments for 'AI.TENSORGET' command"),
    ("AI.DAGRUN |> AI.TENSORGET nope NOPE", "ERR unsupported data format"),
    ("AI.DAGRUN |> AI.TENSORGET nope BLOB VALUES", "ERR both BLOB and VALUES specified"),
    ("AI.DAGRUN |> TENSORSET a FLOAT", "wrong number of arguments for 'AI.TENSORSET' command"),
    ("AI.DAGRUN TENSORSET a => TENSORGET a", "wrong number of arguments for 'AI.TENSORSET' command"),
    ("AI.DAGRUN |> TENSORSET a NOPE 1", "ERR invalid data type"),
    ("AI.DAGRUN |> TENSORSET a FLOAT x", "ERR invalid or negative value found in tensor shape"),
    ("AI.DAGRUN |> TENSORSET a FLOAT 1 BLOB", BLOB),
    ("AI.DAGRUN |> TENSORSET a FLOAT 1 BLOB 1234 5 |> TENSORGET a", BLOB),
    ("AI.DAGRUN |> TENSORSET a FLOAT 1 BLOB 123", "ERR data length does not match tensor shape and type"),
    ("AI.DAGRUN |> TENSORSET a FLOAT 1 BLOB |> TENSORGET a", BLOB),
    ("AI.DAGRUN |> TENSORSET a FLOAT 2 VALUES 1 |> TENSORGET a", VALUES),
    ("AI.DAGRUN |> TENSORSET a FLOAT 1 VALUES 1 => TENSORGET a", VALUES),
    ("AI.DAGRUN |> TENSORSET a STRING 1 VALUES x y |> TENSORGET a", VALUES),
    ("AI.DAGRUN |> TENSORSET a FLOAT 1 VALUES x", "ERR invalid value"),
    ("AI.DAGRUN |> MODELRUN nope INPUTS x y OUTPUTS z", "ERR model key is empty"),
    ("AI.DAGRUN |> MODELRUN mul INPUTS x y", "ERR wrong number of arguments for 'AI.MODELRUN' command"),
    ("AI.DAGRUN |> MODELRUN mul INPUTS x OUTPUTS y", INPUTS_DIFFER),
    ("AI.DAGRUN |> MODELRUN mul TIMEOUT 1 INPUTS x y OUTPUTS z",
     "ERR TIMEOUT not allowed within a DAG command"),
    ("AI.DAGEXECUTE ROUTING x |> MODELEXECUTE mul INPUTS 2 x y OUTPUTS",
     "ERR wrong number of arguments for 'AI.MODELEXECUTE' command"),
    ("AI.DAGEXECUTE ROUTING x |> MODELEXECUTE mul INPUTS 2 x y OUTPUTS 1 z TIMEOUT 1",
     "ERR TIMEOUT not allowed within a DAG command"),
    ("AI.DAGEXECUTE ROUTING x |> MODELEXECUTE mul INPUTS 2 x y OUTPUTS 1 z NOPE", "Invalid argument: NOPE"),
    ("AI.DAGEXECUTE ROUTING x |> AI.MODELRUN nope",
     "Deprecated AI.MODELRUN cannot be used in AI.DAGEXECUTE command"),
    ("AI.DAGEXECUTE ROUTING x |> AI.SCRIPTRUN nope",
     "Deprecated AI.SCRIPTRUN cannot be used in AI.DAGEXECUTE command"),
    ("AI.DAGRUN |> AI.MODELEXECUTE nope", "AI.MODELEXECUTE cannot be used in a deprecated AI.DAGRUN command"),
    ("AI.DAGRUN |> SCRIPTEXECUTE nope", "AI.SCRIPTEXECUTE cannot be used in a deprecated AI.DAGRUN command"),
    ("AI.DAGEXECUTE_RO ROUTING x |> AI.SCRIPTEXECUTE nope",
     "ERR AI.SCRIPTEXECUTE command cannot be specified in a read-only DAG"),
    ("AI.DAGEXECUTE ROUTING x |> AI.SCRIPTEXECUTE nope",
     "ERR wrong number of arguments for 'AI.SCRIPTEXECUTE' command"),
    ("AI.DAGRUN |> AI.SCRIPTRUN nope", "ERR wrong number of arguments for 'AI.SCRIPTRUN' command"),
    ("AI.DAGRUN SCRIPTEXECUTE bar baz", "ERR script key is empty"),
    ("AI.DAGRUN |> PING", "Unsupported command within DAG"),
    ("AI.DAGRUN |> |> TENSORGET a", "Unsupported command within DAG"),
    ("AI.DAGRUNRO MODELRUN mul INPUTS a b OUTPUTS c", WRITES),
    ("AI.DAGRUN_RO TENSORSET a FLOAT 1", WRITES),
    ("AI.DAGRUN_RO MODELRUN mul INPUTS nope nope OUTPUTS c", WRITES),
    # 6. and 7. names
    ("AI.DAGRUN |> TENSORGET a", NO_INPUT),
    ("AI.DAGRUN |> MODELRUN mul INPUTS a b OUTPUTS c", NO_INPUT),
    ("AI.DAGRUN |> TENSORGET x |> TENSORSET x INT8 1", NO_INPUT),
    ("AI.DAGRUN TENSORGET ~a~", NO_INPUT),
    ("AI.DAGRUN MODELRUN mul INPUTS ~x~ b OUTPUTS c", NO_INPUT),
    ("AI.DAGRUN TENSORGET nope", ABSENT),
    ("AI.DAGRUN TENSORGET mul", WRONGTYPE),
    ("AI.DAGRUN PERSIST 1 d |> TENSORSET x INT8 1", "ERR PERSIST key cannot be found in DAG"),
    ("AI.DAGRUN PERSIST 1 d TENSORSET x INT8 1", "ERR PERSIST key cannot be found in DAG"),
    # earlier checks win
    ("AI.DAGRUN |> TENSORGET nope |> PING", "Unsupported command within DAG"),
    ("AI.DAGRUN PERSIST 1 d |> TENSORGET nope", NO_INPUT),
]  # fmt: skip


@pytest.mark.parametrize(("words", "why"), DAGS)
def test_a_dag_that_is_not_right_is_one_error_and_nothing_runs(wire: Wire, words: str, why: str) -> None:
    for _ in range(2):  # the second time nothing may come out of the cache
        assert wire.ask(words) == f"-{why}\r\n".encode()
    assert keys(wire) == set()


# ----------------------------------------------------------------------------- DAGs that are right

META_AB = b"*6\r\n$5\r\ndtype\r\n$5\r\nFLOAT\r\n$5\r\nshape\r\n*1\r\n:2\r\n$4\r\nblob\r\n$8\r\n"
PRODUCT = META_AB + struct.pack("<2f", 4, 9) + b"\r\n"
SHOWN = b"*2\r\n$1\r\n4\r\n$1\r\n9\r\n"

EXAMPLES: list[tuple[str, bytes, set[bytes]]] = [
    ("AI.DAGRUN MODELRUN mul INPUTS a b OUTPUTS ~c~ => TENSORGET ~c~", b"*2\r\n+OK\r\n" + PRODUCT, set()),
    (
        "AI.DAGRUN TENSORSET ~a~ FLOAT 2 VALUES 2 3 => TENSORSET ~b~ FLOAT 2 VALUES 2 3 "
        "=> MODELRUN mul INPUTS ~a~ ~b~ OUTPUTS ~c~ => TENSORGET ~c~ VALUES",
        b"*4\r\n+OK\r\n+OK\r\n+OK\r\n" + SHOWN,
        set(),
    ),
    (
        "AI.DAGRUN TENSORSET d FLOAT 2 VALUES 2 3 => MODELRUN mul INPUTS d d OUTPUTS e => TENSORGET e VALUES",
        b"*3\r\n+OK\r\n+OK\r\n" + SHOWN,
        {b"d", b"e"},
    ),
    ("AI.DAGRUN |> AI.TENSORSET d FLOAT 1 VALUES 5", b"*1\r\n+OK\r\n", set()),
    ("AI.DAGRUN AI.TENSORSET d FLOAT 1 VALUES 5", b"*1\r\n+OK\r\n", {b"d"}),
    ("AI.DAGRUN => TENSORSET d FLOAT 1 => TENSORSET ~e~ FLOAT 1", b"*2\r\n+OK\r\n+OK\r\n", {b"d"}),
    ("AI.DAGRUN TENSORSET d FLOAT 1 |> TENSORSET e FLOAT 1", b"*2\r\n+OK\r\n+OK\r\n", {b"d", b"e"}),
    ("AI.DAGRUN TENSORGET a VALUES", b"*1\r\n*2\r\n$1\r\n2\r\n$1\r\n3\r\n", set()),
    ("AI.DAGRUNRO MODELRUN mul INPUTS a b OUTPUTS ~c~ => TENSORGET ~c~ VALUES",
     b"*2\r\n+OK\r\n" + SHOWN, set()),
    ("AI.DAGRUN_RO LOAD 2 a b |> MODELRUN mul INPUTS a b OUTPUTS d |> TENSORGET d VALUES",
     b"*2\r\n+OK\r\n" + SHOWN, set()),
    (
        "AI.DAGEXECUTE LOAD 1 a |> AI.TENSORGET a META VALUES",
        b"*1\r\n*6\r\n$5\r\ndtype\r\n$5\r\nFLOAT\r\n$5\r\nshape\r\n*1\r\n:2\r\n$6\r\nvalues\r\n"
        b"*2\r\n$1\r\n2\r\n$1\r\n3\r\n",
        set(),
    ),
    (
        "AI.DAGEXECUTE LOAD 2 a b PERSIST 1 d ROUTING x TIMEOUT 9000 |> AI.MODELEXECUTE mul INPUTS 2 a b "
        "OUTPUTS 1 d |> TENSORGET d VALUES",
        b"*2\r\n+OK\r\n" + SHOWN,
        {b"d"},
    ),
    ("AI.DAGEXECUTE_RO LOAD 1 a |> MODELEXECUTE split INPUTS 1 a OUTPUTS 2 x y |> TENSORGET y VALUES",
     b"*2\r\n+OK\r\n*1\r\n$1\r\n3\r\n", set()),
    ("AI.DAGRUN MODELEXECUTE split INPUTS 1 a OUTPUTS 2 ~x~ y => MODELRUN mul INPUTS ~x~ y OUTPUTS ~z~ "
     "=> TENSORGET ~z~ VALUES", b"*3\r\n+OK\r\n+OK\r\n*1\r\n$1\r\n6\r\n", {b"y"}),
    # a name may be bound again: reads see the latest binding in front of them, and the last is stored
    ("AI.DAGRUN TENSORSET d INT8 1 VALUES 1 => TENSORGET d VALUES => TENSORSET d INT8 1 VALUES 2 "
     "=> TENSORGET d VALUES", b"*4\r\n+OK\r\n*1\r\n:1\r\n+OK\r\n*1\r\n:2\r\n", {b"d"}),
    # a key is read as of submission, and then as bound
    ("AI.DAGRUN TENSORGET a VALUES => TENSORSET ~a~ INT8 1 VALUES 7 => TENSORGET ~a~ VALUES "
     "=> TENSORGET a VALUES",
     b"*4\r\n*2\r\n$1\r\n2\r\n$1\r\n3\r\n+OK\r\n*1\r\n:7\r\n*2\r\n$1\r\n2\r\n$1\r\n3\r\n", set()),
    # a loaded name may be persisted; in the inline spelling that is harmless
    ("AI.DAGRUN LOAD 1 a PERSIST 1 a |> TENSORGET a VALUES", b"*1\r\n*2\r\n$1\r\n2\r\n$1\r\n3\r\n", set()),
    ("AI.DAGRUN LOAD 1 a PERSIST 2 a d TENSORSET d INT8 1", b"*1\r\n+OK\r\n", {b"d"}),
    # in the scoped spelling an arrow is an ordinary word, and so are wings
    ("AI.DAGRUN PERSIST 1 => |> TENSORSET => INT8 1 |> TENSORSET ~v~ INT8 1 |> TENSORGET => VALUES",
     b"*3\r\n+OK\r\n+OK\r\n*1\r\n:0\r\n", {b"=>"}),
    ("AI.DAGRUN TIMEOUT 0 TENSORSET d INT8 1", b"*1\r\n+OK\r\n", {b"d"}),
    ("ai.dagexecute routing x load 1 a persist 1 d |> ai.tensorset d int8 1 values 1 |> tensorget d values",
     b"*2\r\n+OK\r\n*1\r\n:1\r\n", {b"d"}),
    ("AI.DAGRUN TENSORSET ~~ INT8 1 => TENSORSET ~ INT8 1 => TENSORSET ~~~ INT8 1",
     b"*3\r\n+OK\r\n+OK\r\n+OK\r\n", {b"~~", b"~"}),  # wings want something between them
    ("AI.DAGRUN TENSORSET \u043a\u043b\u044e\u0447 INT8 1 => TENSORGET \u043a\u043b\u044e\u0447 VALUES",
     b"*2\r\n+OK\r\n*1\r\n:0\r\n", {"\u043a\u043b\u044e\u0447".encode()}),
    ("AI.DAGRUN MODELRUN mul INPUTS a b OUTPUTS d d2", b"-" + OUTPUTS_DIFFER.encode() + b"\r\n", set()),
]  # fmt: skip


@ON_ALL_KEYSPACES
@pytest.mark.parametrize(("words", "reply", "stored"), EXAMPLES)
def test_a_dag_answers_and_stores_what_it_should(
    wire: Wire, words: str, reply: bytes, stored: set[bytes]
) -> None:
    for _ in range(3):  # first it is parsed, then it comes out of the plan cache
        assert wire.ask(words) == reply
        assert keys(wire) == stored


PAYLOADS: list[tuple[tuple[Words, ...], bytes]] = [
    (("BLOB", b"|>"), b"$2\r\n|>\r\n"),
    (("BLOB", b"=>"), b"$2\r\n=>\r\n"),
    (("VALUES", b"|>"), b"$3\r\n|>\0\r\n"),
    (("VALUES", b"=>\0"), b"$3\r\n=>\0\r\n"),
]


@pytest.mark.parametrize("separator", ["|>", "=>"])
@pytest.mark.parametrize(("payload", "blob"), PAYLOADS)
def test_a_payload_is_never_taken_for_a_separator(
    wire: Wire, separator: str, payload: tuple[Words, ...], blob: bytes
) -> None:
    kind = ("STRING", 1) if payload[0] == "VALUES" else ("UINT8", 2)
    first = ["|>"] if separator == "|>" else []
    words = ["AI.DAGRUN", *first, "TENSORSET", "~k~", *kind, *payload, separator, "TENSORGET", "~k~", "BLOB"]
    for _ in range(2):
        assert wire.ask(*words) == b"*2\r\n+OK\r\n" + blob


def test_the_names_of_a_modelexecute_are_counted(wire: Wire) -> None:
    words = "AI.DAGRUN LOAD 1 a PERSIST 1 |> TENSORSET |> FLOAT 1"
    assert wire.ask(words).startswith(b"-wrong number of arguments for 'AI.TENSORSET'")
    words = "AI.DAGRUN MODELEXECUTE split INPUTS 1 a OUTPUTS 2 => |> => MODELRUN mul INPUTS => |> OUTPUTS ~z~"
    assert wire.ask(words).startswith(b"-")
    words = "AI.DAGRUN MODELEXECUTE split INPUTS 1 a OUTPUTS 2 => |> => TENSORGET |> VALUES"
    assert wire.ask(words) == b"*2\r\n+OK\r\n*1\r\n$1\r\n3\r\n"


# --------------------------------------------------------------------------------------- failures


@ON_ALL_KEYSPACES
def test_the_first_error_leaves_the_rest_out_and_stores_nothing(wire: Wire) -> None:
    reply = wire.ask(
        "AI.DAGRUN TENSORSET d FLOAT 3 => TENSORSET ~e~ FLOAT 2 VALUES 1 2 "
        "=> MODELRUN mul2 INPUTS d ~e~ OUTPUTS f => MODELRUN mul INPUTS f f OUTPUTS ~g~ "
        "=> TENSORGET ~g~ => TENSORGET ~e~ VALUES"
    )
    assert reply == (
        b"*6\r\n+OK\r\n+OK\r\n-" + DIMENSIONS.encode() + b"\r\n+NA\r\n+NA\r\n*2\r\n$1\r\n1\r\n$1\r\n2\r\n"
    )
    assert keys(wire) == set()


@ON_ALL_KEYSPACES
def test_an_operation_whose_output_nobody_reads_runs_and_its_error_shows(wire: Wire) -> None:
    reply = wire.ask("AI.DAGRUN MODELRUN mul2 INPUTS c a OUTPUTS ~x~ => TENSORSET d INT8 1")
    assert reply == b"*2\r\n-" + DIMENSIONS.encode() + b"\r\n+OK\r\n"
    assert keys(wire) == set()


@ON_ALL_KEYSPACES
@pytest.mark.parametrize(
    "words", ["AI.DAGRUN PERSIST 2 d mul |> TENSORSET d INT8 1 |> TENSORSET mul INT8 1",
              "AI.DAGRUN TENSORSET d INT8 1 => TENSORSET mul INT8 1"]
)  # fmt: skip
def test_a_key_of_another_type_is_an_extra_element_and_none_is_stored(wire: Wire, words: str) -> None:
    assert wire.ask(words) == b"*3\r\n+OK\r\n+OK\r\n-" + WRONGTYPE.encode() + b"\r\n"
    assert keys(wire) == set()


@ON_ALL_KEYSPACES
def test_a_plan_is_not_used_when_a_key_has_changed(wire: Wire) -> None:
    words = "AI.DAGRUN MODELRUN split INPUTS a OUTPUTS ~x~ ~y~ => TENSORGET ~x~ VALUES"
    assert wire.ask(words).startswith(b"*2\r\n+OK")
    assert wire.ask("AI.MODELDEL split") == OK
    assert wire.ask(words) == b"-ERR model key is empty\r\n"
    assert wire.ask("AI.MODELSTORE", "split", "ONNX", "CPU", "BLOB", wide()) == OK
    assert wire.ask(words) == f"-{INPUTS_DIFFER}\r\n".encode()
    assert wire.ask("DEL split a") == b":2\r\n"
    assert wire.ask("AI.TENSORSET split INT8 1") == OK
    assert wire.ask(words) == f"-{WRONGTYPE}\r\n".encode()


@ON_ALL_KEYSPACES
def test_a_plan_reads_every_payload_anew(wire: Wire) -> None:
    for number in (1, 2, 3):
        words = f"AI.DAGRUN TENSORSET ~x~ INT8 2 VALUES {number} {number} => TENSORGET ~x~ VALUES"
        assert wire.ask(words) == b"*2\r\n+OK\r\n*2\r\n" + b":%d\r\n" % number * 2
    assert wire.ask("AI.DAGRUN TENSORSET ~x~ INT8 2 VALUES 1 x => TENSORGET ~x~ VALUES") == (
        b"-ERR invalid value\r\n"
    )


# --------------------------------------------------------------------------------- declarations


@pytest.mark.parametrize(
    ("name", "flags", "keys"),
    [
        ("ai.dagrun", "write deny-oom movablekeys", (3, 3, 1)),
        ("ai.dagexecute", "write deny-oom movablekeys", (3, 3, 1)),
        ("ai.dagrun_ro", "readonly movablekeys", (3, 3, 1)),
        ("ai.dagrunro", "readonly movablekeys", (3, 3, 1)),
        ("ai.dagexecute_ro", "readonly movablekeys", (3, 3, 1)),
        ("ai.dagrunasync", "write deny-oom movablekeys", (0, 0, 0)),
        ("ai.dagstatus", "readonly fast", (0, 0, 0)),
        ("ai.daglist", "readonly fast", (0, 0, 0)),
        ("ai.dagcancel", "write fast", (0, 0, 0)),
    ],
)
def test_commands_are_declared_as_the_table_says(
    server: Server, name: str, flags: str, keys: tuple[int, int, int]
) -> None:
    with redis.Redis(port=server.port, protocol=2) as client:
        [entry] = client.execute_command("COMMAND INFO", name, NEVER_DECODE=True)
    assert (entry[0], [flag.decode() for flag in entry[2]]) == (name.encode(), flags.split())
    assert tuple(entry[3:6]) == keys


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ("LOAD 1 a PERSIST 1 b ROUTING c |> MODELRUN m INPUTS a OUTPUTS x", "a b c m"),
        ("KEEP 5 NOID ROUTING c TENSORSET d INT8 1 => MODELRUN m INPUTS d ~e~ OUTPUTS ~f~ g", "c m d g"),
    ],
)
def test_keys_are_those_that_the_keyspace_has(server: Server, words: str, keys: str) -> None:
    with redis.Redis(port=server.port, protocol=2) as client:
        found = client.execute_command("COMMAND GETKEYS", "AI.DAGRUNASYNC", *words.split())
    assert sorted(found) == sorted(keys.split())
