"""Services: scripts and models at addresses of their own, whose bodies are checked, and answers bare.

What a body must look like stands in the attributes of the object: ``attributes["signature"]["input"]`` is a
JSON Schema.
"""

from functools import lru_cache
from typing import Any

from fastapi import APIRouter, Response

from ..errors import MissingExtraError, NameNotFoundError
from ..objects import Metadata
from ..runtime import AsyncResult
from ._access import MODEL_ACTIONS
from ._call import Call, Waiter
from ._models import submit
from ._problems import Refused
from ._runs import run_script

__all__ = ["router"]

router = APIRouter(tags=["services"])

_BODY: Any = {"requestBody": {"content": {"application/json": {"schema": {}}}}}


async def call_service(call: Waiter, name: str) -> Response:
    """Run a script, or let a model predict, and answer with the result and nothing around it."""
    name = name.rstrip("/")
    call.permit("service", name, "call")
    body = await call.body()
    payload = await call.json(body)
    result = await call.run(_submitted, call, name, body, payload)
    return await call.answer(result, lambda value: value)


for _verb in ("GET", "POST", "PUT"):  # each by itself, so that the document tells them apart
    router.add_api_route("/service/{name:path}", call_service, methods=[_verb], openapi_extra=_BODY)


def _submitted(call: Call, name: str, body: bytes, payload: Any) -> AsyncResult[Any]:
    om = call.om()
    bare, _, action = name.rpartition("/")
    for known, wanted in ((name, ""), (bare, action)):
        if (script := om.scripts.metadata(known) if known else None) is not None and wanted in ("", "run"):
            _check(script, payload)
            return run_script(call, known, payload)
        model = om.models.metadata(known) if known else None
        if model is not None and wanted in ("", *MODEL_ACTIONS):
            _check(model, payload)
            return submit(call, known, wanted or "predict", body)
    raise NameNotFoundError(f"service/{name}", [*om.scripts.list(), *om.models.list()])


def _check(served: Metadata, payload: Any) -> None:
    """Refuse a body that is not what the object says that it takes."""
    schema = served.attributes.get("signature", {}).get("input")
    if schema is None:
        return
    wrong = next(iter(_validator()(schema).iter_errors(payload)), None)
    if wrong is not None:
        where = ".".join(map(str, wrong.absolute_path))
        raise Refused(400, f"{where}: {wrong.message}" if where else wrong.message, "BadBody")


@lru_cache(maxsize=1)
def _validator() -> Any:
    try:
        from jsonschema import Draft202012Validator
    except ImportError as error:
        raise MissingExtraError("jsonschema", "web", "the signature of a service") from error
    return Draft202012Validator
