"""The command lines of launchers are understood."""

from io import StringIO
from pathlib import Path

import pytest

from alula.errors import CommandError, SettingError
from alula.server import Launch, LoadTime, read_launch


def read(line: str, stdin: str = "") -> Launch:
    return read_launch(line.split(), StringIO(stdin))


def test_a_launcher_s_command_line_is_a_configuration() -> None:
    launch = read(
        "--port 7001 --appendonly yes --dbfilename x.rdb --dir /tmp --requirepass s --save  900 1 "
        "--loadmodule /opt/redisai.so THREADS_PER_QUEUE 4 MODEL_EXECUTION_TIMEOUT 1500 TF /x/tf.so "
        "--daemonize no --hz 10 --aof-use-rdb-preamble yes --logfile /tmp/log --bind 127.0.0.1 ::1"
    )
    config = launch.config
    assert (config.port, config.appendonly, config.dbfilename, config.dir) == (7001, True, "x.rdb", "/tmp")
    assert (config.requirepass, config.save, config.bind) == ("s", "900 1", "127.0.0.1 ::1")
    assert launch.load_time == LoadTime(
        threads_per_queue=4, model_execution_timeout=1.5, backends_path="/opt/backends"
    )
    assert (launch.module_file, launch.log_file) == ("/opt/redisai.so", "/tmp/log")


def test_without_words_all_is_as_redis_has_it() -> None:
    launch = read("")
    assert (launch.config.port, launch.config.dir, launch.saved) == (6379, ".", False)


@pytest.mark.parametrize(
    ("line", "saved"),
    [("--save 900 1", True), ("--dbfilename x.rdb", True), ("--appendonly yes", False)],
)
def test_values_have_to_be_there_again_if_a_file_or_times_were_named(line: str, saved: bool) -> None:
    assert read(line).saved is saved


def test_a_file_comes_before_the_options_and_may_be_the_standard_input(tmp_path: Path) -> None:
    lines = '# a comment\n\nport 7000\nrequirepass "a b"\nmaxmemory 1gb\n'
    (tmp_path / "conf").write_text(lines)
    for launch in (read("- --port 7002", lines), read(f"{tmp_path}/conf --port 7002")):
        config = launch.config
        assert (config.port, config.requirepass, config.maxmemory) == (7002, "a b", 1 << 30)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("--zork 1", "Bad directive"),
        ("--port", "Bad directive"),
        ("--port abc", "couldn't be parsed into an integer"),
        ("--loadmodule", "Bad directive"),
        ("--daemonize yes", "foreground"),
        ("--cluster-enabled yes", "no cluster mode"),
        ("--replicaof localhost 6379", "Redis behind it"),
        ("--tls-port 6380", "no TLS"),
        ("- --port 1 ", "Unbalanced quotes"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(line: str, why: str) -> None:
    with pytest.raises(SettingError, match=why):
        read(line, 'requirepass "x')


@pytest.mark.parametrize(
    "line", ["--cluster-enabled no", "--daemonize no", "--tls-port 0", "--repl-timeout 3"]
)
def test_what_is_so_anyhow_is_taken(line: str) -> None:
    assert read(line) == read("")


@pytest.mark.parametrize(
    "pairs",
    [
        "ZORK 1",
        "THREADS_PER_QUEUE 0",
        "THREADS_PER_QUEUE x",
        "THREADS_PER_QUEUE",
        "INTRA_OP_PARALLELISM 0",
        "INTER_OP_PARALLELISM -1",
        "MODEL_CHUNK_SIZE 0",
        "MODEL_EXECUTION_TIMEOUT 999",
        "BACKEND_MEMORY_LIMIT 0",
        "BACKENDSPATH",
        "TORCH",
    ],
)
def test_a_wrong_setting_of_the_module_is_refused_in_redisai_s_words(pairs: str) -> None:
    with pytest.raises(CommandError) as caught:
        read(f"--loadmodule redisai.so ONNX /x.so {pairs} --port 7001")
    name, _, value = pairs.partition(" ")
    assert caught.value.text == f"ERR error processing argument: {name} {value}"


def test_every_setting_of_the_module_is_read() -> None:
    launch = read(
        "--loadmodule f threads_per_queue 2 INTRA_OP_PARALLELISM 3 INTER_OP_PARALLELISM 4 "
        "MODEL_CHUNK_SIZE 5 MODEL_EXECUTION_TIMEOUT 6000 BACKEND_MEMORY_LIMIT 7 BACKENDSPATH /b"
    )
    assert launch.load_time == LoadTime(
        threads_per_queue=2,
        intra_op_parallelism=3,
        inter_op_parallelism=4,
        model_chunk_size=5,
        model_execution_timeout=6.0,
        backend_memory_limit=7,
        backends_path="/b",
    )
