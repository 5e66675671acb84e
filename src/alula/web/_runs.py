"""Scripts and notebooks: what there are, and running them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastapi import APIRouter, Response

from ..runtime import AsyncResult
from ._call import Call, Caller, Waiter, bad_input, json_response, uri
from ._pages import After, Limit, Pattern, page
from ._typed import typed

__all__ = ["router", "run_script"]

router = APIRouter()

_SCRIPT: Any = {
    "requestBody": {
        "description": "The first positional argument.",
        "content": {"application/json": {"schema": {}}},
    }
}
_JOB: Any = {
    "requestBody": {
        "description": "Parameters: an object of keywords, or a list of positional arguments.",
        "content": {"application/json": {"schema": {"type": ["object", "array"]}}},
    }
}


@router.get("/script/", tags=["scripts"])
async def list_scripts(
    call: Caller, pattern: Pattern = None, limit: Limit = 100, after: After = None
) -> Response:
    """List the scripts."""
    return await call.run(_listed, call, "script", pattern, limit, after)


@router.get("/script/{name:path}", tags=["scripts"])
async def show_script(call: Caller, name: str) -> Response:
    """Show what is known of a script."""
    name = call.permit("script", name.rstrip("/"), "get")
    return await call.run(lambda: json_response(call.om().scripts.resolve(name)))


@router.post("/script/{name:path}/run", tags=["scripts"], openapi_extra=_SCRIPT)
async def post_script(call: Waiter, name: str) -> Response:
    """Run a script: the body is its first argument, and the query are its keywords."""
    call.permit("script", name, "run")
    body = await call.json()
    result = await call.run(run_script, call, name, body)
    return await call.answer(result, partial(_script_ran, name, result))


@router.get("/job/", tags=["notebooks"])
async def list_jobs(
    call: Caller, pattern: Pattern = None, limit: Limit = 100, after: After = None
) -> Response:
    """List the notebooks."""
    return await call.run(_listed, call, "job", pattern, limit, after)


@router.get("/job/{name:path}", tags=["notebooks"])
async def show_job(call: Caller, name: str) -> Response:
    """Show the runs of a notebook, and where their outputs are."""
    name = call.permit("job", name.rstrip("/"), "get")
    return await call.run(lambda: json_response(_job(call, name)))


@router.post("/job/{name:path}/run", tags=["notebooks"], openapi_extra=_JOB)
async def post_job(call: Waiter, name: str) -> Response:
    """Run a notebook with the parameters of the body and the query; if it fails, so does this."""
    call.permit("job", name, "run")
    body = await call.json()
    result = await call.run(_run_job, call, name, body)
    return await call.answer(result, partial(_job_ran, call, name))


def run_script(call: Call, name: str, body: Any) -> AsyncResult[Any]:
    """Submit the run of a script."""
    args = () if body is None else (body,)
    with bad_input():
        return _run(call, "script", name, *args, **typed(call.request))


def _run_job(call: Call, name: str, body: Any) -> AsyncResult[Any]:
    args = body if isinstance(body, list) else [] if body is None or isinstance(body, dict) else [body]
    given = body if isinstance(body, dict) else {}
    with bad_input():
        return _run(call, "job", name, *args, **given, **typed(call.request))


def _run(call: Call, kind: str, name: str, /, *args: Any, **kwargs: Any) -> AsyncResult[Any]:
    submitted: AsyncResult[Any] = getattr(call.om().runtime, kind)(name).run(*args, **kwargs)
    return submitted


def _listed(call: Call, kind: str, pattern: str | None, limit: int, after: str | None) -> Response:
    catalog = getattr(call.om(), f"{kind}s")
    described = partial(_described, call, kind)
    return page(call, kind, catalog.list(pattern), described, limit=limit, after=after)


def _described(call: Call, kind: str, name: str) -> Mapping[str, Any] | None:
    found = getattr(call.om(), f"{kind}s").metadata(name)
    return None if found is None else {**found.to_dict(), "resource_uri": uri(kind, name, "")}


def _script_ran(name: str, result: AsyncResult[Any], value: Any) -> dict[str, Any]:
    facts = {"script": name, "result": value, "resource_uri": uri("script", name, "")}
    timings = result.timings
    return {
        **facts,
        "runtimes": timings.ran,
        "started": _time(timings.started),
        "ended": _time(timings.ended),
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def _job(call: Call, name: str) -> dict[str, Any]:
    found = call.om().jobs.resolve(name)
    return {
        "job": name,
        "job_results": found.attributes.get("job_results", []),
        "job_runs": found.attributes.get("job_runs", []),
        "created": found.created,
        "source_job": found.attributes.get("source_job"),
    }


def _job_ran(call: Call, name: str, value: Any) -> dict[str, Any]:
    return {"job": name, "result": value, "resource_uri": uri("job", name, "")}
