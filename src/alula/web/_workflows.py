"""Workflows: signals for those that wait for one, from programs outside."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Response

from .. import workflow
from ._call import Caller, bad_input, json_response

__all__ = ["router"]

router = APIRouter(tags=["workflows"])

_BODY: Any = {"requestBody": {"content": {"application/json": {"schema": {}}}}}


@router.post("/workflow/{workflow_id:path}/signal/{key}", openapi_extra=_BODY)
async def signal_workflow(
    call: Caller,
    workflow_id: str,
    key: str,
    idempotency_key: Annotated[
        str | None, Header(description="A second signal with the same one is not delivered.")
    ] = None,
) -> Response:
    """Send a workflow a signal with the body as payload; it is durable before this is answered."""
    call.permit("workflow", workflow_id, "signal")
    payload = await call.json()

    def work() -> None:
        with bad_input():
            workflow.signal(workflow_id, key, payload, idempotency_key=idempotency_key)

    await call.run(work)
    return json_response({"workflow": workflow_id, "signal": key})
