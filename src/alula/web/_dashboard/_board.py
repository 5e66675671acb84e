"""The dashboard as an application: its routes, headers, static files and error pages."""

import logging
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, StreamingResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...errors import AlulaError
from ...runtime import default
from .._call import Site
from .._problems import Refused, problem_of
from ._live import Live
from ._render import STATIC, address
from ._sections import PAGES, SECTIONS
from ._view import Dashboard, NeedsLogin, View, Viewer, anyone_posting, anyone_viewing, cookie_name, ours

__all__ = ["make_dashboard"]

_log = logging.getLogger("alula.web")

_POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",  # with no-referrer, a browser's forms would not say their origin
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_LIVE: Final = "/live"
_KEPT: Final = "public, max-age=31536000, immutable"  # an address changes with the content


def make_dashboard(site: Site) -> ASGIApp:
    """Make the application that answers whatever is not the REST interface's."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.board = Dashboard(site, tuple(each.TAB for each in SECTIONS), Live(site.draining))
    for page in (*SECTIONS, *PAGES):
        app.include_router(page.router)
    app.add_api_route("/login", show_login, methods=["GET"])
    app.add_api_route("/login", log_in, methods=["POST"])
    app.add_api_route("/logout", log_out, methods=["POST"])
    app.add_api_route(_LIVE, live, methods=["GET"])
    app.mount("/static", StaticFiles(directory=STATIC))
    for kind in (Refused, AlulaError, Exception):
        app.add_exception_handler(kind, _show_error)
    app.add_exception_handler(NeedsLogin, _send_to_login)
    app.add_exception_handler(HTTPException, _show_refusal_by_route)
    app.add_exception_handler(RequestValidationError, _show_refusal_by_form)
    app.add_middleware(_Headers)
    return app


# ------------------------------------------------------------------------------------ logging in and out


def show_login(view: Annotated[View, Depends(anyone_viewing)]) -> Response:
    """Show the form that asks for a token."""
    to = ours(view.query.get("next", "/"))
    return view.back(to) if view.rights else view.page("login.html", next=to)


def log_in(view: Annotated[View, Depends(anyone_posting)]) -> Response:
    """Begin a session of whoever knows a token; the one before ends, so that nobody else knows its id."""
    board, token = view.board, view.form.get("token", "").strip()
    to = ours(view.form.get("next", "/"))
    rights = board.site.access.rights(token or None)
    if rights is None:
        _log.warning("somebody tried to log in with a token that there is not")
        return view.page("login.html", status=401, next=to, wrong=True)
    board.sessions.end(view.session)
    made = board.sessions.begin(token if board.site.access.tokens else None)
    if not rights.allow_bucket(made.bucket or default().bucket):
        made.bucket = rights.buckets[0]  # of those it may see, for there is no other to begin with
    view.request.state.new_session = made
    return view.back(to)


def log_out(view: Annotated[View, Depends(anyone_posting)]) -> Response:
    """End a session."""
    view.board.sessions.end(view.session)
    return view.back(address("login"))


# ------------------------------------------------------------------------------------------- live pages


async def live(view: Viewer, topic: Annotated[list[str], Query()]) -> Response:
    """Tell a page, for as long as it is open, that there is something new to see."""
    for each in topic:
        resource, _, name = each.partition("/")
        if resource == "workflow":
            view.permit("workflow", name, "get")
    return _Stream(view.board.live.events(topic))


class _Stream(StreamingResponse):
    """Events, whose generator is closed whichever way the connection ends."""

    def __init__(self, events: AsyncGenerator[str, None]) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._events.aclose()


# --------------------------------------------------------------------------------------------- what fails


async def _send_to_login(request: Request, error: Exception) -> Response:
    to = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    where = f"{address('login')}?{urlencode({'next': to if request.method == 'GET' else '/'})}"
    if request.headers.get("hx-request"):  # else the form would be put into the middle of a page
        return Response(status_code=401, headers={"HX-Redirect": address("login")})
    return RedirectResponse(where, 303)


async def _show_error(request: Request, error: Exception) -> Response:
    status, facts = problem_of(error)
    view = await anyone_viewing(request)
    words = {"title": HTTPStatus(status).phrase, "detail": facts["detail"], "name": facts["error"]}
    answer = view.page("error.html", status=status, code=status, **words)
    answer.headers.update(error.headers if isinstance(error, Refused) else {})
    return answer


async def _show_refusal_by_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: f"there is no page at {request.url.path}"}
    detail = words.get(error.status_code) or HTTPStatus(error.status_code).description
    return await _show_error(request, Refused(error.status_code, detail, headers=error.headers))


async def _show_refusal_by_form(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][1:])
    return await _show_error(request, Refused(422, f"{name}: {first['msg']}", "BadParameter"))


class _Headers:
    """Puts on each answer what keeps a browser from doing more with it than is meant, and the cookie."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD" and scope["path"] != _LIVE:  # the server leaves out what would follow
            scope = {**scope, "method": "GET"}
        request = Request(scope)
        kept = scope["path"].startswith("/static/") and "v" in request.query_params

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Cache-Control"] = _KEPT if kept else "no-store"
                for name, value in _HEADERS.items():  # what is shown inside a page has its own
                    headers.setdefault(name, value)
                if (session := getattr(request.state, "new_session", None)) is not None:
                    headers.append("Set-Cookie", _cookie(request, session.id))
            await send(message)

        await self._app(scope, receive, sending)


def _cookie(request: Request, value: str) -> str:
    secure = "; Secure" if request.url.scheme == "https" else ""
    return f"{cookie_name(request)}={value}; Path=/; HttpOnly; SameSite=Strict{secure}"
