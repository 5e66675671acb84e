from collections.abc import Mapping

import numpy as np
import pytest

from alula.server import LoadTime, Server, Tensor, background
from tests.server.world import MUL, Connect, Controlled, Wire

OK = b"+OK\r\n"


def counts(key: str, *numbers: int, kind: str = "MODEL", backend: str = "ONNX") -> list[bytes]:
    """The reply of AI.INFO, behind the duration, and the text in front of it."""
    fields = {"key": key, "type": kind, "backend": backend, "device": "CPU", "tag": ""}
    head = "".join(f"${len(n)}\r\n{n}\r\n${len(v)}\r\n{v}\r\n" for n, v in fields.items())
    names = ("samples", "calls", "errors")
    tail = "".join(f"${len(n)}\r\n{n}\r\n:{v}\r\n" for n, v in zip(names, numbers, strict=True))
    return [f"*18\r\n{head}$8\r\nduration\r\n:".encode(), f"\r\n{tail}".encode()]


def info(wire: Wire, key: str) -> tuple[list[bytes], int]:
    head, rest = wire.ask("AI.INFO", key).split(b"$8\r\nduration\r\n:")
    duration, tail = rest.split(b"\r\n", 1)
    return [head + b"$8\r\nduration\r\n:", b"\r\n" + tail], int(duration)


@pytest.fixture
def model(wire: Wire) -> Wire:
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", MUL) == OK
    assert wire.ask("AI.TENSORSET a FLOAT 4 2") == OK
    return wire


def test_runs_are_counted_before_their_reply(model: Wire) -> None:
    assert info(model, "m") == (counts("m", 0, 0, 0), 0)
    assert model.ask("AI.MODELEXECUTE m INPUTS 2 a a OUTPUTS 1 b") == OK
    found, duration = info(model, "m")
    assert (found, duration > 0) == (counts("m", 4, 1, 0), True)


def test_a_run_that_fails_counts_as_call_and_as_error(model: Wire) -> None:
    assert model.ask("AI.TENSORSET c FLOAT 3") == OK
    assert model.ask("AI.MODELEXECUTE m INPUTS 2 a c OUTPUTS 1 b").startswith(b"-")
    assert info(model, "m") == (counts("m", 0, 1, 1), 0)


def test_counts_can_be_reset_and_begin_anew_with_another_model(model: Wire) -> None:
    run = "AI.MODELEXECUTE m INPUTS 2 a a OUTPUTS 1 b"
    assert (model.ask(run), model.ask("AI.INFO m NOPE")[:5]) == (OK, b"*18\r\n")
    assert model.ask("AI.INFO m resetstat") == OK
    assert info(model, "m") == (counts("m", 0, 0, 0), 0)
    assert model.ask(run) == OK
    assert model.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", MUL) == OK
    assert info(model, "m") == (counts("m", 0, 0, 0), 0)


@pytest.mark.parametrize("key", ["nope", "a"])
def test_only_models_and_scripts_are_counted(model: Wire, key: str) -> None:
    assert model.ask("AI.INFO", key) == b"-ERR cannot find run info for key\r\n"


def test_counts_vanish_with_the_key(model: Wire) -> None:
    assert model.ask("DEL m") == b":1\r\n"
    assert model.ask("AI.INFO m") == b"-ERR cannot find run info for key\r\n"


def test_an_operation_that_was_skipped_counts_nothing(model: Wire) -> None:
    assert model.ask("AI.MODELSTORE", "n", "ONNX", "CPU", "BLOB", MUL) == OK
    assert model.ask("AI.TENSORSET c FLOAT 3") == OK
    first = "AI.MODELEXECUTE m INPUTS 2 a c OUTPUTS 1 b"
    reply = model.ask(f"AI.DAGEXECUTE LOAD 2 a c |> {first} |> AI.MODELEXECUTE n INPUTS 2 b b OUTPUTS 1 d")
    assert (reply[:5], reply[-5:]) == (b"*2\r\n-", b"+NA\r\n")
    assert info(model, "n") == (counts("n", 0, 0, 0), 0)


# ------------------------------------------------------------------------------------- AI.CONFIG

CONFIG: list[tuple[str, bytes]] = [
    ("AI.CONFIG", b"-ERR wrong number of arguments for 'AI.CONFIG' command\r\n"),
    ("ai.config GET", b"-ERR wrong number of arguments for 'ai.config' command\r\n"),
    ("AI.CONFIG GET MODEL_CHUNK_SIZE", b":535822336\r\n"),
    ("AI.CONFIG get nothing", b"$-1\r\n"),
    ("AI.CONFIG MODEL_CHUNK_SIZE", b"-ERR MODEL_CHUNK_SIZE: missing chunk size\r\n"),
    ("AI.CONFIG MODEL_CHUNK_SIZE 0", b"-ERR MODEL_CHUNK_SIZE: invalid chunk size\r\n"),
    ("AI.CONFIG MODEL_CHUNK_SIZE x", b"-ERR MODEL_CHUNK_SIZE: invalid chunk size\r\n"),
    ("AI.CONFIG BACKENDSPATH", b"-ERR BACKENDSPATH: missing path argument\r\n"),
    ("AI.CONFIG NOPE x", b"-ERR unsupported subcommand\r\n"),
    ("AI.CONFIG LOADBACKEND TORCH", b"-ERR wrong number of arguments for 'AI.CONFIG' command\r\n"),
    ("AI.CONFIG LOADBACKEND NOPE x.so", b"-ERR unsupported backend\r\n"),
    ("AI.CONFIG LOADBACKEND TF x.so", b"-ERR error loading backend\r\n"),
    ("AI.CONFIG LOADBACKEND TORCH .", b"-ERR error loading backend\r\n"),
]


@pytest.mark.parametrize(("words", "reply"), CONFIG)
def test_the_configuration_answers_as_it_should(wire: Wire, words: str, reply: bytes) -> None:
    assert wire.ask(words) == reply


def test_pieces_and_paths_can_be_set(model: Wire) -> None:
    assert model.ask("AI.CONFIG MODEL_CHUNK_SIZE 10") == OK
    assert model.ask("AI.CONFIG GET MODEL_CHUNK_SIZE") == b":10\r\n"
    assert model.ask("AI.MODELGET m BLOB").startswith(b"*%d\r\n" % (len(MUL) // 10 + 1))
    assert model.ask("AI.CONFIG GET BACKENDSPATH").endswith(b"/alula/server/backends\r\n")
    assert model.ask("AI.CONFIG BACKENDSPATH /x") == OK
    assert model.ask("AI.CONFIG GET BACKENDSPATH") == b"$2\r\n/x\r\n"


def test_a_backend_is_loaded_when_that_is_said_and_once(wire: Wire) -> None:
    command = "AI.CONFIG LOADBACKEND TORCH backends/redisai_torch/redisai_torch.so"
    assert section(wire, "backends_info") == {}
    assert wire.ask(command) == OK
    assert list(section(wire, "backends_info")) == ["ai_Torch_version"]
    assert wire.ask(command) == b"-ERR error loading backend\r\n"


# ---------------------------------------------------------------------------------- INFO MODULES

SECTIONS = ["Modules", "ai_versions", "ai_git", "ai_load_time_configs", "ai_backends_info", "ai_cpu"]


def section(wire: Wire, name: str) -> Mapping[str, str]:
    """A section as RedisAI's own tests cut it out."""
    text = wire.ask("INFO MODULES").split(b"\r\n", 1)[1].decode()
    pieces = text.split("#")[1:]
    assert [piece.split()[0] for piece in pieces] == SECTIONS
    lines = pieces[SECTIONS.index(f"ai_{name}")].split()[1:]
    return {line.split(":")[0]: line.split(":")[1] for line in lines}


def test_modules_are_told_of_in_redisais_sections(wire: Wire) -> None:
    assert wire.ask("INFO modules").split(b"\r\n")[1:9] == [
        b"# Modules",
        b"module:name=ai,ver=999999,api=1,filters=0,usedby=[],using=[],options=[handle-io-errors]",
        b"",
        b"# ai_versions",
        b"ai_RedisAI_version:99.99.99",
        b"ai_low_level_API_version:1",
        b"ai_rdb_version:4",
        b"",
    ]
    assert section(wire, "git") == {"ai_git_sha": "unknown"}
    assert section(wire, "backends_info") == {}
    assert list(section(wire, "cpu")) == [
        "ai_self_used_cpu_sys", "ai_self_used_cpu_user", "ai_children_used_cpu_sys",
        "ai_children_used_cpu_user", "ai_main_thread_used_cpu_sys", "ai_main_thread_used_cpu_user",
        "ai_queue_CPU_bthread_n1_used_cpu_total",
    ]  # fmt: skip


def test_what_was_said_at_the_start_is_shown(connect: Connect) -> None:
    given = LoadTime(
        threads_per_queue=2, intra_op_parallelism=3, inter_op_parallelism=4, model_execution_timeout=2.5
    )
    with background(Server(port=0, load_time=given)) as server:
        wire = connect(server)
        assert section(wire, "load_time_configs") == {
            "ai_threads_per_queue": "2",
            "ai_inter_op_parallelism": "4",
            "ai_intra_op_parallelism": "3",
            "ai_model_execution_timeout": "2500",
            "ai_backend_memory_limit": "0",
        }
        assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU:1", "BLOB", MUL) == OK
        found = section(wire, "backends_info")
        assert found["ai_onnxruntime_maximum_run_sessions_number"] == "4"
        queues = [name for name in section(wire, "cpu") if "queue" in name]
        assert queues == [
            f"ai_queue_{q}_bthread_n{n}_used_cpu_total" for q in ("CPU", "CPU_1") for n in (1, 2)
        ]


def test_the_time_of_a_queue_is_that_of_its_threads(controlled: Controlled, connect: Connect) -> None:
    def busy(inputs: object) -> tuple[Tensor, ...]:
        return (Tensor.of(np.sort(np.random.default_rng(1).random(200_000)).astype("f4")[:1]),)

    controlled.add("busy", busy)
    with background(Server(port=0, backends={"ONNX": controlled})) as server:
        wire = connect(server)
        assert wire.ask("AI.MODELSTORE m ONNX CPU BLOB busy") == OK
        assert wire.ask("AI.TENSORSET a FLOAT 1") == OK
        assert wire.ask("AI.MODELEXECUTE m INPUTS 1 a OUTPUTS 1 b") == OK
        assert float(section(wire, "cpu")["ai_queue_CPU_bthread_n1_used_cpu_total"]) > 0


# ------------------------------------------------------------------------------- what is declared

TABLE: list[tuple[str, tuple[str, ...], tuple[int, int, int]]] = [
    ("ai.modelset", ("write", "deny-oom"), (1, 1, 1)),
    ("ai.modelstore", ("write", "deny-oom"), (1, 1, 1)),
    ("ai.scriptset", ("write", "deny-oom"), (1, 1, 1)),
    ("ai.scriptstore", ("write", "deny-oom"), (1, 1, 1)),
    ("ai.modelget", ("readonly",), (1, 1, 1)),
    ("ai.scriptget", ("readonly",), (1, 1, 1)),
    ("ai.info", ("readonly",), (1, 1, 1)),
    ("ai.modeldel", ("write",), (1, 1, 1)),
    ("ai.scriptdel", ("write",), (1, 1, 1)),
    ("ai.scriptrun", ("write", "deny-oom", "movablekeys"), (4, 4, 1)),
    ("ai.scriptexecute", ("write", "deny-oom", "movablekeys"), (5, 5, 1)),
    ("ai._modelscan", ("readonly",), (0, 0, 0)),
    ("ai._scriptscan", ("readonly",), (0, 0, 0)),
    ("ai.config", ("write",), (0, 0, 0)),
]


@pytest.mark.parametrize(("name", "flags", "keys"), TABLE)
def test_commands_are_declared(
    wire: Wire, name: str, flags: tuple[str, ...], keys: tuple[int, int, int]
) -> None:
    found = wire.ask("COMMAND", "INFO", name)
    assert found.startswith(f"*1\r\n*10\r\n${len(name)}\r\n{name}\r\n:".encode())
    words = "".join(f"+{flag}\r\n" for flag in flags) + "".join(f":{key}\r\n" for key in keys)
    assert f"\r\n*{len(flags)}\r\n{words}*".encode() in found
