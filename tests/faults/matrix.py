"""The fault matrix: which process dies at which gate, and what then comes of the work.

Each cell is a program of its own, the driver of a session, in which one process dies by SIGKILL at one
gate, once. What the program was to compute has to be right, or end in the error that is written here; no
process, descriptor, row or shared memory may be left. `docs/faults.md` shows the table:

    python -m tests.faults.matrix            print it
    python -m tests.faults.matrix check      run every cell, and print it
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal, TypeAlias, cast
from uuid import uuid4

import alula
from alula._core._gates import arm
from alula.errors import FutureError, TaskError
from alula.futures import ActorHandle, ObjectRef, current, get, put, remote
from alula.testing import Turnstile, fault_environment
from tests.faults.processes import LIMIT, ROOT, ended, eventually, kill, marked, rows, segments

__all__ = ["CELLS", "Cell", "Outcome", "main", "run", "table"]

Victim: TypeAlias = Literal[
    "worker",
    "worker, no retries",
    "producer",
    "owner",
    "owner, no retries",
    "lender",
    "actor",
    "restarting actor",
    "restarting actor, retried",
    "actor in its restart",
    "node process",
    "node process in a restart",
    "driver",
]
Size: TypeAlias = Literal["small", "large"]

RIGHT: Final = "right answer"
ENDED: Final = "its session ends"
_BYTES: Final[Mapping[str, int]] = {"small": 10, "large": 1_000_000}
_MARK: Final = "TEST_OF_FAULTS"  # in the environment of every process of a cell


@dataclass(frozen=True, slots=True)
class Cell:
    """One death and what comes of it.

    Attributes
    ----------
    passage
        At which passage of that gate it dies, each process counting its own.
    """

    victim: Victim
    gate: str
    size: Size
    outcome: str
    passage: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes
    ----------
    died
        Whether the process died at the gate: otherwise the cell proves nothing.
    left
        Processes, rows and shared memory that are still there; nothing, if all is well.
    """

    answer: str
    died: bool
    left: tuple[str, ...]


# --------------------------------------------------------------------------------------- the work


@remote
def join(value: bytes, nested: list[ObjectRef[bytes]], last: int) -> bytes:
    """Use a value that was passed by reference, and one that was nested; give as much again."""
    assert get(nested[0]) == value
    return value[:-1] + bytes([last])


@remote
def hold(turnstile: Turnstile, value: bytes) -> bytes:
    """Give a value when the test allows it."""
    turnstile.wait()
    return value


@remote
def borrow(turnstile: Turnstile, nested: list[ObjectRef[bytes]]) -> bytes:
    """Give a value that was pending when its reference came."""
    turnstile.wait()
    return get(nested[0])


def joined(value: bytes, retries: int) -> None:
    """Submit some tasks, and look at what they give."""
    ref = put(value)
    refs = [join.options(max_retries=retries).remote(ref, [ref], i) for i in range(6)]
    assert get(refs, timeout=LIMIT) == [value[:-1] + bytes([i]) for i in range(6)]


@remote
def part(value: bytes, count: int) -> Iterator[bytes]:
    """Yield so many values that differ in their ends."""
    for i in range(count):
        yield value[:-1] + bytes([i])


def streamed(value: bytes) -> None:
    """Take what a generator yields, with and without a limit."""
    for limit in (-1, 2):
        stream: Any = part.options(_generator_backpressure_num_objects=limit).remote(value, 8)
        assert [get(ref, timeout=LIMIT) for ref in stream] == [value[:-1] + bytes([i]) for i in range(8)]


@remote
def owning(value: bytes) -> None:
    """Own tasks inside of a task."""
    joined(value, 3)


class Keeping:
    """An actor that keeps a value, or whatever it has started."""

    def __init__(self, value: bytes = b"") -> None:
        self.value = value

    def pid(self) -> int:
        """Give its process."""
        return os.getpid()

    def change(self, last: int) -> bytes:
        """Give the value with another end."""
        self.value = self.value[:-1] + bytes([last])
        return self.value

    def start(self, turnstile: Turnstile, value: bytes) -> list[ObjectRef[bytes]]:
        """Give a reference to something that waits for something else."""
        return [join.remote(hold.remote(turnstile, value), [put(value)], 1)]

    def arm(self, gate: str, token: Path) -> None:
        """Die at a gate, the next time."""
        arm(gate, _at(1, token))


Keeper = remote(Keeping)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _at(passage: int, token: Path) -> Callable[[], None]:
    passed = 0

    def action() -> None:
        nonlocal passed
        passed += 1
        if passed == passage:
            token.unlink()
            _die()

    return action


def _lending(value: bytes, gate: str, folder: Path) -> None:
    """The owner of a reference that was lent dies, when its value is on the way."""
    with Turnstile(folder) as turnstile:
        keeper = Keeper.remote()
        [ref] = get(keeper.start.remote(turnstile, value), timeout=LIMIT)
        turnstile.arrived()
        get(keeper.arm.remote(gate, folder / "token"), timeout=LIMIT)
        turnstile.let()
        assert get(ref, timeout=LIMIT) == value[:-1] + b"\1"


def _acting(value: bytes) -> None:
    _changed(Keeper.remote(value), value)


def _changed(keeper: ActorHandle, value: bytes) -> None:
    refs = [keeper.change.remote(i) for i in range(3)]
    assert get(refs, timeout=LIMIT) == [value[:-1] + bytes([i]) for i in range(3)]


def _restarting(value: bytes, retries: int) -> None:
    """Whatever comes of the calls that its death has hit, the actor is there again for later ones."""
    keeper = Keeper.options(max_restarts=1, max_task_retries=retries).remote(value)
    try:
        _changed(keeper, value)
    finally:
        _changed(keeper, value)


def _in_a_restart(value: bytes, folder: Path) -> None:
    """What is armed by the token dies because an actor is started again, and not before."""
    keeper = Keeper.options(max_restarts=-1, max_task_retries=-1).remote(value)
    pid = get(keeper.pid.remote(), timeout=LIMIT)
    (folder / "token").touch()
    kill(pid)
    _changed(keeper, value)


def _driving(value: bytes, folder: Path) -> None:
    """Do a bit of everything that a driver does."""
    joined(value, 3)
    with Turnstile(folder, "driving") as turnstile:
        late = hold.remote(turnstile, value)
        late_too = borrow.remote(turnstile, [late])
        for _ in range(2):
            turnstile.arrived()
        turnstile.let()
        assert get(late_too, timeout=LIMIT) == value
    _acting(value)


def _with_node(value: bytes) -> None:
    """Let the node process lend workers, and lose one."""
    joined(value, 3)
    get(remote(max_retries=0)(_die).remote(), timeout=LIMIT)


_WORK: Final[Mapping[Victim, Callable[[bytes, str, Path], None]]] = {
    "worker": lambda value, gate, folder: joined(value, 3),
    "worker, no retries": lambda value, gate, folder: joined(value, 0),
    "producer": lambda value, gate, folder: streamed(value),
    "owner": lambda value, gate, folder: get(owning.remote(value), timeout=LIMIT),
    "owner, no retries": lambda value, gate, folder: get(
        owning.options(max_retries=0).remote(value), timeout=LIMIT
    ),
    "lender": _lending,
    "actor": lambda value, gate, folder: _acting(value),
    "restarting actor": lambda value, gate, folder: _restarting(value, 0),
    "restarting actor, retried": lambda value, gate, folder: _restarting(value, -1),
    "actor in its restart": lambda value, gate, folder: _in_a_restart(value, folder),
    "node process": lambda value, gate, folder: _with_node(value),
    "node process in a restart": lambda value, gate, folder: _in_a_restart(value, folder),
    "driver": lambda value, gate, folder: _driving(value, folder),
}


# ------------------------------------------------------------------------------------- the program


def main(victim: str, gate: str, size: str, passage: str, folder: str) -> None:
    """Be the driver of one cell: print what came of the work, and what is left of it."""
    at, token = int(passage), Path(folder) / "token"
    if victim.endswith("restart"):
        token.unlink()
    if victim == "driver":
        arm(gate, _at(at, token))
    elif victim != "lender":
        os.environ |= fault_environment({gate: at}, {}, once=token)
    alula.init(num_cpus=2)
    print(_answer(_WORK[cast("Victim", victim)], bytes(_BYTES[cast("Size", size)]), gate, Path(folder)))
    if not victim.startswith("node process"):
        print(*_left(), sep="; ")
    alula.shutdown()


def _answer(work: Callable[[bytes, str, Path], None], value: bytes, gate: str, folder: Path) -> str:
    try:
        work(value, gate, folder)
    except TaskError as error:
        return type(error.cause).__name__
    except FutureError as error:
        return type(error).__name__
    return RIGHT


def _left() -> Iterator[str]:
    """What is still there although nobody refers to anything: rows of ours, and memory of anybody."""
    engine: Any = current()
    if not eventually(lambda: not rows(engine)):
        yield f"rows {rows(engine)}"
    pids = marked(_MARK, os.environ[_MARK])
    if not eventually(lambda: not any(map(segments, pids))):
        yield f"shared memory {[(pid, segments(pid)) for pid in pids]}"


def run(cell: Cell, folder: Path) -> Outcome:
    """Run a cell's program in an empty folder; afterwards nothing of it may be there."""
    token, mark = folder / "token", uuid4().hex
    token.touch()
    code = "import sys; from tests.faults.matrix import main; main(*sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, cell.victim, cell.gate, cell.size, str(cell.passage), str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), _MARK: mark},
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * LIMIT,
    )
    answer, _, left = done.stdout.strip().partition("\n")
    if done.returncode:
        answer = ENDED if done.returncode == -signal.SIGKILL else done.stderr[-500:]
    remains = [left] if left else []
    remains += [f"process {pid}" for pid in marked(_MARK, mark) if not ended(pid)]
    remains += [name for name in os.listdir("/dev/shm") if "alula" in name]
    return Outcome(answer, not token.exists(), tuple(remains))


# -------------------------------------------------------------------------------------- the matrix

_RUNNING = ("task.started", "task.unpickled", "task.finished", "results.sending", "results.sent")
_OWNING = ("lease.granted", "function.shipping", "push.sending", "push.sent", "results.received")
_YIELDING = ("stream.yielded", "stream.sending", "stream.sent")
_LENDING = ("push.sending", "push.sent", "results.received", "loan.settling")
_WRITING = ("segment.writing", "segment.written")
_MAKING = {"actor.making": 1, "task.unpickled": 1}  # the others an actor passes for its constructor, too

_AFTER = "results.sent"
"""Whoever dies here has answered; what came to him since then is lost with him."""


def _in_a_call(gate: str) -> int:
    """At which passage an actor does something for a call, or for its making if the gate is of that alone."""
    return 1 if gate in _WRITING else _MAKING.get(gate, 2)


def _restarts() -> Iterator[Cell]:
    for gate in ("actor.making", *_RUNNING):
        lost = RIGHT if gate == "actor.making" else "ActorUnavailableError"
        hit = lost if gate != _AFTER else f"{RIGHT} or {lost}"
        yield Cell("restarting actor", gate, "small", hit, _in_a_call(gate))
        yield Cell("actor in its restart", gate, "small", RIGHT)
    for gate in ("actor.making", *_RUNNING, *_WRITING):
        yield Cell("restarting actor, retried", gate, "large", RIGHT, _in_a_call(gate))
    for gate in ("node.burying", "node.lending"):
        yield Cell("node process in a restart", gate, "small", "NodeDiedError", 1 + (gate == "node.lending"))


def _cells() -> Iterator[Cell]:
    yield from _restarts()
    for size in ("small", "large"):
        writing = _WRITING if size == "large" else ()
        for gate in (*_RUNNING, *writing):
            yield Cell("worker", gate, size, RIGHT)
        for gate in (*_YIELDING, *writing):
            yield Cell("producer", gate, size, RIGHT, 3)
        for gate in (*_OWNING, *writing):
            yield Cell("owner", gate, size, RIGHT)
        for gate in _LENDING:
            yield Cell("lender", gate, size, "OwnerDiedError")
        for gate in ("actor.making", *_RUNNING, *writing):
            died = "ActorDiedError" if gate != _AFTER else f"{RIGHT} or ActorDiedError"
            yield Cell("actor", gate, size, died, _in_a_call(gate))
        for gate in (*_OWNING, "loan.settling", *writing):
            yield Cell("driver", gate, size, ENDED)
    for gate in _RUNNING:
        crashed = "WorkerCrashedError" if gate != _AFTER else f"{RIGHT} or WorkerCrashedError"
        yield Cell("worker, no retries", gate, "small", crashed)
    for gate in _OWNING:
        yield Cell("owner, no retries", gate, "small", "WorkerCrashedError")
    for gate in ("node.forking", "node.forked", "node.lending", "node.burying"):
        yield Cell("node process", gate, "small", "NodeDiedError")


CELLS: Final = tuple(_cells())
"""Every cell, with the outcome that it must have; ``or`` stands where both are right."""


def table() -> str:
    """Give the matrix as a table: a row for each process and gate."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for cell in CELLS:
        rows.setdefault((cell.victim, cell.gate), {})[cell.size] = cell.outcome
    lines = ["| process | gate | small values | large values |", "|---|---|---|---|"]
    for (victim, gate), outcomes in sorted(rows.items()):
        small, large = (outcomes.get(size, "") for size in ("small", "large"))
        lines.append(f"| {victim} | `{gate}` | {small} | {large} |")
    return "\n".join(lines) + "\n"


def _check() -> int:
    wrong = 0
    for cell in CELLS:
        with TemporaryDirectory() as folder:
            outcome = run(cell, Path(folder))
        well = outcome.died and not outcome.left and outcome.answer in cell.outcome.split(" or ")
        wrong += not well
        print("ok   " if well else "WRONG", cell.victim, cell.gate, cell.size, "" if well else outcome)
    return wrong


if __name__ == "__main__":
    if "check" in sys.argv[1:]:
        raise SystemExit(_check())
    print(table(), end="")
