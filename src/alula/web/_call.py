"""One request as a handler sees it: who asks, in which bucket, how long they wait, and what is behind it.

The runtime is synchronous, and the loop must not wait for it: whatever looks into the store or takes a
value apart goes through `Call.run`, into a thread. Only the end of a task is awaited, without one.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final, ParamSpec, TypeVar
from urllib.parse import quote

from fastapi import Depends, Header, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from ..errors import AlulaError, InvalidNameError
from ..objects import Reference, check_name
from ..runtime import AsyncResult, Instance, default
from ._access import Access, Rights
from ._problems import Refused, problem_of
from ._values import as_json

__all__ = [
    "PREFIX",
    "Call",
    "Caller",
    "Site",
    "Waiter",
    "bad_input",
    "forbidden",
    "json_response",
    "pending",
    "problem_response",
    "uri",
]

P = ParamSpec("P")
T = TypeVar("T")

PREFIX: Final = "/api/v1"
_RETRY: Final = 1  # seconds after which it is worth asking for a result again


@dataclass(slots=True)
class Site:
    """What all requests to one server share.

    Attributes
    ----------
    access
        Who may do what.
    largest
        Bytes that the body of a request may have.
    read_only
        Whether what changes anything is refused.
    server
        Address of the tensor server that the dashboard looks at.
    draining
        Set when the server is to end: whoever waits for a task is told where to ask for it later.
    """

    access: Access
    largest: int
    read_only: bool = False
    server: str = "redis://127.0.0.1:6379"
    draining: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Call:
    """One request; safe to use from its handler and the threads that this starts."""

    request: Request
    site: Site
    rights: Rights
    bucket: str
    pending: bool = False
    patience: float | None = None

    def om(self) -> Instance:
        """Give the instance in the bucket of the request; in a thread, for it may open the store."""
        return default()[self.bucket]

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in a thread."""
        return await run_in_threadpool(work, *args, **kwargs)

    async def body(self) -> bytes:
        """Read the body.

        Raises
        ------
        Refused
            With status 413, before more of it is read, if it is too large.
        """
        largest = self.site.largest
        announced = self.request.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > largest:
            raise _too_large(largest)
        parts, size = [], 0
        async for part in self.request.stream():
            size += len(part)
            if size > largest:
                raise _too_large(largest)
            parts.append(part)
        return b"".join(parts)

    async def json(self, body: bytes | None = None) -> Any:
        """Read the body as JSON; None if there is none.

        Parameters
        ----------
        body
            The body, if it was read already.

        Raises
        ------
        Refused
            With status 400 if it is no JSON, 413 if it is too large.
        """
        return await self.run(_loaded, await self.body() if body is None else body)

    def permit(self, resource: str, name: str, action: str) -> str:
        """Give a name as it was, if an action on what it names is allowed.

        Raises
        ------
        Refused
            With status 403.
        """
        try:
            bare = Reference.parse(name).name
        except InvalidNameError:
            bare = name  # which no object has
        if not self.rights.allow(resource, bare, action):
            raise forbidden(f"{resource}/{bare}/{action}")
        return name

    async def answer(self, result: AsyncResult[Any], envelope: Callable[[Any], Any]) -> Response:
        """Answer with what a task gives: 200 once it has ended, or 202 if nobody is to wait so long.

        Parameters
        ----------
        envelope
            Makes the body of the value.
        """
        if self.pending or not await self.ended(result):
            return await self.run(lambda: pending(result.id, envelope("pending")))
        try:
            value = await self.run(result.get)
        except AlulaError as error:
            status, body = problem_of(error, task_id=result.id)
            return problem_response(status, body)
        return await self.run(lambda: json_response(envelope(value)))

    async def ended(self, result: AsyncResult[Any]) -> bool:
        """Wait for a task to end, as long as this client and the server want to."""
        ending = asyncio.ensure_future(_settled(result))
        draining = asyncio.ensure_future(self.site.draining.wait())
        try:
            await asyncio.wait({ending, draining}, timeout=self.patience, return_when=asyncio.FIRST_COMPLETED)
            return ending.done()
        finally:
            for each in (ending, draining):
                each.cancel()


async def _settled(result: AsyncResult[Any]) -> None:
    """Return when a task has ended; its value is left where it is, for whoever opens it may take long."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    result.when_done(lambda _: loop.call_soon_threadsafe(ended.set))
    await ended.wait()


def _loaded(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError as error:
        raise Refused(400, f"the body is no JSON: {error}", "BadBody") from error


def _too_large(largest: int) -> Refused:
    return Refused(413, f"the body may have {largest:,} bytes; store larger data as a dataset, in parts")


def forbidden(what: str) -> Refused:
    """Make the refusal of what no rule allows."""
    return Refused(403, f"{what} is not available: no rule of this token allows it")


@contextmanager
def bad_input() -> Iterator[None]:
    """Take what a call of the runtime refuses before there is a task for the fault of the request: 422."""
    try:
        yield
    except AlulaError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise Refused(422, str(error), type(error).__name__) from error


def uri(*parts: str) -> str:
    """Give the address of a resource; slashes in names stay."""
    return "/".join([PREFIX, *(quote(part) for part in parts)])


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Make an answer; what JSON cannot hold is refused with status 406."""
    try:
        plain = as_json(content)
    except TypeError as error:
        raise Refused(406, str(error), "NotJSON") from error
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text, status, headers=headers, media_type="application/json")


def problem_response(
    status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    """Make the answer about an error."""
    return Response(json.dumps(body), status, headers=headers, media_type="application/problem+json")


def pending(task: str, body: Any) -> Response:
    """Make the answer about a task that has not ended."""
    headers = {"Location": uri("task", task, "result"), "Retry-After": str(_RETRY)}
    facts = body if isinstance(body, dict) else {"result": body}
    return json_response({**facts, "task_id": task}, 202, headers)


_bearer = HTTPBearer(auto_error=False, description="The token, where the server asks for one.")


async def _caller(
    request: Request,
    shown: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    bucket: Annotated[str | None, Header(description="The name space; that of the settings.")] = None,
) -> Call:
    site: Site = request.app.state.site
    rights = site.access.rights(shown.credentials if shown else None)
    if rights is None:
        headers = {"WWW-Authenticate": "Bearer"}
        raise Refused(401, "a token is needed: Authorization: Bearer TOKEN", headers=headers)
    name = default().bucket if bucket in (None, "default") else bucket
    assert name is not None
    check_name(name)
    if not rights.allow_bucket(name):
        raise forbidden(f"bucket {name}")
    return Call(request, site, rights, name)


async def _waiter(
    call: Annotated[Call, Depends(_caller)],
    asynchronous: Annotated[
        bool, Header(alias="async", description="Answer 202 at once, with where the result will be.")
    ] = False,
    asynchronously: Annotated[bool, Query(alias="async", description="As the header of that name.")] = False,
    prefer: Annotated[
        str, Header(description="`respond-async`, or `wait=10`: seconds after which to answer 202.")
    ] = "",
) -> Call:
    now, patience = _preferred(prefer)
    return replace(call, pending=asynchronous or asynchronously or now, patience=patience)


def _preferred(header: str) -> tuple[bool, float | None]:
    """Read what RFC 7240 calls preferences: whether not to wait, or for how many seconds."""
    words = dict(word.strip().partition("=")[::2] for word in header.split(","))
    seconds = words.get("wait", "")
    return "respond-async" in words and not seconds, float(seconds) if seconds.isdecimal() else None


Caller = Annotated[Call, Depends(_caller)]
"""The parameter of a handler that is given its call."""

Waiter = Annotated[Call, Depends(_waiter)]
"""The same, of one that answers with what a task gives."""
