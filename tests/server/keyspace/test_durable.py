"""What is special about the keyspace that lasts."""

import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from alula.errors import CommandError, StoreUnavailableError
from alula.server import Backend, DurableKeyspace, Keyspace, Server, Session, Tensor, background
from alula.server._config import Config
from alula.server._forms import ModelForm, ScriptForm
from alula.server._keyspace import HashValue, ListValue, SetValue, Value
from alula.server._keyspaces import open_keyspace
from alula.server._models import Model, Stop
from alula.server._tensors import DTYPES
from alula.testing import Clock
from tests.server.world import MUL, Connect, Controlled, request

OK = b"+OK\r\n"
KEPT = "AI.TENSORSET kept INT8 1 VALUES 1"
BIG_WORDS = ("AI.TENSORSET", "big", "UINT8", 1 << 20, "BLOB", bytes(1 << 20))
BIG = request(*BIG_WORDS)
TENSOR = Tensor(DTYPES[b"INT8"], (1,), b"\7")
TF = ModelForm(backend="TF", device=b"CPU", inputs=(b"a",), blob=b"graph")


def refuse(form: ModelForm | ScriptForm) -> Value:
    raise CommandError("ERR Could not load backend")


class Opened:
    """A file that is opened again and again, as by one server after the other."""

    def __init__(self, file: Path, clock: Clock) -> None:
        self.file, self.clock = file, clock
        self.keyspace = self.open()

    def open(self) -> DurableKeyspace:
        keyspace = DurableKeyspace.open(self.file, clock=self.clock)
        keyspace.start(refuse)
        return keyspace

    def again(self) -> DurableKeyspace:
        self.keyspace.close()
        self.keyspace = self.open()
        return self.keyspace


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def opened(tmp_path: Path, clock: Clock) -> Iterator[Opened]:
    made = Opened(tmp_path / "folder" / "keyspace.db", clock)
    yield made
    made.keyspace.close()


def everything(keyspace: Keyspace) -> dict[bytes, tuple[object, int | None]]:
    found = dict[bytes, tuple[object, int | None]]()
    for key, value in keyspace.scan():
        known = (
            value.data if isinstance(value, Tensor) else set(value) if isinstance(value, SetValue) else value
        )
        found[key] = (known, keyspace.expires(key))
    return found


def test_every_kind_of_change_is_there_after_a_restart(opened: Opened) -> None:
    keyspace = opened.keyspace
    keyspace.write({b"t": TENSOR, b"gone": TENSOR})
    keyspace.put(b"s", b"text", expires=2_000_000)
    keyspace.put(b"l", ListValue([b"1", b"2"]))
    keyspace.put(b"h", HashValue({b"f": b"1"}))
    keyspace.put(b"m", SetValue([b"1", b"x"]))
    keyspace.settle()
    keyspace.delete([b"gone"])
    items = keyspace.read(b"l")
    assert isinstance(items, ListValue)
    items.append(b"3")
    keyspace.changed(b"l", "rpush")
    keyspace.expire(b"t", 3_000_000)
    before = everything(keyspace)
    assert before[b"m"] == ({b"1", b"x"}, None)
    assert before[b"l"] == (ListValue([b"1", b"2", b"3"]), None)
    assert everything(opened.again()) == before
    opened.keyspace.clear()
    opened.keyspace.put(b"new", b"1")
    assert everything(opened.again()) == {b"new": (b"1", None)}


def test_what_expired_while_nobody_served_is_gone(opened: Opened, clock: Clock) -> None:
    opened.keyspace.put(b"k", b"x", expires=1_000_500)
    opened.keyspace.put(b"later", b"x", expires=1_009_000)
    opened.keyspace.settle()
    clock.advance(1)
    assert set(everything(opened.again())) == {b"later"}
    opened.keyspace.settle()
    with sqlite3.connect(opened.file) as rows:
        assert rows.execute("SELECT key FROM entries").fetchall() == [(b"later",)]
    rows.close()


def test_saying_when_a_key_expires_does_not_write_its_value_again(opened: Opened) -> None:
    opened.keyspace.put(b"k", bytes(1 << 20))
    opened.keyspace.settle()
    log = opened.file.with_name("keyspace.db-wal")
    size = log.stat().st_size
    opened.keyspace.expire(b"k", 2_000_000)
    opened.keyspace.expire(b"k", None, event="persist")
    opened.keyspace.settle()
    assert log.stat().st_size - size < 64 << 10


def test_models_that_cannot_be_loaded_are_kept_and_say_why(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    model = Model(backend="ONNX", device=b"cpu", tag=b"1", blob=MUL, session=Named())
    opened.keyspace.write({b"m": model, b"t": TENSOR})
    for _ in range(2):
        found = opened.again().read(b"m")
        assert isinstance(found, Model)
        assert (found.backend, found.device, found.tag, found.blob) == ("ONNX", b"cpu", b"1", MUL)
        check_unloaded(found.session)
        assert "the model under b'm' is kept, but cannot be loaded" in caplog.text
        opened.keyspace.delete([b"t"])
    opened.keyspace.close()
    opened.keyspace = DurableKeyspace.open(opened.file)
    loaded: list[ModelForm | ScriptForm] = []

    def load(form: ModelForm | ScriptForm) -> Value:
        loaded.append(form)
        return model

    opened.keyspace.start(load)
    (form,) = loaded
    assert isinstance(form, ModelForm)
    assert (form.inputs, form.outputs, form.blob) == ((b"x",), (b"y",), MUL)


def check_unloaded(session: Session) -> None:
    for use in (lambda: session.inputs, lambda: session.outputs, lambda: session.run([])):
        with pytest.raises(CommandError, match="ERR Could not load backend"):
            use()


class Named:
    steady = True
    inputs, outputs = ("x",), ("y",)

    def run(self, inputs: Sequence[Tensor], stop: Stop | None = None) -> tuple[Tensor, ...]:
        return tuple(inputs)


# ------------------------------------------------------------------------------------ one at a time


def test_two_servers_never_have_one_file(opened: Opened) -> None:
    why = f"the tensor server of process {os.getpid()} has it open"
    with pytest.raises(StoreUnavailableError, match=why):
        DurableKeyspace.open(opened.file)


def test_another_process_is_named(opened: Opened) -> None:
    program = "import sys; from pathlib import Path; from alula.server import DurableKeyspace\n"
    program += f"DurableKeyspace.open(Path({str(opened.file)!r}))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert f"the tensor server of process {os.getpid()} has it open" in ran.stderr


def test_a_folder_that_cannot_be_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnavailableError, match="file: "):
        DurableKeyspace.open(tmp_path / "file" / "keyspace.db")


def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").write_bytes(b"REDIS0009" + bytes(5000))
    for _ in range(2):  # the lock was given back
        with pytest.raises(StoreUnavailableError, match="not an SQLite database"):
            DurableKeyspace.open(tmp_path / "dump.rdb")


# ------------------------------------------------------------------------------------ the disk refuses


@contextmanager
def full_disk(file: Path) -> Iterator[None]:
    """No file may grow beyond what the log has now."""
    size = file.with_name(file.name + "-wal").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_the_disk_refuses_is_undone(opened: Opened) -> None:
    keyspace, undone = opened.keyspace, list[tuple[str, list[bytes]]]()
    model = Model(backend="ONNX", device=b"cpu", blob=MUL, session=Named())
    keyspace.write({b"m": model, b"t": TENSOR})
    keyspace.put(b"l", ListValue([b"1"]), expires=2_000_000)
    keyspace.settle()
    before = everything(keyspace)
    keyspace.listen(lambda event, keys: undone.append((event, list(keys))))
    with full_disk(opened.file):
        for change in changes(keyspace):
            change()
            undone.clear()
            keyspace.put(b"big", bytes(1 << 20))
            with pytest.raises(StoreUnavailableError):
                keyspace.settle()
            assert everything(keyspace) == before
            assert undone[1][0] == "undone"
    assert keyspace.read(b"m") is model
    keyspace.put(b"now", b"room")
    keyspace.settle()
    after = everything(opened.again())
    assert after.pop(b"now") == (b"room", None)
    assert after.keys() == before.keys()


def changes(keyspace: DurableKeyspace) -> Iterator[Callable[[], object]]:
    yield lambda: keyspace.delete([b"m", b"t"])
    yield lambda: keyspace.expire(b"l", None)
    yield keyspace.clear
    items = keyspace.read(b"l")
    assert isinstance(items, ListValue)
    items.append(b"2")
    yield lambda: keyspace.changed(b"l", "rpush")


def test_clients_hear_of_a_full_disk_and_nothing_acknowledged_is_lost(
    tmp_path: Path, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    config = Config(appendonly=True, dir=str(tmp_path))
    with background(Server(port=0, keyspace=open_keyspace(config))) as server:
        wire, other = connect(server), connect(server)
        assert wire.ask(KEPT) == OK
        with full_disk(tmp_path / "keyspace.db"):
            wire.send(request("AI.TENSORGET kept VALUES") + BIG + request("AI.TENSORGET kept VALUES"))
            assert wire.reply() == b"*1\r\n:1\r\n"
            assert wire.reply().startswith(b"-MISCONF Errors writing to the keyspace, nothing was changed: ")
            assert wire.reply() == b"*1\r\n:1\r\n"
            assert other.ask("EXISTS big") == b":0\r\n"
            wire.send(request("MULTI") + request("DEL kept") + BIG)
            assert [wire.reply() for _ in range(3)] == [OK, b"+QUEUED\r\n", b"+QUEUED\r\n"]
            assert wire.ask("EXEC").startswith(b"-MISCONF ")
            assert wire.ask("AI.TENSORGET kept VALUES") == b"*1\r\n:1\r\n"
        assert wire.ask(*BIG_WORDS) == OK
    assert caplog.text.count("changes are refused") == 1


def test_a_run_whose_outputs_cannot_be_kept_answers_so(
    tmp_path: Path, connect: Connect, controlled: Controlled, backends: dict[str, Backend]
) -> None:
    controlled.add("m", lambda inputs: (Tensor(DTYPES[b"INT8"], (1 << 20,), bytes(1 << 20)),))
    config = Config(appendonly=True, dir=str(tmp_path))
    with background(Server(port=0, keyspace=open_keyspace(config), backends=backends)) as server:
        server.deploy("m", b"m")
        wire = connect(server)
        with full_disk(tmp_path / "keyspace.db"):
            for _ in range(3):
                asked = "AI.DAGRUN TENSORSET ~a~ INT8 1 => MODELRUN m INPUTS ~a~ OUTPUTS y"
                assert wire.ask(asked).startswith(b"-MISCONF ")
            assert wire.ask("EXISTS y") == b":0\r\n"
        assert (
            wire.ask("AI.DAGRUN TENSORSET ~a~ INT8 1 => MODELRUN m INPUTS ~a~ OUTPUTS y")
            == b"*2\r\n" + OK * 2
        )


def test_a_file_that_is_gone_costs_the_changes_their_replies(tmp_path: Path, connect: Connect) -> None:
    config = Config(appendonly=True, dir=str(tmp_path))
    with background(Server(port=0, keyspace=open_keyspace(config))) as server:
        wire = connect(server)
        assert wire.ask("AI.TENSORSET k INT8 1") == OK
        (tmp_path / "keyspace.db").rename(tmp_path / "elsewhere")
        assert wire.ask("AI.TENSORSET k INT8 2").startswith(b"-MISCONF ")
        assert wire.ask("PING") == b"+PONG\r\n"
        (tmp_path / "elsewhere").rename(tmp_path / "keyspace.db")
        assert wire.ask("AI.TENSORSET k INT8 3") == OK


# --------------------------------------------------------------------------------------- on a server


def test_a_server_has_what_the_last_one_had(tmp_path: Path, connect: Connect) -> None:
    config = Config(appendonly=True, dir=str(tmp_path))
    with background(Server(port=0, keyspace=open_keyspace(config))) as server:
        wire = connect(server)
        assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "TAG", "7", "BLOB", MUL) == OK
        assert wire.ask("AI.TENSORSET a FLOAT 2 VALUES 2 3") == OK
        server.deploy("deployed", MUL)
    with background(Server(port=0, keyspace=open_keyspace(config))) as server:
        wire = connect(server)
        assert wire.ask("AI.MODELEXECUTE m INPUTS 2 a a OUTPUTS 1 b") == OK
        assert wire.ask("AI.TENSORGET b VALUES") == b"*2\r\n$1\r\n4\r\n$1\r\n9\r\n"
        assert wire.ask("AI.MODELGET m BLOB") == b"$%d\r\n%b\r\n" % (len(MUL), MUL)
        assert wire.ask("DBSIZE") == b":4\r\n"


@pytest.mark.parametrize("fsync", ["always", "everysec", "no"])
def test_what_was_committed_is_there_with_every_way_to_the_disk(
    tmp_path: Path, connect: Connect, fsync: str
) -> None:
    config = Config(appendonly=True, dir=str(tmp_path), appendfsync="no")
    with background(Server(port=0, keyspace=open_keyspace(config), config=config)) as server:
        config.set({"appendfsync": fsync})
        assert connect(server).ask("AI.TENSORSET k INT8 1") == OK
    keyspace = open_keyspace(config)
    keyspace.start(refuse)
    assert len(keyspace) == 1
    keyspace.close()


def test_values_of_a_hundred_megabytes_are_kept(opened: Opened) -> None:
    data = os.urandom(1 << 20) * 100
    opened.keyspace.write({b"big": Tensor(DTYPES[b"UINT8"], (len(data),), data)})
    found = opened.again().read(b"big")
    assert isinstance(found, Tensor)
    assert found.data == data
