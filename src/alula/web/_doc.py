"""The document of the API, as OpenAPI for programs and as one page for people.

The page is made here and needs nothing from elsewhere: it works without a network.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.responses import HTMLResponse, JSONResponse

from ._payloads import FORMS

__all__ = ["described", "document", "page"]

_PROBLEM: Final = {
    "description": "What went wrong (RFC 9457): `error` is the class, `detail` the message.",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status", "detail", "error"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "error": {"type": "string"},
                    "task_id": {"type": "string"},
                },
            }
        }
    },
}
_HEAD: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Alula: the API</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code { font: 14px ui-monospace, monospace; }
h2 { margin: 2rem 0 .5rem; text-transform: capitalize; }
article { border-top: 1px solid #8884; padding: .6rem 0; }
article p, ul { margin: .2rem 0; }
b { display: inline-block; min-width: 4.5rem; }
:root { color-scheme: light dark; }
</style>
<h1>Alula: the API</h1>
<p>Bodies and answers are JSON; <a href="openapi.json">openapi.json</a> describes them for programs.</p>
"""


async def document(request: Request) -> Response:
    """Give the OpenAPI document."""
    return JSONResponse(described(request.app))


async def page(request: Request) -> Response:
    """Give the page for people."""
    return HTMLResponse(_HEAD + "".join(_sections(described(request.app))))


def described(app: FastAPI) -> dict[str, Any]:
    """Give the OpenAPI document of an application, made at the first call."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, routes=app.routes)
        _, forms = models_json_schema(
            [(form, "validation") for form in FORMS], ref_template="#/components/schemas/{model}"
        )
        made.setdefault("components", {}).setdefault("schemas", {}).update(forms.get("$defs", {}))
        for operations in made["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)
                operation["responses"]["default"] = _PROBLEM
        app.openapi_schema = made
    return app.openapi_schema


def _sections(made: Mapping[str, Any]) -> Iterator[str]:
    tag = ""
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            if operation["tags"][0] != tag:
                tag = operation["tags"][0]
                yield f"<h2>{escape(tag)}</h2>\n"
            yield f"<article><p><b>{method.upper()}</b> <code>{escape(path)}</code></p>"
            yield f"<p>{escape(operation.get('description', ''))}</p>"
            yield f"<ul>{''.join(map(_parameter, operation.get('parameters', [])))}</ul></article>\n"


def _parameter(parameter: Mapping[str, Any]) -> str:
    said = escape(parameter.get("description", ""))
    if parameter["in"] == "path" or not said:
        return ""
    return f"<li><code>{escape(parameter['name'])}</code> ({parameter['in']}): {said}</li>"
