from collections.abc import Iterator
from time import monotonic

import pytest

from alula.server import Server, background, picture
from tests.server.torch_world import ENTRY, SCRIPT, torch_model
from tests.server.world import MUL, Connect, Wire

OK = b"+OK\r\n"
WRONGTYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
E, R = "AI.SCRIPTEXECUTE s double", "AI.SCRIPTRUN s bar"


@pytest.fixture(scope="module")
def scripted() -> Iterator[Server]:
    """A server for all of these: to compile the script takes longer than a test."""
    with background(Server(port=0)) as server:
        wire = Wire(server.port)
        points = ("ENTRY_POINTS", len(ENTRY), *ENTRY)
        assert wire.ask("AI.SCRIPTSTORE", "s", "CPU", *points, "SOURCE", SCRIPT) == OK
        assert wire.ask("AI.MODELSTORE", "mul", "TORCH", "CPU", "BLOB", torch_model("mul")) == OK
        assert wire.ask("AI.MODELSTORE", "onnx", "ONNX", "CPU", "BLOB", MUL) == OK
        for name, number in (("a", 2), ("b", 3)):
            assert wire.ask("AI.TENSORSET", name, "FLOAT", 1, "VALUES", number) == OK
        wire.close()
        yield server


@pytest.fixture
def wire(scripted: Server, connect: Connect) -> Wire:
    wire = connect(scripted)
    wire.ask("DEL o p k d")
    return wire


def numbers(*values: int) -> bytes:
    return b"*%d\r\n" % len(values) + b"".join(b"$%d\r\n%d\r\n" % (len(str(v)), v) for v in values)


# --------------------------------------------------------------------------- what is not right

REFUSED: list[tuple[str, str]] = [
    ("AI.SCRIPTEXECUTE s", "ERR wrong number of arguments for 'AI.SCRIPTEXECUTE' command"),
    ("AI.SCRIPTEXECUTE nope f INPUTS", "ERR script key is empty"),
    ("AI.SCRIPTEXECUTE a f INPUTS", WRONGTYPE),
    (f"{E}", "ERR KEYS or INPUTS scope must be provided first for AI.SCRIPTEXECUTE command"),
    (f"{E} OUTPUTS 1 o", "ERR KEYS or INPUTS scope must be provided first for AI.SCRIPTEXECUTE command"),
    (f"{E} KEYS 1 a KEYS 1 a", "ERR Already Encountered KEYS scope in AI.SCRIPTEXECUTE command"),
    (f"{E} INPUTS 1 a INPUTS 1 a", "ERR Already Encountered INPUTS scope in AI.SCRIPTEXECUTE command"),
    (f"{E} INPUTS 1 a ARGS 1 a ARGS 1 a", "ERR Already Encountered ARGS scope in AI.SCRIPTEXECUTE command"),
    (f"{E} INPUTS 1 a OUTPUTS 1 a OUTPUTS 1 a",
     "ERR Already Encountered OUTPUTS scope in AI.SCRIPTEXECUTE command"),
    (f"{E} KEYS", "ERR Missing arguments after KEYS keyword"),
    (f"{E} KEYS 1", "ERR Missing arguments after KEYS keyword"),
    (f"{E} KEYS x a", "ERR Invalid or negative value found in number of KEYS"),
    (f"{E} KEYS 0 a", "ERR Invalid or negative value found in number of KEYS"),
    (f"{E} KEYS 2 a",
     "ERR Number of pre declared KEYS to be used in the command "
     "does not match the number of given arguments"),
    (f"{E} INPUTS", "ERR Invalid arguments provided to AI.SCRIPTEXECUTE"),
    (f"{E} INPUTS 1 a OUTPUTS", "ERR Invalid arguments provided to AI.SCRIPTEXECUTE"),
    (f"{E} INPUTS 1 a ARGS", "ERR Invalid arguments provided to AI.SCRIPTEXECUTE"),
    (f"{E} INPUTS x a", "ERR Invalid argument for inputs count in AI.SCRIPTEXECUTE"),
    (f"{E} INPUTS -1 a", "ERR Invalid argument for inputs count in AI.SCRIPTEXECUTE"),
    (f"{E} INPUTS 1 a OUTPUTS x o", "ERR Invalid argument for outputs count in AI.SCRIPTEXECUTE"),
    (f"{E} INPUTS 1 a ARGS x o", "ERR Invalid argument for keys count in AI.SCRIPTEXECUTE"),
    (f"{E} INPUTS 2 a",
     "ERR number of inputs to AI.SCRIPTEXECUTE command does not match the number of given arguments"),
    (f"{E} INPUTS 1 a OUTPUTS 2 o",
     "ERR number of outputs to AI.SCRIPTEXECUTE command does not match the number of given arguments"),
    (f"{E} INPUTS 1 a ARGS 2 o",
     "ERR number of args to AI.SCRIPTEXECUTE command does not match the number of given arguments"),
    (f"{E} INPUTS 1 a TIMEOUT", "ERR No value provided for TIMEOUT in AI.SCRIPTEXECUTE"),
    (f"{E} INPUTS 1 a TIMEOUT 0", "ERR Invalid value for TIMEOUT"),
    (f"{E} INPUTS 1 a TIMEOUT 1 x", "ERR Encountered problem parsing AI.SCRIPTEXECUTE"),
    (f"{E} INPUTS 1 a NOPE", "ERR Invalid AI.SCRIPTEXECUTE command. Unexpected argument: NOPE"),
    (f"{E} INPUTS 1 nope", "ERR tensor key is empty or in a different shard"),
    (f"{E} INPUTS 1 s", WRONGTYPE),
    ("AI.SCRIPTRUN s", "ERR wrong number of arguments for 'AI.SCRIPTRUN' command"),
    ("AI.SCRIPTRUN nope f", "ERR script key is empty"),
    (f"{R} TIMEOUT 1 TIMEOUT 1", "ERR Already encountered an TIMEOUT section in SCRIPTRUN"),
    (f"{R} TIMEOUT x", "ERR Invalid value for TIMEOUT"),
    (f"{R} TIMEOUT", "ERR Invalid value for TIMEOUT"),
    (f"{R} INPUTS a INPUTS b", "ERR Already encountered an INPUTS keyword in SCRIPTRUN"),
    (f"{R} INPUTS a OUTPUTS o INPUTS b", "ERR Already encountered an INPUTS section in SCRIPTRUN"),
    (f"{R} INPUTS a OUTPUTS o OUTPUTS p", "ERR Already encountered an OUTPUTS keyword in SCRIPTRUN"),
    (f"{R} OUTPUTS o INPUTS a OUTPUTS p", "ERR Already encountered an OUTPUTS keyword in SCRIPTRUN"),
    (f"{R} $ a", "ERR Encountered a variable size list of tensors outside of input section"),
    (f"{R} INPUTS a OUTPUTS $ o", "ERR Encountered a variable size list of tensors outside of input section"),
    (f"{R} INPUTS $ a $ b", "ERR Already encountered a variable size list of tensors"),
    (f"{R} NOPE", "ERR Unrecongnized parameter to SCRIPTRUN"),
    (f"{R} INPUTS a nope OUTPUTS o", "ERR tensor key is empty or in a different shard"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "why"), REFUSED)
def test_a_call_that_is_not_right_is_one_error(wire: Wire, words: str, why: str) -> None:
    for _ in range(2):  # the second time nothing may come out of the cache
        assert wire.ask(words) == f"-{why}\r\n".encode()


FAILED: list[tuple[str, str]] = [
    ("AI.SCRIPTEXECUTE s nope INPUTS 1 a", "Function does not exist: nope"),
    ("AI.SCRIPTEXECUTE s bar INPUTS 1 a OUTPUTS 1 o", "Wrong number of inputs provided to function: bar"),
    ("AI.SCRIPTRUN s number INPUTS a OUTPUTS o", "Unsupported input type in function definition: number"),
    ("AI.SCRIPTRUN s bar INPUTS a b OUTPUTS o p", "Function returned unexpected number of outputs - bar"),
    ("AI.SCRIPTRUN s count INPUTS a OUTPUTS o", "Function returned non-tensor valuescount"),
    ("AI.SCRIPTEXECUTE s unknown INPUTS 1 a OUTPUTS 1 o",
     "Redis command returned an error: Invalid argument"),
    ("AI.SCRIPTEXECUTE s store KEYS 1 a ARGS 1 x INPUTS 0 OUTPUTS 0 ARGS 0",
     "ERR Already Encountered ARGS scope in AI.SCRIPTEXECUTE command"),
    ("AI.SCRIPTEXECUTE s push KEYS 1 a INPUTS 0 ARGS 1 1 OUTPUTS 1 o",
     f"Redis command returned an error: {WRONGTYPE}"),
    ("AI.SCRIPTEXECUTE s through_model KEYS 1 nope INPUTS 0 ARGS 1 x OUTPUTS 1 o", "ERR model key is empty"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "why"), FAILED)
def test_a_call_that_fails_says_why_and_stores_nothing(wire: Wire, words: str, why: str) -> None:
    assert wire.ask(words) == f"-{why}\r\n".encode()
    assert wire.ask("EXISTS o p") == b":0\r\n"


def test_what_went_wrong_inside_is_told_on_one_line(wire: Wire) -> None:
    reply = wire.ask("AI.SCRIPTEXECUTE s beyond INPUTS 1 a OUTPUTS 1 o")
    assert reply.startswith(b"-The following operation failed in the TorchScript interpreter.")
    assert b"list index out of range" in reply


# ------------------------------------------------------------------------------ what is right


@pytest.mark.parametrize(
    ("words", "result"),
    [
        ("AI.SCRIPTEXECUTE s double INPUTS 1 a OUTPUTS 1 o", (4,)),
        ("AI.SCRIPTEXECUTE s bar INPUTS 2 a b OUTPUTS 1 o TIMEOUT 60000", (5,)),
        ("AI.SCRIPTEXECUTE s both KEYS 1 k OUTPUTS 2 p o ARGS 0 INPUTS 2 a b", (3,)),
        ("AI.SCRIPTEXECUTE s through_model KEYS 1 mul INPUTS 2 a b ARGS 1 x OUTPUTS 1 o", (6,)),
        ("AI.SCRIPTEXECUTE s through_model KEYS 1 onnx INPUTS 2 a b ARGS 1 x OUTPUTS 1 o", (6,)),
        ("AI.SCRIPTRUN s bar TIMEOUT 60000 INPUTS a b OUTPUTS o", (5,)),
        ("AI.SCRIPTRUN s bar_variadic INPUTS a $ a b OUTPUTS o", (5,)),
        ("AI.SCRIPTRUN s bar_variadic OUTPUTS o INPUTS a $ a b", (5,)),
        ("AI.MODELEXECUTE mul INPUTS 2 a b OUTPUTS 1 o", (6,)),
    ],
)
def test_outputs_are_stored(wire: Wire, words: str, result: tuple[int, ...]) -> None:
    assert wire.ask(words) == OK
    assert wire.ask("AI.TENSORGET o VALUES") == numbers(*result)


def test_a_script_reads_and_writes_the_keyspace(wire: Wire) -> None:
    assert wire.ask("AI.SCRIPTEXECUTE s store KEYS 1 k ARGS 1 v INPUTS 0") == OK
    assert wire.ask("GET k") == b"$1\r\nv\r\n"
    wire.ask("DEL k")
    assert wire.ask("AI.SCRIPTEXECUTE s nothing KEYS 1 k INPUTS 0 OUTPUTS 1 o") == OK
    assert wire.ask("AI.TENSORGET o VALUES") == b"*2\r\n:1\r\n:0\r\n"
    assert wire.ask("AI.SCRIPTEXECUTE s push KEYS 1 k INPUTS 0 ARGS 2 4 5 OUTPUTS 1 o") == OK
    assert wire.ask("AI.TENSORGET o VALUES") == b"*2\r\n:4\r\n:5\r\n"


@pytest.mark.parametrize(
    "command", ["AI.SCRIPTEXECUTE s double INPUTS 1 a OUTPUTS 1 s", "AI.SCRIPTRUN s bar INPUTS a b OUTPUTS s"]
)
def test_an_output_under_a_key_of_another_type_is_one_error(wire: Wire, command: str) -> None:
    assert wire.ask(command) == f"-{WRONGTYPE}\r\n".encode()
    assert wire.ask("PING") == b"+PONG\r\n"


def test_runs_of_scripts_are_counted(wire: Wire) -> None:
    assert wire.ask("AI.INFO s RESETSTAT") == OK
    assert wire.ask("AI.SCRIPTRUN s bar INPUTS a b OUTPUTS o") == OK
    assert wire.ask("AI.SCRIPTRUN s nope INPUTS a OUTPUTS o").startswith(b"-")
    reply = wire.ask("AI.INFO s")
    assert reply.startswith(
        b"*18\r\n$3\r\nkey\r\n$1\r\ns\r\n$4\r\ntype\r\n$6\r\nSCRIPT\r\n$7\r\nbackend\r\n$5\r\nTORCH"
    )
    assert reply.endswith(b"$7\r\nsamples\r\n:-1\r\n$5\r\ncalls\r\n:2\r\n$6\r\nerrors\r\n:1\r\n")


def test_running_commands_have_no_place_in_a_transaction(wire: Wire) -> None:
    assert wire.ask("MULTI") == OK
    for words in (
        "AI.SCRIPTRUN s bar INPUTS a b OUTPUTS o",
        "AI.SCRIPTEXECUTE s double INPUTS 1 a OUTPUTS 1 o",
    ):
        assert wire.ask(words) == b"+QUEUED\r\n"
    not_here = b"-ERR Cannot run RedisAI command within a transaction or a LUA script\r\n"
    assert wire.ask("EXEC") == b"*2\r\n" + not_here * 2


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ("AI.SCRIPTEXECUTE s f KEYS 1 k INPUTS 1 a ARGS 1 x OUTPUTS 1 o", ["s", "k", "a", "o"]),
        ("AI.SCRIPTEXECUTE s f OUTPUTS 1 o", ["s"]),
        ("AI.SCRIPTRUN s f INPUTS a $ b OUTPUTS o", ["s", "a", "b", "o"]),
        (
            "AI.DAGRUN SCRIPTRUN s f INPUTS a OUTPUTS ~o~ => SCRIPTRUN t f INPUTS ~o~ OUTPUTS b",
            ["s", "t", "a", "b"],
        ),
    ],
)
def test_its_keys_are_known(wire: Wire, words: str, keys: list[str]) -> None:
    found = wire.ask(f"COMMAND GETKEYS {words}").decode().split("\r\n")[2::2]
    assert sorted(found) == sorted(keys)


# --------------------------------------------------------------------------------------- in a DAG


def test_scripts_are_operations_of_both_grammars(wire: Wire) -> None:
    run = "SCRIPTRUN s bar INPUTS ~m~ b OUTPUTS d"
    assert wire.ask(f"AI.DAGRUN MODELRUN mul INPUTS a b OUTPUTS ~m~ => {run} => TENSORGET d VALUES") == (
        b"*3\r\n+OK\r\n+OK\r\n" + numbers(9)
    )
    scoped = "AI.SCRIPTEXECUTE s double OUTPUTS 1 x INPUTS 1 a |> AI.TENSORGET x VALUES"
    assert wire.ask(f"AI.DAGEXECUTE LOAD 1 a |> {scoped}") == b"*2\r\n+OK\r\n" + numbers(4)
    assert wire.ask("EXISTS x d") == b":1\r\n"


def test_words_that_are_counted_may_be_any(wire: Wire) -> None:
    words = "AI.DAGEXECUTE LOAD 1 a |> AI.SCRIPTEXECUTE s store KEYS 1 k ARGS 1 |> INPUTS 1 a"
    assert wire.ask(words) == b"*1\r\n+OK\r\n"
    assert wire.ask("GET k") == b"$2\r\n|>\r\n"


IN_DAG: list[tuple[str, str]] = [
    ("AI.DAGEXECUTE LOAD 1 a |> AI.SCRIPTEXECUTE s double INPUTS 1 a TIMEOUT 1",
     "ERR TIMEOUT not allowed within a DAG command"),
    ("AI.DAGRUN |> AI.SCRIPTRUN s bar TIMEOUT 1", "ERR TIMEOUT not allowed within a DAG command"),
    ("AI.DAGEXECUTE LOAD 1 a |> AI.SCRIPTEXECUTE nope f", "ERR script key is empty"),
    ("AI.DAGRUN |> AI.SCRIPTRUN a f INPUTS x", WRONGTYPE),
    ("AI.DAGRUN |> AI.SCRIPTRUN s bar INPUTS x", "ERR INPUT key cannot be found in DAG"),
    ("AI.DAGRUNRO SCRIPTRUN s bar INPUTS a b OUTPUTS o",
     "ERR a non volatile key cannot be written in a read-only DAG"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "why"), IN_DAG)
def test_a_dag_with_a_call_that_is_not_right_is_one_error(wire: Wire, words: str, why: str) -> None:
    assert wire.ask(words) == f"-{why}\r\n".encode()


@pytest.mark.parametrize("command", ["AI.DAGRUNRO", "AI.DAGRUN_RO"])
def test_a_script_in_a_read_only_dag_may_read_and_not_write(wire: Wire, command: str) -> None:
    read = "SCRIPTEXECUTE s nothing KEYS 1 k OUTPUTS 1 ~o~ => TENSORGET ~o~ VALUES"
    assert wire.ask(f"{command} {read}") == b"*2\r\n+OK\r\n*2\r\n:1\r\n:0\r\n"
    assert wire.ask(f"{command} SCRIPTEXECUTE s store KEYS 1 k ARGS 1 v") == (
        b"*1\r\n-Redis command returned an error: "
        b"ERR Write commands are not allowed from read-only scripts.\r\n"
    )
    assert wire.ask("EXISTS k") == b":0\r\n"


def test_scripts_that_call_the_server_keep_their_order(wire: Wire) -> None:
    calls = " => ".join(f"SCRIPTEXECUTE s push KEYS 1 k ARGS 1 {n} OUTPUTS 1 ~o{n}~" for n in range(6))
    assert wire.ask(f"AI.DAGRUN {calls}") == b"*6\r\n" + OK * 6
    assert wire.ask("LRANGE k 0 -1") == numbers(*range(6))


def test_a_script_that_has_changed_is_the_one_that_runs(wire: Wire) -> None:
    words = "AI.SCRIPTRUN t f INPUTS a OUTPUTS o"
    for factor in (2, 3):
        source = f"def f(a):\n    return a * {factor}\n"
        assert wire.ask("AI.SCRIPTSET", "t", "CPU", "SOURCE", source) == OK
        assert wire.ask(words) == OK
        assert wire.ask("AI.TENSORGET o VALUES") == numbers(2 * factor)
    assert wire.ask("AI.SCRIPTDEL t") == OK
    assert wire.ask(words) == b"-ERR script key is empty\r\n"


def test_a_script_without_end_blocks_its_own_queue_only(
    wire: Wire, scripted: Server, connect: Connect
) -> None:
    source = """
def wait(tensors: List[Tensor], keys: List[str], args: List[str]):
    redis.execute("SET", keys[0], "begun")
    while str(redis.execute("EXISTS", keys[1])) == "0":
        pass
    return tensors
"""
    device = ("CPU:9", "ENTRY_POINTS", 1, "wait", "SOURCE", source)
    assert wire.ask("AI.SCRIPTSTORE", "w", *device) == OK
    other = connect(scripted)
    other.send(b"AI.SCRIPTEXECUTE w wait KEYS 2 k d INPUTS 1 a OUTPUTS 1 o\r\n")
    while wire.ask("GET k") != b"$5\r\nbegun\r\n":
        pass
    late = connect(scripted)
    late.send(b"PING\r\nAI.SCRIPTEXECUTE w wait KEYS 2 k d INPUTS 1 a OUTPUTS 1 p TIMEOUT 1\r\n")
    assert late.reply() == b"+PONG\r\n"
    until = monotonic() + 0.005  # longer than the other one wants to wait
    while monotonic() < until:
        wire.ask("PING")
    assert wire.ask("AI.SCRIPTRUN s bar INPUTS a b OUTPUTS p") == OK
    assert 5000 <= duration(wire) < duration(wire)
    assert wire.ask("AI.INFO w").endswith(b"calls\r\n:0\r\n$6\r\nerrors\r\n:0\r\n")
    assert wire.ask("SET d 1") == OK
    assert (other.reply(), late.reply()) == (OK, b"+TIMEDOUT\r\n")


def duration(wire: Wire) -> int:
    """Microseconds of the script's runs, also of one that goes on."""
    return int(wire.ask("AI.INFO w").split(b"duration\r\n:")[1].split(b"\r\n")[0])


def test_a_dag_with_scripts_can_be_drawn() -> None:
    words = "AI.DAGRUN SCRIPTRUN s bar INPUTS a b OUTPUTS ~m~ => TENSORGET ~m~"
    assert "s bar" in picture(*words.split())
