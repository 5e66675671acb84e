"""The event loop of an executor: one thread on which all listeners wait."""

import asyncio
from collections.abc import Coroutine
from threading import Lock, Thread
from typing import Any

from ..errors import StoreUnavailableError, TaskCancelledError
from ..futures import pack_task_error, unpack_error
from ..graph import Cancel, Done, Failed, Then

__all__ = ["EventLoop"]


class EventLoop:
    """Runs coroutines of the user's; the first of them starts its thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._closed = False

    def run(self, name: str, work: Coroutine[Any, Any, Any], then: Then) -> Cancel:
        """Begin some work; give what cancels it.

        Parameters
        ----------
        name
            Of its task, for messages.
        then
            Told the value or the error, in the loop's thread, which it must not hold up.

        Raises
        ------
        RuntimeError
            If the loop is closed.
        """
        loop = self._started(work)
        running: list[asyncio.Task[Any]] = []

        def begin() -> None:
            task = loop.create_task(work)
            running.append(task)
            task.add_done_callback(lambda ended: then(_outcome(name, ended)))

        loop.call_soon_threadsafe(begin)
        return lambda: _cancel(loop, running)

    def close(self) -> None:
        """Cancel what still waits, and end the thread."""
        with self._lock:
            self._closed = True
            loop, self._loop = self._loop, None
        if loop is not None and self._thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()

    def _started(self, work: Coroutine[Any, Any, Any]) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                work.close()
                raise RuntimeError("the executor is closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = Thread(
                    target=_serve, args=(self._loop,), name="alula-workflow-events", daemon=True
                )
                self._thread.start()
            return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def _cancel(loop: asyncio.AbstractEventLoop, running: list[asyncio.Task[Any]]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(lambda: [task.cancel() for task in running])


def _outcome(name: str, ended: "asyncio.Task[Any]") -> Done[Any] | Failed:
    if ended.cancelled():
        return Failed(TaskCancelledError(name))
    error = ended.exception()
    if isinstance(error, StoreUnavailableError):
        error.of_task = True
    # As a task's on the engine: the story of where it was raised comes with it.
    return Done(ended.result()) if error is None else Failed(unpack_error(pack_task_error(error, name)))
