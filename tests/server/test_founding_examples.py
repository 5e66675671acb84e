"""Every example of the founding proposal, as it is printed there, with the replies that it is to have."""

import struct
from collections.abc import Iterator

import pytest

from alula.server import Server, background
from tests.server.world import MUL, Connect, Wire

OK = b"+OK\r\n"
BAZ = "def baz(tensor):\n    return tensor + 1\n"
SHOWN = b"*2\r\n$1\r\n4\r\n$1\r\n9\r\n"
BLOB = struct.pack("<2f", 4, 9)
WHOLE = (
    b"*6\r\n$5\r\ndtype\r\n$5\r\nFLOAT\r\n$5\r\nshape\r\n*1\r\n:2\r\n$4\r\nblob\r\n$8\r\n" + BLOB + b"\r\n"
)


@pytest.fixture(scope="module")
def bar() -> Iterator[Server]:
    """A server with the model foo and the script bar: to compile it takes longer than a test."""
    with background(Server(port=0)) as server:
        server.deploy("foo", MUL)
        wire = Wire(server.port)
        assert wire.ask("AI.SCRIPTSET", "bar", "CPU", "SOURCE", BAZ) == OK
        wire.close()
        yield server


@pytest.fixture
def wire(bar: Server, connect: Connect) -> Wire:
    made = connect(bar)
    made.ask("DEL a b c d ~a~ ~b~ ~c~")
    return made


def keys(wire: Wire) -> set[bytes]:
    return set(wire.ask("KEYS *").split(b"\r\n")[2::2]) - {b"foo", b"bar"}


def given(wire: Wire) -> None:
    for key in ("a", "b"):
        assert wire.ask(f"AI.TENSORSET {key} FLOAT 2 VALUES 2 3") == OK


def test_intermediates_with_wings_and_one_durable_output(wire: Wire) -> None:
    reply = wire.ask(
        "AI.DAGRUN TENSORSET ~a~ FLOAT 2 VALUES 2 3 => TENSORSET ~b~ FLOAT 2 VALUES 2 3 => "
        "MODELRUN foo INPUTS ~a~ ~b~ OUTPUTS ~c~ => SCRIPTRUN bar baz INPUTS ~c~ OUTPUTS d"
    )
    assert reply == b"*4\r\n" + OK * 4
    assert keys(wire) == {b"d"}
    assert wire.ask("AI.TENSORGET d VALUES") == b"*2\r\n$1\r\n5\r\n$2\r\n10\r\n"


def test_a_model_run_that_returns_its_result(wire: Wire) -> None:
    given(wire)
    assert (
        wire.ask("AI.DAGRUN MODELRUN foo INPUTS a b OUTPUTS ~c~ => TENSORGET ~c~") == b"*2\r\n" + OK + WHOLE
    )
    assert keys(wire) == {b"a", b"b"}


def test_without_touching_the_keyspace_at_all(wire: Wire) -> None:
    reply = wire.ask(
        "AI.DAGRUN TENSORSET ~a~ FLOAT 2 VALUES 2 3 => TENSORSET ~b~ FLOAT 2 VALUES 2 3 => "
        "MODELRUN foo INPUTS ~a~ ~b~ OUTPUTS ~c~ => TENSORGET ~c~ VALUES"
    )
    assert reply == b"*4\r\n" + OK * 3 + SHOWN
    assert keys(wire) == set()


def test_what_has_no_wings_is_stored_together_at_the_end(wire: Wire) -> None:
    assign = "AI.DAGRUN TENSORSET a FLOAT 2 VALUES 2 3"
    assert (
        wire.ask(f"{assign} => MODELRUN foo INPUTS a a OUTPUTS b => TENSORGET b VALUES")
        == b"*3\r\n" + OK * 2 + SHOWN
    )
    assert keys(wire) == {b"a", b"b"}
    wire.ask("DEL a b")
    assert wire.ask("AI.TENSORSET c FLOAT 3") == OK
    reply = wire.ask(f"{assign} => MODELRUN foo INPUTS a c OUTPUTS b")
    assert reply.startswith(b"*2\r\n+OK\r\n-")
    assert keys(wire) == {b"c"}


def test_the_variant_for_replicas_writes_nothing(wire: Wire) -> None:
    given(wire)
    assert wire.ask("AI.DAGRUNRO MODELRUN foo INPUTS a b OUTPUTS c") == (
        b"-ERR a non volatile key cannot be written in a read-only DAG\r\n"
    )
    assert wire.ask("AI.DAGRUNRO MODELRUN foo INPUTS a b OUTPUTS ~c~ => TENSORGET ~c~ VALUES") == (
        b"*2\r\n" + OK + SHOWN
    )


def test_the_variant_that_nobody_waits_for_gives_an_id_and_its_keys_are_told(wire: Wire, bar: Server) -> None:
    given(wire)
    listener = Wire(bar.port)
    assert wire.ask("CONFIG SET notify-keyspace-events Kd") == OK
    assert listener.ask("SUBSCRIBE __keyspace@0__:d").startswith(b"*3")
    reply = wire.ask(
        "AI.DAGRUNASYNC MODELRUN foo INPUTS a b OUTPUTS ~c~ => SCRIPTRUN bar baz INPUTS ~c~ OUTPUTS d"
    )
    number = reply.split(b"\r\n")[1].decode()
    assert listener.reply().endswith(b"$9\r\ntensorset\r\n")
    listener.close()
    assert b"+done" in wire.ask(f"AI.DAGSTATUS {number} WAIT 0")
    assert wire.ask("CONFIG", "SET", "notify-keyspace-events", "") == OK
