"""What a task asks for it gets, alone: GPUs, labels, surroundings, and a process for so many calls."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import alula
from alula.errors import (
    ActorDiedError,
    ActorUnschedulableError,
    GetTimeoutError,
    RuntimeEnvSetupError,
    TaskCancelledError,
    TaskUnschedulableError,
    UnsupportedError,
    WorkerStartError,
)
from alula.futures import available_resources, cancel, get, nodes, remote
from alula.testing import Turnstile
from alula.util.scheduling_strategies import (
    DoesNotExist,
    Exists,
    In,
    NodeAffinitySchedulingStrategy,
    NodeLabelSchedulingStrategy,
    NotIn,
    PlacementGroupSchedulingStrategy,
)
from tests.faults.processes import LIMIT, ended, eventually, lines, note

VISIBLE = "CUDA_VISIBLE_DEVICES"
ELSEWHERE = "ab" * 28


@pytest.fixture(scope="module", autouse=True)
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(VISIBLE, raising=False)
        alula.init(
            num_cpus=4,
            num_gpus=2,
            memory=1000,
            labels={"zone": "a"},
            runtime_env={"env_vars": {"ALL": "1", "BOTH": "outer"}, "working_dir": str(folder)},
        )
    yield
    alula.shutdown()


@remote
def variable(name: str = VISIBLE, turnstile: Turnstile | None = None) -> tuple[int, str | None]:
    if turnstile is not None:
        turnstile.wait()
    return os.getpid(), os.environ.get(name)


class Sight:
    def variable(self, name: str = VISIBLE) -> tuple[int, str | None]:
        return os.getpid(), os.environ.get(name)


Seeing = remote(Sight)


def value(ref: Any) -> Any:
    return get(ref, timeout=LIMIT)


# --------------------------------------------------------------------------------------------- GPUs


def test_a_task_without_a_gpu_sees_none() -> None:
    assert value(variable.remote())[1] == ""


def test_tasks_with_gpus_see_different_ones(turnstile: Turnstile) -> None:
    refs = [variable.options(num_gpus=1).remote(VISIBLE, turnstile) for _ in range(2)]
    for _ in refs:
        turnstile.arrived()
    assert available_resources()["GPU"] == 0
    turnstile.let()
    assert {seen for _, seen in value(refs)} == {"0", "1"}


def test_a_task_with_two_sees_both() -> None:
    assert value(variable.options(num_gpus=2).remote())[1] == "0,1"


def test_shares_are_put_together_on_one(turnstile: Turnstile) -> None:
    """So that a task that wants a whole one can still have it."""
    halves = [variable.options(num_gpus=0.5, num_cpus=0).remote(VISIBLE, turnstile) for _ in range(2)]
    for _ in halves:
        turnstile.arrived()
    assert value(variable.options(num_gpus=1).remote())[1] == "1"
    turnstile.let()
    assert [seen for _, seen in value(halves)] == ["0", "0"]


def test_two_halves_of_two_gpus_are_no_whole_one(turnstile: Turnstile) -> None:
    most = [variable.options(num_gpus=0.6, num_cpus=0).remote(VISIBLE, turnstile) for _ in range(2)]
    for _ in most:
        turnstile.arrived()
    whole = variable.options(num_gpus=0.8).remote()
    with pytest.raises(GetTimeoutError):
        get(whole, timeout=0.05)
    turnstile.let()
    assert value(whole)[1] in ("0", "1")


def test_a_process_that_held_a_gpu_is_used_for_nothing_else() -> None:
    """It ends after its call, as GPU memory that a library keeps would be missing to others."""
    before, _ = value(variable.options(num_gpus=1).remote())
    assert ended(before, LIMIT)
    assert value(variable.options(num_gpus=1).remote())[0] != before


def test_a_process_may_keep_its_gpus_for_the_same_function() -> None:
    keeping = remote(num_gpus=1, max_calls=0)(lambda: (os.getpid(), os.environ[VISIBLE]))
    first, second = value(keeping.remote()), value(keeping.remote())
    assert first == second
    assert value(variable.remote())[0] != first[0]
    # Somebody else is to have that very GPU: the process that still has memory on it goes.
    assert value(variable.options(num_gpus=2).remote())[1] == "0,1"
    assert ended(first[0], LIMIT)


def test_an_actor_holds_its_gpu_while_it_lives() -> None:
    actor = Seeing.options(num_gpus=1).remote()
    assert value(actor.variable.remote())[1] == "0"
    assert value(variable.options(num_gpus=1).remote())[1] == "1"
    alula.kill(actor)
    assert value(variable.options(num_gpus=2).remote())[1] == "0,1"


def test_a_gpu_is_free_again_when_its_task_is_killed(turnstile: Turnstile) -> None:
    ref = variable.options(num_gpus=2, max_retries=0).remote(VISIBLE, turnstile)
    turnstile.arrived()
    cancel(ref, force=True)
    assert value(variable.options(num_gpus=2).remote())[1] == "0,1"


def test_a_task_that_waits_keeps_its_gpu_and_lends_its_core(turnstile: Turnstile) -> None:
    @remote
    def parent(turnstile: Turnstile) -> Any:
        return value([variable.remote(VISIBLE, turnstile), os.environ[VISIBLE]][0])

    refs = [parent.options(num_gpus=1, num_cpus=4).remote(turnstile) for _ in range(2)]
    turnstile.arrived()
    assert available_resources()["GPU"] <= 1
    turnstile.let()
    assert [seen for _, seen in value(refs)] == ["", ""]


# ------------------------------------------------------------------------------ labels and machines


@pytest.mark.parametrize("selector", ["a", "!b", "in(a, b)", "!in(b,c)"])
def test_a_label_that_is_right(selector: str) -> None:
    assert value(variable.options(label_selector={"zone": selector}).remote())


@pytest.mark.parametrize(
    ("options", "lacking"),
    [
        ({"label_selector": {"zone": "b"}}, "label zone"),
        ({"label_selector": {"zone": "!a"}}, "label zone"),
        ({"label_selector": {"rack": "in(a, b)"}}, "label rack"),
        ({"scheduling_strategy": NodeLabelSchedulingStrategy({"rack": Exists()})}, "label rack"),
        ({"num_gpus": 3}, "GPU"),
        ({"num_cpus": 5}, "CPU"),
        ({"memory": 2000}, "memory"),
        ({"accelerator_type": "H100"}, "accelerator_type:H100"),
    ],
    ids=str,
)
def test_what_the_machine_lacks_is_waited_for_and_named_where_it_was_asked_for(
    options: dict[str, Any], lacking: str
) -> None:
    with pytest.warns(RuntimeWarning, match=f"{lacking}.*There are.*zone") as of_task:
        task = variable.options(**options).remote()
    with pytest.warns(RuntimeWarning, match=f"{lacking}.*There are.*zone") as of_actor:
        actor = Seeing.options(**options).remote()
    assert (of_task[0].filename, of_actor[0].filename) == (__file__, __file__)
    for ref in (task, actor.variable.remote()):
        with pytest.raises(GetTimeoutError):
            get(ref, timeout=0.02)


@pytest.mark.parametrize(
    "strategy",
    [
        "SPREAD",
        "DEFAULT",
        None,
        NodeLabelSchedulingStrategy({"zone": In("a"), "rack": DoesNotExist()}),
        NodeLabelSchedulingStrategy({"zone": NotIn("b")}, soft={"rack": Exists()}),
        NodeAffinitySchedulingStrategy(ELSEWHERE, soft=True),
    ],
    ids=str,
)
def test_a_strategy_that_this_machine_satisfies(strategy: Any) -> None:
    assert value(variable.options(scheduling_strategy=strategy).remote())
    assert value(Seeing.options(scheduling_strategy=strategy).remote().variable.remote())


def test_whoever_insists_on_this_machine_runs_on_it() -> None:
    here = NodeAffinitySchedulingStrategy(nodes()[0]["NodeID"], soft=False)
    assert value(variable.options(scheduling_strategy=here).remote())


def test_whoever_insists_on_another_machine_is_refused() -> None:
    there = NodeAffinitySchedulingStrategy(ELSEWHERE, soft=False)
    task = variable.options(scheduling_strategy=there)
    for ref in (task.remote(), task.remote(), variable.remote(task.remote())):
        with pytest.raises(TaskUnschedulableError, match=ELSEWHERE):
            value(ref)
    with pytest.raises(ActorUnschedulableError, match=ELSEWHERE):
        Seeing.options(scheduling_strategy=there).remote()


def test_there_are_no_placement_groups() -> None:
    with pytest.raises(UnsupportedError, match="PlacementGroupSchedulingStrategy"):
        PlacementGroupSchedulingStrategy(None)


def test_memory_is_reserved(turnstile: Turnstile) -> None:
    refs = [variable.options(memory=400).remote(VISIBLE, turnstile) for _ in range(3)]
    for _ in range(2):
        turnstile.arrived()
    assert available_resources()["memory"] == 200
    turnstile.let()
    value(refs)


# ------------------------------------------------------------------------------------- surroundings


def test_variables_of_all_are_overruled_by_those_of_a_task() -> None:
    task = variable.options(runtime_env={"env_vars": {"BOTH": "inner", "MINE": "1"}})
    assert [value(variable.remote(name))[1] for name in ("ALL", "BOTH", "MINE")] == ["1", "outer", None]
    assert [value(task.remote(name))[1] for name in ("ALL", "BOTH", "MINE")] == ["1", "inner", "1"]


def test_a_process_with_its_own_variables_is_used_for_no_others() -> None:
    env = {"env_vars": {"MINE": "2"}}
    first = value(variable.options(runtime_env=env).remote("MINE"))
    others = [value(variable.remote("MINE")) for _ in range(8)]
    assert first[1] == "2"
    assert {seen for _, seen in others} == {None}
    assert first[0] not in {pid for pid, _ in others}
    assert value(variable.options(runtime_env=env).remote("MINE")) == first


def test_what_a_task_starts_inherits_its_variables() -> None:
    @remote
    def parent() -> Any:
        inner = variable.options(runtime_env={"env_vars": {"INNER": "1"}})
        return [get(variable.remote("MINE"))[1], get(inner.remote("MINE"))[1]]

    assert value(parent.options(runtime_env={"env_vars": {"MINE": "3"}}).remote()) == ["3", "3"]


def test_an_actor_has_its_own_variables() -> None:
    actor = Seeing.options(runtime_env={"env_vars": {"MINE": "4"}}).remote()
    assert value(actor.variable.remote("MINE"))[1] == "4"


def test_a_task_works_in_the_folder_that_it_asks_for_and_imports_from_it(tmp_path: Path) -> None:
    (tmp_path / "only_here.py").write_text("answer = 42")

    @remote
    def work() -> Any:
        import only_here  # type: ignore[import-not-found]  # written above

        return os.getcwd(), only_here.answer

    there = work.options(runtime_env={"working_dir": str(tmp_path)})
    assert value(there.remote()) == (str(tmp_path), 42)
    with pytest.raises(ModuleNotFoundError):
        value(work.remote())


@pytest.mark.parametrize("key", ["pip", "conda", "py_modules", "container"])
def test_what_would_have_to_be_installed_is_refused_by_name(key: str) -> None:
    with pytest.raises(UnsupportedError, match=key):
        variable.options(runtime_env={key: ["numpy"]}).remote()
    with pytest.raises(UnsupportedError, match=key):
        Seeing.options(runtime_env={key: ["numpy"]}).remote()


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeEnvSetupError, match=r"variable.*nowhere"):
        variable.options(runtime_env={"working_dir": str(tmp_path / "nowhere")}).remote()


# ------------------------------------------------------------------------------------ calls of a process


def test_a_process_ends_after_as_many_calls_of_a_function_as_it_may_run() -> None:
    counted = remote(max_calls=3, num_cpus=4)(os.getpid)
    pids = value([counted.remote() for _ in range(9)])
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 3]
    assert all(ended(pid, LIMIT) for pid in set(pids))


def test_a_process_that_is_to_end_stays_while_somebody_needs_what_it_owns(turnstile: Turnstile) -> None:
    @remote(max_calls=1)
    def start(turnstile: Turnstile) -> Any:
        return os.getpid(), variable.remote(VISIBLE, turnstile)

    pid, ref = value(start.remote(turnstile))
    turnstile.arrived()
    assert value(start.remote(turnstile))[0] != pid
    turnstile.let()
    assert value(ref)[1] == ""
    assert ended(pid, LIMIT)


def test_calls_are_counted_whatever_their_end() -> None:
    @remote(max_calls=2, num_cpus=4)
    def fails(fail: bool) -> int:
        if fail:
            raise ValueError(os.getpid())
        return os.getpid()

    with pytest.raises(ValueError, match=r"\d+") as caught:
        value(fails.remote(True))
    [pid] = caught.value.args
    assert value(fails.remote(False)) == pid
    assert value(fails.remote(False)) != pid


# ------------------------------------------------------------------------------- starting the engine


def test_what_the_machine_cannot_be_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    alula.shutdown()
    try:
        monkeypatch.setenv(VISIBLE, "3,5")
        several: list[dict[str, Any]] = [
            {"num_gpus": 3},
            {"labels": {"ray.io/x": "1"}},
            {"resources": {"GPU": 1}},
        ]
        for wrong in several:
            with pytest.raises(ValueError, match=next(iter(wrong))):
                alula.init(**wrong)
        alula.init(num_cpus=1)
        assert value(variable.options(num_gpus=2).remote())[1] == "3,5"
    finally:
        alula.shutdown()
        monkeypatch.delenv(VISIBLE)
        alula.init(num_cpus=4, num_gpus=2, memory=1000, labels={"zone": "a"})


# --------------------------------------------------------------------------------- many processes


@remote
def crunch(file: Path, whose: str) -> None:
    note(file, whose)
    for _ in range(30_000):
        pass


@remote(num_cpus=0)
def client(file: Path, whose: str, count: int) -> None:
    get([crunch.remote(file, whose) for _ in range(count)])


MANY = 20_000  # more than there is time for, on whatever machine; they are cancelled in the end


def test_a_process_that_comes_late_has_its_share_of_the_cores(tmp_path: Path) -> None:
    """The first has all cores and work for long; it gives workers back after a while, busy or not."""
    file = tmp_path / "ran"
    first = client.remote(file, "first", MANY)
    assert eventually(lambda: len(lines(file)) > 20)
    value([client.remote(file, whose, 10) for whose in ("second", "third")])
    ran = lines(file)
    assert ran.count("first") < MANY
    assert (ran.count("second"), ran.count("third")) == (10, 10)
    cancel(first)
    with pytest.raises(TaskCancelledError):
        value(first)


@remote
def tree(depth: int) -> int:
    """Give how many processes there were at once, as far as tasks have seen."""
    below = get([tree.remote(depth - 1) for _ in range(3)]) if depth else []
    node = os.getppid()
    return max(len(Path(f"/proc/{node}/task/{node}/children").read_text().split()), *below, 0)


def test_a_bomb_of_tasks_inside_of_tasks_needs_few_processes() -> None:
    """It would be one for each of the 364 that wait, if it were served in breadth."""
    assert value(tree.remote(6)) < 4 * 4 + 16 + 4 * 6


def test_also_if_they_hold_no_core() -> None:
    free = tree.options(num_cpus=0)

    @remote(num_cpus=0)
    def bare(depth: int) -> int:
        below: list[int] = get([bare.remote(depth - 1) for _ in range(3)]) if depth else []
        return max(get(free.remote(0)), *below, 0)

    assert value(bare.remote(3)) < 4 * 4 + 16 + 16 + 3 * 4


def test_where_no_process_can_be_had_that_is_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    alula.shutdown()
    monkeypatch.setenv("ALULA_FAULTS", "node.forking=refuse@3")
    alula.init(num_cpus=1)
    monkeypatch.delenv("ALULA_FAULTS")

    def works() -> bool:
        try:
            return bool(value(tree.remote(1)))
        except WorkerStartError:
            return False

    try:
        with pytest.raises(WorkerStartError, match="ulimit"):
            value(tree.remote(4))
        assert eventually(works), "two processes are enough for that, when they are free again"
        actors = [Seeing.remote() for _ in range(3)]
        with pytest.raises(ActorDiedError, match="could not be started"):
            value([actor.variable.remote() for actor in actors])
    finally:
        alula.shutdown()
        alula.init(num_cpus=4, num_gpus=2, memory=1000, labels={"zone": "a"})


def test_the_death_of_a_process_makes_room_for_another() -> None:
    actors = [Seeing.remote() for _ in range(3)]
    pids = [pid for pid, _ in value([actor.variable.remote() for actor in actors])]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: available_resources()["CPU"] == 4)
