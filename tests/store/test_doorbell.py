import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Semaphore, active_count
from typing import Any

import pytest

from alula._core._runtime import runtime_folder
from alula.errors import StoreUnavailableError
from alula.store import Store, _doorbell
from alula.store._database import Doorbell
from alula.store._doorbell import SocketDoorbell
from tests.postgres import Postgres
from tests.store.conftest import ON_A_FILE

WAIT = 10.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path, as those of sockets have to be."""
    with TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def sockets_bell(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SocketDoorbell]:
    monkeypatch.setattr(_doorbell, "runtime_folder", lambda: folder / "run")
    bell = SocketDoorbell("sqlite:///a.db")
    yield bell
    bell.close()


@pytest.fixture
def notify_bell(postgres: Postgres) -> Iterator[Doorbell]:
    with postgres.database() as url:
        store = Store.open(url)
        yield store._doorbell
        store.close()


@pytest.fixture(params=["sockets", "notify"])
def bell(request: pytest.FixtureRequest) -> Doorbell:
    """Each kind of doorbell."""
    found: Doorbell = request.getfixturevalue(f"{request.param}_bell")
    return found


def sockets(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_socket()]


def test_a_ring_wakes_every_listener_of_its_topic_and_no_other(bell: Doorbell) -> None:
    heard = {name: Semaphore(0) for name in ("one", "two", "other")}
    for name, topic in (("one", "queue"), ("two", "queue"), ("other", "schedules")):
        bell.listen(topic, heard[name].release)
    bell.ring("queue")
    assert heard["one"].acquire(timeout=WAIT)
    assert heard["two"].acquire(timeout=WAIT)
    bell.ring("schedules")
    assert heard["other"].acquire(timeout=WAIT)
    assert not heard["other"].acquire(blocking=False)


def test_a_ring_during_the_call_is_answered_by_another_call(bell: Doorbell) -> None:
    entered, leave, calls = Semaphore(0), Event(), []

    def then() -> None:
        calls.append(1)
        entered.release()
        leave.wait(WAIT)

    bell.listen("queue", then)
    bell.ring("queue")
    assert entered.acquire(timeout=WAIT)
    for _ in range(10_000):  # far more than a socket's buffer holds: none may block
        bell.ring("queue")
    leave.set()
    assert entered.acquire(timeout=WAIT)
    assert len(calls) <= 3


def test_ringing_where_nobody_listens_does_nothing(bell: Doorbell) -> None:
    bell.ring("queue")


def test_a_stopped_listener_hears_nothing_and_leaves_nothing(bell: Doorbell) -> None:
    heard = Event()
    bell.listen("queue", heard.set)
    threads = active_count()
    stop = bell.listen("queue", lambda: pytest.fail("it was stopped"))
    stop()
    stop()
    assert active_count() == threads
    bell.ring("queue")
    assert heard.wait(WAIT)


def test_a_listener_may_stop_itself(bell: Doorbell) -> None:
    stopped = Event()

    def then() -> None:
        stop()
        stopped.set()

    stop = bell.listen("queue", then)
    bell.ring("queue")
    assert stopped.wait(WAIT)


def test_a_callback_that_raises_hears_the_next_ring(bell: Doorbell, caplog: pytest.LogCaptureFixture) -> None:
    heard = Semaphore(0)

    def then() -> None:
        heard.release()
        raise ValueError("broken listener")

    bell.listen("queue", then)
    for _ in range(2):
        bell.ring("queue")
        assert heard.acquire(timeout=WAIT)


def test_the_socket_of_a_dead_process_is_removed_by_the_next_ring(
    sockets_bell: SocketDoorbell, folder: Path
) -> None:
    heard = Event()
    sockets_bell.listen("queue", heard.set)
    [alive] = sockets(folder)
    dead = alive.with_name(alive.name.partition(".")[0] + ".dead")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left:
        left.bind(str(dead))
    sockets_bell.ring("queue")
    assert sockets(folder) == [alive]
    assert heard.wait(WAIT)


def test_a_folder_laid_there_by_somebody_else_is_refused(sockets_bell: SocketDoorbell, folder: Path) -> None:
    (folder / "run").mkdir()
    (folder / "run").chmod(0o777)
    with pytest.raises(StoreUnavailableError, match="can be written by others"):
        sockets_bell.listen("queue", lambda: None)


def test_the_runtime_folder_does_not_hang_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = runtime_folder()
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/elsewhere")
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    assert runtime_folder() == before


def test_processes_of_one_store_hear_each_other(store: Store, spawn: Callable[..., Any]) -> None:
    heard = Event()
    store.listen("answer", heard.set)
    child = spawn("""
        store.listen("question", lambda: store.ring("answer"))
        say("listening")
        sys.stdin.read()
    """)
    assert child.stdout.readline() == "listening\n"
    store.ring("question")
    assert heard.wait(WAIT)


@ON_A_FILE
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of a process with threads
def test_a_forked_child_does_not_hold_its_parents_socket(sockets_bell: SocketDoorbell, store: Store) -> None:
    """Else rings to a dead parent would vanish in the child's buffer instead of being refused."""
    store.listen("queue", lambda: None)
    assert isinstance(store._doorbell, SocketDoorbell)
    [listener] = store._doorbell._listeners
    descriptor = listener.socket.fileno()
    child = os.fork()
    if not child:
        try:
            os.fstat(descriptor)
        except OSError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def test_the_last_listener_takes_the_folder_along(sockets_bell: SocketDoorbell, folder: Path) -> None:
    stops = [sockets_bell.listen("queue", lambda: None), sockets_bell.listen("queue", lambda: None)]
    assert len(sockets(folder)) == 2
    stops[0]()
    assert len(sockets(folder)) == 1
    stops[1]()
    assert list((folder / "run").iterdir()) == []


def test_the_folder_may_go_while_another_begins_to_listen(sockets_bell: SocketDoorbell, folder: Path) -> None:
    def come_and_go() -> None:
        for _ in range(100):
            sockets_bell.listen("queue", lambda: None)()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(come_and_go) for _ in range(4)]:
            done.result(timeout=WAIT)
    assert list((folder / "run").iterdir()) == []
