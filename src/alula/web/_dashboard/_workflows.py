"""All workflows: a list that is read page by page, by the indexes of the store."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter, Response

from ...errors import WorkflowNotFoundError
from ...workflow import Described, Search, WorkflowStatus, default_executor, list_queues
from .._problems import Refused
from ._render import address
from ._view import Tab, Viewer

__all__ = ["TAB", "router"]

TAB: Final = Tab("Workflows", "/workflows", "workflows")
router = APIRouter()

_AT_ONCE: Final = 50
_ORDER: Final = ("RUNNING", "PENDING", "RESUMABLE", "FAILED", "SUCCESSFUL", "CANCELED")
_ASKED: Final = ("status", "id", "queue", "label", "since", "after")


@router.get("/workflows")
def show_workflows(view: Viewer) -> Response:
    """Show a page of the list, as the address asks for it."""
    view.permit_some("workflow", "list")
    asked = {name: view.query.get(name, "").strip() for name in _ASKED}
    rows, gone = _page(asked)
    kept = {name: value for name, value in asked.items() if name != "after"}
    more = len(rows) > _AT_ONCE
    return view.page(
        "workflows.html",
        tab=TAB.key,
        rows=[r for r in rows[:_AT_ONCE] if view.may("workflow", r.id, "list") and view.may_see(r.metadata)],
        asked=asked,
        filtered=any(kept.values()),
        gone=gone,
        statuses=_ORDER,
        queues=[queue.name for queue in list_queues()],
        newer=address("workflows", **kept) if asked["after"] else "",
        older=address("workflows", **kept, after=rows[_AT_ONCE - 1].id) if more else "",
    )


def _page(asked: Mapping[str, str]) -> tuple[Sequence[Described], bool]:
    """Give the rows of a page and one more; and whether the page before has gone meanwhile."""
    try:
        return default_executor().records.describe_all(_search(asked)), False
    except WorkflowNotFoundError:  # the last one of the page before was deleted
        return default_executor().records.describe_all(_search({**asked, "after": ""})), True


def _search(asked: Mapping[str, str]) -> Search:
    if asked["status"] and asked["status"] not in _ORDER:
        raise Refused(422, f"there is no status {asked['status']!r}; there are {', '.join(_ORDER)}")
    try:
        return Search(
            statuses=frozenset((WorkflowStatus(asked["status"]),)) if asked["status"] else Search().statuses,
            id_prefix=asked["id"],
            labels=(asked["label"],) if asked["label"] else (),
            queue=asked["queue"] or None,
            created_after=_moment(asked["since"]),
            newest_first=True,
            limit=_AT_ONCE + 1,
            after=asked["after"] or None,
        )
    except ValueError as error:
        raise Refused(422, str(error)) from error


def _moment(day: str) -> float | None:
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() if day else None
