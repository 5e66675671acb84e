"""Tasks that were submitted, by whomever: where they stand, what they gave, and ending them."""

from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response

from .. import workflow
from ..errors import AlulaError
from ..objects import Reference
from ..runtime import AsyncResult
from ._call import Call, Caller, Waiter, bad_input, forbidden, json_response, pending, problem_response, uri
from ._pages import After, Limit
from ._problems import problem_of

__all__ = ["router"]

router = APIRouter(tags=["tasks"])


@router.get("/task/")
async def list_tasks(
    call: Caller,
    status: Annotated[str | None, Query(description="Only those with this status.")] = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """List the tasks that were submitted, the newest first."""
    return await call.run(_listed, call, status, limit, after)


@router.get("/task/{task_id}/status")
async def show_status(call: Caller, task_id: str) -> Response:
    """Say where a task stands."""
    found = await call.run(_found, call, task_id, "status")
    return await call.run(lambda: json_response(_facts(found)))


@router.get("/task/{task_id}/result")
async def show_result(call: Waiter, task_id: str) -> Response:
    """Give what a task gave; while it runs, its status and when to ask again."""
    found = await call.run(_found, call, task_id, "result")
    if not await call.run(found.ready) and call.patience is not None:
        await call.ended(found)
    return await call.run(_result, found)


@router.delete("/task/{task_id}")
async def revoke_task(call: Caller, task_id: str) -> Response:
    """Cancel a task, unless it has ended."""
    found = await call.run(_found, call, task_id, "revoke")
    await call.run(found.revoke)
    return await call.run(lambda: json_response(_facts(found)))


def _listed(call: Call, status: Any, limit: int, after: str | None) -> Response:
    if not call.rights.allow_some("task", "list"):
        raise forbidden("task/*/list")
    with bad_input():
        found = call.om().runtime.tasks(status, limit=limit + 1, after=after)
    items = [{**asdict(each), "resource_uri": uri("task", each.id, "result")} for each in found[:limit]]
    following = None
    if len(found) > limit:
        asked = {**call.request.query_params, "limit": limit, "after": found[limit - 1].id}
        following = f"{call.request.url.path}?{urlencode(asked)}"
    return json_response({"items": items, "next": following})


def _found(call: Call, task_id: str, action: str) -> AsyncResult[Any]:
    found: AsyncResult[Any] = call.om().runtime.result(task_id, wait=False)
    told = workflow.get_metadata(task_id)["user_metadata"]
    if not call.rights.allow_bucket(told.get("bucket", "")):
        raise forbidden(f"task/{task_id}/{action}")
    if call.rights.allow("task", task_id, action):
        return found
    # Whoever may have it done may see what came of it, and may end it.
    name = told.get("name", "")
    bare = Reference.parse(name).name if name else ""
    if not call.rights.allow(told.get("kind", ""), bare, told["runtime"]):
        raise forbidden(f"task/{task_id}/{action}")
    return found


def _facts(found: AsyncResult[Any]) -> dict[str, Any]:
    return {"task_id": found.id, "status": found.status, "resource_uri": uri("task", found.id, "result")}


def _result(found: AsyncResult[Any]) -> Response:
    facts = _facts(found)
    if not found.ready():
        later = pending(found.id, facts)
        later.status_code = 200  # what was asked for is here: where the task stands
        return later
    try:
        return json_response({**facts, "status": found.status, "response": found.get()})
    except AlulaError as error:
        return problem_response(*problem_of(error, task_id=found.id))
