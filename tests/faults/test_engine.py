"""Processes of the embedded engine are killed: nothing hangs, and nothing is left behind."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alula
from alula.errors import ActorDiedError, NodeDiedError, OwnerDiedError, WorkerCrashedError
from alula.futures import ActorHandle, ObjectRef, get, put, remote
from alula.testing import Turnstile, fault_environment
from tests.faults.processes import LIMIT, ended, eventually, kill, lines, note, program, segments

pytestmark = pytest.mark.usefixtures("own_engine")


@remote
def pids() -> tuple[int, int]:
    """Give those of the worker and of the node process."""
    return os.getpid(), os.getppid()


@remote
def hold(turnstile: Turnstile, notes: Path, value: Any = None) -> Any:
    """Leave its pid, wait, and give the value."""
    note(notes, os.getpid())
    turnstile.wait()
    return value


@remote
def echo(value: Any) -> Any:
    return value


class Kept:
    def __init__(self, kept: Any = None) -> None:
        self.kept = kept

    def pid(self) -> int:
        return os.getpid()

    def keep(self, kept: Any) -> None:
        self.kept = kept

    def give(self) -> Any:
        return self.kept

    def hold(self, turnstile: Turnstile, notes: Path) -> None:
        note(notes, os.getpid())
        turnstile.wait()


Cell = remote(Kept)


# ------------------------------------------------------------------------------------------ workers


def test_an_idle_worker_that_was_killed_is_replaced_before_it_gets_a_task() -> None:
    for _ in range(3):
        kill(get(pids.remote())[0])
        assert get(echo.options(max_retries=0).remote(1), timeout=LIMIT) == 1


def test_a_task_is_not_blamed_for_another_that_kills_its_worker(tmp_path: Path) -> None:
    @remote(max_retries=2)
    def poison() -> None:
        note(tmp_path / "poison")
        os.kill(os.getpid(), signal.SIGKILL)

    get([echo.remote(i) for i in range(200)])  # so that tasks are pushed in batches
    refs = [echo.options(max_retries=1).remote(i) for i in range(200)]
    poisoned = [poison.remote() for _ in range(3)]
    refs += [echo.options(max_retries=1).remote(i) for i in range(200)]
    assert get(refs, timeout=LIMIT) == [*range(200), *range(200)]
    for ref in poisoned:
        with pytest.raises(WorkerCrashedError, match="SIGKILL"):
            get(ref, timeout=LIMIT)
    assert len(lines(tmp_path / "poison")) <= 9


def test_a_task_that_must_not_run_twice_does_not(tmp_path: Path) -> None:
    @remote(max_retries=0)
    def once(i: int) -> None:
        if note(tmp_path / f"{i}") > 1 or i == 20:
            os.kill(os.getpid(), signal.SIGKILL)

    refs = [once.remote(i) for i in range(40)]
    with pytest.raises(WorkerCrashedError):
        get(refs[20], timeout=LIMIT)
    get(refs[:20] + refs[21:], timeout=LIMIT)


def test_a_task_that_dies_at_its_start_is_tried_as_often_as_it_may_be() -> None:
    code = """
import sys, alula
alula.init(num_cpus=1)
f = alula.remote(max_retries=int(sys.argv[1]))(lambda: 1)
try:
    alula.get(f.remote(), timeout=150)
except alula.errors.WorkerCrashedError as error:
    print(error.attempts)
alula.shutdown()
"""
    for retries in (0, 3):
        environment = fault_environment({"task.started": 1})
        with program(code, retries, environment=environment) as driver:
            assert driver.communicate(timeout=LIMIT)[0] == f"{retries + 1}\n"


def test_workers_that_die_before_they_answer_lose_nothing() -> None:
    code = """
import alula
alula.init(num_cpus=2)
square = alula.remote(max_retries=-1)(lambda i: i * i)
print(sum(alula.get([square.remote(i) for i in range(100)], timeout=150)))
alula.shutdown()
"""
    with program(code, environment=fault_environment({"task.finished": 5})) as driver:
        assert driver.communicate(timeout=LIMIT)[0] == f"{sum(i * i for i in range(100))}\n"


def test_a_worker_that_was_killed_by_any_signal_says_which() -> None:
    def die(number: int) -> None:
        os.kill(os.getpid(), number)

    task = remote(max_retries=0)(die)
    with pytest.raises(WorkerCrashedError, match="SIGTERM"):
        get(task.remote(signal.SIGTERM), timeout=LIMIT)
    with pytest.raises(WorkerCrashedError, match=f"signal {signal.SIGRTMIN + 3}"):
        get(task.remote(signal.SIGRTMIN + 3), timeout=LIMIT)


# ------------------------------------------------------------------------------------------- actors


def test_a_killed_actor_fails_its_running_and_queued_and_later_calls(
    tmp_path: Path, turnstile: Turnstile
) -> None:
    cell = Cell.remote()
    refs = [cell.hold.remote(turnstile, tmp_path / "pid"), cell.give.remote(), cell.give.remote()]
    turnstile.arrived()
    os.kill(int(lines(tmp_path / "pid")[0]), signal.SIGKILL)
    for ref in [*refs, cell.give.remote()]:
        with pytest.raises(ActorDiedError, match="SIGKILL"):
            get(ref, timeout=LIMIT)


def test_other_holders_of_a_killed_actor_learn_of_it() -> None:
    @remote
    def ask(cells: list[ActorHandle]) -> Any:
        return get(cells[0].give.remote(), timeout=LIMIT)

    cell = Cell.remote(7)
    assert get(ask.remote([cell]), timeout=LIMIT) == 7
    kill(get(cell.pid.remote()))
    with pytest.raises(ActorDiedError):
        get(ask.remote([cell]), timeout=LIMIT)


def test_an_actor_that_never_got_its_core_dies_with_its_maker(tmp_path: Path, turnstile: Turnstile) -> None:
    class Maker:
        def make(self, turnstile: Turnstile) -> list[ActorHandle]:
            return [Cell.options(num_cpus=2).remote()]

        def pid(self) -> int:
            return os.getpid()

    busy = hold.remote(turnstile, tmp_path / "pid")
    turnstile.arrived()
    maker = remote(Maker).remote()
    [cell] = get(maker.make.remote(turnstile), timeout=LIMIT)
    ref = cell.give.remote()
    kill(get(maker.pid.remote(), timeout=LIMIT))
    with pytest.raises(ActorDiedError):
        get(ref, timeout=LIMIT)
    turnstile.let()
    get(busy, timeout=LIMIT)


# ------------------------------------------------------------------------------------------- owners


class Owning:
    """Owns tasks and actors."""

    def __init__(self) -> None:
        self.cells: list[ActorHandle] = []

    def pid(self) -> int:
        return os.getpid()

    def start(self, turnstile: Turnstile, notes: Path) -> list[ObjectRef[Any]]:
        return [hold.remote(turnstile, notes)]

    def make(self) -> ActorHandle:
        self.cells.append(Cell.remote())
        return self.cells[0]


Owner = remote(Owning)


def test_what_a_dead_process_owned_is_lost(tmp_path: Path, turnstile: Turnstile) -> None:
    owner = Owner.remote()
    [ref] = get(owner.start.remote(turnstile, tmp_path / "pid"), timeout=LIMIT)
    turnstile.arrived()
    kill(get(owner.pid.remote(), timeout=LIMIT))
    with pytest.raises(OwnerDiedError):
        get(ref, timeout=LIMIT)
    assert ended(int(lines(tmp_path / "pid")[0]))  # it worked for nobody


def test_the_actors_of_a_dead_process_end() -> None:
    owner = Owner.remote()
    cell = get(owner.make.remote(), timeout=LIMIT)
    pid = get(cell.pid.remote(), timeout=LIMIT)
    kill(get(owner.pid.remote(), timeout=LIMIT))
    assert ended(pid)
    with pytest.raises(ActorDiedError):
        get(cell.pid.remote(), timeout=LIMIT)


def test_an_actor_does_not_live_in_a_process_that_owns_what_others_need(
    tmp_path: Path, turnstile: Turnstile
) -> None:
    @remote
    def start(turnstile: Turnstile, notes: Path) -> list[ObjectRef[Any]]:
        return [hold.remote(turnstile, notes, "mine")]

    [ref] = get(start.remote(turnstile, tmp_path / "pid"), timeout=LIMIT)
    turnstile.arrived()
    cells = [Cell.remote() for _ in range(3)]
    for pid in get([cell.pid.remote() for cell in cells], timeout=LIMIT):
        kill(pid)
    turnstile.let()
    assert get(ref, timeout=LIMIT) == "mine"


def test_a_task_whose_worker_dies_starts_its_own_tasks_again(tmp_path: Path, turnstile: Turnstile) -> None:
    @remote
    def outer(folder: Path, turnstile: Turnstile) -> Any:
        note(folder / "outer", os.getpid())
        return get(hold.remote(turnstile, folder / "inner", "done"))

    ref = outer.remote(tmp_path, turnstile)
    turnstile.arrived()
    kill(int(lines(tmp_path / "outer")[0]))
    assert ended(int(lines(tmp_path / "inner")[0]))
    turnstile.arrived()
    turnstile.let()
    assert get(ref, timeout=LIMIT) == "done"


def test_a_reference_outlives_whoever_passed_it_on(turnstile: Turnstile, tmp_path: Path) -> None:
    """The owner gets its own reference back, whether or not the one that had it is still alive."""
    mine = hold.remote(turnstile, tmp_path / "pid", "mine")
    cell = Cell.remote()
    get(cell.keep.remote([mine]), timeout=LIMIT)
    [back] = get(cell.give.remote(), timeout=LIMIT)
    alula.kill(cell)
    assert back == mine
    turnstile.let()
    assert get(back, timeout=LIMIT) == "mine"


def test_a_value_outlives_the_worker_that_made_it() -> None:
    array, pid = get(remote(lambda: (np.arange(100_000), os.getpid())).remote(), timeout=LIMIT)
    ref = remote(lambda: np.arange(100_000)).remote()
    get(echo.remote(ref), timeout=LIMIT)
    kill(pid)
    assert int(array.sum()) == int(get(ref, timeout=LIMIT).sum()) == sum(range(100_000))


# ---------------------------------------------------------------------------------- the node process


def test_when_the_node_process_dies_every_pending_value_is_lost_at_once(
    tmp_path: Path, turnstile: Turnstile
) -> None:
    worker, node = get(pids.remote())
    cell = Cell.remote()
    promise, _ = alula.futures.current().promise()
    running = [hold.remote(turnstile, tmp_path / "pid"), cell.hold.remote(turnstile, tmp_path / "pid")]
    pending = [*running, cell.give.remote(), echo.remote(running[0]), promise]
    turnstile.arrived()
    turnstile.arrived()
    os.kill(node, signal.SIGKILL)
    for ref in pending:
        with pytest.raises(NodeDiedError):
            get(ref, timeout=LIMIT)
    with pytest.raises(NodeDiedError):
        echo.remote(1)
    assert all(ended(pid) for pid in (worker, node, *map(int, lines(tmp_path / "pid"))))
    alula.shutdown()
    alula.init(num_cpus=1)
    assert get(echo.remote(1)) == 1


def test_a_node_process_that_is_killed_wakes_a_thread_that_waits(
    tmp_path: Path, turnstile: Turnstile
) -> None:
    raised: list[BaseException] = []

    def wait() -> None:
        with pytest.raises(NodeDiedError) as caught:
            get(hold.remote(turnstile, tmp_path / "pid"))
        raised.append(caught.value)

    threads = [threading.Thread(target=wait) for _ in range(2)]
    for thread in threads:
        thread.start()
        turnstile.arrived()
    os.kill(get(remote(num_cpus=0)(lambda: os.getppid()).remote()), signal.SIGKILL)
    for thread in threads:
        thread.join(LIMIT)
    assert len(raised) == 2


def test_what_ready_values_are_stays_known_without_the_node_process() -> None:
    ref = put(np.arange(100_000))
    os.kill(get(pids.remote())[1], signal.SIGKILL)
    assert get(ref)[-1] == 99_999


# ---------------------------------------------------------------------------------------- the driver

DRIVER = """
import os, sys
from pathlib import Path
import numpy as np
import alula
from alula.testing import Turnstile
from tests.faults.test_engine import Cell, hold, pids

turnstile, notes = Turnstile(Path(sys.argv[1]), "driver"), Path(sys.argv[1]) / "driver.pids"
alula.init(num_cpus=2)
kept = [alula.put(np.ones(1_000_000)), alula.remote(lambda: np.ones(1_000_000)).remote()]
cell = Cell.remote(kept[0])
refs = [hold.remote(turnstile, notes, kept[0]), hold.remote(turnstile, notes)]
refs.append(cell.hold.remote(turnstile, notes))
for _ in refs:
    turnstile.arrived()
print(alula.get(pids.options(num_cpus=0).remote())[1], *notes.read_text().split(), flush=True)
"""


def shared() -> set[str]:
    """List the shared memory that has a name of ours: other programs of this machine come and go."""
    return {name for name in os.listdir("/dev/shm") if "alula" in name}


def started(output: str) -> list[int]:
    pids = [int(word) for word in output.split()]
    assert len(pids) == 4
    return pids


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_when_the_driver_is_killed_nothing_is_left(tmp_path: Path, number: int) -> None:
    before = shared()
    with program(DRIVER + "alula.get(refs)", tmp_path) as driver:
        assert driver.stdout is not None
        pids = started(driver.stdout.readline())
        os.kill(driver.pid, number)
        driver.wait(LIMIT)
        assert all(map(ended, pids))
    assert shared() <= before


@pytest.mark.parametrize(
    ("last", "code"),
    [("", 0), ("alula.shutdown()", 0), ("raise SystemExit(3)", 3), ("os._exit(4)", 4), ("1/0", 1)],
)
def test_however_the_driver_ends_nothing_is_left(tmp_path: Path, last: str, code: int) -> None:
    with program(DRIVER + last, tmp_path) as driver:
        output, errors = driver.communicate(timeout=LIMIT)
        assert all(map(ended, started(output)))
    assert driver.returncode == code
    assert "alula" not in errors or last == "1/0"


def test_the_driver_ends_although_a_child_of_its_own_lives_on(tmp_path: Path, turnstile: Turnstile) -> None:
    code = "pid = os.fork()\nturnstile.wait() if not pid else print(pid, flush=True)\nalula.get(refs)"
    with program(DRIVER + code, tmp_path) as driver:
        assert driver.stdout is not None
        pids = started(driver.stdout.readline())
        child = int(driver.stdout.readline())
        kill(driver.pid)
        assert all(map(ended, pids))
        kill(child)


def test_the_session_is_not_for_a_fork_of_the_driver(tmp_path: Path) -> None:
    ref = put(1)
    child = os.fork()
    if not child:
        try:
            echo.remote(1)
        except NodeDiedError as error:
            note(tmp_path / "child", str(error))
        os._exit(0)
    os.waitpid(child, 0)
    assert "fork" in lines(tmp_path / "child")[0]
    assert get(echo.remote(ref), timeout=LIMIT) == 1


def test_a_task_may_fork(tmp_path: Path) -> None:
    @remote
    def forking() -> int:
        child = os.fork()
        if not child:
            raise RuntimeError("the child goes on as if it were the worker")
        return os.waitpid(child, 0)[1]

    assert get(forking.remote(), timeout=LIMIT) != 0
    assert get(echo.remote(1), timeout=LIMIT) == 1


# ----------------------------------------------------------------------------------------- shutdown


def test_shutdown_ends_tasks_that_run(tmp_path: Path, turnstile: Turnstile) -> None:
    refs = [hold.remote(turnstile, tmp_path / "pid") for _ in range(5)]
    cell = Cell.remote()
    refs.append(cell.hold.remote(turnstile, tmp_path / "pid"))
    for _ in range(3):
        turnstile.arrived()
    alula.shutdown()
    assert all(ended(int(pid), timeout=0) for pid in lines(tmp_path / "pid"))
    for ref in refs:
        with pytest.raises(NodeDiedError, match="shut down"):
            get(ref)


def test_shutdown_wakes_threads_that_wait(tmp_path: Path, turnstile: Turnstile) -> None:
    raised: list[str] = []

    def wait() -> None:
        try:
            get(hold.remote(turnstile, tmp_path / "pid"))
        except NodeDiedError as error:
            raised.append(str(error))

    threads = [threading.Thread(target=wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    turnstile.arrived()
    turnstile.arrived()
    alula.shutdown()
    for thread in threads:
        thread.join(LIMIT)
    assert len(raised) == 4


def test_sessions_one_after_the_other_leave_no_descriptor_and_no_thread() -> None:
    get(echo.remote(put(np.zeros(100_000))))
    alula.shutdown()
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(3):
        alula.init(num_cpus=2)
        cell = Cell.remote(1)
        assert get([echo.remote(put(np.zeros(100_000))), cell.give.remote()])[1] == 1
        alula.shutdown()
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before


def test_a_task_cannot_shut_the_session_down() -> None:
    with pytest.raises(RuntimeError, match="inside a task"):
        get(remote(lambda: alula.shutdown()).remote(), timeout=LIMIT)
    assert get(remote(lambda: get(echo.remote(1))).remote(), timeout=LIMIT) == 1


# ------------------------------------------------------------------------------------------- memory


def test_large_values_are_freed_with_their_last_reference() -> None:
    before = segments()
    refs = [put(np.zeros(100_000)) for _ in range(10)]
    refs += [remote(lambda: np.zeros(100_000)).remote() for _ in range(10)]
    arrays = get(refs)
    assert segments() >= before + 20
    del refs
    assert float(arrays[-1].sum()) == 0  # alive without its reference
    del arrays
    assert eventually(lambda: segments() == before)  # some are kept warm for a moment


def test_results_whose_references_were_dropped_before_are_freed(tmp_path: Path, turnstile: Turnstile) -> None:
    before = segments()
    ref = hold.remote(turnstile, tmp_path / "pid", np.zeros(100_000))
    turnstile.arrived()
    del ref
    turnstile.let()
    fence = [hold.remote(turnstile, tmp_path / "pid") for _ in range(2)]
    get([*fence, echo.remote(1)], timeout=LIMIT)
    assert eventually(lambda: segments() == before)


def test_an_idle_worker_holds_no_large_value() -> None:
    @remote
    def total(array: np.ndarray[Any, Any], refs: list[ObjectRef[Any]]) -> tuple[int, float]:
        return os.getpid(), float(array.sum() + get(refs[0]).sum())

    pid, summed = get(total.remote(np.ones(100_000), [put(np.ones(100_000))]), timeout=LIMIT)
    assert summed == 200_000
    assert eventually(lambda: segments(pid) == 0)


def test_a_function_that_nobody_has_any_more_is_forgotten_by_the_workers() -> None:
    @remote
    def known() -> int:
        return len(alula.futures._remote._known)

    def use(size: int) -> None:
        captured = bytes(size)
        assert get(remote(lambda: len(captured)).remote(), timeout=LIMIT) == size

    get([known.remote() for _ in range(20)])
    before = get(known.remote())
    for size in range(50):
        use(size)
    assert get(known.remote(), timeout=LIMIT) <= before + 10


# -------------------------------------------------------------------------------------------- faults


def test_a_message_that_cannot_be_handled_ends_the_session_loudly(
    tmp_path: Path, turnstile: Turnstile, capfd: pytest.CaptureFixture[str]
) -> None:
    @remote
    def send_nonsense() -> None:
        engine: Any = alula.futures.current()
        with engine.lock:
            for peer in engine.peers.values():
                engine.send(peer, ("nonsense",))

    refs = [hold.remote(turnstile, tmp_path / "pid"), send_nonsense.remote()]
    for ref in refs:
        with pytest.raises(NodeDiedError, match="nonsense"):
            get(ref, timeout=LIMIT)
    assert "Traceback" in capfd.readouterr().err


def test_a_worker_that_cannot_handle_a_message_says_why() -> None:
    @remote(max_retries=0)
    def confused() -> None:
        engine: Any = alula.futures.current()
        with engine.lock:
            engine._on_error(ValueError("what was that"))

    with pytest.raises(WorkerCrashedError, match="what was that"):
        get(confused.remote(), timeout=LIMIT)


DESCRIPTORS = """
import os, resource, sys
import numpy as np
import alula
resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80))
alula.init(num_cpus=1)
{body}
alula.shutdown()
"""


@pytest.mark.parametrize(
    "body",
    [
        "kept = [alula.put(np.full(50_000, i)) for i in range(200)]\nvalues = alula.get(kept)",
        "values = alula.get([alula.remote(lambda i: np.full(50_000, i)).remote(i) for i in range(200)])",
        "values = alula.get(alula.get(alula.remote("
        "lambda: [alula.put(np.full(50_000, i)) for i in range(200)]).remote()))",
        "values = alula.get(alula.remote(lambda refs: [v[:20_000] for v in alula.get(refs)]).remote("
        "[alula.put(np.full(50_000, i)) for i in range(200)]))",
    ],
    ids=["put", "results", "inside a task", "to a task"],
)
def test_there_may_be_more_large_values_than_descriptors(body: str) -> None:
    body += "\nprint(all((value == i).all() for i, value in enumerate(values)))"
    with program(DESCRIPTORS.format(body=body)) as driver:
        assert driver.communicate(timeout=LIMIT) == ("True\n", "")


NONE_LEFT = """
alula.get(alula.remote(lambda: None).remote())  # from now on nothing with a descriptor is on its way
kept = [alula.put(np.ones(50_000)) for _ in range(5)]
opened = []
try:
    while True:
        opened.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
try:
    alula.put(np.ones(50_000))
except alula.errors.ObjectStoreFullError as error:
    print("ulimit -n" in str(error))
for descriptor in opened:
    os.close(descriptor)
print(sum(alula.get(kept))[0], alula.get(alula.remote(lambda x: x * 2).remote(alula.put(np.ones(50_000))))[0])
"""


def test_where_no_descriptor_is_left_the_error_says_so_and_the_session_lives_on() -> None:
    with program(DESCRIPTORS.format(body=NONE_LEFT)) as driver:
        assert driver.communicate(timeout=LIMIT) == ("True\n5.0 2.0\n", "")
