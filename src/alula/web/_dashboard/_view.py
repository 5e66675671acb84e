"""One request for a page as its handler sees it: who looks, in which bucket, and what a form has brought.

A handler is a plain function with a parameter `Viewer` (a page) or `Poster` (a form): FastAPI calls it in a
thread, so it may ask the store. What it may not show, `View.permit` refuses; what it need not show,
`View.may` tells.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, urlsplit

from fastapi import Depends, Request, Response
from starlette.responses import HTMLResponse, RedirectResponse

from ...errors import AlulaError
from ...objects import check_name
from ...runtime import Instance, default
from .._access import Rights
from .._call import Site, bad_input, forbidden
from .._problems import Refused
from ._live import Live
from ._render import address, render
from ._session import Notice, Session, Sessions

__all__ = [
    "Dashboard",
    "NeedsLogin",
    "Poster",
    "Tab",
    "View",
    "Viewer",
    "anyone_posting",
    "anyone_viewing",
    "cookie_name",
    "ours",
]

_LARGEST: Final = 1 << 20  # bytes of a form


@dataclass(frozen=True, slots=True)
class Tab:
    """An entry of the navigation.

    Attributes
    ----------
    title
        What stands there.
    path
        Where it leads.
    key
        By which a page says that it belongs there.
    """

    title: str
    path: str
    key: str


@dataclass(slots=True)
class Dashboard:
    """What all requests for pages share.

    Attributes
    ----------
    site
        What they share with the rest of the server.
    tabs
        The navigation.
    sessions
        Of browsers.
    live
        What tells open pages of news.
    """

    site: Site
    tabs: tuple[Tab, ...]
    live: Live
    sessions: Sessions = field(default_factory=Sessions)


class NeedsLogin(Exception):
    """Somebody without a session of their own asks for what needs one."""


@dataclass(slots=True)
class View:
    """One request; used in its handler's thread.

    Attributes
    ----------
    request
        As Starlette has it.
    board
        What it shares with others.
    session
        Of the browser.
    rights
        Of whoever looks; None on the page for logging in.
    form
        The fields of a form, each with its last value; empty for a page.
    """

    request: Request
    board: Dashboard
    session: Session
    rights: Rights | None
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def bucket(self) -> str:
        """The name space whose objects are shown."""
        return self.session.bucket or default().bucket

    @property
    def query(self) -> Mapping[str, str]:
        """What the address asks for."""
        return self.request.query_params

    def om(self) -> Instance:
        """Give the instance in the bucket of this view."""
        return default()[self.bucket]

    def may(self, resource: str, name: str, action: str) -> bool:
        """Tell whether an action is allowed, as for the REST interface."""
        return self.rights is not None and self.rights.allow(resource, name, action)

    def may_see(self, metadata: Mapping[str, Any]) -> bool:
        """Tell whether a workflow is of a bucket that may be used; one that is of none may be seen."""
        bucket = metadata.get("bucket")
        return self.rights is not None and (not bucket or self.rights.allow_bucket(str(bucket)))

    def permit(self, resource: str, name: str, action: str) -> None:
        """Refuse with status 403 unless an action is allowed."""
        if not self.may(resource, name, action):
            raise self._forbidden(f"{resource}/{name}/{action}")

    def permit_some(self, resource: str, action: str) -> None:
        """Refuse with status 403 unless the action is allowed on anything at all of that kind."""
        if self.rights is None or not self.rights.allow_some(resource, action):
            raise self._forbidden(f"{resource}/*/{action}")

    def page(self, template: str, /, tab: str = "", status: int = 200, **facts: Any) -> Response:
        """Answer with a template.

        Parameters
        ----------
        tab
            Key of the entry of the navigation that it belongs to.
        facts
            What it shows, beside `view`, `tabs` and `tab`.
        """
        notices: list[Notice] = []
        if "hx-request" not in self.request.headers:  # of which a part is taken, and that without notices
            notices, self.session.notices = self.session.notices, []
        known = {"view": self, "tabs": self.board.tabs, "tab": tab, "notices": notices}
        return HTMLResponse(render(template, {**known, **facts}), status)

    def part(self, template: str, /, **facts: Any) -> Response:
        """Answer with a template that is a part of a page, and leaves notices to the next whole one."""
        return HTMLResponse(render(template, {"view": self, **facts}))

    def back(self, to: str, said: str = "", *, failed: bool = False) -> Response:
        """Answer a form: go to a page of ours, which begins with a line about what was done."""
        if said:
            self.session.notices.append(Notice(said, failed))
        return RedirectResponse(to, 303)

    @contextmanager
    def doing(self) -> Iterator[None]:
        """Take what a call refuses for the fault of the request: 409 or 422, and never 500."""
        with bad_input():
            try:
                yield
            except RuntimeError as error:
                if isinstance(error, AlulaError):
                    raise
                raise Refused(409, str(error), type(error).__name__) from error

    def _forbidden(self, what: str) -> Refused:
        if self.board.site.read_only:
            return Refused(403, f"{what} is not available: this server is read-only")
        return forbidden(what)


def _looking(request: Request) -> View:
    board: Dashboard = request.app.state.board
    session = board.sessions.find(request.cookies.get(cookie_name(request)))
    if session is None:
        session = board.sessions.begin()
        request.state.new_session = session
    access = board.site.access
    rights = access.rights(session.token) if session.token or not access.tokens else None
    return View(request, board, session, rights)


def cookie_name(request: Request) -> str:
    """Name the cookie: with the port, for a browser keeps one jar for all ports of a host."""
    return f"alula-{request.url.port or request.url.scheme}"


async def anyone_viewing(request: Request) -> View:
    """Give the view of somebody who need not have logged in."""
    return _looking(request)


async def _viewing(request: Request) -> View:
    view = _looking(request)
    if view.rights is None:
        raise NeedsLogin
    asked = view.query.get("bucket")
    if asked is not None:
        check_name(asked)
        view.session.bucket = asked
    if not view.rights.allow_bucket(view.bucket):
        raise forbidden(f"bucket {view.bucket}")
    return view


async def anyone_posting(request: Request) -> View:
    """Read a form of somebody who need not have logged in.

    Raises
    ------
    Refused
        With status 403 if it does not come from a page of the session, 413 if it is too large.
    """
    view = _looking(request)
    view.form = await _form(request)
    if not view.session.proves(view.form.get("csrf", "")):
        raise Refused(403, "this form is not from a page of your session: load the page again, and repeat it")
    return view


async def _posting(request: Request) -> View:
    view = await anyone_posting(request)
    if view.rights is None:
        raise NeedsLogin
    if view.board.site.read_only:
        raise Refused(403, "this server is read-only: nothing can be changed here")
    if not view.rights.allow_bucket(view.bucket):
        raise forbidden(f"bucket {view.bucket}")
    return view


async def _form(request: Request) -> dict[str, str]:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > _LARGEST:
            raise Refused(413, f"a form may have {_LARGEST:,} bytes")
        parts.append(part)
    try:
        text = b"".join(parts).decode()
        return dict(parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=1000))
    except ValueError as error:
        raise Refused(400, f"this is no form: {error}") from error


def ours(path: str) -> str:
    """Give the path of a page of ours as it came from outside; that of the first page for any other."""
    parts = urlsplit(path)
    local = (
        not parts.scheme and not parts.netloc and path.startswith("/") and not path.startswith(("//", "/\\"))
    )
    return path if local else address()


Viewer = Annotated[View, Depends(_viewing)]
"""The parameter of a handler that shows a page."""

Poster = Annotated[View, Depends(_posting)]
"""The parameter of a handler that does what a form asks for."""
