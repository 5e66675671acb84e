"""Models: what there are, what is known of one, and its actions."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from ..errors import suggest
from ..runtime import AsyncResult
from ._access import MODEL_ACTIONS
from ._call import Call, Caller, Waiter, bad_input, json_response, uri
from ._pages import After, Limit, Pattern, page
from ._payloads import Data, Work, parsed, value_of
from ._problems import Refused

__all__ = ["router", "submit"]

router = APIRouter(tags=["models"])

_BODY = {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Work"}}}}}


@router.get("/model/")
async def list_models(
    call: Caller, pattern: Pattern = None, limit: Limit = 100, after: After = None
) -> Response:
    """List the models."""

    def work() -> Response:
        models = call.om().models
        described = partial(_described, call)
        return page(call, "model", models.list(pattern), described, limit=limit, after=after)

    return await call.run(work)


@router.get("/model/{name:path}")
async def show_model(call: Caller, name: str) -> Response:
    """Show what is known of a model, or of one version of it: `iris@production`, `iris^`."""
    name = call.permit("model", name.rstrip("/"), "get")
    return await call.run(lambda: json_response(call.om().models.resolve(name)))


@router.put("/model/{name:path}/{action}", openapi_extra=_BODY)
async def call_model(
    call: Waiter,
    name: str,
    action: str,
    datax: Annotated[str | None, Query(description="Name of a dataset.")] = None,
    datay: Annotated[str | None, Query(description="Name of the dataset with the targets.")] = None,
) -> Response:
    """Let a model fit, predict, score or transform: on datasets by name, or on data in the body."""
    if action not in MODEL_ACTIONS:
        raise Refused(404, f"a model has no action {action!r}; {suggest(action, MODEL_ACTIONS)}")
    call.permit("model", name, action)
    body = await call.body()
    result = await call.run(submit, call, name, action, body, datax, datay)
    return await call.answer(result, partial(_envelope, name))


def submit(
    call: Call, name: str, action: str, body: bytes, datax: str | None = None, datay: str | None = None
) -> AsyncResult[Any]:
    """Submit an action of a model.

    Raises
    ------
    Refused
        If the body does not fit, there are no data, or what is asked for is not allowed.
    NameNotFoundError
        If there is no such model.
    """
    work = parsed(Work, body) if body else Work()
    x, y = _data(call, work, datax), _one(call, work.datay if datay is None else datay)
    options = _options(call, work)
    targets = () if y is None else (y,)
    proxy = call.om().runtime.model(name)
    with bad_input():
        submitted: AsyncResult[Any] = getattr(proxy, action)(x, *targets, **options)
    return submitted


def _options(call: Call, work: Work) -> dict[str, Any]:
    """Give keywords for an action, in which no dataset is named that is not allowed."""
    options = dict(work.options)
    if work.parameters is not None:
        options["parameters"] = work.parameters
    if (result := work.result or options.pop("rName", None)) is not None:
        options["rName"] = call.permit("dataset", str(result), "put")
    by_row = options.get("fit_params")
    for given in (options.get("groups"), *(by_row.values() if isinstance(by_row, Mapping) else ())):
        if isinstance(given, str):
            call.permit("dataset", given, "get")
    return options


def _data(call: Call, work: Work, named: str | None) -> Any:
    inline = Data(data=work.data, columns=work.columns, shape=work.shape) if work.data is not None else None
    given = [each for each in (named, work.datax, inline) if each is not None]
    if len(given) != 1:
        raise Refused(400, "give the data once: ?datax=NAME, or in the body as `data` or `datax`")
    return _one(call, given[0])


def _one(call: Call, given: str | Data | None) -> Any:
    if isinstance(given, str):
        return call.permit("dataset", given, "get")
    return None if given is None else value_of(given)


def _described(call: Call, name: str) -> Mapping[str, Any] | None:
    found = call.om().models.metadata(name)
    return None if found is None else {**found.to_dict(), "resource_uri": uri("model", name, "")}


def _envelope(name: str, value: Any) -> dict[str, Any]:
    return {"model": name, "result": value, "resource_uri": uri("model", name, "")}
