"""Schedules: when what begins next, and how it went the last time."""

import re
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Response

from ... import workflow
from ...errors import NameNotFoundError, WorkflowNotFoundError
from .._problems import Refused
from ._render import address
from ._view import Poster, Tab, View, Viewer

__all__ = ["TAB", "router"]

TAB = Tab("Schedules", "/schedules", "schedules")
router = APIRouter()

_PAGE: Final = 100
_TIMES: Final = 3
_OF_OBJECT: Final = re.compile(r"(?P<action>\w+) (?P<kind>job|model|script)s/(?P<bucket>[^/]+)/(?P<name>.+)")


@router.get("/schedules")
def show_schedules(view: Viewer) -> Response:
    """List the schedules."""
    view.permit_some("schedule", "list")
    asked, after = view.query.get("name", ""), view.query.get("after", "")
    every = [
        each
        for each in workflow.list_schedules()
        if asked.lower() in each.name.lower() and _may(view, each.name, "list")
    ]
    later = [each for each in every if each.name > after]
    shown = later[:_PAGE]
    return view.page(
        "schedules.html",
        tab=TAB.key,
        found=[_told(view, each) for each in shown],
        asked=asked,
        total=len(every),
        kept=any(facts["claims"] for facts in view.om().runtime.stats().values()),
        newer=address("schedules", name=asked) if after else "",
        older=address("schedules", name=asked, after=shown[-1].name) if len(later) > _PAGE else "",
    )


@router.post("/schedule/trigger")
def trigger(view: Poster) -> Response:
    """Begin the work of a schedule now."""
    name = _permitted(view, "trigger")
    with view.doing():
        begun = workflow.trigger_schedule(name)
    return view.back(address("schedules"), f"{name}: {begun} begins now")


@router.post("/schedule/pause")
def pause(view: Poster) -> Response:
    """Let the times of a schedule pass by."""
    name = _permitted(view, "pause")
    workflow.pause_schedule(name)
    return view.back(address("schedules"), f"{name} is paused")


@router.post("/schedule/resume")
def resume(view: Poster) -> Response:
    """Go on with a schedule that was paused."""
    name = _permitted(view, "resume")
    workflow.resume_schedule(name)
    return view.back(address("schedules"), f"{name} goes on")


@router.post("/schedule/delete")
def delete(view: Poster) -> Response:
    """Forget a schedule; what it has begun stays."""
    name = _permitted(view, "delete")
    about = _OF_OBJECT.fullmatch(name)
    workflow.delete_schedule(name)
    said = f" of {about['kind']} {about['name']}" if about else f" {name}"
    return view.back(address("schedules"), f"The schedule{said} is deleted")


def _permitted(view: View, action: str) -> str:
    name = view.form.get("name", "")
    view.permit("schedule", name, action)
    if not _may(view, name, action):
        raise Refused(403, f"schedule/{name} is of a bucket that is not available")
    return name


def _may(view: View, name: str, action: str) -> bool:
    """Tell whether an action is allowed on a schedule, and in the bucket of what it runs."""
    about = _OF_OBJECT.fullmatch(name)
    in_bucket = about is None or (view.rights is not None and view.rights.allow_bucket(about["bucket"]))
    return in_bucket and view.may("schedule", name, action)


def _told(view: View, schedule: workflow.Schedule) -> Mapping[str, Any]:
    """Give a schedule as a row of the table."""
    about = _OF_OBJECT.fullmatch(schedule.name)
    here = about is not None and about["bucket"] == view.bucket
    return {
        "schedule": schedule,
        "href": address(about["kind"], about["name"]) if about is not None and here else "",
        "times": [] if schedule.paused else schedule.next_times(_TIMES),
        "last": _last(schedule.last_workflow),
    }


def _last(workflow_id: str | None) -> tuple[str, str] | None:
    """Give the workflow that a schedule has begun last, and its state; None if it is gone."""
    if workflow_id is None:
        return None
    try:
        return workflow_id, workflow.get_status(workflow_id)
    except (WorkflowNotFoundError, NameNotFoundError):
        return None
