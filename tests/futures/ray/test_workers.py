"""What only the Ray adapter has to do in workers, and for what travels between them."""

import gc
import os
from contextlib import suppress
from typing import Any

import cloudpickle
import pytest
from sqlalchemy import Connection, text

import alula
from alula import workflow
from alula.errors import ActorDiedError, TaskError, WorkerCrashedError
from alula.futures import ActorHandle, Engine, current
from alula.futures._ray._engine import RayEngine
from alula.graph import Done
from alula.testing.conformance._part import LIMIT

pytestmark = pytest.mark.usefixtures("ray_is_installed")


def test_a_task_finds_the_engine_that_runs_it(engine: Engine) -> None:
    @alula.remote
    def look() -> tuple[str, bool]:
        with pytest.raises(RuntimeError, match="initialised already"):
            alula.init()
        return current().name, alula.is_initialized()

    assert alula.get(look.remote()) == ("ray", True)


def test_a_reference_in_a_closure_is_kept(engine: Engine) -> None:
    def capturing() -> Any:
        ref = alula.put("captured")
        return alula.remote(lambda: alula.get(ref))

    task = capturing()
    gc.collect()
    assert [alula.get(task.remote()) for _ in range(2)] == ["captured"] * 2


def test_a_reference_and_a_handle_survive_any_pickler(engine: Engine) -> None:
    class Keeper:
        def keep(self, packed: bytes) -> Any:
            self.ref = cloudpickle.loads(packed)
            return alula.get(self.ref)

    keeper = alula.remote(Keeper).remote()
    again = cloudpickle.loads(cloudpickle.dumps(keeper))
    assert isinstance(again, ActorHandle)
    assert alula.get(again.keep.remote(cloudpickle.dumps(alula.put(7)))) == 7


def test_an_actor_that_nobody_described_describes_itself(engine: Engine) -> None:
    from ray.experimental import internal_kv

    class Found:
        def here(self) -> bool:
            return True

    found = alula.remote(Found).options(name="undescribed").remote()
    assert internal_kv._internal_kv_del(found._actor.raw._actor_id.binary(), namespace=b"alula")
    assert alula.get(alula.get_actor("undescribed").here.remote()) is True


def test_tasks_and_actors_have_their_names_in_ray(engine: Engine) -> None:
    import ray

    class Named:
        def name(self) -> Any:
            return ray.get_runtime_context().get_task_name()

    task = alula.remote(Named.name).options(name="chosen")
    assert alula.get(task.remote(None)) == "chosen"
    assert alula.get(alula.remote(Named).remote().name.remote()).endswith("Named.name")


def test_one_who_is_told_and_fails_does_not_silence_the_others(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    seen: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda hooked: seen.append(hooked.exc_value))
    fault = RuntimeError("told and failed")

    def fail(error: BaseException | None) -> None:
        raise fault

    ref = alula.put(1)
    engine.watch(ref, fail)
    assert ref.future().result(LIMIT) == 1
    assert seen == [fault]


def test_a_task_that_must_not_be_retried_has_one_attempt(engine: Engine) -> None:
    with pytest.raises(WorkerCrashedError) as caught:
        alula.get(alula.remote(max_retries=0)(lambda: os._exit(1)).remote())
    assert caught.value.attempts == 1
    assert type(caught.value.__cause__).__name__ == "WorkerCrashedError"


def test_the_trace_of_an_error_has_no_frames_of_ray(engine: Engine) -> None:
    with pytest.raises(TaskError) as caught:
        alula.get(alula.remote(lambda: 1 / 0).remote())
    assert "site-packages/ray/" not in caught.value.remote_traceback
    assert "_raylet" not in caught.value.remote_traceback


def test_promises_whose_keeper_dies_fail_and_the_next_one_is_kept(engine: Engine) -> None:
    import ray

    assert isinstance(engine, RayEngine)
    lost, settle = engine.promise()
    ray.kill(engine._promises._keeper)
    with pytest.raises(ActorDiedError, match=r"alula\.promises"):
        alula.get(lost, timeout=LIMIT)
    settle(Done(1))
    while True:  # until it is known that there must be a new one
        kept, settle = engine.promise()
        settle(Done(2))
        with suppress(ActorDiedError):
            assert alula.get(kept, timeout=LIMIT) == 2
            break


@pytest.mark.usefixtures("engine", "home", "executor")
def test_a_transaction_of_a_workflow_is_committed_with_its_record() -> None:
    @workflow.transaction
    def enter(connection: Connection, name: str) -> str:
        connection.execute(text("CREATE TABLE entries (name TEXT)"))
        connection.execute(text("INSERT INTO entries VALUES (:name)"), {"name": name})
        return name.upper()

    assert workflow.run(enter.bind("ada"), workflow_id="w") == "ADA"
    with workflow.default_executor()._store.reading() as connection:
        assert connection.scalars(text("SELECT name FROM entries")).all() == ["ada"]
