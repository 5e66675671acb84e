"""The application: all routes together, and what holds for each of them."""

from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from .._core._version import VERSION
from ..errors import AlulaError
from . import _datasets, _models, _runs, _services, _tasks, _workflows
from ._access import is_loopback
from ._call import PREFIX, Caller, Site, json_response, problem_response
from ._dashboard import make_dashboard
from ._doc import document, page
from ._problems import Refused, problem_of

__all__ = ["make_app"]

_TITLE = "Alula"


def make_app(site: Site, *, origins: tuple[str, ...] = ()) -> FastAPI:
    """Make the application of one server.

    Parameters
    ----------
    origins
        Of pages whose scripts may call it in a browser (CORS); none by default.
    """
    app = FastAPI(title=_TITLE, version=VERSION, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.site = site
    for part in (_models, _datasets, _runs, _services, _tasks, _workflows):
        app.include_router(part.router, prefix=PREFIX)
    app.include_router(_services.router, prefix="/api", include_in_schema=False)  # as older clients call them
    app.add_api_route(f"{PREFIX}/ping", ping, tags=["server"])
    app.add_api_route("/api/openapi.json", document, include_in_schema=False)
    app.add_api_route("/api/doc", page, include_in_schema=False)
    for kind in (Refused, AlulaError, Exception):
        app.add_exception_handler(kind, _told)
    app.add_exception_handler(HTTPException, _refused_by_route)
    app.add_exception_handler(RequestValidationError, _refused_by_form)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["DELETE", "GET", "POST", "PUT"],
            allow_headers=["*"],
            expose_headers=["Location", "Retry-After", "Link"],
        )
    app.add_middleware(_Beside, dashboard=make_dashboard(site))
    app.add_middleware(_Guard, site=site, origins=origins)
    return app


async def ping(call: Caller) -> Response:
    """Say that the server is there."""
    return json_response({"ping": datetime.now(UTC).isoformat()})


class _Beside:
    """Sends whatever is not asked of the interface for programs to the pages for people."""

    def __init__(self, app: ASGIApp, dashboard: ASGIApp) -> None:
        self._app, self._dashboard = app, dashboard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        app = self._app if path == "/api" or path.startswith("/api/") else self._dashboard
        await app(scope, receive, send)


class _Guard:
    """Refuses what a browser was made to send by a page from elsewhere.

    Without tokens whoever reaches the port may do everything, and a page that somebody looks at on this
    machine reaches it, too, also under a name of its own that it lets point here.
    """

    def __init__(self, app: ASGIApp, site: Site, origins: tuple[str, ...]) -> None:
        self._app = app
        self._open, self._origins = site.access.anyone is not None, {*origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = self._refusal(Headers(scope=scope)) if scope["type"] == "http" else None
        if refused is None:
            await self._app(scope, receive, send)
        else:
            await problem_response(*problem_of(refused))(scope, receive, send)

    def _refusal(self, headers: Headers) -> Refused | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._open and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            return Refused(403, f"this server is no {host}: without a token it serves this machine alone")
        if origin is not None and origin not in self._origins and urlsplit(origin).netloc != host:
            return Refused(403, f"pages of {origin} may not call this server")
        return None


async def _told(request: Request, error: Exception) -> Response:
    headers = error.headers if isinstance(error, Refused) else None
    return problem_response(*problem_of(error), headers)


async def _refused_by_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: f"there is nothing at {request.url.path}: /api/doc lists what there is"}
    detail = words.get(error.status_code) or HTTPStatus(error.status_code).description
    refused = Refused(error.status_code, detail, headers=dict(error.headers or {}))
    return await _told(request, refused)


async def _refused_by_form(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][1:])
    return await _told(request, Refused(422, f"{name}: {first['msg']}", "BadParameter"))
