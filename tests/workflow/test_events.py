import asyncio
from pathlib import Path
from typing import Any

import pytest

import alula
from alula import workflow
from alula.errors import WorkflowExecutionError
from alula.graph import Graph, Node
from alula.testing import Clock
from alula.workflow.event_listener import TimerListener
from tests.conftest import Open
from tests.postgres import ON_BOTH
from tests.workflow.bodies import Tally, add, fail_unless

pytestmark = ON_BOTH


class FileListener(workflow.EventListener):
    """An event is a line in a file."""

    async def poll_for_event(self, tally: Tally, wanted: str) -> str:
        tally.mark("poll")
        while wanted not in tally.counts():  # noqa: ASYNC110  # a file tells nobody of its lines
            await asyncio.sleep(0.01)
        return wanted


class AckListener(workflow.EventListener):
    async def poll_for_event(self, tally: Tally, flag: Path) -> tuple[Tally, Path]:
        tally.mark("poll")
        return tally, flag

    async def event_checkpointed(self, event: tuple[Tally, Path]) -> None:
        tally, flag = event
        tally.mark("ack")
        if not flag.exists():
            raise RuntimeError("nobody listens")


def test_an_event_is_given_to_who_reads_it(tally: Tally) -> None:
    ref = workflow.run_async(workflow.wait_for_event(FileListener, tally, "go"), workflow_id="w")
    assert alula.wait([ref], timeout=0.05)[0] == []
    tally.mark("go")
    assert alula.get(ref) == "go"


def test_several_events_are_awaited_together(tally: Tally) -> None:
    @alula.remote
    def both(*events: str) -> list[str]:
        return list(events)

    events = [workflow.wait_for_event(FileListener, tally, name) for name in "abc"]
    ref = workflow.run_async(both.bind(*events))
    for name in "cba":
        tally.mark(name)
    assert alula.get(ref) == ["a", "b", "c"]


def test_arguments_of_an_event_may_be_nodes(tally: Tally) -> None:
    tally.mark("3")

    @alula.remote
    def text(n: int) -> str:
        return str(n)

    assert workflow.run(workflow.wait_for_event(FileListener, tally, text.bind(add.bind(1, 2)))) == "3"


def test_an_event_is_polled_once_and_acknowledged_after_it_was_recorded(tmp_path: Path, tally: Tally) -> None:
    event = workflow.wait_for_event(AckListener, tally, tmp_path / "flag")
    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(event, workflow_id="w")
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert "nobody listens" in str(caught.value.__cause__)
    assert workflow.get_output("w", task_id="workflow.wait_for_event.poll")[0] == tally
    (tmp_path / "flag").touch()
    workflow.resume("w")
    assert tally.counts() == {"poll": 1, "ack": 2}


def test_a_timer_gives_its_time() -> None:
    assert workflow.run(workflow.wait_for_event(TimerListener, 12.5)) == 12.5


def test_a_sleep_lasts_by_the_clock(open_timed: Open, clock: Clock) -> None:
    executor = open_timed()
    handle = executor.submit(Graph.of(workflow.sleep(60)), id="w")
    executor.output("w", task_id="workflow.sleep.due").result(timeout=150)
    clock.advance(59)
    assert not handle.done()
    clock.advance(1)
    assert handle.result(timeout=150) is None


def test_who_is_resumed_sleeps_only_for_the_rest(open_timed: Open, clock: Clock) -> None:
    first = open_timed()
    first.submit(Graph.of(workflow.sleep(60)), id="w")
    first.output("w", task_id="workflow.sleep.due").result(timeout=150)
    first.close()
    clock.advance(50)
    handle = open_timed().resume("w")
    clock.advance(9)
    assert not handle.done()
    clock.advance(1)
    assert handle.result(timeout=150) is None


def test_a_clock_set_forward_wakes_who_is_due(open_timed: Open, clock: Clock) -> None:
    handle = open_timed().submit(Graph.of(workflow.sleep(3600)), id="w")
    while not handle.done():
        clock.jump(3600)
    assert handle.result() is None


def test_many_sleep_at_once_and_hold_no_worker(open_timed: Open, clock: Clock) -> None:
    executor = open_timed()
    handles = [executor.submit(Graph.of(workflow.sleep(60)), id=f"w{i}") for i in range(100)]
    for i in range(100):
        executor.output(f"w{i}", task_id="workflow.sleep.due").result(timeout=150)
    assert alula.available_resources()["CPU"] == alula.cluster_resources()["CPU"]
    clock.advance(60)
    assert [handle.result(timeout=150) for handle in handles] == [None] * 100


def test_cancelling_gives_up_what_waits(tally: Tally) -> None:
    workflow.run_async(workflow.wait_for_event(FileListener, tally, "never"), workflow_id="w")
    workflow.cancel("w")
    assert workflow.get_status("w") == workflow.CANCELED


def test_what_a_listener_raises_fails_its_task(tmp_path: Path) -> None:
    class Wrong(workflow.EventListener):
        async def poll_for_event(self) -> None:
            raise KeyError("lost")

    with pytest.raises(WorkflowExecutionError, match=r"wait_for_event\.poll") as caught:
        workflow.run(workflow.wait_for_event(Wrong))
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_listener_without_its_method_says_so() -> None:
    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(workflow.wait_for_event(workflow.EventListener))
    assert "poll_for_event" in str(caught.value.__cause__)


@pytest.mark.parametrize("listener", [int, FileListener(), None, "x"])
def test_what_is_no_listener_is_refused_at_once(listener: Any) -> None:
    with pytest.raises(TypeError, match="EventListener"):
        workflow.wait_for_event(listener)


@pytest.mark.parametrize(
    ("seconds", "error"),
    [
        (-1, ValueError),
        (float("nan"), ValueError),
        (float("inf"), ValueError),
        ("1", TypeError),
        (True, TypeError),
    ],
)
def test_what_is_no_time_is_refused_at_once(seconds: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="sleep"):
        workflow.sleep(seconds)


def test_a_sleep_among_other_tasks(tmp_path: Path, tally: Tally) -> None:
    @alula.remote
    def after(_: None, x: int) -> Node[Any]:
        return fail_unless.bind(tmp_path / "flag", x)

    with pytest.raises(WorkflowExecutionError):
        workflow.run(after.bind(workflow.sleep(0.01), add.bind(1, 2)), workflow_id="w")
    (tmp_path / "flag").touch()
    assert workflow.resume("w") == 3
