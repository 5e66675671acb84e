"""Memory of a session, from its calls: reused when nobody sees it, within its budget, never lost."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alula
from alula.errors import ActorDiedError, ObjectStoreFullError, TaskError
from alula.futures import ActorHandle, ObjectRef, current, get, put, remote
from alula.futures._embedded._budget import Usage
from alula.futures._embedded._engine import Embedded
from alula.futures._embedded._memory import here
from tests.faults.processes import LIMIT, ended, eventually, family, kill, memory, program

MB = 1 << 20


def usage() -> Usage:
    engine = current()
    assert isinstance(engine, Embedded)
    return engine.memory()


def array(megabytes: float, value: float = 1.0) -> np.ndarray[Any, Any]:
    return np.full(int(megabytes * MB) // 8, value)


@remote
def echo(value: Any) -> Any:
    return value


@remote
def make(megabytes: float, value: float) -> Any:
    return array(megabytes, value)


@remote
def first(value: Any) -> float:
    return float(value[0])


class Holder:
    """Holds references for others."""

    def __init__(self) -> None:
        self.kept: dict[int, Any] = {}

    def keep(self, key: int, refs: list[ObjectRef[Any]]) -> None:
        self.kept[key] = refs

    def pass_on(self, refs: list[ObjectRef[Any]], way: list[ActorHandle]) -> int:
        """Keep them, or have another one do so, without whom nothing more is heard of them."""
        if way:
            self.kept[0] = way[0]
            get(way[0].pass_on.remote(refs, way[1:]))
        else:
            self.kept[0] = refs
        return os.getpid()

    def mourn(self) -> None:
        """Drop what was kept, and wait until the death of the next one on the way is known."""
        with pytest.raises(ActorDiedError):
            get(self.kept.pop(0).read.remote(0))

    def drop(self, key: int) -> None:
        self.kept.pop(key, None)
        gc.collect()

    def read(self, key: int) -> float:
        return float(get(self.kept[key][0])[-1])

    def trim(self) -> int:
        here.shrink()
        return os.getpid()


Keeper = remote(Holder)


@pytest.fixture
def small() -> Iterator[None]:
    """A session that may hold 8 MB."""
    alula.shutdown()
    alula.init(num_cpus=2, object_store_memory=8 * MB)
    yield
    alula.shutdown()


# ------------------------------------------------------------------------------------------- reuse


@pytest.mark.usefixtures("engine")
class TestReuse:
    def test_the_memory_of_a_value_that_nobody_sees_is_used_again(self) -> None:
        before = memory([os.getpid()]).keys()
        ref = put(array(1))
        [file] = memory([os.getpid()]).keys() - before
        del ref
        ref = put(array(1, 2))
        assert file in memory([os.getpid()])
        assert get(ref)[0] == 2
        assert usage().held >= MB

    @pytest.mark.parametrize("seen", ["reference", "view"])
    def test_what_is_seen_here_is_not_written_to(self, seen: str) -> None:
        ref: Any = put(array(1))
        kept = get(ref) if seen == "view" else ref
        del ref
        for i in range(10):
            put(array(1, 2.0 + i))
        assert (kept if seen == "view" else get(kept))[0] == 1

    def test_what_another_process_sees_is_not_written_to(self) -> None:
        keeper = Keeper.remote()
        ref = put(array(1))
        get(keeper.keep.remote(0, [ref]), timeout=LIMIT)
        del ref
        for i in range(10):
            put(array(1, 2.0 + i))
        assert get(keeper.read.remote(0), timeout=LIMIT) == 1

    def test_what_was_passed_on_is_not_written_to(self) -> None:
        """The one in the middle has dropped it, and its maker only knows of him."""
        keeper = Keeper.remote()

        @remote
        def hand_on(refs: list[ObjectRef[Any]], keeper: ActorHandle) -> None:
            get(keeper.keep.remote(0, refs))

        ref = put(array(1))
        get(hand_on.remote([ref], keeper), timeout=LIMIT)
        del ref
        for i in range(10):
            put(array(1, 2.0 + i))
        assert get(keeper.read.remote(0), timeout=LIMIT) == 1
        alula.kill(keeper)  # as its handle was passed on, it would live as long as the session

    def test_a_result_is_not_written_to_while_anybody_has_it(self) -> None:
        refs = [make.remote(1, float(i)) for i in range(60)]
        assert [get(ref, timeout=LIMIT)[-1] for ref in refs] == list(range(60))
        assert get([first.remote(ref) for ref in refs], timeout=LIMIT) == list(range(60))
        for i in range(10):
            get(make.remote(1, 100.0 + i), timeout=LIMIT)
        assert [get(ref, timeout=LIMIT)[-1] for ref in refs] == list(range(60))

    def test_it_is_known_whether_others_see_a_value(self) -> None:
        keeper = Keeper.remote()
        ref = put(array(1))
        assert usage().shared == 0
        get(keeper.keep.remote(0, [ref]), timeout=LIMIT)
        assert usage().shared == 1
        get(keeper.drop.remote(0), timeout=LIMIT)
        assert eventually(lambda: usage().shared == 0)
        get(keeper.keep.remote(1, [ref]), timeout=LIMIT)
        assert usage().shared == 1
        alula.kill(keeper)
        assert eventually(lambda: usage().shared == 0)
        assert get(ref)[0] == 1

    def test_a_value_outlives_the_worker_that_made_it(self) -> None:
        @remote
        def lasting() -> tuple[int, list[ObjectRef[Any]]]:
            return os.getpid(), [put(array(1, 5))]

        pid, [ref] = get(lasting.remote(), timeout=LIMIT)
        held = usage().held
        os.kill(pid, 9)
        assert ended(pid)
        assert eventually(lambda: usage().held >= held + MB)  # it counts as ours now
        assert get(ref)[0] == 5

    def test_an_idle_session_keeps_nothing_warm(self) -> None:
        gc.collect()
        get([make.remote(1, 0), put(array(1))], timeout=LIMIT)
        assert eventually(lambda: not memory(family(os.getpid())))
        assert usage().held == 0


# -------------------------------------------------------------------------------------- zero copies


@pytest.mark.usefixtures("engine")
class TestZeroCopy:
    @pytest.mark.parametrize("size", [1_000, 1_000_000], ids=["inside a message", "in shared memory"])
    def test_buffers_are_aligned(self, size: int) -> None:
        for value in get([put([np.ones(size), np.ones(size + 1)]), echo.remote(np.ones(size))]):
            for found in value if isinstance(value, list) else [value]:
                if size == 1_000_000:
                    assert found.__array_interface__["data"][0] % 64 == 0
                assert not found.flags.writeable

    @pytest.mark.parametrize("way", ["put", "task"])
    def test_arrow_tables_are_not_copied(self, way: str) -> None:
        table = pa.table({"a": np.arange(100_000), "b": [f"text {i}" for i in range(100_000)]})
        ref = put(table) if way == "put" else echo.remote(table)
        one, two = get(ref, timeout=LIMIT), get(ref)
        assert one.equals(table)
        for column in table.column_names:
            for buffer, same in zip(_buffers(one, column), _buffers(two, column), strict=True):
                assert buffer.address == same.address
                assert buffer.address % 64 == 0
                assert not buffer.is_mutable

    def test_arrow_arrays_keep_their_memory(self) -> None:
        ref = put(pa.array(np.arange(100_000)))
        found = get(ref).slice(10, 5)
        del ref
        for i in range(10):
            put(pa.array(np.full(100_000, i)))
        assert found.to_pylist() == [10, 11, 12, 13, 14]


def _buffers(table: Any, column: str) -> list[Any]:
    return [buffer for chunk in table[column].chunks for buffer in chunk.buffers() if buffer is not None]


# ------------------------------------------------------------------------------------------- budget


@pytest.mark.usefixtures("small")
class TestBudget:
    def test_values_beyond_it_lie_on_disk_and_are_read_in_place(self) -> None:
        refs = [put(array(1, i)) for i in range(40)]
        assert sum(memory(family(os.getpid())).values()) <= 8 * MB
        assert usage().spilled >= 32 * MB
        assert [get(ref)[-1] for ref in refs] == list(range(40))
        one, two = get(refs[0]), get(refs[0])
        assert np.shares_memory(one, two)
        assert one.__array_interface__["data"][0] % 64 == 0
        assert get([first.remote(ref) for ref in refs], timeout=LIMIT) == list(range(40))
        del refs, one, two
        assert eventually(lambda: usage().spilled == 0)

    def test_the_longest_unused_values_leave_first(self) -> None:
        refs = [put(array(1, i)) for i in range(7)]
        get(refs[0])
        refs += [put(array(1, i)) for i in range(7, 10)]
        places = [ref.blob.data.backing.source.in_memory for ref in refs]  # type: ignore[attr-defined]  # ours
        assert places == [True] + [False] * 3 + [True] * 6 or places[0]
        assert not places[1]

    def test_a_value_larger_than_it_goes_to_disk(self) -> None:
        ref = put(array(20, 3))
        assert get(first.remote(ref), timeout=LIMIT) == 3

    def test_results_beyond_it_lie_on_disk(self) -> None:
        refs = [make.remote(1, i) for i in range(40)]
        assert [get(ref, timeout=LIMIT)[-1] for ref in refs] == list(range(40))
        assert eventually(lambda: sum(memory(family(os.getpid())).values()) <= 10 * MB)
        assert get([first.remote(ref) for ref in refs], timeout=LIMIT) == list(range(40))

    def test_what_is_looked_at_stays_where_it_is(self) -> None:
        ref = put(array(1, 7))
        seen = get(ref)
        refs = [put(array(1)) for _ in range(20)]
        assert seen[0] == 7
        assert np.shares_memory(seen, get(ref))
        del refs

    def test_memory_of_one_process_is_given_back_for_another(self) -> None:
        kept = [put(array(1, i)) for i in range(7)]
        refs = [make.remote(1, i) for i in range(20)]
        assert [get(ref, timeout=LIMIT)[-1] for ref in refs] == list(range(20))
        assert eventually(lambda: usage().spilled >= MB)
        assert [get(ref)[-1] for ref in kept] == list(range(7))


# ------------------------------------------------------------------------------------------- deaths


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("megabytes", [0.25, 10], ids=["memory", "disk"])
@pytest.mark.parametrize("before", [0, 1])
def test_what_the_dead_have_passed_on_is_not_written_to(before: int, megabytes: float) -> None:
    """Whoever wrote a value has a hole in what he knows of its readers, wherever on its way the death was."""
    way = [Keeper.remote() for _ in range(before + 2)]
    other, ref = put(array(megabytes)), put(array(megabytes))
    get(way[0].pass_on.remote([ref], way[1:]), timeout=LIMIT)
    kill(get(way[before].trim.remote(), timeout=LIMIT))
    with pytest.raises(ActorDiedError):
        get(way[before].trim.remote(), timeout=LIMIT)
    if before:
        get(way[0].mourn.remote(), timeout=LIMIT)
    assert eventually(lambda: usage().shared == 0)
    del ref
    for i in range(10):
        put(array(megabytes, 2.0 + i))
    assert get(way[-1].read.remote(0), timeout=LIMIT) == 1
    assert get(other)[0] == 1


# ------------------------------------------------------------------------------------------- model

Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "make", "drop", "look", "away", "pass", "release"]), st.integers(0, 7)),
    max_size=25,
)


class Model:
    """Eight names under which this process and an actor may have a value, and views into it."""

    def __init__(self) -> None:
        self.keeper = Keeper.remote()
        self.here: dict[int, tuple[Any, int]] = {}  # the reference, and what the value is filled with
        self.there: dict[int, int] = {}
        self.views: dict[int, tuple[Any, int]] = {}
        self.last = 0

    def step(self, what: str, name: int) -> None:
        known = self.here.get(name)
        if what in ("put", "make"):
            self.last += 1
            value = float(self.last)
            self.here[name] = (
                (put(array(0.25, value)) if what == "put" else make.remote(0.25, value)),
                self.last,
            )
        elif what == "drop":
            self.here.pop(name, None)
        elif what == "away":
            self.views.pop(name, None)
        elif what == "release":
            self.there.pop(name, None)
            get(self.keeper.drop.remote(name), timeout=LIMIT)
        elif known and what == "look":
            self.views[name] = get(known[0], timeout=LIMIT), known[1]
        elif known and what == "pass":
            self.there[name] = known[1]
            get(self.keeper.keep.remote(name, [known[0]]), timeout=LIMIT)

    def check(self) -> None:
        for ref, value in self.here.values():
            assert get(ref, timeout=LIMIT)[0] == value
        for view, value in self.views.values():
            assert view[0] == view[-1] == value
        for name, value in self.there.items():
            assert get(self.keeper.read.remote(name), timeout=LIMIT) == value

    def alive(self) -> int:
        """How many values there may be."""
        seen = [value for _, value in (*self.here.values(), *self.views.values())]
        return len({*seen, *self.there.values()})

    def trim(self) -> bool:
        """Have nothing kept warm; whether memory is what may be alive, and not a page more."""
        get(self.keeper.trim.remote(), timeout=LIMIT)
        here.shrink()
        pages = 0.25 * MB + os.sysconf("SC_PAGE_SIZE")
        return sum(memory(family(os.getpid())).values()) <= self.alive() * pages


@pytest.mark.usefixtures("engine")
@settings(max_examples=5, deadline=None)
@given(STEPS)
def test_memory_holds_what_may_be_seen_and_nothing_else(steps: list[Step]) -> None:
    model = Model()
    for step in steps:
        model.step(*step)
    model.check()
    gc.collect()
    assert eventually(model.trim)
    model.check()
    alula.kill(model.keeper)


LITTLE_DISK = """
import resource, sys
import numpy as np
import alula
from alula.errors import OutOfDiskError, TaskError
resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))
alula.init(num_cpus=1, object_store_memory=2 << 20)

def filled(of):
    refs = []
    try:
        while True:
            refs.append(of(float(len(refs))))
            alula.get(refs[-1])
    except OutOfDiskError as error:
        return refs, error

refs, error = filled(lambda value: alula.put(np.full(50_000, value)))
print("put", len(refs) > 10, "File too large" in str(error))
print(all(alula.get(ref)[0] == i for i, ref in enumerate(refs)))
try:
    alula.remote(lambda x, y: None).remote(1, np.zeros(1_000_000))
except OutOfDiskError as error:
    print("argument 2" in str(error))
ref, settle = alula.futures.current().promise()
from alula.graph import Done
settle(Done(np.zeros(1_000_000)))
try:
    alula.get(ref)
except OutOfDiskError as error:
    print("promise")
del refs, ref
make = alula.remote(lambda value: np.full(50_000, value))
refs, error = filled(lambda value: make.remote(value))
print("task", len(refs) > 10, isinstance(error, TaskError))
refs.pop()
print(all(alula.get(ref)[0] == i for i, ref in enumerate(refs)))
"""


def test_a_full_disk_is_an_error_of_the_call_and_nothing_is_lost() -> None:
    with program(LITTLE_DISK) as child:
        out, err = child.communicate(timeout=LIMIT)
    assert (out.split(), err) == (
        ["put", "True", "True", "True", "True", "promise", "task", "True", "True", "True"],
        "",
    )


SPILLING = """
import numpy as np, os, time
import alula
alula.init(num_cpus=1, object_store_memory=2 << 20)
refs = [alula.put(np.full(50_000, i)) for i in range(50)]
made = [alula.remote(lambda: np.ones(50_000)).remote() for _ in range(50)]
alula.wait(made, num_returns=50)
print("ready", flush=True)
time.sleep(1000)
"""


def test_nothing_is_left_of_a_driver_that_was_killed(tmp_path: Path) -> None:
    with program(SPILLING, environment={**os.environ, "ALULA_HOME": str(tmp_path)}) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "ready\n"
        pids = family(driver.pid)
        assert memory(pids)
        kill(driver.pid)
        assert all(ended(pid) for pid in pids)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not list((tmp_path / "spill").iterdir())


def test_where_nothing_can_be_written_memory_alone_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spill").write_text("in the way")
    monkeypatch.setenv("ALULA_HOME", str(tmp_path))
    alula.shutdown()
    alula.init(num_cpus=1, object_store_memory=2 * MB)
    try:
        kept = put(array(1, 3))
        with pytest.raises(ObjectStoreFullError, match="spill"):
            put(array(1.5))
        with pytest.raises(TaskError, match="spill"):
            get(make.remote(1.5, 0), timeout=LIMIT)
        assert get(kept)[0] == 3
        del kept
        assert eventually(lambda: usage().total < MB)
        assert get(put(array(1.5, 4)))[0] == 4
    finally:
        alula.shutdown()
