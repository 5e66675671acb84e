"""What only the embedded engine promises: how it schedules, shares memory, and lets go."""

import os
import signal
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alula
from alula.errors import ActorDiedError, GetTimeoutError, ObjectLostError, TaskCancelledError, TaskError
from alula.futures import ActorHandle, ObjectRef, cancel, current, get, kill, put, remote, wait
from alula.futures._embedded._values import to_blob
from alula.graph import Done
from alula.testing import Turnstile
from tests.faults.processes import LIMIT, TREE, ended, eventually, lines, note

pytestmark = pytest.mark.usefixtures("engine")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def single() -> Iterator[None]:
    """One core instead of two."""
    alula.shutdown()
    alula.init(num_cpus=1)
    yield
    alula.shutdown()
    alula.init(num_cpus=2)


@remote
def echo(value: Any) -> Any:
    return value


@remote
def hold(turnstile: Turnstile, value: Any = None) -> Any:
    turnstile.wait()
    return value


@remote
def pid() -> int:
    return os.getpid()


class Kept:
    def __init__(self, kept: Any = None) -> None:
        self.kept = kept

    def keep(self, kept: Any) -> None:
        self.kept = kept

    def give(self) -> Any:
        return self.kept

    def hold(self, turnstile: Turnstile) -> None:
        turnstile.wait()

    def pid(self) -> int:
        return os.getpid()


Cell = remote(Kept)


# --------------------------------------------------------------------------------------- scheduling


@remote
def fib(n: int) -> int:
    if n < 2:
        return n
    return sum(get([fib.remote(n - 1), fib.remote(n - 2)]))


@pytest.mark.usefixtures("single")
def test_tasks_that_wait_for_tasks_do_not_block_the_only_core() -> None:
    assert get(fib.remote(6), timeout=LIMIT) == 8


@pytest.mark.usefixtures("single")
def test_a_task_that_waits_for_one_behind_it_does_not_block_it(turnstile: Turnstile) -> None:
    """The one behind had to wait for its input, and so came into the queue after it."""

    @remote
    def waits(refs: list[ObjectRef[int]]) -> int:
        return get(refs[0])

    first = hold.remote(turnstile, 1)
    behind = echo.remote(first)
    ref = waits.remote([behind])
    turnstile.let()
    assert get(ref, timeout=LIMIT) == 1


@pytest.mark.usefixtures("single")
def test_a_worker_that_is_lent_to_itself_makes_each_value_before_it_is_read() -> None:
    """It has ended the task that submitted these, so it is idle, and there is no other."""

    @remote
    def start() -> list[ObjectRef[int]]:
        first = echo.remote(7)
        return [first, echo.remote(first)]

    for _ in range(20):
        assert get(get(start.remote(), timeout=LIMIT), timeout=LIMIT) == [7, 7]


@pytest.mark.usefixtures("single")
def test_idle_workers_beyond_the_cores_retire() -> None:
    @remote
    def deep(n: int) -> list[int]:
        return [os.getpid(), *(get(deep.remote(n - 1)) if n else [])]

    pids = get(deep.remote(12), timeout=LIMIT)
    assert len(set(pids)) == 13

    def few() -> bool:
        get(echo.remote(1))
        return sum(Path(f"/proc/{pid}").exists() for pid in pids) <= 4

    assert eventually(few)
    assert get(fib.remote(5), timeout=LIMIT) == 5


def test_no_task_is_queued_behind_a_long_one(turnstile: Turnstile) -> None:
    get([echo.remote(i) for i in range(500)])  # so that many are pushed at once
    refs = [echo.remote(i) for i in range(1000)]
    long = hold.remote(turnstile)
    refs += [echo.remote(i) for i in range(1000)]
    assert get(refs, timeout=LIMIT) == [*range(1000), *range(1000)]
    turnstile.let()
    get(long, timeout=LIMIT)


def test_one_in_a_hundred_takes_long_and_all_come(turnstile: Turnstile) -> None:
    refs = [hold.remote(turnstile, i) if i % 100 == 0 else echo.remote(i) for i in range(2000)]
    for _ in range(20):
        turnstile.arrived()
        turnstile.let(1)
    assert get(refs, timeout=LIMIT) == list(range(2000))


def test_a_task_that_needs_all_cores_is_not_overtaken_for_ever() -> None:
    stop = threading.Event()

    def stream() -> None:
        while not stop.is_set():
            get([echo.remote(i) for i in range(20)])

    threads = [threading.Thread(target=stream) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        assert get([echo.options(num_cpus=2).remote(i) for i in range(3)], timeout=LIMIT) == [0, 1, 2]
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_what_can_never_run_is_warned_of_and_harms_nobody() -> None:
    task = echo.options(resources={"unicorn": 1})
    with pytest.warns(RuntimeWarning, match="unicorn") as caught:
        ref = task.remote(1)
    assert caught[0].filename == __file__
    assert get([echo.remote(i) for i in range(100)], timeout=LIMIT) == list(range(100))
    with pytest.raises(GetTimeoutError):
        get(ref, timeout=0.01)
    with warnings.catch_warnings(action="error"):  # once is enough
        cancel(task.remote(1))
    cancel(ref)
    with pytest.raises(TaskCancelledError):
        get(ref, timeout=LIMIT)


def test_threads_submit_and_wait_at_once() -> None:
    sums: list[int] = []

    def work(k: int) -> None:
        sums.extend(sum(get([echo.remote(k) for _ in range(10)], timeout=LIMIT)) for _ in range(20))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(sums) == 20 * 10 * sum(range(12))


def test_a_poll_sees_a_value_although_nobody_waits_for_it() -> None:
    ref = echo.remote(3)
    assert eventually(lambda: bool(wait([ref], timeout=0)[0]))
    assert get(ref, timeout=0) == 3


def test_a_value_comes_while_the_program_computes(turnstile: Turnstile) -> None:
    come = threading.Event()
    current().watch(hold.remote(turnstile), lambda error: come.set())
    turnstile.let()
    assert eventually(come.is_set)


def test_a_chain_of_references_of_any_length() -> None:
    ref = echo.remote(7)
    for _ in range(2000):
        ref = echo.remote(ref)
    assert get(ref, timeout=LIMIT) == 7


def test_an_error_goes_down_a_chain_of_any_length(turnstile: Turnstile) -> None:
    @remote
    def fail(turnstile: Turnstile) -> None:
        turnstile.wait()
        raise KeyError("first")

    ref: ObjectRef[Any] = fail.remote(turnstile)
    for _ in range(2000):
        ref = echo.remote(ref)
    turnstile.let()
    with pytest.raises(KeyError, match="first"):
        get(ref, timeout=LIMIT)


# ------------------------------------------------------------------------------------------- values


@remote
def fail() -> None:
    raise ValueError("on purpose")


def test_what_needs_a_failed_value_settles_although_no_answer_comes() -> None:
    failed = fail.remote()
    wait([failed])
    refs: list[ObjectRef[Any]] = []
    for _ in range(20):  # in a burst they are looked at when somebody waits, and nothing else happens then
        refs += [echo.remote(failed) for _ in range(50)]
        with pytest.raises(ValueError, match="on purpose"):
            get(refs[-1], timeout=LIMIT)


def test_a_call_of_a_dead_actor_settles_although_no_answer_comes() -> None:
    actor = Cell.remote()
    get(actor.pid.remote())
    kill(actor)
    with pytest.raises(ActorDiedError):
        get(actor.pid.remote(), timeout=LIMIT)
    refs: list[ObjectRef[Any]] = []
    for _ in range(20):
        refs += [actor.pid.remote() for _ in range(50)]
        with pytest.raises(ActorDiedError):
            get(refs[-1], timeout=LIMIT)


def test_large_values_are_one_memory_read_only_and_outlive_their_reference() -> None:
    ref = put(np.arange(100_000))
    first, second = get(ref), get(ref)
    assert np.shares_memory(first, second)
    assert not first.flags.writeable
    del ref
    assert int(first.sum()) == sum(range(100_000))


def test_a_task_reads_a_large_argument_where_the_owner_put_it() -> None:
    def file_of(array: np.ndarray[Any, Any]) -> str:
        start = array.__array_interface__["data"][0]
        for line in Path("/proc/self/maps").read_text().splitlines():
            low, high = (int(bound, 16) for bound in line.split()[0].split("-"))
            if low <= start < high:
                return line.split()[4]  # the inode
        return "none"

    ref = put(np.zeros(100_000))
    assert get(remote(file_of).remote(ref), timeout=LIMIT) == file_of(get(ref))


def test_a_task_takes_more_large_values_than_one_message_can_carry() -> None:
    refs = [put(np.full(20_000, i)) for i in range(300)]

    @remote
    def total(refs: list[ObjectRef[Any]]) -> int:
        return int(sum(array[0] for array in get(refs)))

    assert get(total.remote(refs), timeout=LIMIT) == sum(range(300))
    assert get(remote(lambda *arrays: len(arrays)).remote(*refs), timeout=LIMIT) == 300


def test_many_arguments_just_below_the_limit_of_messages() -> None:
    values = [bytes([i]) * 90_000 for i in range(200)]
    assert get([echo.remote(value) for value in values], timeout=LIMIT) == values


def test_a_reference_in_many_places_travels_once() -> None:
    """Each level holds the one below twice: written out, this would be 2**40 values."""
    ref: ObjectRef[Any] = put(1)
    for _ in range(40):
        ref = put([ref, ref])
    depth = 0
    value = get(echo.remote([ref]), timeout=LIMIT)[0]
    while isinstance(value, ObjectRef):
        value, depth = get(value), depth + 1
        value = value[0] if isinstance(value, list) else value
    assert (value, depth) == (1, 41)


def test_references_nest_to_any_depth() -> None:
    ref: ObjectRef[Any] = put(None)
    for _ in range(3000):
        ref = put([ref])
    assert isinstance(get(echo.remote([ref]), timeout=LIMIT)[0], ObjectRef)


def test_a_pending_reference_comes_home_as_itself(turnstile: Turnstile) -> None:
    ref = hold.remote(turnstile, np.zeros(50_000))
    [back] = get(echo.remote([ref]), timeout=LIMIT)
    assert back is ref
    turnstile.let()
    get(back, timeout=LIMIT)


def test_a_task_may_return_what_it_has_not_waited_for(turnstile: Turnstile) -> None:
    @remote
    def start(turnstile: Turnstile) -> list[ObjectRef[Any]]:
        return [hold.remote(turnstile, "late")]

    [ref] = get(start.remote(turnstile), timeout=LIMIT)
    assert wait([ref], timeout=0)[0] == []
    turnstile.let()
    assert get(ref, timeout=LIMIT) == "late"


def test_a_result_that_nobody_wants_is_not_kept() -> None:
    assert echo.options(num_returns=0).remote(np.zeros(100_000)) is None
    assert get(echo.remote(1), timeout=LIMIT) == 1


# ---------------------------------------------------------------------------------------- functions

KEPT = 5


def module_level() -> int:
    return KEPT


def test_a_function_of_the_test_module_travels() -> None:
    assert get(remote(module_level).remote(), timeout=LIMIT) == 5


def test_a_function_may_capture_references(turnstile: Turnstile) -> None:
    ready, pending = put(np.ones(50_000)), hold.remote(turnstile, 2)

    @remote
    def use() -> float:
        return float(get(ready).sum() + get(pending))

    @remote
    def outer() -> float:
        return get(use.remote())

    refs = [use.remote(), outer.remote()]
    turnstile.let()
    assert get(refs, timeout=LIMIT) == [50_002, 50_002]
    assert get(echo.remote(use), timeout=LIMIT) is not use
    assert get(remote(lambda f: get(f.remote())).remote(use), timeout=LIMIT) == 50_002


def test_the_class_of_an_actor_may_capture_references_unless_it_has_a_name() -> None:
    ref = put(3)

    class Reading:
        def read(self) -> int:
            return get(ref)

    Reader = remote(Reading)
    assert get(Reader.remote().read.remote(), timeout=LIMIT) == 3
    with pytest.raises(TypeError, match="references"):
        Reader.options(name="reader").remote()


def test_functions_inside_functions_are_shipped_onward() -> None:
    """The driver sends `a`; the worker that runs it sends `b`, which came inside; that one sends `c`."""
    k = 3

    @remote
    def c(x: int) -> int:
        return x * k

    @remote
    def b(x: int) -> int:
        return get(c.remote(x)) + 1

    @remote
    def a(x: int) -> int:
        return get(b.remote(x)) * 10

    assert get(a.remote(2), timeout=LIMIT) == 70


def test_a_function_that_comes_back_while_it_is_forgotten_stays(turnstile: Turnstile) -> None:
    """Its last holder goes, and before anybody was told it comes again, in the arguments of a task."""
    engine: Any = current()
    function = remote(lambda: 7)
    assert get(function.remote(), timeout=LIMIT) == 7
    sent = to_blob(function)
    busy = [hold.remote(turnstile, i) for i in range(2)]
    for _ in busy:
        turnstile.arrived()
    with engine.lock:  # so that nobody forgets it in between
        known = weakref.ref(function._function.definition)
        del function
        assert known() is None
        late = sent.load().remote()
    assert eventually(lambda: not engine.loop._callbacks)
    turnstile.let()
    assert get(late, timeout=LIMIT) == 7


def test_a_function_is_refused_at_the_call_also_for_what_stands_inside_it() -> None:
    lock = threading.Lock()

    @remote
    def inner() -> bool:
        return lock.locked()

    @remote
    def outer() -> bool:
        return get(inner.remote())

    with pytest.raises(TypeError, match="lock"):
        outer.remote()
    assert get(echo.remote(1), timeout=LIMIT) == 1


def test_modules_beside_the_script_are_found_by_workers(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("def triple(x):\n    return 3 * x\n")
    (tmp_path / "script.py").write_text(
        "import os, alula, beside\n"
        "alula.init(num_cpus=1)\n"
        "print(alula.get(alula.remote(beside.triple).remote(14)))\n"
        "print(alula.get(alula.remote(lambda: os.environ.get('PYTHONPATH', '')).remote()))\n"
    )
    environment = os.environ | {"PYTHONPATH": TREE}
    command = [sys.executable, str(tmp_path / "script.py")]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, cwd="/")
    assert ran.stdout == f"42\n{TREE}\n"


# --------------------------------------------------------------------------------------- cancelling


def test_a_task_that_waits_for_its_input_can_be_cancelled(turnstile: Turnstile) -> None:
    first = hold.remote(turnstile, 1)
    second = echo.remote(first)
    third = echo.remote(second)
    cancel(second)
    for ref in (second, third):
        with pytest.raises(TaskCancelledError):
            get(ref, timeout=LIMIT)
    turnstile.let()
    assert get(first, timeout=LIMIT) == 1


def test_cancelling_reaches_the_tasks_of_the_task(tmp_path: Path, turnstile: Turnstile) -> None:
    @remote
    def child() -> None:
        try:
            turnstile_of_child.wait()
        except KeyboardInterrupt:
            note(tmp_path / "child", "interrupted")
            raise

    @remote
    def parent() -> None:
        get(child.remote())

    turnstile_of_child = turnstile
    ref = parent.remote()
    turnstile.arrived()
    cancel(ref)
    with pytest.raises(TaskCancelledError):
        get(ref, timeout=LIMIT)
    assert eventually(lambda: lines(tmp_path / "child") == ["interrupted"])


def test_tasks_of_different_owners_are_not_mixed_up(turnstile: Turnstile) -> None:
    """Owners number their references alike; a number alone says nothing."""
    ours = [hold.remote(turnstile, i) for i in range(5)]

    @remote
    def cancel_own(turnstile: Turnstile) -> str:
        theirs = [echo.options(num_cpus=0).remote(i) for i in range(20)]
        get(theirs)
        mine = hold.options(num_cpus=0).remote(turnstile)
        for ref in [*theirs, mine]:
            cancel(ref)
        return "done"

    ref = cancel_own.options(num_cpus=0).remote(turnstile)
    assert get(ref, timeout=LIMIT) == "done"
    turnstile.let()
    assert get(ours, timeout=LIMIT) == list(range(5))


def test_a_queued_call_of_an_actor_can_be_cancelled(turnstile: Turnstile) -> None:
    cell = Cell.remote()
    busy = cell.hold.remote(turnstile)
    turnstile.arrived()
    refs = [cell.keep.remote(i) for i in range(3)]
    cancel(refs[1])
    with pytest.raises(ValueError, match="kill"):
        cancel(refs[2], force=True)
    turnstile.let()
    with pytest.raises(TaskCancelledError):
        get(refs[1], timeout=LIMIT)
    assert get([busy, refs[2], cell.give.remote()], timeout=LIMIT) == [None, None, 2]


# ------------------------------------------------------------------------------------------- actors


def test_an_actor_ends_when_its_last_handle_goes_and_its_calls_are_done(turnstile: Turnstile) -> None:
    cell = Cell.remote()
    number = get(cell.pid.remote(), timeout=LIMIT)
    refs = [cell.hold.remote(turnstile), cell.pid.remote()]
    del cell
    turnstile.let()
    assert get(refs, timeout=LIMIT) == [None, number]
    assert ended(number)


def test_a_handle_that_was_passed_on_keeps_the_actor_alive() -> None:
    holder, cell = Cell.remote(), Cell.remote(4)
    get(holder.keep.remote(cell), timeout=LIMIT)
    del cell
    back = get(holder.give.remote(), timeout=LIMIT)
    assert get(back.give.remote(), timeout=LIMIT) == 4


def test_an_actor_that_was_dropped_before_it_began_ends_too(tmp_path: Path) -> None:
    class Noting:
        def __init__(self) -> None:
            note(tmp_path / "pid", os.getpid())

    for _ in range(3):
        remote(Noting).remote()
    assert eventually(lambda: len(lines(tmp_path / "pid")) == 3)
    assert all(ended(int(line)) for line in lines(tmp_path / "pid"))


def test_an_actor_is_made_before_anybody_s_call_runs() -> None:
    """The call of one who got the handle may overtake the making, which is another's."""

    class Maker:
        def make(self, value: Any) -> list[ActorHandle]:
            return [Cell.remote(value)]

    maker = remote(Maker).remote()
    for i in range(20):
        [cell] = get(maker.make.remote(i), timeout=LIMIT)
        assert get(cell.give.remote(), timeout=LIMIT) == i


def test_an_actor_may_call_itself() -> None:
    class Selfish:
        def start(self, me: list[ActorHandle]) -> list[ObjectRef[int]]:
            return [me[0].end.remote(20)]

        def end(self, x: int) -> int:
            return x + 1

    selfish = remote(Selfish).remote()
    [ref] = get(selfish.start.remote([selfish]), timeout=LIMIT)
    assert get(ref, timeout=LIMIT) == 21


def test_coroutines_of_one_actor_share_a_loop_in_turn_or_at_once() -> None:
    class Meeting:
        def __init__(self) -> None:
            self.queue: Any = None

        async def bring(self, value: int) -> str:
            import asyncio

            self.queue = self.queue or asyncio.Queue()
            await self.queue.put(value)
            return "brought"

        async def take(self) -> int:
            import asyncio

            self.queue = self.queue or asyncio.Queue()
            value: int = await self.queue.get()
            return value

    in_turn = remote(Meeting).remote()
    assert get([in_turn.bring.remote(1), in_turn.take.remote()], timeout=LIMIT) == ["brought", 1]
    at_once = remote(Meeting).options(max_concurrency=2).remote()
    assert get([at_once.take.remote(), at_once.bring.remote(2)], timeout=LIMIT) == [2, "brought"]


# ---------------------------------------------------------------------------------------- callbacks


def test_a_callback_may_wait_for_other_values() -> None:
    """It is called by the thread that reads the sockets, which goes on reading inside."""
    found: list[int] = []
    done = threading.Event()

    def then(error: BaseException | None) -> None:
        found.append(get(echo.remote(2), timeout=LIMIT))
        done.set()

    current().watch(echo.remote(1), then)
    assert eventually(done.is_set)
    assert found == [2]


def test_a_callback_that_raises_is_reported_and_harms_nobody(
    turnstile: Turnstile, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: reported.append(args.exc_value))

    def then(error: BaseException | None) -> None:
        raise KeyError("mine")

    ref = hold.remote(turnstile, 1)
    current().watch(ref, then)
    turnstile.let()
    assert eventually(lambda: len(reported) == 1)
    assert get(echo.remote(ref), timeout=LIMIT) == 1


def test_promises_are_settled_from_any_thread() -> None:
    ref, settle = current().promise()
    thread = threading.Thread(target=lambda: settle(Done(echo.remote(6))))
    waiting = echo.remote(ref)
    thread.start()
    assert get(waiting, timeout=LIMIT) == 6
    thread.join()


@pytest.mark.usefixtures("single")
def test_references_are_of_one_session() -> None:
    ref = put(1)
    alula.shutdown()
    alula.init(num_cpus=1)
    for use in (echo.remote, lambda ref: get([ref]), lambda ref: put([ref]), Cell.remote):
        with pytest.raises(ObjectLostError, match="another session"):
            use(ref)


def test_a_task_that_exits_is_an_error_and_its_worker_lives_on() -> None:
    @remote
    def leave(how: str) -> None:
        if how == "exit":
            sys.exit(3)
        signal.raise_signal(signal.SIGINT)  # which is for cancelling alone
        raise KeyError("went on")

    before = set(get([pid.remote() for _ in range(50)]))
    with pytest.raises(TaskError, match=r"sys\.exit"):
        get(leave.remote("exit"), timeout=LIMIT)
    with pytest.raises(KeyError, match="went on"):
        get(leave.remote("signal"), timeout=LIMIT)
    assert set(get([pid.remote() for _ in range(50)])) <= before
