"""COMMAND GETKEYS: which words of a command are keys."""

import hiredis
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
        ("AI.SCRIPTEXECUTE s f KEYS 1 k INPUTS 2 a b ARGS 1 x OUTPUTS 1 c TIMEOUT 5", "s k a b c"),
        ("AI.SCRIPTEXECUTE s f INPUTS 1 a KEYS 1 k", "s k a"),
        ("AI.SCRIPTRUN s f INPUTS a $ b c OUTPUTS d", "s a b c d"),
        ("AI.DAGRUN SCRIPTRUN s f INPUTS a ~b~ OUTPUTS c", "s a c"),
        ("AI.DAGEXECUTE ROUTING r |> AI.SCRIPTEXECUTE s f INPUTS 1 a OUTPUTS 1 b", "r s"),
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


# ---------------------------------------------------------------------------------- the contract

DECLARED = """
    ai.tensorset ai.modelset ai.modelstore ai.scriptset ai.scriptstore | write deny-oom | 1 1 1
    ai.tensorget ai.modelget ai.scriptget ai.info | readonly | 1 1 1
    ai.modeldel ai.scriptdel | write | 1 1 1
    ai.modelrun | write deny-oom movablekeys | 3 3 1
    ai.modelexecute ai.scriptrun | write deny-oom movablekeys | 4 4 1
    ai.scriptexecute | write deny-oom movablekeys | 5 5 1
    ai.dagrun ai.dagexecute | write deny-oom movablekeys | 3 3 1
    ai.dagrun_ro ai.dagrunro ai.dagexecute_ro | readonly movablekeys | 3 3 1
    ai._modelscan ai._scriptscan | readonly | 0 0 0
    ai.config | write | 0 0 0
    ai.dagrunasync | write deny-oom movablekeys | 0 0 0
    ai.dagstatus ai.daglist | readonly fast | 0 0 0
    ai.dagcancel | write fast | 0 0 0
"""


@pytest.mark.parametrize("line", DECLARED.strip().splitlines(), ids=lambda line: line.split()[0])
def test_flags_and_positions_of_keys_are_those_of_the_contract(wire: Wire, line: str) -> None:
    names, flags, keys = (part.split() for part in line.split("|"))
    reader = hiredis.Reader(encoding="utf-8")
    reader.feed(wire.ask("COMMAND", "INFO", *names))
    for entry in reader.gets():
        assert entry[2:6] == [flags, *map(int, keys)]
