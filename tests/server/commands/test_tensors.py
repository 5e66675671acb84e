import struct

import pytest

from tests.server.redis_server import ON_ALL_KEYSPACES
from tests.server.world import Wire, Words, request

pytestmark = ON_ALL_KEYSPACES

OK = b"+OK\r\n"
WRONGTYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
ARITY = b"-ERR wrong number of arguments for '%b' command\r\n"
ABSENT = b"-ERR tensor key is empty or in a different shard\r\n"

# What AI.TENSORSET refuses, in the order in which it looks.
REFUSED: list[tuple[tuple[Words, ...], str]] = [
    (("k", "NOPE", "x"), "ERR invalid data type"),
    (("k", "UINT32", "1"), "ERR invalid data type"),
    (("k", "FLOAT", "0", "VALUES"), "ERR invalid or negative value found in tensor shape"),
    (("k", "FLOAT", "-1", "VALUES"), "ERR invalid or negative value found in tensor shape"),
    (("k", "FLOAT", "1.5"), "ERR invalid or negative value found in tensor shape"),
    (("k", "FLOAT", "2", "x", "VALUES"), "ERR invalid or negative value found in tensor shape"),
    (("k", "FLOAT", *["1"] * 65), "ERR invalid or negative value found in tensor shape"),
    (
        ("k", "FLOAT", "1", "BLOB"),
        "ERR a single binary string should come after the BLOB argument in 'AI.TENSORSET' command",
    ),
    (
        ("k", "FLOAT", "1", "BLOB", b"1234", "x"),
        "ERR a single binary string should come after the BLOB argument in 'AI.TENSORSET' command",
    ),
    (
        ("k", "FLOAT", "2", "VALUES", "1"),
        "ERR wrong number of values was given in 'AI.TENSORSET' command",
    ),
    (("k", "FLOAT", "VALUES"), "ERR wrong number of values was given in 'AI.TENSORSET' command"),
    (("k", "FLOAT", "1", "BLOB", b"123"), "ERR data length does not match tensor shape and type"),
    (("k", "BOOL", "1", "BLOB", b"\2"), "ERR BOOL tensor elements must be 0 or 1"),
    (
        ("k", "STRING", "2", "BLOB", b"a\0"),
        "ERR Number of string elements in data blob does not match tensor length",
    ),
    (("k", "FLOAT", "1", "VALUES", "nan"), "ERR invalid value"),
    (("k", "INT8", "2", "VALUES", "-1", "-128"), "ERR invalid value"),
    (("k", "STRING", "1", "VALUES", b"a\0b"), "ERR C-string value contains null character"),
]


@pytest.mark.parametrize(("words", "why"), REFUSED)
def test_a_tensor_that_is_not_right_is_refused_with_its_text(
    wire: Wire, words: tuple[Words, ...], why: str
) -> None:
    assert wire.ask("AI.TENSORSET", *words) == f"-{why}\r\n".encode()
    assert wire.ask("EXISTS", "k") == b":0\r\n"


@pytest.mark.parametrize("name", ["AI.TENSORSET", "ai.tensorset", "Ai.TensorSet"])
def test_the_arity_error_has_the_name_as_it_was_typed(wire: Wire, name: str) -> None:
    assert wire.ask(name, "k", "FLOAT") == ARITY % name.encode()


@pytest.mark.parametrize("words", [("AI.TENSORGET",), ("AI.TENSORGET", "k", "META", "BLOB", "BLOB")])
def test_tensorget_takes_two_to_four_words(wire: Wire, words: tuple[str, ...]) -> None:
    assert wire.ask(*words) == ARITY % b"AI.TENSORGET"


def test_the_key_s_type_is_looked_at_before_anything_else(wire: Wire, models: object) -> None:
    assert wire.ask("AI.TENSORSET mul NOPE x") == WRONGTYPE
    assert wire.ask("AI.TENSORGET mul NOPE") == WRONGTYPE
    assert wire.ask("AI.TENSORGET nothing NOPE") == ABSENT


def test_the_words_of_tensorget_that_it_does_not_know(wire: Wire) -> None:
    assert wire.ask("AI.TENSORSET k FLOAT 1 VALUES 5") == OK
    assert wire.ask("AI.TENSORGET k NOPE") == b"-ERR unsupported data format\r\n"
    assert wire.ask("AI.TENSORGET k META NOPE") == b"-ERR unsupported data format\r\n"
    assert wire.ask("AI.TENSORGET k BLOB VALUES") == b"-ERR both BLOB and VALUES specified\r\n"


META = b"$5\r\ndtype\r\n$5\r\nFLOAT\r\n$5\r\nshape\r\n*2\r\n:1\r\n:2\r\n"
BLOB = struct.pack("<2f", 5, 10)
VALUES = b"*2\r\n$1\r\n5\r\n$2\r\n10\r\n"


@pytest.mark.parametrize(
    ("asked", "reply"),
    [
        ((), b"*6\r\n" + META + b"$4\r\nblob\r\n$8\r\n" + BLOB + b"\r\n"),
        (("META", "BLOB"), b"*6\r\n" + META + b"$4\r\nblob\r\n$8\r\n" + BLOB + b"\r\n"),
        (("blob", "meta"), b"*6\r\n" + META + b"$4\r\nblob\r\n$8\r\n" + BLOB + b"\r\n"),
        (("META",), b"*4\r\n" + META),
        (("META", "VALUES"), b"*6\r\n" + META + b"$6\r\nvalues\r\n" + VALUES),
        (("BLOB",), b"$8\r\n" + BLOB + b"\r\n"),
        (("VALUES",), VALUES),
    ],
)
def test_every_form_of_tensorget(wire: Wire, asked: tuple[str, ...], reply: bytes) -> None:
    assert wire.ask("AI.TENSORSET k float 1 2 values 5 10") == OK
    assert wire.ask("AI.TENSORGET", "k", *asked) == reply


@pytest.mark.parametrize(
    ("dtype", "given", "reply"),
    [
        ("INT8", ("-127", "127"), b":-127\r\n:127\r\n"),
        ("UINT16", ("0", "65535"), b":0\r\n:65535\r\n"),
        ("INT64", ("-9223372036854775807", "1"), b":-9223372036854775807\r\n:1\r\n"),
        ("BOOL", ("1", "0"), b":1\r\n:0\r\n"),
        ("STRING", (b"a\r\n", b"\xff\0"), b"$3\r\na\r\n\r\n$1\r\n\xff\r\n"),
        ("FLOAT", ("0.1", "inf"), b"$19\r\n0.10000000149011612\r\n$3\r\ninf\r\n"),
        ("DOUBLE", ("0.1", "-inf"), b"$19\r\n0.10000000000000001\r\n$4\r\n-inf\r\n"),
    ],
)
def test_values_of_every_kind(wire: Wire, dtype: str, given: tuple[Words, ...], reply: bytes) -> None:
    assert wire.ask("AI.TENSORSET", "k", dtype, 2, "VALUES", *given) == OK
    assert wire.ask("AI.TENSORGET k VALUES") == b"*2\r\n" + reply


def test_not_a_number_comes_in_a_blob_and_is_shown_as_such(wire: Wire) -> None:
    assert wire.ask("AI.TENSORSET", "k", "FLOAT", 1, "BLOB", struct.pack("<f", float("nan"))) == OK
    assert wire.ask("AI.TENSORGET k VALUES") == b"*1\r\n$3\r\nnan\r\n"


def test_scalars_and_zeros(wire: Wire) -> None:
    assert wire.ask("AI.TENSORSET s FLOAT VALUES 3") == OK
    assert wire.ask("AI.TENSORGET s META") == b"*4\r\n$5\r\ndtype\r\n$5\r\nFLOAT\r\n$5\r\nshape\r\n*0\r\n"
    assert wire.ask("AI.TENSORSET b FLOAT BLOB 1234") == OK
    assert wire.ask("AI.TENSORGET b BLOB") == b"$4\r\n1234\r\n"
    assert wire.ask("AI.TENSORSET z STRING 2") == OK
    assert wire.ask("AI.TENSORGET z BLOB") == b"$2\r\n\0\0\r\n"


def test_keys_are_any_bytes(wire: Wire) -> None:
    key = "ключ\r\n~".encode() + b"\xff\0"
    assert wire.ask("AI.TENSORSET", key, "INT8", 1, "VALUES", 7) == OK
    assert wire.ask("AI.TENSORGET", key, "VALUES") == b"*1\r\n:7\r\n"


def test_a_tensor_replaces_a_tensor(wire: Wire) -> None:
    wire.send(request("AI.TENSORSET k INT8 1 VALUES 1") + request("AI.TENSORSET k INT8 2 VALUES 2 3"))
    assert [wire.reply(), wire.reply()] == [OK, OK]
    assert wire.ask("AI.TENSORGET k VALUES") == b"*2\r\n:2\r\n:3\r\n"


def test_outside_a_dag_a_name_with_wings_is_an_ordinary_key(wire: Wire) -> None:
    assert wire.ask("AI.TENSORSET ~a~ INT8 1 VALUES 1") == OK
    assert wire.ask("EXISTS ~a~") == b":1\r\n"
