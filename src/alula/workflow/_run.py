"""One workflow on its way in this process: its journal, its drive, and those who wait for it."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from math import inf
from threading import Event, Lock

from ..errors import (
    FencedError,
    NodeDiedError,
    StoreUnavailableError,
    WorkflowCancellationError,
    WorkflowExecutionError,
)
from ..graph import Done, Drive, Failed, Outcome, Scope
from ._deadline import Deadline
from ._journal import Failure, Journal
from ._patience import is_trouble
from ._place import TaskPlace
from ._status import WorkflowStatus
from ._vault import Output

__all__ = ["Run"]


class Run:
    """Drives a workflow that this process owns.

    Attributes
    ----------
    id
        The workflow's.
    requeue
        Whether it goes back to the queue when this process cannot go on with it.
    waits
        Whether it is to be `admit`ted, rather than to `start`, for others have the right of way.
    queue
        The named queue it comes from, if there is one.
    reserved
        Whether it goes back there for this executor alone.
    abandoned
        Whether this process has given it up unfinished.
    future
        Its output; settled when its status says so, and not before.
    ended
        Set when nothing of it runs here any more.
    """

    def __init__(
        self,
        journal: Journal,
        place: TaskPlace,
        *,
        requeue: bool,
        deadline: Deadline | None = None,
        leave: Callable[["Run"], None],
        waits: bool = False,
        queue: str | None = None,
        reserved: bool = False,
    ) -> None:
        """Prepare a run; nothing happens before `start`.

        Parameters
        ----------
        place
            Where its tasks run.
        deadline
            When it fails, if it has not ended by then.
        leave
            Called when the run is over here, before anybody else hears of it.
        """
        self.id = journal.owner.workflow_id
        self.requeue, self.waits = requeue, waits
        self.future: Future[Output] = Future()
        self.future.set_running_or_notify_cancel()  # from here on nobody's waiting can cancel it
        self.ended = Event()
        self._journal, self._place = journal, place
        self._leave, self._deadline = leave, deadline
        self._give_up: Callable[[], None] | None = None  # what watches the deadline
        self.queue, self.reserved = queue, reserved
        self.abandoned = False
        self._drive: Drive | None = None
        self._settling = Lock()
        self._settled = False

    def stand(self) -> None:
        """Wait to be admitted, unless the time of the workflow is over before."""
        if self._deadline is not None:
            self._watched(self._deadline)

    def start(self) -> None:
        """Start what is ready."""
        if self._deadline is not None and not self._watched(self._deadline):
            return
        try:
            graph = self._journal.graph()
            self._drive = Drive(
                graph,
                self._place,
                Scope(),
                self._journal,
                then=self._driven,
                find=self._journal.past.find,
                alarm=self._place.site.alarm,
                closed=self._closed,
            )
        except Exception as error:  # the records cannot be read: they may be whole for another reader
            self.abandon(error)
        else:
            self._drive.start()

    def admit(self) -> None:
        """Note that it runs now, and start what is ready."""
        self._journal.begin(self._admitted)

    def cancel(self) -> None:
        """Make the workflow CANCELED, then tell what runs to end; who waits hears of it at once."""
        self._journal.cancel(self._cancelled)

    def abandon(self, why: BaseException) -> None:
        """Leave the workflow as it stands in the records, to be resumed or claimed by another."""
        status = WorkflowStatus.PENDING if self.requeue else WorkflowStatus.RUNNING
        self.abandoned = True
        try:
            self._journal.release(status, lambda _: self.drop(why), reserved=self.reserved)
        except StoreUnavailableError:  # then the end of this process lets go of it
            self.drop(why)

    def drop(self, error: BaseException) -> None:
        """Stop what runs here, for the workflow is another's now; who waits here gets the error."""
        self._settle(Failed(error))
        if self._drive is not None:
            self._drive.cancel()
        else:
            self.ended.set()

    def check(self) -> None:
        """Drop the run if another has taken or cancelled the workflow."""
        if (lost := self._journal.lost()) is not None:
            self.drop(lost)

    def wait(self) -> None:
        """Return when the workflow is over for this process: succeeded, failed, cancelled or left."""
        wait([self.future])

    # --------------------------------------------------------------------------------------- inside

    def _watched(self, deadline: Deadline) -> bool:
        """See to it that the workflow fails when its time is over; tell whether there is some left."""
        site = self._place.site
        if deadline.when <= site.store.clock.time():
            self._expire(deadline)
            return False
        if self._give_up is None:
            self._give_up = site.aside.timers.at(deadline.when, lambda: self._expire(deadline))
        return True

    def _expire(self, deadline: Deadline) -> None:
        error = deadline.error(self.id)

        def told(refused: BaseException | None) -> None:
            if isinstance(refused, StoreUnavailableError):
                self.drop(self._troubled(refused))
                self._let_go()
            elif refused is None:  # else it has ended just now, or is another's
                self.drop(error)

        with suppress(StoreUnavailableError):  # then the records cannot be written, and the drive finds out
            self._journal.fail(None, error, (), told)

    def _admitted(self, error: BaseException | None) -> None:
        if isinstance(error, FencedError):
            self.drop(self._journal.lost() or error)
        elif error is not None:
            self.abandon(error)
        elif not self._settled:
            self.start()

    def _cancelled(self, error: BaseException | None) -> None:
        # Refused is who comes too late: the workflow has ended, or is another's, and the drive will say so.
        if not isinstance(error, FencedError):
            self.drop(error or WorkflowCancellationError(self.id))

    def _driven(self, outcome: Outcome) -> None:
        """Hear from the drive how it has ended."""
        if self._settled:  # cancelled or abandoned: what became of it here is of no interest
            return
        try:
            self._conclude(outcome)
        except Exception as error:  # the records cannot be read or written: who waits must hear it
            self._settle(Failed(error))

    def _closed(self) -> None:
        """Hear from the drive that nothing of it runs any more."""
        self.ended.set()
        self._place.close()

    def _conclude(self, outcome: Outcome) -> None:
        match outcome:
            case Done(values):
                self._settle(Done(self._journal.past.values(values)[0]))
            case Failed(NodeDiedError() as error):
                self.abandon(error)
            case Failed(FencedError() as error):
                self._settle(Failed(self._journal.lost() or error))
            case Failed(StoreUnavailableError() as error) if self._is_left(error):
                self._settle(Failed(self._troubled(error)))
                self._let_go()
            case Failed(error):
                self._fail(error)
            case _:
                raise AssertionError("a drive ends with a value or an error")

    def _is_left(self, error: StoreUnavailableError) -> bool:
        """Tell whether the workflow is to be resumed after an error, rather than to fail of it.

        What goes back to the queue would be claimed at once; so it fails unless the records are in trouble,
        for then nobody can claim it.
        """
        return is_trouble(error) and (not self.requeue or self._journal.is_at_fault(error))

    def _troubled(self, error: StoreUnavailableError) -> StoreUnavailableError:
        """Say what becomes of the workflow."""
        left = f"workflow {self.id!r} stands as it is recorded, and resume({self.id!r}) goes on with it"
        told = StoreUnavailableError(error.where, f"{error.why}; {left}")
        told.__cause__ = error
        return told

    def _let_go(self) -> None:
        """Note that nobody runs the workflow any more, as soon as that can be written."""
        self.abandoned = True
        status = WorkflowStatus.PENDING if self.requeue else WorkflowStatus.RUNNING
        with suppress(StoreUnavailableError):  # closed: then the end of this process lets go of it
            self._journal.release(status, lambda _: self._leave(self), reserved=self.reserved, patience=inf)

    def _fail(self, error: BaseException) -> None:
        assert self._drive is not None
        failed = {self._place.blamed.get(key, key): found for key, found in self._drive.failures.items()}
        key = next((key for key, found in failed.items() if found is error), None)
        raised = WorkflowExecutionError(self.id, self._journal.past.task_id(key))
        raised.__cause__ = error
        noted = [Failure(key, found, self._place.spans.get(key)) for key, found in failed.items()]

        def told(refused: BaseException | None) -> None:
            self._settle(Failed(self._lost(refused) or raised))
            if isinstance(refused, StoreUnavailableError):
                self._let_go()

        self._journal.fail(key, error, noted, told)

    def _lost(self, refused: BaseException | None) -> BaseException | None:
        """Say how the workflow was lost, if that is why its failure was not recorded: it may yet succeed."""
        if not isinstance(refused, FencedError):
            return None
        try:
            return self._journal.lost()
        except StoreUnavailableError:
            return refused

    def _settle(self, outcome: Done[Output] | Failed) -> None:
        with self._settling:
            if self._settled:
                return
            self._settled = True
        if self._give_up is not None:
            self._give_up()
        self._leave(self)
        if isinstance(outcome, Done):
            self.future.set_result(outcome.value)
        else:
            self.future.set_exception(outcome.error)
