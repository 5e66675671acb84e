"""Cancelling at any moment, from anywhere: the task ends, its children with it, and nobody else."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import alula
from alula.errors import TaskCancelledError
from alula.futures import ObjectRef, cancel, get, remote
from alula.testing import Turnstile
from tests.faults.processes import LIMIT, ended, eventually, lines, note

pytestmark = pytest.mark.usefixtures("engine")


@remote
def echo(value: Any = None) -> Any:
    return value


@remote
def hold(turnstile: Turnstile, value: Any = None) -> Any:
    turnstile.wait()
    return value


@remote(num_cpus=0)
def family(turnstile: Turnstile, file: Path, depth: int) -> None:
    """Start two below, and wait for them; the lowest wait at the turnstile."""
    note(file, os.getpid())
    if depth:
        get([family.remote(turnstile, file, depth - 1) for _ in range(2)])
    else:
        turnstile.wait()


def cancelled(ref: ObjectRef[Any]) -> bool:
    with pytest.raises(TaskCancelledError):
        get(ref, timeout=LIMIT)
    return True


def test_one_that_waits_behind_another_in_its_worker_never_runs_and_the_other_goes_on(
    turnstile: Turnstile, tmp_path: Path
) -> None:
    get([echo.remote() for _ in range(200)])  # so that many are pushed at once
    running = [hold.remote(turnstile, i) for i in range(2)]
    behind = [remote(note).remote(tmp_path / "ran", i) for i in range(20)]
    for force in (False, True):
        for ref in behind[force::2]:
            cancel(ref, force=force)
    assert all(map(cancelled, behind))
    turnstile.let()
    assert get(running, timeout=LIMIT) == [0, 1]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("force", [False, True])
def test_the_whole_tree_below_ends(force: bool, turnstile: Turnstile, tmp_path: Path) -> None:
    file = tmp_path / "pids"
    ref = family.remote(turnstile, file, 2)
    for _ in range(4):
        turnstile.arrived()
    cancel(ref, force=force)
    assert cancelled(ref)
    if force:
        assert all(ended(int(pid), LIMIT) for pid in lines(file))
    else:
        assert get(echo.options(num_cpus=2).remote(7), timeout=LIMIT) == 7
        # All are free for other work, which the turnstile would not let them be.
        assert eventually(lambda: alula.available_resources()["CPU"] == 2)
    assert len(lines(file)) == 7


def test_without_recursion_the_children_go_on(turnstile: Turnstile, tmp_path: Path) -> None:
    @remote
    def parent(turnstile: Turnstile, file: Path) -> None:
        child = remote(child_body).remote(turnstile, file)
        get(child)

    ref = parent.remote(turnstile, tmp_path / "done")
    turnstile.arrived()
    cancel(ref, recursive=False)
    assert cancelled(ref)
    turnstile.let()
    assert eventually(lambda: lines(tmp_path / "done") == ["done"])


def child_body(turnstile: Turnstile, file: Path) -> None:
    turnstile.wait()
    note(file, "done")


def test_children_that_were_submitted_a_moment_ago_are_cancelled_too(
    turnstile: Turnstile, tmp_path: Path
) -> None:
    """The parent submits without a pause, so some come between the order and the interrupt."""

    @remote
    def restless(turnstile: Turnstile, file: Path) -> None:
        note(file, "begun")
        while True:
            hold.remote(turnstile)

    ref = restless.remote(turnstile, tmp_path / "begun")
    turnstile.arrived()
    cancel(ref)
    assert cancelled(ref)
    assert get(echo.options(num_cpus=2).remote(7), timeout=LIMIT) == 7


def test_whoever_borrows_a_reference_may_cancel_its_task(turnstile: Turnstile) -> None:
    @remote
    def end(refs: list[ObjectRef[Any]]) -> None:
        cancel(refs[0])

    ref = hold.remote(turnstile)
    turnstile.arrived()
    get(end.remote([ref]), timeout=LIMIT)
    assert cancelled(ref)


class Desk:
    def wait(self, turnstile: Turnstile, file: Path) -> None:
        turnstile.wait()
        note(file, "through")

    def note(self, file: Path) -> list[str]:
        note(file, "noted")
        return lines(file)


class Safe:
    """Holds references, so that others can wait for them too."""

    def keep(self, refs: list[ObjectRef[Any]]) -> None:
        self._refs = refs

    def kept(self) -> list[ObjectRef[Any]]:
        return self._refs


def test_calls_of_a_cancelled_task_never_run_if_they_wait_behind_others(
    turnstile: Turnstile, tmp_path: Path
) -> None:
    """The actor runs one at a time; what others have asked of it stays, and so does what runs."""

    @remote(num_cpus=0)
    def ask(desk: Any, safe: Any) -> Any:
        running, behind = desk.wait.remote(turnstile, notes), [desk.note.remote(notes) for _ in range(3)]
        get(safe.keep.remote(behind))
        hold.options(num_cpus=0).remote(turnstile)
        return get([running, *behind])

    desk, safe, notes = remote(Desk).remote(), remote(Safe).remote(), tmp_path / "notes"
    asked = ask.remote(desk, safe)
    turnstile.arrived()
    turnstile.arrived()
    ours = desk.note.remote(notes)
    cancel(asked)
    assert cancelled(asked)
    assert all(map(cancelled, get(safe.kept.remote(), timeout=LIMIT)))  # while the first still runs
    turnstile.let()
    assert get(ours, timeout=LIMIT) == ["through", "noted"]


def test_a_task_that_interrupts_itself_is_cancelled_and_not_retried(tmp_path: Path) -> None:
    @remote(retry_exceptions=True)
    def interrupts(file: Path) -> None:
        note(file, "ran")
        raise KeyboardInterrupt

    assert cancelled(interrupts.remote(tmp_path / "ran"))
    assert lines(tmp_path / "ran") == ["ran"]


def test_a_cancelled_task_is_not_retried_whatever_its_options(turnstile: Turnstile) -> None:
    stubborn = hold.options(retry_exceptions=True, max_retries=-1)
    for force in (False, True):
        ref = stubborn.remote(turnstile)
        turnstile.arrived()
        cancel(ref, force=force)
        assert cancelled(ref)
    with pytest.raises(TimeoutError):
        turnstile.arrived(0.05)


def test_a_task_that_will_not_end_has_its_own_word(turnstile: Turnstile) -> None:
    @remote
    def deaf(turnstile: Turnstile) -> str:
        try:
            turnstile.wait()
        except KeyboardInterrupt:
            return "I go on"
        return "nobody asked"

    ref = deaf.remote(turnstile)
    turnstile.arrived()
    cancel(ref)
    assert get(ref, timeout=LIMIT) == "I go on"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["quick", "nested", "follows", "crunches"]),
        st.sampled_from([None, "soft", "force", "soft then force"]),
        st.integers(0, 6),
    ),
    min_size=1,
    max_size=12,
)


@remote
def nested(value: int) -> int:
    return sum(get([echo.remote(value), echo.remote(0)]))


@remote
def crunches(value: int) -> int:
    for _ in range(20_000):
        pass
    return value


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_cancelling_at_any_moment_loses_neither_task_nor_worker(
    steps: list[tuple[str, str | None, int]],
) -> None:
    """Each reference settles: with its value, or cancelled if that, or what it needs, was asked for."""
    refs: list[ObjectRef[int]] = []
    touched: list[bool] = []
    bodies: dict[str, Any] = {"quick": echo, "nested": nested, "crunches": crunches}
    for i, (kind, how, back) in enumerate(steps):
        source = len(refs) - 1 - back
        follows = kind == "follows" and source >= 0
        refs.append(echo.remote(refs[source]) if follows else bodies.get(kind, echo).remote(i))
        touched.append(touched[source] if follows else False)
        if how is not None:
            target = max(0, source)
            for force in {"soft": [False], "force": [True]}.get(how, [False, True]):
                cancel(refs[target], force=force)
            touched[target] = True
    for j, (kind, _, back) in enumerate(steps):  # who follows a cancelled one may fail with it
        source = j - 1 - back
        touched[j] = touched[j] or (kind == "follows" and source >= 0 and touched[source])
    for ref, may_be_cancelled in zip(refs, touched, strict=True):
        try:
            assert get(ref, timeout=LIMIT) in range(len(steps))
        except TaskCancelledError:
            assert may_be_cancelled
    assert get([echo.remote(i) for i in range(4)], timeout=LIMIT) == [0, 1, 2, 3]
