"""Runs begin, end and fail; what is logged needs one that is active, and is there at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import alula as om
from alula.errors import InvalidNameError
from alula.runtime import Experiment
from tests.postgres import ON_BOTH

Spawn = Callable[..., Any]


@ON_BOTH
def test_a_block_is_a_run_whose_numbers_count_from_one(exp: Experiment) -> None:
    assert exp.status() == "PENDING"
    for number in (1, 2):
        with exp as same:
            assert same is exp
            assert (exp.active_run(), exp.status()) == (number, "STARTED")
            exp.log_metric("acc", 0.5, step=1)
        assert (exp.active_run(), exp.status()) == (None, "STOPPED")
    assert [row["event"] for row in exp.data(raw=True)] == ["start", "metric", "stop"]


@ON_BOTH
def test_a_block_that_raises_has_failed_and_says_why(exp: Experiment) -> None:
    with pytest.raises(ZeroDivisionError), exp:
        _ = 1 / 0
    [run] = exp.runs()
    assert (run.status, run.error) == ("FAILED", "ZeroDivisionError: division by zero")
    assert exp.status() == "FAILED"
    assert [row["event"] for row in exp.data(raw=True)] == ["start", "stop"]


def test_nothing_is_logged_without_an_active_run(exp: Experiment) -> None:
    with pytest.raises(ValueError, match=r"no active run, call .start\(\) or .use\(\)"):
        exp.log_metric("acc", 1)
    assert exp.data(run="*", raw=True) == []


def test_to_ask_for_the_status_activates_nothing(exp: Experiment) -> None:
    with exp:
        pass
    assert exp.status() == "STOPPED"
    with pytest.raises(ValueError, match="no active run"):
        exp.log_metric("acc", 1)
    other = om.runtime.experiment("myexp")
    assert other.status() == "STOPPED"
    with pytest.raises(ValueError, match="no active run"):
        other.log_param("lr", 1)


def test_start_and_stop_stand_for_a_block(exp: Experiment) -> None:
    assert exp.start() == 1
    exp.log_metric("acc", 1)
    exp.stop()
    exp.stop()
    with pytest.raises(ValueError, match="no active run"):
        exp.log_metric("acc", 2)
    assert exp.start(5) == 5
    exp.stop()
    with pytest.raises(ValueError, match="there is a run 5 already"):
        exp.start(5)
    assert exp.start() == 6


def test_use_goes_on_with_what_has_not_ended(exp: Experiment) -> None:
    assert exp.use() == 1
    other = om.runtime.experiment("myexp")
    assert other.use() == 1
    other.log_metric("acc", 1)
    exp.stop()
    with pytest.raises(ValueError, match="run 1 of 'myexp' has ended; runs that go on: none"):
        other.use(1)
    with pytest.raises(ValueError, match="run 9 of 'myexp' does not exist"):
        other.use(9)
    assert other.use() == 2


def test_a_block_may_be_told_to_begin_no_run(instance: None) -> None:
    with om.runtime.experiment("myexp", implied_run=False) as exp:
        assert exp.active_run() is None
        exp.start()
        exp.log_metric("acc", 1)
    assert exp.status() == "STOPPED"


def test_a_run_inside_of_another_knows_its_parent(exp: Experiment) -> None:
    with exp:
        with exp:
            assert exp.active_run() == 2
        assert exp.active_run() == 1
    assert [run.parent for run in exp.runs()] == [None, 1]


def test_a_run_that_is_stopped_inside_of_its_block_takes_nothing_more(exp: Experiment) -> None:
    with exp:
        exp.stop()
        with pytest.raises(ValueError, match="no active run"):
            exp.log_metric("acc", 1)
    assert [row["event"] for row in exp.data(raw=True)] == ["start", "stop"]


def test_blocks_of_several_threads_are_runs_of_their_own(exp: Experiment) -> None:
    def work(i: int) -> tuple[int, list[Any]]:
        with exp:
            exp.log_metric("i", i)
            number = exp.active_run()
            assert number is not None
        return i, [row["value"] for row in exp.data(number, "metric", raw=True)]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(8))) == [(i, [i]) for i in range(8)]
    assert [run.number for run in exp.runs()] == list(range(1, 9))


def test_a_thread_logs_to_the_block_that_made_it(exp: Experiment) -> None:
    with exp, ThreadPoolExecutor(1) as pool:
        pool.submit(exp.log_metric, "acc", 1).result()
    assert [row["value"] for row in exp.data(event="metric", raw=True)] == [1]


@ON_BOTH
def test_processes_that_begin_runs_at_once_get_numbers_of_their_own(exp: Experiment, spawn: Spawn) -> None:
    code = """
    exp = om.runtime.experiment("myexp")
    print(exp.name, flush=True)
    sys.stdin.readline()
    print([exp.start() for _ in range(10)])
    """
    children = [spawn(code) for _ in range(2)]
    assert [child.stdout.readline() for child in children] == ["myexp\n"] * 2
    found: list[int] = []
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    for child in children:
        found += eval(child.communicate()[0], {})
    assert sorted(found) == list(range(1, 21))


@ON_BOTH
def test_two_processes_log_into_one_run(exp: Experiment, spawn: Spawn) -> None:
    exp.start()
    code = """
    exp = om.runtime.experiment("myexp")
    exp.use()
    for i in range(50):
        exp.log_metric("acc", i, step=i)
    """
    children = [spawn(code) for _ in range(2)]
    for i in range(50):
        exp.log_metric("acc", i, step=i)
    assert [child.communicate() and child.returncode for child in children] == [0, 0]
    found = exp.data(event="metric", raw=True)
    assert sorted(row["step"] for row in found) == sorted(list(range(50)) * 3)


def test_a_process_that_is_killed_loses_nothing_that_it_logged(exp: Experiment, spawn: Spawn) -> None:
    child = spawn("""
    exp = om.runtime.experiment("myexp")
    exp.start()
    for i in range(10**9):
        exp.log_metric("acc", i)
        print(i, flush=True)
    """)
    told = [int(child.stdout.readline()) for _ in range(100)]
    child.kill()
    told += [int(line) for line in child.stdout.read().split("\n")[:-1]]  # the last may be half a line
    there = [row["value"] for row in exp.data(event="metric", raw=True)]
    assert there[: len(told)] == told
    assert exp.status() == "STARTED"
    assert exp.use() == 1


def test_an_unknown_provider_is_refused_with_those_that_there_are(instance: None) -> None:
    with pytest.raises(ValueError, match=r"there is no provider 'profilng'; did you mean 'profiling'\?"):
        om.runtime.experiment("myexp", provider="profilng")
    with pytest.raises(InvalidNameError):
        om.runtime.experiment("my#exp")


def test_what_is_not_to_be_tracked_is_written_as_if_it_were(instance: None) -> None:
    with om.runtime.experiment("myexp", provider="notrack") as exp:
        exp.log_metric("acc", 1)
        exp.log_artifact([1], "a")
    assert (exp.status(), len(exp.data(run="*")), exp.runs()) == ("PENDING", 0, [])
    assert om.models.list("experiments/*") == []


def test_who_drops_the_card_drops_the_experiment(exp: Experiment) -> None:
    with exp:
        exp.log_metric("acc", 1)
    card = om.models.metadata("experiments/myexp")
    assert card is not None
    assert (om.models.list(), card.kind) == (["experiments/myexp"], "experiment.tracker")
    om.models.drop("experiments/myexp")
    exp.start()
    assert om.runtime.experiment("myexp").status() == "PENDING"
    with pytest.raises(ValueError, match="the run is gone"):
        exp.log_metric("acc", 1)


def test_an_experiment_may_be_made_anew(exp: Experiment) -> None:
    with exp:
        pass
    assert om.runtime.experiment("myexp", recreate=True).status() == "PENDING"


def test_what_was_said_of_an_experiment_is_kept(instance: None) -> None:
    om.runtime.experiment("myexp", provider="simple", autotrack=True)
    again = om.runtime.experiment("myexp")
    assert (again.provider, again.autotrack) == ("default", True)
    assert not om.runtime.experiment("myexp", autotrack=False).autotrack
    assert repr(again) == "<experiment myexp>"


def test_clear_wants_to_be_forced(exp: Experiment) -> None:
    with exp:
        exp.log_artifact(object, "pickled")
    with pytest.raises(AssertionError, match="all runs of 'myexp' would be removed"):
        exp.clear()
    exp.clear(force=True)
    assert exp.status() == "PENDING"
    assert om.models.list(hidden=True) == ["experiments/myexp"]


def test_buckets_have_experiments_of_their_own(exp: Experiment) -> None:
    with exp:
        pass
    assert om.bucket("other").runtime.experiment("myexp").status() == "PENDING"
