"""What happens now: who takes work, what waits for whom, how fast tasks end, and what failed lately."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from socket import gethostname
from typing import Any, Final

from fastapi import APIRouter, Response

from ...errors import WorkflowNotFoundError
from ...futures import SessionFacts, sessions
from ...store import ExecutorInfo
from ...workflow import Described, Pulse, Search, WorkflowStatus, default_executor, pulse, queue_loads
from ._failures import Failure, failure_of
from ._render import address
from ._view import Poster, Tab, View, Viewer

__all__ = ["MARK", "TAB", "router"]

TAB: Final = Tab("Now", "/", "now")
MARK: Final = "runtime"
"""In the metadata of what the runtime has submitted: what is done."""

router = APIRouter()

_FAILED: Final = 10  # failures that are shown
_PATIENCE: Final = 0.3  # seconds that an engine has to say what it does


@dataclass(frozen=True, slots=True)
class Host:
    """An executor, with what is known of its load.

    Attributes
    ----------
    info, running
        Who it is, and how many workflows it runs.
    cores, busy
        What its tasks may hold together, and do hold; None where that cannot be seen from here.
    loadavg
        Of the last minute on its host, if that is this one.
    """

    info: ExecutorInfo
    running: int
    cores: float | None = None
    busy: float | None = None
    loadavg: float | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A workflow that has failed.

    Attributes
    ----------
    row
        What stands in its record.
    failure
        Why.
    """

    row: Described
    failure: Failure

    @property
    def is_task(self) -> bool:
        """Whether it is a task of the runtime, which is done again as another one."""
        return MARK in self.row.metadata

    @property
    def name(self) -> str:
        """What it was about; its id, if nothing else is known."""
        facts = self.row.metadata
        return " ".join(str(facts[key]) for key in (MARK, "kind", "name") if facts.get(key)) or self.row.id


@router.get("/")
def show_now(view: Viewer) -> Response:
    """Show the first page."""
    view.permit_some("executor", "list")
    beat = pulse(view.om().store)
    seen = {each.pid: each for each in sessions(within=_PATIENCE)}
    return view.page(
        "now.html",
        tab=TAB.key,
        pulse=beat,
        hosts=[_host(info, beat, seen) for info in beat.executors],
        sessions=[_session(each) for each in seen.values()],
        queues=queue_loads(),
        failed=list(_failed(view)),
        chart=_chart(beat),
    )


@router.post("/again/{workflow_id:path}")
def do_again(view: Poster, workflow_id: str) -> Response:
    """Do again what has failed: a task of the runtime as a new one, a workflow from where it stopped."""
    found = default_executor().records.describe(workflow_id)
    if not view.may_see(found.metadata):
        raise WorkflowNotFoundError(workflow_id)
    if MARK in found.metadata:
        view.permit("task", workflow_id, "resubmit")
        with view.doing():
            made = view.om().runtime.resubmit(workflow_id)
        return view.back(address("workflow", made.id), f"submitted again: this does what {workflow_id} did")
    view.permit("workflow", workflow_id, "resume")
    with view.doing():
        default_executor().resume(workflow_id, where="auto")
    return view.back(address("workflow", workflow_id), "it goes on from what is recorded")


def _host(info: ExecutorInfo, beat: Pulse, seen: Mapping[int, SessionFacts]) -> Host:
    running = beat.running[info.name]
    if info.host != gethostname():
        return Host(info, running)
    load = os.getloadavg()[0]
    if (session := seen.get(info.pid)) is None:
        return Host(info, running, loadavg=load)
    total, free = session.facts["total"].get("CPU", 0.0), session.facts["free"].get("CPU", 0.0)
    return Host(info, running, cores=total, busy=total - free, loadavg=load)


def _session(each: SessionFacts) -> dict[str, Any]:
    """Give what is shown of an engine on this machine."""
    facts = each.facts
    processes = facts["processes"]
    return {
        "pid": each.pid,
        "program": each.program,
        "workers": sum(p["kind"] in ("worker", "actor") for p in processes),
        "memory": sum(p.get("memory", 0) for p in processes) or None,
        "objects": facts.get("objects", 0),
        "limit": facts["total"].get("object_store_memory"),
        "on_disk": sum(p.get("on_disk", 0) for p in processes),
    }


def _failed(view: View) -> Iterator[Failed]:
    if view.rights is None or not view.rights.allow_some("workflow", "list"):
        return
    search = Search(statuses=frozenset((WorkflowStatus.FAILED,)), newest_first=True, limit=_FAILED)
    for row in default_executor().records.describe_all(search):
        if view.may("workflow", row.id, "list") and view.may_see(row.metadata):
            yield Failed(row, failure_of(row.id))


def _chart(beat: Pulse) -> dict[str, Any]:
    """Give the chart of how fast tasks ended."""
    series = {"label": "tasks per second", "values": [count / beat.step for count in beat.ended]}
    times = [round(beat.since + (i + 0.5) * beat.step, 3) for i in range(len(beat.ended))]
    return {"x": times, "time": True, "y_label": "tasks per second", "series": [series]}
