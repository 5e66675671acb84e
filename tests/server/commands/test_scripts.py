import sys

import pytest

from alula.server import Server, background
from tests.server.redis_server import ON_ALL_KEYSPACES
from tests.server.torch_world import SCRIPT
from tests.server.world import Connect, Controlled, Wire, Words

OK = b"+OK\r\n"
WRONGTYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
EMPTY = b"-ERR script key is empty\r\n"
SHORT = b"def f(a):\n    return a\n"

NO_POINTS = "ERR Insufficient arguments, missing script entry points"

REFUSED: list[tuple[tuple[Words, ...], str]] = [
    (("CPU", "TAG", "t", "SOURCE", "x", "y"), NO_POINTS),
    (("CPU", "ENTRY_POINTS", "x", "f", "SOURCE", "s"),
     "ERR Non numeric entry points number provided to AI.SCRIPTSTORE command"),
    (("CPU", "ENTRY_POINTS", "9", "f", "SOURCE", "s"), NO_POINTS),
    (("CPU", "ENTRY_POINTS", "-1", "f", "SOURCE", "s"), NO_POINTS),
    (("CPU", "ENTRY_POINTS", "3", "f", "SOURCE", "s"), "ERR Insufficient arguments, missing script SOURCE"),
    (("CPU", "ENTRY_POINTS", "2", "f", "g", "SOURCE"), "ERR Insufficient arguments, missing script SOURCE"),
    (("CPU", "ENTRY_POINTS", "1", "f", "NOPE", "s"), "ERR Insufficient arguments, missing script SOURCE"),
    (("TPU", "ENTRY_POINTS", "1", "f", "SOURCE", "s"), "ERR unsupported device"),
    (("GPU", "ENTRY_POINTS", "1", "f", "SOURCE", "s"), "GPU requested but Torch couldn't find CUDA"),
    (("CPU", "ENTRY_POINTS", "1", "f", "SOURCE", "return 1"),
     "expected def but found 'return' here:   File \"<string>\", line 1 return 1 ~~~~~~ <--- HERE "),
    (("CPU", "ENTRY_POINTS", "1", "g", "SOURCE", SHORT), "Function g does not exist in the given script."),
    (("CPU", "ENTRY_POINTS", "1", "f", "SOURCE", SHORT),
     "Wrong number of inputs in function f. Expected 3 but was 1"),
    (("CPU", "ENTRY_POINTS", "1", "f", "SOURCE", b"def f(a, b, c):\n    return a\n"),
     "Wrong inputs type in function f. Expected signature similar to: "
     "def f(tensors: List[Tensor], keys: List[str], args: List[str])"),
]  # fmt: skip


@ON_ALL_KEYSPACES
@pytest.mark.parametrize(("words", "why"), REFUSED)
def test_a_script_that_is_not_right_is_refused_with_its_text(
    wire: Wire, words: tuple[Words, ...], why: str
) -> None:
    assert wire.ask("AI.SCRIPTSTORE", "s", *words) == f"-{why}\r\n".encode()
    assert wire.ask("EXISTS s") == b":0\r\n"


@ON_ALL_KEYSPACES
@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("AI.SCRIPTSTORE", "s", "CPU", "ENTRY_POINTS", "1", "f", "SOURCE"),
         "ERR wrong number of arguments for 'AI.SCRIPTSTORE' command"),
        (("AI.SCRIPTSET", "s", "CPU", "SOURCE"), "ERR wrong number of arguments for 'AI.SCRIPTSET' command"),
        (("ai.scriptset", "s", "CPU", "TAG", "t", "SOURCE"),
         "ERR wrong number of arguments for 'ai.scriptset' command"),
        (("AI.SCRIPTSET", "s", "CPU", "NOPE", "x"), "ERR Insufficient arguments, missing script SOURCE"),
        (("AI.SCRIPTSET", "s", "CPU", "TAG", "t", "NOPE", "x"),
         "ERR Insufficient arguments, missing script SOURCE"),
        (("AI.SCRIPTSET", "s", "TPU", "SOURCE", "x"), "ERR unsupported device"),
        (("AI.SCRIPTSET", "s", "CPU", "SOURCE", "return 1"),
         "expected def but found 'return' here:   File \"<string>\", line 1 return 1 ~~~~~~ <--- HERE "),
    ],
)  # fmt: skip
def test_both_ways_to_store_a_script_check_their_words(
    wire: Wire, words: tuple[Words, ...], why: str
) -> None:
    assert wire.ask(*words) == f"-{why}\r\n".encode()


@ON_ALL_KEYSPACES
def test_without_pytorch_scripts_cannot_be_stored(monkeypatch: pytest.MonkeyPatch, wire: Wire) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    gone = b"-ERR Could not load backend\r\n"
    assert wire.ask("AI.SCRIPTSET", "s", "CPU", "SOURCE", SHORT) == gone
    assert wire.ask("AI.MODELSTORE m TORCH CPU BLOB x") == gone
    assert wire.ask("PING") == b"+PONG\r\n"


def test_a_server_may_have_no_backend_for_scripts(controlled: Controlled, connect: Connect) -> None:
    with background(Server(port=0, backends={"ONNX": controlled})) as server:
        wire = connect(server)
        assert wire.ask("AI.SCRIPTSET", "s", "CPU", "SOURCE", SHORT) == b"-ERR Could not load backend\r\n"


@ON_ALL_KEYSPACES
def test_the_type_of_the_key_is_looked_at_last(wire: Wire) -> None:
    assert wire.ask("AI.TENSORSET k INT8 1") == OK
    assert wire.ask("AI.SCRIPTSET k CPU SOURCE x").startswith(b"-expected def")
    assert wire.ask("AI.SCRIPTSET", "k", "CPU", "SOURCE", SHORT) == WRONGTYPE
    assert wire.ask("TYPE k") == b"+AI_TENSOR\r\n"


# --------------------------------------------------------------------------------------- reading

FIELDS = (
    b"$6\r\ndevice\r\n$3\r\ncpu\r\n$3\r\ntag\r\n$2\r\nv1\r\n"
    b"$12\r\nEntry Points\r\n*2\r\n$6\r\ndouble\r\n$4\r\nboth\r\n"
)
SOURCE = b"$%d\r\n%b\r\n" % (len(SCRIPT), SCRIPT)


@ON_ALL_KEYSPACES
@pytest.mark.parametrize(
    ("asked", "reply"),
    [
        ((), b"*8\r\n" + FIELDS + b"$6\r\nsource\r\n" + SOURCE),
        (("SOURCE", "META"), b"*8\r\n" + FIELDS + b"$6\r\nsource\r\n" + SOURCE),
        (("meta",), b"*6\r\n" + FIELDS),
        (("SOURCE",), SOURCE),
        (("NOPE", "SOURCE"), SOURCE),
    ],
)
def test_a_script_comes_back_as_it_was_stored(wire: Wire, asked: tuple[str, ...], reply: bytes) -> None:
    points = ("TAG", "v1", "ENTRY_POINTS", "2", "double", "both")
    assert wire.ask("AI.SCRIPTSTORE", "s", "cpu", *points, "SOURCE", SCRIPT) == OK
    assert wire.ask("TYPE s") == b"+AI_SCRIPT\r\n"
    assert wire.ask("AI.SCRIPTGET", "s", *asked) == reply


@ON_ALL_KEYSPACES
def test_a_script_may_have_no_entry_points(wire: Wire) -> None:
    assert wire.ask("AI.SCRIPTSET", "s", "CPU", "TAG", "", "SOURCE", SHORT) == OK
    assert wire.ask("AI.SCRIPTGET s META").endswith(b"$12\r\nEntry Points\r\n*0\r\n")


@ON_ALL_KEYSPACES
@pytest.mark.parametrize("command", ["AI.SCRIPTGET", "AI.SCRIPTDEL"])
def test_what_is_no_script_cannot_be_read_or_deleted_as_one(wire: Wire, command: str) -> None:
    assert wire.ask(command, "nope") == EMPTY
    assert wire.ask("AI.TENSORSET k INT8 1") == OK
    assert wire.ask(command, "k") == WRONGTYPE


@ON_ALL_KEYSPACES
@pytest.mark.parametrize("command", ["AI._SCRIPTSCAN", "AI.SCRIPTSCAN"])
def test_scripts_are_listed_and_deleted(wire: Wire, command: str) -> None:
    assert wire.ask(command) == b"*0\r\n"
    for key in ("ket2", "ket1"):
        assert wire.ask("AI.SCRIPTSET", key, "CPU", "TAG", "t", "SOURCE", SHORT) == OK
    entries = [b"*2\r\n$4\r\n%b\r\n$1\r\nt\r\n" % key for key in (b"ket1", b"ket2")]
    assert wire.ask(command) == b"*2\r\n" + b"".join(entries)
    assert wire.ask("AI.SCRIPTDEL ket1") == OK
    assert wire.ask(command) == b"*1\r\n" + entries[1]


@ON_ALL_KEYSPACES
def test_a_script_is_stored_in_a_transaction(wire: Wire) -> None:
    assert wire.ask("MULTI") == OK
    assert wire.ask("AI.SCRIPTSET", "s", "CPU", "SOURCE", SHORT) == b"+QUEUED\r\n"
    assert wire.ask("AI.SCRIPTGET s SOURCE") == b"+QUEUED\r\n"
    assert wire.ask("EXEC") == b"*2\r\n+OK\r\n$%d\r\n%b\r\n" % (len(SHORT), SHORT)
