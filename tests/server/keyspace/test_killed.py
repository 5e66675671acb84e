"""Killed in the middle of writing: what was acknowledged is there, and of every step all or nothing."""

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import TypeAlias

import pytest

from alula.server import DurableKeyspace, RedisKeyspace, Server, background
from alula.testing import fault_environment
from tests.faults.processes import TREE
from tests.server.redis_server import RedisServer
from tests.server.world import Wire, request

CLIENTS = 6
ACKNOWLEDGED = 200  # steps of all clients together, after which something is killed
FAR = 4_000_000_000_000  # ms: a time that does not come

PROGRAM = """
import sys
from pathlib import Path
from alula.server import DurableKeyspace, RedisKeyspace, Server, serve_until_signal
where = sys.argv[1]
keyspace = RedisKeyspace(where) if where.startswith("redis:") else DurableKeyspace.open(Path(where))
serve_until_signal(Server(port=0, keyspace=keyspace), ready=lambda port: print(port, flush=True))
"""

State: TypeAlias = dict[str, tuple[int, int]]
"""By key: the number that it holds, and when it expires, -1 for never."""

Step: TypeAlias = tuple[list[str], State]
"""What a client sends at once, and the state of its keys after that."""


def steps(client: int) -> Iterator[Step]:
    """All kinds of changes, again and again, on keys of one client's own."""
    rng, state = random.Random(client), State()
    for n in range(10_000):
        t, s, r = f"t{client}:{rng.randrange(3)}", f"s{client}:{rng.randrange(3)}", f"r{client}"
        match rng.randrange(7):
            case 0:
                words = [f"AI.TENSORSET {t} INT32 1 VALUES {n}"]
                state = {**state, t: (n, -1)}
            case 1:
                words = [f"SET {s} {n}"]
                state = {**state, s: (n, -1)}
            case 2 | 3:
                names = [f"d{client}:{number}" for number in range(3)]
                ops = [f"TENSORSET {name} INT32 1 VALUES {n}" for name in names]
                words = ["AI.DAGRUN TENSORSET ~v~ INT8 1 => " + " => ".join(ops)]
                state = {**state, **dict.fromkeys(names, (n, -1))}
            case 4:
                words = [f"DEL {s} {t}"]
                state = {key: held for key, held in state.items() if key not in (s, t)}
            case 5:
                words = [f"PEXPIREAT {t} {FAR}"]
                state = {**state, t: (state[t][0], FAR)} if t in state else state
            case _:
                words = ["MULTI", f"SET {s} {n}", f"RENAME {s} {r}", "EXEC"]
                state = {key: held for key, held in state.items() if key != s} | {r: (n, -1)}
        yield words, state


@dataclass
class Life:
    """One client: it writes until the server is gone, and knows what it was told."""

    number: int
    port: int
    acknowledged: Callable[[], None]
    known: State = field(default_factory=dict)
    hoped: State = field(default_factory=dict)
    said: list[bytes] = field(default_factory=list)

    def live(self) -> None:
        wire = Wire(self.port)
        with suppress(OSError):
            for words, state in steps(self.number):
                self.hoped = state
                wire.send(b"".join(map(request, words)))
                replies = [wire.reply() for _ in words]
                if b"" in replies or any(b"-ERR" in reply for reply in replies):
                    self.said += replies
                    break
                self.known = state
                self.acknowledged()
        wire.close()


def write_until_it_ends(port: int, enough: Callable[[], None]) -> list[Life]:
    """Let clients write until all of them have lost the server; `enough` is called when much is done."""
    count, done = 0, Event()

    def acknowledged() -> None:
        nonlocal count
        count += 1  # not exact among threads, and need not be
        if count >= ACKNOWLEDGED:
            done.set()

    lives = [Life(number, port, acknowledged) for number in range(CLIENTS)]
    threads = [Thread(target=life.live) for life in lives]
    for thread in threads:
        thread.start()
    while not done.wait(0.01) and any(thread.is_alive() for thread in threads):
        pass
    enough()
    for thread in threads:
        thread.join()
    return lives


def stored(wire: Wire, number: int) -> State:
    """Everything of one client that there is."""
    wire.send(request(f"KEYS *{number}*"))
    keys = [line.decode() for line in wire.reply().split(b"\r\n")[2::2]]
    found = State()
    for key in keys:
        if key[1:].partition(":")[0] == str(number):
            value = wire.ask(f"GET {key}" if key[0] in "sr" else f"AI.TENSORGET {key} VALUES")
            found[key] = (int(value.split(b"\r\n")[1].lstrip(b":")), int(wire.ask(f"PEXPIRETIME {key}")[1:]))
    return found


def check(lives: list[Life], wire: Wire) -> None:
    for life in lives:
        assert life.known, "it has written nothing"
        assert stored(wire, life.number) in (life.known, life.hoped)


@contextmanager
def serving(where: str, environment: dict[str, str] | None = None) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", PROGRAM, where]
    env = {**(environment or fault_environment({})), "PYTHONPATH": TREE}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        yield process
        process.kill()


def port_of(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


@pytest.mark.parametrize(
    "kills", [{}, {"store.before_commit": 150}, {"store.committed": 150}], ids=["anywhere", "before", "after"]
)
def test_a_killed_server_has_everything_in_its_file(tmp_path: Path, kills: dict[str, int]) -> None:
    file = tmp_path / "keyspace.db"
    with serving(str(file), fault_environment(kills)) as process:
        lives = write_until_it_ends(port_of(process), (lambda: None) if kills else process.kill)
        assert process.wait() == -9
    with background(Server(port=0, keyspace=DurableKeyspace.open(file))) as server, ExitStack() as stack:
        wire = Wire(server.port)
        stack.callback(wire.close)
        check(lives, wire)


def test_a_killed_server_leaves_whole_steps_in_redis(start_redis: Callable[..., RedisServer]) -> None:
    redis = start_redis()
    with serving(redis.url) as process:
        lives = write_until_it_ends(port_of(process), process.kill)
    with background(Server(port=0, keyspace=RedisKeyspace(redis.url))) as server, ExitStack() as stack:
        wire = Wire(server.port)
        stack.callback(wire.close)
        check(lives, wire)


def test_a_killed_redis_has_what_we_acknowledged(start_redis: Callable[..., RedisServer]) -> None:
    redis = start_redis("--appendonly", "yes", "--appendfsync", "always")
    with background(Server(port=0, keyspace=RedisKeyspace(redis.url))) as server, ExitStack() as stack:
        lives = write_until_it_ends(server.port, redis.kill)
        for life in lives:
            assert any(b"cannot be reached" in reply for reply in life.said)
        redis.start()
        wire = Wire(server.port)
        stack.callback(wire.close)
        check(lives, wire)
