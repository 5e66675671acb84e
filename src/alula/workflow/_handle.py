"""Handles: one workflow as somebody who waits for it sees it."""

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import nullcontext
from typing import Any, Generic, Protocol, TypeVar

from .._core._html import card, status
from ..errors import GetTimeoutError
from ..futures import Engine, ObjectRef, waiting
from ..graph import Done, Failed
from ._status import WorkflowStatus
from ._vault import Output, Unpacker, Vault, Volatile
from ._worker import LOADER

__all__ = ["Handle", "Host"]

T = TypeVar("T")


class Host(Protocol):
    """What a handle needs of the executor through which it was got."""

    vault: Vault

    @property
    def engine(self) -> Callable[[], Engine]:
        """Gives the engine to use here."""
        ...

    def status(self, workflow_id: str) -> WorkflowStatus:
        """Give the status of a workflow."""
        ...

    def cancel(self, workflow_id: str) -> None:
        """Cancel a workflow."""
        ...


class Handle(Generic[T]):
    """A workflow that was submitted; may be awaited.

    Attributes
    ----------
    id
        Its workflow id.
    """

    def __init__(self, workflow_id: str, future: Future[Output], host: Host) -> None:
        self.id = workflow_id
        self._future, self._host = future, host

    @property
    def status(self) -> WorkflowStatus:
        """Where the workflow stands now.

        Raises
        ------
        WorkflowNotFoundError
            If it was deleted.
        """
        return self._host.status(self.id)

    def done(self) -> bool:
        """Tell whether `result` would return or raise at once."""
        return self._future.done()

    def result(self, timeout: float | None = None) -> T:
        """Wait for the output and give it.

        Parameters
        ----------
        timeout
            Seconds; None waits for ever.

        Raises
        ------
        WorkflowExecutionError
            If a task failed; its error is the ``__cause__``.
        WorkflowCancellationError
            If the workflow was cancelled.
        WorkflowOutputNotReady
            If whoever ran it is gone, or the output was not recorded.
        GetTimeoutError
            If it was not there in time; the workflow goes on.
        """
        try:
            with nullcontext() if self._future.done() else waiting():
                output = self._future.result(timeout)
        except TimeoutError as error:
            if not self._future.done():
                raise GetTimeoutError(f"workflow {self.id!r}", timeout or 0) from error
            output = self._future.result()  # it came in this moment, or the error is its own
        return self._open(output)

    def when_done(self, then: Callable[[Future[Output]], None]) -> None:
        """Call once `done` would be true, in whatever thread finds out; it must not wait there."""
        self._future.add_done_callback(then)

    def cancel(self) -> None:
        """Cancel the workflow; see `alula.workflow.cancel`."""
        self._host.cancel(self.id)

    def ref(self) -> ObjectRef[T]:
        """Give an engine reference to the output, which settles when the workflow has ended.

        It fails with the errors of `result`, and like all references it dies with the session.
        """
        engine = self._host.engine()
        ref, settle = engine.promise()
        self._future.add_done_callback(lambda future: settle(self._refer(engine, future)))
        return ref

    def __await__(self) -> Generator[Any, None, T]:
        output = yield from asyncio.wrap_future(self._future).__await__()
        return self._open(output)

    def __repr__(self) -> str:
        return f"<workflow {self.id!r}>"

    def _repr_html_(self) -> str:
        return card("workflow", self.id, {"status": status(self.status)})

    def _open(self, output: Output) -> T:
        # In the thread of whoever asks: unpickling may import modules, and take long.
        if isinstance(output, Volatile):
            [value] = output.ref.engine.get([output.ref], None)
        else:
            value = Unpacker(self._host.vault, self.id).unpack(output)
        opened: T = value
        return opened

    def _refer(self, engine: Engine, future: Future[Output]) -> Done[Any] | Failed:
        failed = future.exception()
        if failed is not None:
            return Failed(failed)
        output = future.result()
        if isinstance(output, Volatile):
            return Done(output.ref)
        try:
            return Done(engine.submit(LOADER, (self._host.vault, output), {}, LOADER.options)[0])
        except Exception as error:  # the engine is gone
            return Failed(error)
