"""Live pages: the store's doorbell, heard once for all, and passed on to open pages as server-sent events.

An event carries no news, as a ring does not: whoever hears it fetches the page anew. Some facts ring no bell
(that time goes by, that a process died): a page that shows such asks for the topic ``tick``.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from typing import Final

from starlette.concurrency import run_in_threadpool

from ...errors import WorkflowNotFoundError
from ...runtime import default
from ...workflow import attend, listen

__all__ = ["TICK", "Live"]

TICK: Final = "tick"
_WORKFLOW: Final = "workflow/"

_CHANGE: Final = "event: change\ndata:\n\n"
_LEAST: Final = 0.4  # seconds between two events to one page, or a busy store would do nothing but draw
_TICK: Final = 4.0  # seconds between looks at what rings no bell
_ATTEND: Final = 2.0  # seconds after which an executor is told again that somebody follows what it runs


class Live:
    """Hears news for all open pages; every method in the one loop of the server."""

    def __init__(self, ending: asyncio.Event) -> None:
        self._ending = ending
        self._open: set[asyncio.Event] = set()
        self._ender: asyncio.Task[None] | None = None
        self._ear: _Ear | None = None

    async def events(self, topics: Sequence[str]) -> AsyncGenerator[str, None]:
        """Give events as they are written to the wire, until the page is closed or the server ends.

        Parameters
        ----------
        topics
            ``workflows``: anything about any workflow; ``workflow/<id>``: each record of that one; ``tick``:
            every few seconds.
        """
        news = asyncio.Event()
        try:
            await self._join(news)
            yield "retry: 1000\n\n"
            ids = [topic.removeprefix(_WORKFLOW) for topic in topics if topic.startswith(_WORKFLOW)]
            before: object = await _marks(ids)
            yield _CHANGE  # for there may have been news since the page was made, or the connection lost
            while not self._ending.is_set():
                rang = await self._wait(news, _ATTEND if ids else _TICK)
                marks = await _marks(ids) if ids else None
                if ("workflows" in topics and rang) or TICK in topics or marks != before:
                    before = marks
                    yield _CHANGE
                    await asyncio.sleep(_LEAST)
                elif not rang:
                    yield ":\n\n"  # so that a connection whose other end is gone is noticed
        finally:
            self._leave(news)

    async def _wait(self, news: asyncio.Event, seconds: float) -> bool:
        """Tell whether there was news before the time was over."""
        try:
            async with asyncio.timeout(seconds):
                await news.wait()
        except TimeoutError:
            return False
        news.clear()
        return True

    async def _join(self, news: asyncio.Event) -> None:
        self._open.add(news)
        if self._ear is None:
            self._ear = _Ear(self._tell)
        if self._ender is None:
            self._ender = asyncio.create_task(self._end())
        await self._ear.hears.wait()

    def _leave(self, news: asyncio.Event) -> None:
        self._open.discard(news)
        if not self._open and self._ear is not None:
            self._ear.over.set()
            self._ear = None

    def _tell(self) -> None:
        for each in self._open:
            each.set()

    async def _end(self) -> None:
        await self._ending.wait()
        self._tell()


class _Ear:
    """Listens to the store from its making until nobody wants to know any more."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self.hears, self.over = asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(self._listen(asyncio.get_running_loop(), tell))

    async def _listen(self, loop: asyncio.AbstractEventLoop, tell: Callable[[], None]) -> None:
        def told() -> None:
            with suppress(RuntimeError):  # the loop has ended, and so has every page
                loop.call_soon_threadsafe(tell)

        stop = await run_in_threadpool(lambda: listen(default().store, told))
        self.hears.set()
        await self.over.wait()
        await run_in_threadpool(stop)


async def _marks(ids: Sequence[str]) -> list[object]:
    """Give, for each workflow, what is another thing when something was recorded of it."""
    return await run_in_threadpool(lambda: [_mark(each) for each in ids])


def _mark(workflow_id: str) -> object:
    with suppress(WorkflowNotFoundError):
        return attend(default().store, workflow_id)
    return None  # it was deleted, which is news as well
