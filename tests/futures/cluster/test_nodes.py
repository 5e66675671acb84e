"""A machine dies in the middle of a run, and every answer is right, or says what was lost."""

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import ray

import alula
from alula import workflow
from alula._core._settings import Settings
from alula.errors import (
    ActorDiedError,
    ObjectReconstructionFailedError,
    OwnerDiedError,
    SettingError,
    WorkerCrashedError,
)
from alula.futures import Engine
from alula.graph import Done, Graph
from alula.testing import Turnstile
from alula.testing.conformance._part import LIMIT
from alula.workflow import Executor
from tests.futures.cluster.conftest import processes_of

pytestmark = pytest.mark.timeout(400)  # a dozen processes start, on as few cores as there are

SIZE = 200_000  # numbers of an array that is too large to travel inside messages
AWAY: Any = {"resources": {"away": 1}, "num_cpus": 0}  # what only the machines that come and go have


def where() -> str:
    return str(ray.get_runtime_context().get_node_id())


@alula.remote
def array(number: int) -> Any:
    return np.full(SIZE, number)


@alula.remote
def add(one: Any, other: Any) -> Any:
    return one + other


@alula.remote
def held(turnstile: Turnstile, value: Any) -> Any:
    turnstile.wait()
    return value


@alula.remote
def outer(turnstile: Turnstile) -> Any:
    """Submit others, wait for the test, and give their sum and the place."""
    arrays = [array.options(num_cpus=0.1).remote(number) for number in range(4)]
    turnstile.wait()
    return sum(int(each[0]) for each in alula.get(arrays)), where()


@alula.remote
def promised() -> list[Any]:
    ref, _ = alula.futures.current().promise()
    return [ref, alula.put(np.ones(SIZE))]


class Tally:
    """An actor that tells where it lives."""

    def __init__(self) -> None:
        self.count = 0

    def add(self) -> tuple[int, str]:
        self.count += 1
        return self.count, where()

    def hold(self, turnstile: Turnstile) -> int:
        turnstile.wait()
        return self.count

    def array(self) -> Any:
        return np.zeros(SIZE)


@pytest.fixture(scope="module")
def _shared_store(shared: dict[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in shared.items():
            patch.setenv(f"ALULA_{name.upper()}", value)
        yield


@pytest.fixture(scope="module")
def world(
    cluster: Any, engine: Engine, _shared_store: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimpleNamespace]:
    """All that is under way when the machine dies, and one that has come instead of it."""
    doomed = cluster.add_node(num_cpus=1, num_gpus=2, resources={"away": 100}, labels={"zone": "moon"})
    with Turnstile(tmp_path_factory.mktemp("world")) as turnstile:
        made = begun(engine, turnstile, doomed)
        processes = processes_of(doomed)
        cluster.remove_node(doomed, allow_graceful=False)  # by SIGKILL, every process of it
        for process in processes:
            process.wait(LIMIT)
        while any(node["NodeID"] == doomed.node_id and node["Alive"] for node in alula.nodes()):
            pass  # until it is known
        made.survivor = cluster.add_node(num_cpus=1, resources={"away": 100}).node_id
        turnstile.let()
        made.settle(Done(np.full(SIZE, 4)))
        yield made
    workflow.reset_default_executor()


def begun(engine: Engine, turnstile: Turnstile, doomed: Any) -> SimpleNamespace:
    made = SimpleNamespace(doomed=doomed.node_id)
    made.restless = alula.remote(Tally).options(max_restarts=1, max_task_retries=-1, **AWAY).remote()
    made.mortal = alula.remote(Tally).options(name="mortal", **AWAY).remote()
    # Things that lie there,
    made.arrays = [array.options(**AWAY).remote(number) for number in range(5)]
    made.sums = [add.options(**AWAY).remote(one, other) for one, other in pairwise(made.arrays)]
    made.once = array.options(max_retries=0, **AWAY).remote(1)
    made.of_actor = made.mortal.array.remote()
    made.of_worker, made.put = alula.get(promised.options(**AWAY).remote())
    lying = [*made.arrays, *made.sums, made.once, made.of_actor]
    # (were they fetched, their machine's death would lose nothing)
    assert not alula.wait(lying, num_returns=len(lying), fetch_local=False, timeout=LIMIT)[1]
    # what the machine was,
    made.moon = alula.get(alula.remote(where).options(label_selector={"zone": "moon"}).remote())
    gpu = alula.remote(lambda: os.environ["CUDA_VISIBLE_DEVICES"]).options(num_gpus=1, num_cpus=0)
    made.gpu = alula.get(gpu.remote())
    made.node = next(node for node in alula.nodes() if node["NodeID"] == doomed.node_id)
    made.before = alula.get([tally.add.remote() for tally in (made.restless, made.mortal)])
    # what runs,
    made.running = [held.options(**AWAY).remote(turnstile, number) for number in range(2)]
    made.unrepeated = held.options(max_retries=0, **AWAY).remote(turnstile, 1)
    made.outer = outer.options(**AWAY).remote(turnstile)
    made.call = made.restless.hold.remote(turnstile)
    durable = add.options(**AWAY).bind(
        array.options(**AWAY).bind(20), held.options(**AWAY).bind(turnstile, 3)
    )
    made.workflow = workflow.run_async(durable, workflow_id="through it all")
    for _ in range(6):
        turnstile.arrived(60)
    # and what waits.
    promise, made.settle = engine.promise()
    made.waiting = add.options(**AWAY).remote(promise, promise)
    made.deep = made.sums[0]
    for number in range(10):
        made.deep = add.options(num_cpus=0.5).remote(made.deep, number)
    return made


def first(array: Any) -> int:
    assert (array == array[0]).all()
    return int(array[0])


def test_what_ran_runs_again(world: SimpleNamespace) -> None:
    assert alula.get(world.running) == [0, 1]


def test_what_lay_there_is_computed_again(world: SimpleNamespace) -> None:
    assert [first(each) for each in alula.get(world.sums)] == [1, 3, 5, 7]
    assert [first(each) for each in alula.get(world.arrays)] == [0, 1, 2, 3, 4]


def test_what_needs_it_has_it(world: SimpleNamespace) -> None:
    assert first(alula.get(world.deep)) == 1 + 45


def test_a_task_that_had_submitted_others_submits_them_again(world: SimpleNamespace) -> None:
    assert alula.get(world.outer) == (6, world.survivor)


def test_an_actor_that_may_be_restarted_lives_on_elsewhere(world: SimpleNamespace) -> None:
    assert world.before[0] == (1, world.doomed)
    assert alula.get(world.call) == 0
    assert alula.get(world.restless.add.remote()) == (1, world.survivor)


def test_an_actor_that_may_not_be_is_dead(world: SimpleNamespace) -> None:
    assert world.before[1] == (1, world.doomed)
    with pytest.raises(ActorDiedError, match="Tally is dead: its node has died"):
        alula.get(world.mortal.add.remote())
    with pytest.raises(ValueError, match="mortal"):
        alula.get_actor("mortal")


def test_a_task_that_must_not_be_repeated_says_so(world: SimpleNamespace) -> None:
    with pytest.raises(WorkerCrashedError, match="held was lost with its machine; it was tried once"):
        alula.get(world.unrepeated)


def test_a_value_that_must_not_be_computed_again_is_lost(world: SimpleNamespace) -> None:
    for ref in (world.once, world.of_actor):
        with pytest.raises(ObjectReconstructionFailedError, match="retries=0"):
            alula.get(ref)


def test_what_was_owned_there_is_lost(world: SimpleNamespace) -> None:
    with pytest.raises(OwnerDiedError):
        alula.get(world.put)
    with pytest.raises((ActorDiedError, OwnerDiedError)):
        alula.get(world.of_worker)


def test_a_promise_is_kept_for_those_who_wait_elsewhere(world: SimpleNamespace) -> None:
    assert first(alula.get(world.waiting)) == 8


def test_a_workflow_ends_as_if_nothing_had_been(world: SimpleNamespace) -> None:
    assert first(alula.get(world.workflow)) == 23
    assert workflow.get_status("through it all") == workflow.WorkflowStatus.SUCCESSFUL


def test_the_machines_are_listed_with_what_they_have(world: SimpleNamespace) -> None:
    assert world.node["Resources"].items() >= {"CPU": 1, "GPU": 2, "away": 100}.items()
    assert (world.moon, world.gpu in ("0", "1")) == (world.doomed, True)
    alive = {node["NodeID"]: node["Alive"] for node in alula.nodes()}
    assert (alive[world.doomed], alive[world.survivor]) == (False, True)
    assert "GPU" not in alula.cluster_resources()


@pytest.mark.parametrize(("local", "hint"), [("store", "postgresql://"), ("artifacts", "s3://")])
def test_what_lies_on_one_machine_is_refused(
    world: SimpleNamespace, shared: dict[str, str], tmp_path: Path, local: str, hint: str
) -> None:
    places = {"store": f"sqlite:///{tmp_path}/alula.db", "artifacts": f"{tmp_path}/artifacts"}
    settings = Settings.load(**{**shared, local: places[local]})
    with (
        Executor.open(settings) as executor,
        pytest.raises(SettingError, match=f"'{local}' .*Ray runs tasks on [2-9].*{hint}"),
    ):
        executor.submit(Graph.of(add.bind(1, 2)))
