"""COMMAND GETKEYS: which words of a command are keys."""

import pytest

from tests.server.world import Wire


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ("AI.TENSORSET k FLOAT 1 VALUES 2", "k"),
        ("AI.TENSORGET k", "k"),
        ("AI.MODELSTORE m ONNX CPU TAG t BLOB x", "m"),
        ("AI.MODELDEL m", "m"),
        ("EXISTS a b c", "a b c"),
        ("AI.MODELEXECUTE m INPUTS 2 a b OUTPUTS 1 c TIMEOUT 5", "m a b c"),
        ("AI.MODELEXECUTE m INPUTS 2 a b OUTPUTS 1 a", "m a b a"),
        ("AI.MODELEXECUTE m INPUTS 9 a b OUTPUTS 1 c", "m"),
        ("AI.MODELRUN m INPUTS a b OUTPUTS c d", "m a b c d"),
        ("AI.MODELRUN m TIMEOUT 5 INPUTS a OUTPUTS c", "m a c"),
        ("AI.DAGEXECUTE LOAD 2 a b PERSIST 1 c |> AI.TENSORSET x INT8 1", "a b c"),
        ("AI.DAGEXECUTE PERSIST 1 c LOAD 1 a ROUTING tag |> AI.TENSORGET a", "a c tag"),
        ("AI.DAGEXECUTE ROUTING tag |> AI.MODELEXECUTE m INPUTS 1 a OUTPUTS 1 b |> AI.TENSORGET b", "tag m"),
        ("AI.DAGRUN LOAD 1 a TIMEOUT 3 ROUTING r |> AI.MODELRUN m INPUTS a OUTPUTS b", "a r m"),
        ("AI.DAGRUN MODELRUN foo INPUTS a ~b~ OUTPUTS ~c~ => TENSORGET ~c~", "foo a"),
        (
            "AI.DAGRUN TENSORSET a FLOAT 1 VALUES 5 => MODELRUN m INPUTS a a OUTPUTS b => TENSORGET k",
            "m a b k",
        ),
        ("AI.DAGRUN LOAD 2 a b NOPE", "a b"),
        ("AI.DAGRUNASYNC NOID KEEP 5 ROUTING r LOAD 1 a |> AI.TENSORGET a", "a r"),
    ],
)
def test_the_keys_of_a_command(wire: Wire, words: str, keys: str) -> None:
    expected = [b"$%d\r\n%b\r\n" % (len(key), key.encode()) for key in keys.split()]
    assert wire.ask(f"COMMAND GETKEYS {words}") == b"*%d\r\n" % len(expected) + b"".join(expected)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("NOPE a", "ERR Invalid command specified"),
        ("PING x", "ERR The command has no key arguments"),
        ("AI.DAGRUN TENSORSET ~a~ INT8 1", "ERR The command has no key arguments"),
        (f"AI.DAGRUN LOAD {'9' * 5000} a", "ERR The command has no key arguments"),
        ("AI.TENSORSET k", "ERR Invalid number of arguments specified for command"),
    ],
)
def test_a_command_without_keys(wire: Wire, words: str, error: str) -> None:
    assert wire.ask(f"COMMAND GETKEYS {words}") == f"-{error}\r\n".encode()
