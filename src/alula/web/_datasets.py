"""Datasets: what there are, their rows, storing and removing them."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Response

from ._call import Call, Caller, bad_input, json_response, uri
from ._pages import After, Limit, Pattern, page
from ._payloads import Frame, frame_of, parsed
from ._typed import typed
from ._values import frame_as_json, is_frame

__all__ = ["router"]

router = APIRouter(tags=["datasets"])

_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Frame"}}},
    }
}
_OURS: Final = frozenset({"orient"})


@router.get("/dataset/")
async def list_datasets(
    call: Caller, pattern: Pattern = None, limit: Limit = 100, after: After = None
) -> Response:
    """List the datasets."""

    def work() -> Response:
        names = call.om().datasets.list(pattern)
        return page(call, "dataset", names, partial(_described, call), limit=limit, after=after)

    return await call.run(work)


@router.get("/dataset/{name:path}")
async def read_dataset(
    call: Caller,
    name: str,
    orient: Annotated[Literal["dict", "list", "records"], Query(description="Form of a frame.")] = "dict",
) -> Response:
    """Read a dataset: some columns (`iris[x,y]`), some rows (`?x__gt=1&kind=setosa`)."""
    name = call.permit("dataset", name.rstrip("/"), "get")
    return await call.run(_read, call, name, orient)


@router.put("/dataset/{name:path}", openapi_extra=_BODY)
async def store_dataset(call: Caller, name: str) -> Response:
    """Store a frame as a new version of a dataset, or add its rows."""
    name = call.permit("dataset", name.rstrip("/"), "put")
    body = await call.body()
    return await call.run(_store, call, name, body)


@router.delete("/dataset/{name:path}")
async def drop_dataset(call: Caller, name: str) -> Response:
    """Remove a dataset with all its versions."""
    name = call.permit("dataset", name.rstrip("/"), "delete")
    await call.run(lambda: call.om().datasets.drop(name))
    return json_response({"dataset": name, "deleted": True})


def _read(call: Call, name: str, orient: str) -> Response:
    datasets = call.om().datasets
    how: dict[str, Any] = {}
    if where := typed(call.request, but=_OURS):
        types = datasets.resolve(name).kind_meta.get("types", {})
        how["filter"] = {key: _compared(key, value, types) for key, value in where.items()}
    with bad_input():
        value = datasets.load(name, **how)
    if is_frame(value):
        return json_response(frame_as_json(value, orient))
    if hasattr(value, "to_frame") and hasattr(value, "iloc"):  # a series
        return json_response(frame_as_json(value.to_frame(), orient))
    return json_response({"data": value, "index": None})


def _compared(key: str, value: Any, types: Mapping[str, str]) -> Any:
    """Give what a column is compared with: text if it holds texts, whatever the value looks like."""
    column, found, operator = key.rpartition("__")
    if key in types or not found:
        column, operator = key, "eq"
    if operator == "in" and not isinstance(value, list):
        value = [value]
    if operator == "isnull" or "string" not in types.get(column, ""):
        return value
    return [_as_text(each) for each in value] if isinstance(value, list) else _as_text(value)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _store(call: Call, name: str, body: bytes) -> Response:
    given = parsed(Frame, body)
    with bad_input():
        stored = call.om().datasets.put(frame_of(given), name, append=given.append)
    return json_response({"dataset": name, "metadata": stored, "resource_uri": uri("dataset", name)})


def _described(call: Call, name: str) -> Mapping[str, Any] | None:
    found = call.om().datasets.metadata(name)
    return None if found is None else {**found.to_dict(), "resource_uri": uri("dataset", name)}
