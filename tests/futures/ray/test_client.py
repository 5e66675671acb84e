"""A program that is no part of the cluster, joined by ``ray://``: what its agent does for it."""

import asyncio
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
import ray

import alula
from alula.errors import MissingExtraError, NodeDiedError, ObjectLostError, SettingError
from alula.futures import Engine, current
from alula.futures._ray._client import ClientEngine, check_client
from alula.graph import Done
from alula.testing import Turnstile
from alula.testing.conformance._part import LIMIT
from tests.futures.conftest import server_for_clients
from tests.futures.ray.programs import answer, script


@pytest.fixture(scope="module")
def engine(ray_server: str) -> Iterator[Engine]:
    alula.init(ray_server, engine="ray", namespace="outside")
    yield current()
    alula.shutdown()


def until_it_fails(call: Callable[[], object]) -> None:
    while True:
        call()


@alula.remote
def double(x: Any) -> Any:
    return x * 2


@alula.remote
def late(turnstile: Turnstile) -> list[Any]:
    turnstile.wait()
    return [alula.put(1)]


def test_a_reference_and_an_actor_in_a_closure_reach_the_task(engine: Engine) -> None:
    class Adder:
        def add(self, x: int) -> int:
            return x + 1

    ref, adder = alula.put(20), alula.remote(Adder).remote()
    task = alula.remote(lambda: alula.get(adder.add.remote(ref)))
    assert [alula.get(task.remote(), timeout=LIMIT) for _ in range(2)] == [21, 21]


def test_a_reference_that_a_program_pickles_is_good_in_it_alone(engine: Engine) -> None:
    ref = alula.put(7)
    packed = cloudpickle.dumps(ref)
    assert pickle.loads(packed) is ref
    with pytest.raises(ObjectLostError, match="instead of passing it on"):
        alula.get(alula.remote(pickle.loads).remote(packed), timeout=LIMIT)
    del ref
    with pytest.raises(ObjectLostError):
        pickle.loads(packed)


def test_any_number_of_threads_may_wait_while_others_work(engine: Engine) -> None:
    promise, settle = engine.promise()
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(alula.get(promise))) for _ in range(100)]
    for thread in threads:
        thread.start()
    assert alula.get(double.remote(4), timeout=LIMIT) == 8
    settle(Done(1))
    for thread in threads:
        thread.join(LIMIT)
    assert found == [1] * 100


def test_a_signal_ends_a_wait_and_what_comes_then_is_dropped(engine: Engine, tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    assert isinstance(engine, ClientEngine)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with Turnstile(tmp_path) as turnstile:
            ref = late.remote(turnstile)
            turnstile.arrived()
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            with pytest.raises(KeyboardInterrupt):
                alula.get(ref)
            turnstile.let()
        assert alula.get(alula.get(ref, timeout=LIMIT)) == [1]
    finally:
        signal.signal(signal.SIGALRM, before)


def test_nothing_of_a_stream_is_lost_by_who_stops_waiting(engine: Engine, tmp_path: Path) -> None:
    @alula.remote
    def held(turnstile: Turnstile) -> Iterator[int]:
        yield 0
        turnstile.wait()
        yield 1
        yield 2

    async def impatient(turnstile: Turnstile) -> list[int]:
        stream: Any = held.remote(turnstile)
        first = await anext(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.to_thread(turnstile.arrived)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        turnstile.let()
        return [await first] + [await ref async for ref in stream]

    with Turnstile(tmp_path) as turnstile:
        assert asyncio.run(impatient(turnstile)) == [0, 1, 2]


def test_what_cannot_be_pickled_is_named(engine: Engine) -> None:
    for call in (alula.put, double.remote):
        with pytest.raises(TypeError, match="argument 1"):
            call(threading.Lock())
    assert alula.get(double.remote(1), timeout=LIMIT) == 2


def test_the_program_is_a_driver_with_a_namespace(engine: Engine) -> None:
    context = engine.context()
    assert (context.namespace, context.task, context.actor) == ("outside", None, None)
    assert context.node in [node["NodeID"] for node in alula.nodes()]
    assert not engine.is_canceled()
    assert engine.assigned() == {}


def test_calls_are_begun_in_their_order_whoever_brings_them(engine: Engine) -> None:
    class Log:
        def __init__(self) -> None:
            self.numbers: list[int] = []

        def add(self, number: int) -> None:
            self.numbers.append(number)

        def all(self) -> list[int]:
            return self.numbers

    assert isinstance(engine, ClientEngine)
    log = alula.remote(Log).remote()
    for number, _ in zip(count(), range(50), strict=False):
        log.add.remote(number)
    assert alula.get(log.all.remote(), timeout=LIMIT) == list(range(50))


def test_without_its_agent_a_program_is_told_that_all_is_lost(engine: Engine) -> None:
    assert isinstance(engine, ClientEngine)
    ref = alula.put(1)
    told: list[Any] = []
    promise, settle = engine.promise()
    engine.watch(promise, told.append)
    ray.kill(engine._agent)
    with pytest.raises(NodeDiedError, match="agent"):
        until_it_fails(lambda: alula.get(ref, timeout=LIMIT))
    settle(Done(1))
    alula.shutdown()
    assert [type(error) for error in told] == [NodeDiedError]
    with pytest.raises(NodeDiedError, match="shut down"):
        ref.engine.get([ref], None)


def test_a_program_leaves_what_is_detached_and_nothing_else(ray_server: str) -> None:
    done = script(
        """
        import os, sys, alula
        from alula.testing.conformance._part import ended
        address = sys.argv[1] if len(sys.argv) > 1 else os.environ["SERVER"]
        class Kept:
            def pid(self):
                return os.getpid()
        def session():
            alula.init(address, engine="ray", namespace="outside")
        session()
        detached = alula.remote(Kept).options(name="kept", lifetime="detached").remote()
        other = alula.remote(Kept).remote()
        stays, goes = alula.get([detached.pid.remote(), other.pid.remote()])
        value = alula.put(1)
        alula.shutdown()
        gone = ended(goes)
        session()
        kept = alula.get_actor("kept")
        told = []
        for call in (lambda: alula.get([value]), lambda: other.pid.remote()):
            try:
                call()
            except alula.errors.FutureError as error:
                told.append(type(error).__name__)
        tell([gone, alula.get(kept.pid.remote()) == stays, told])
        alula.kill(kept)
        alula.shutdown()
        """,
        SERVER=ray_server,
    )
    assert answer(done) == [True, True, ["ObjectLostError", "ActorDiedError"]]
    assert (done.stdout, done.stderr) == ("", "")


def test_a_cluster_without_this_alula_is_refused(ray_server: str, tmp_path: Path) -> None:
    (tmp_path / "alula").mkdir()
    (tmp_path / "alula" / "__init__.py").touch()  # another Alula, which has not what is needed
    done = script(
        """
        import os, ray, alula
        server, env = os.environ["SERVER"], {"env_vars": {"PYTHONPATH": os.environ["OTHER"]}}
        try:
            alula.init(server, engine="ray", runtime_env=env)
        except ConnectionError as error:
            said, connected = str(error), ray.is_initialized()
        tell([said, connected])
        """,
        SERVER=ray_server,
        OTHER=str(tmp_path),
    )
    said, connected = answer(done)
    assert "No module named 'alula" in said
    assert not connected


def test_joining_is_tried_again_where_the_process_for_a_client_does_not_begin(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f"""#!/bin/sh
        mkdir {tmp_path / "tried"} || exec {sys.executable} "$@"
    """)
    python.chmod(0o755)
    with server_for_clients(RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S="12") as server:
        done = script(
            """
            import os, alula
            env = {"py_executable": os.environ["PYTHON"]}
            alula.init(os.environ["SERVER"], engine="ray", runtime_env=env)
            tell(alula.get(alula.remote(lambda: 1).remote()))
            """,
            SERVER=server,
            PYTHON=str(python),
            RAY_CLIENT_RECONNECT_GRACE_PERIOD="1",
        )
    assert answer(done) == 1
    assert (tmp_path / "tried").exists()


def test_without_grpc_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'alula\[ray\]'"):
        check_client()


@pytest.mark.parametrize("given", [{"num_cpus": 2}, {"resources": {"tpu": 1}}], ids=str)
def test_amounts_are_the_cluster_s(given: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="has its own"):
        alula.init("ray://127.0.0.1:1", engine="ray", **given)
