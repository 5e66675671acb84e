"""The second face: durable workflows, in the words that Ray gave them.

Each call is a line or two over the executor of this process.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, Generic, TypeVar

from ..errors import suggest
from ..futures import ObjectRef, RemoteFunction
from ..graph import Graph, InputItem, Mark, Node, fill
from ._code import Code
from ._default import default_executor
from ._executor import Conflict
from ._handle import Handle
from ._listings import tasks_listing, workflows_listing
from ._pictures import Picture, picture_of
from ._queues import Queue, Ticket
from ._schedules import Overlap, Schedule
from ._search import Search, statuses_of
from ._status import WorkflowStatus
from ._tasklist import TaskInfo
from ._timeline import timeline_of

__all__ = [
    "Workflow",
    "cancel",
    "create",
    "delete",
    "delete_schedule",
    "draw",
    "follow",
    "fork",
    "get_event",
    "get_metadata",
    "get_output",
    "get_output_async",
    "get_status",
    "list_all",
    "list_schedules",
    "list_tasks",
    "pause_schedule",
    "prune",
    "resume",
    "resume_all",
    "resume_async",
    "resume_schedule",
    "run",
    "run_async",
    "schedule",
    "signal",
    "timeline",
    "trigger_schedule",
]

T = TypeVar("T")


def run(
    dag: Node[T],
    *args: Any,
    workflow_id: str | None = None,
    metadata: dict[str, Any] | None = None,
    timeout: float | None = None,
    on_conflict: Conflict = "resume",
    queue: str | Queue | None = None,
    key: str | None = None,
    deduplication_id: str | None = None,
    delay: float | None = None,
    priority: int | None = None,
    **kwargs: Any,
) -> T:
    """Run a graph durably, and wait for its output.

    Parameters
    ----------
    dag
        The node whose value is wanted: ``f.bind(...)``.
    args, kwargs
        What an `InputNode` in the graph stands for.
    workflow_id
        Names the workflow; made of a UUID and the time by default.
    metadata
        Kept with the workflow; a dict that JSON can hold.
    timeout
        Seconds after which the workflow fails if it has not ended, counted from its submission wherever it
        goes on; None for no limit.
    on_conflict
        What happens if the id is known already, and nobody is at work on its workflow: ``"resume"`` goes on
        with that one as it is recorded, and gives its value if it has succeeded; what is submitted is not
        looked at, with a warning if it is another graph or has other code. ``"fail"`` refuses.
        ``"restart"`` deletes that one and begins anew, both at once.
    queue
        The named queue, or its name, in which it waits for its turn; see `queue`. An id that waits or runs
        there already gives that workflow, unless `on_conflict` says otherwise.
    key
        Whose it is, in a queue that limits how many of each key run at once; needed there.
    deduplication_id
        At most one workflow that waits or runs in the queue has it.
    delay
        Seconds for which it is kept back in the queue; 0 by default.
    priority
        In the queue, lower ones run first, and among equals who was submitted first; 0 by default.

    Returns
    -------
    The value of the node, recorded before this returns.

    Raises
    ------
    WorkflowExecutionError
        If a task failed; its error is the ``__cause__``.
    WorkflowCancellationError
        If the workflow was cancelled meanwhile.
    WorkflowTimeoutError
        If its time was over. Its tasks were told to end; who resumes it gets the same error.
    TypeError
        If `dag` is not a node of remote functions, the id is not text, or an argument does not pickle.
    ValueError
        If the metadata do not fit into JSON.
    WorkflowError
        If the id is known, and that is a conflict.
    RuntimeError
        If the id is that of an active workflow.
    queue.Full
        If as many workflows run and wait in this process as `init` allows; nothing is left behind.
    QueueNotFoundError
        If nobody has declared the queue.
    QueueDeduplicatedError
        If another workflow with that deduplication id waits or runs in the queue; it names that one.
    """
    ticket = Ticket.of(queue, key=key, deduplication_id=deduplication_id, delay=delay, priority=priority)
    return _submit(dag, args, kwargs, workflow_id, metadata, timeout, on_conflict, ticket).result()


def run_async(
    dag: Node[T],
    *args: Any,
    workflow_id: str | None = None,
    metadata: dict[str, Any] | None = None,
    timeout: float | None = None,
    on_conflict: Conflict = "resume",
    queue: str | Queue | None = None,
    key: str | None = None,
    deduplication_id: str | None = None,
    delay: float | None = None,
    priority: int | None = None,
    **kwargs: Any,
) -> ObjectRef[T]:
    """Start a graph durably; give a reference to its output at once. As `run` otherwise."""
    ticket = Ticket.of(queue, key=key, deduplication_id=deduplication_id, delay=delay, priority=priority)
    return _submit(dag, args, kwargs, workflow_id, metadata, timeout, on_conflict, ticket).ref()


class Workflow(Generic[T]):
    """A graph that is to run durably; what `create` gives."""

    def __init__(self, dag: Node[T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._dag, self._args, self._kwargs = dag, args, kwargs

    @property
    def node(self) -> Node[T]:
        """The node that was given, with what its `InputNode` stands for in its place."""
        if not (self._args or self._kwargs):
            return self._dag
        made: dict[Node[Any], Node[Any]] = {}

        def put(mark: Mark) -> Any:
            if isinstance(mark, InputItem):
                return mark.pick(self._args, self._kwargs)
            return made[mark] if isinstance(mark, Node) else mark

        for node in Graph.of(self._dag).nodes.values():
            made[node] = replace(node, args=fill(node.args, put), kwargs=fill(node.kwargs, put))
        return made[self._dag]

    def run(
        self,
        workflow_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        timeout: float | None = None,
        **how: Any,
    ) -> T:
        """Run it and wait for its output.

        Parameters
        ----------
        workflow_id, metadata, timeout, how
            As `alula.workflow.run` has them: ``on_conflict``, ``queue`` and what goes with that.
        """
        return self._submitted(workflow_id, metadata, timeout, how).result()

    def run_async(
        self,
        workflow_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        timeout: float | None = None,
        **how: Any,
    ) -> ObjectRef[T]:
        """Start it; give a reference to its output at once. As `run` otherwise."""
        return self._submitted(workflow_id, metadata, timeout, how).ref()

    def _submitted(
        self,
        workflow_id: str | None,
        metadata: dict[str, Any] | None,
        timeout: float | None,
        how: dict[str, Any],
    ) -> Handle[T]:
        for name in how:
            if name not in _HOW:
                raise TypeError(f"a workflow is not run with {name}=; {suggest(name, _HOW)}")
        conflict: Conflict = how.get("on_conflict", "resume")
        ticket = Ticket.of(how.get("queue"), **{name: how.get(name) for name in _TICKET})
        return _submit(self._dag, self._args, self._kwargs, workflow_id, metadata, timeout, conflict, ticket)


_TICKET: Final = ("key", "deduplication_id", "delay", "priority")
_HOW: Final = ("on_conflict", "queue", *_TICKET)


def create(dag: Node[T], *args: Any, **kwargs: Any) -> Workflow[T]:
    """Make a workflow of a graph, to be started by its `run` or `run_async`.

    Raises
    ------
    TypeError
        If it is not a node.
    """
    return Workflow(_node("create", dag), args, kwargs)


def resume(workflow_id: str, *, code: Code = "stored") -> Any:
    """Go on with a workflow from what is recorded, and wait for its output.

    Recorded tasks do not run again. One that has succeeded gives its value at once. One that was submitted to
    a queue waits for its turn there.

    Parameters
    ----------
    code
        ``"stored"``: the functions that were submitted run, with their code of then. ``"current"``: tasks
        that have no result yet run what stands now under the names of their functions, say because a fault
        was mended there.

    Raises
    ------
    RuntimeError
        If it is active.
    WorkflowNotResumableError
        If there is none of that id; or its functions are of another Python. With ``"stored"``, if functions
        that were stored by their names have other code now; with ``"current"``, if one cannot be found.
    WorkflowExecutionError
        If a task failed again.
    QueueNotFoundError, QueueDeduplicatedError
        If its queue was deleted, or another workflow with its deduplication id waits or runs there.
    """
    return default_executor().resume(workflow_id, code=code).result()


def resume_async(workflow_id: str, *, code: Code = "stored") -> ObjectRef[Any]:
    """Go on with a workflow; give a reference to its output at once. As `resume` otherwise."""
    return default_executor().resume(workflow_id, code=code).ref()


def resume_all(include_failed: bool = False) -> list[tuple[str, ObjectRef[Any]]]:
    """Go on with all workflows that are RESUMABLE: first those that ran, then those that waited to run.

    They count for the limit on running ones (see `init`), and may wait however many they are; those of a
    queue wait for their turn there. One that
    another process takes meanwhile is left to it; one that cannot be resumed here is left as it is, and the
    log says why.

    Parameters
    ----------
    include_failed
        Whether those that are FAILED go on, too. Those that are CANCELED never do.

    Returns
    -------
    list
        Ids, each with a reference to the output.
    """
    handles = default_executor().resume_all(include_failed=include_failed)
    return [(handle.id, handle.ref()) for handle in handles]


def fork(workflow_id: str, from_task: str, new_id: str | None = None, *, code: Code = "stored") -> str:
    """Begin a new workflow that runs again from one task of another, and takes all else from its records.

    That task runs again, and all that reads it, directly or not. Which other tasks a task has returned stays,
    unless it runs again itself. The other workflow may have ended in any way, or still be active; it is left
    as it is. Signals that it has got and that no task has taken are not for the new one. If it was submitted
    to a queue, the new one waits for its turn there, too.

    Parameters
    ----------
    from_task
        Id of the first task that is to run again; one that is recorded.
    new_id
        Names the new workflow; made of a UUID and the time by default.
    code
        As for `resume`, for the tasks that run again, and those that have not run yet.

    Returns
    -------
    str
        The id of the new workflow, which runs already; `get_output` waits for it.

    Raises
    ------
    WorkflowNotFoundError
        If there is no such workflow, or no such task in it. A `ValueError`.
    WorkflowError
        If the new id is known already.
    WorkflowNotResumableError
        As for `resume`.
    QueueNotFoundError
        If its queue was deleted.
    queue.Full
        If as many workflows run and wait in this process as `init` allows.
    """
    return default_executor().fork(workflow_id, from_task, new_id, code=code).id


def get_output(workflow_id: str, *, task_id: str | None = None) -> Any:
    """Give the output of a workflow or of one of its tasks, waiting while the workflow is active.

    Of any task in a chain of continuations this is the value at the end of the chain.

    Raises
    ------
    WorkflowNotFoundError
        If there is no such workflow, or it has ended without such a task. A `ValueError`.
    WorkflowOutputNotReady
        If there is no value and nobody is at work on it, or the task runs in place and has not ended. A
        `ValueError`.
    WorkflowExecutionError, WorkflowCancellationError
        If the workflow ended so while this waited.
    """
    return default_executor().output(workflow_id, task_id=task_id, waits=False).result()


def get_output_async(workflow_id: str, *, task_id: str | None = None) -> ObjectRef[Any]:
    """Give a reference to an output. As `get_output` otherwise."""
    return default_executor().output(workflow_id, task_id=task_id).ref()


def get_status(workflow_id: str) -> WorkflowStatus:
    """Tell where a workflow stands.

    Raises
    ------
    WorkflowNotFoundError
        If there is none of that id.
    TypeError
        If the id is not text.
    """
    return default_executor().status(workflow_id)


def get_metadata(workflow_id: str, task_id: str | None = None) -> dict[str, Any]:
    """Describe a workflow or one of its tasks as it is now; never waits.

    Returns
    -------
    dict
        Of a workflow: ``status``, ``user_metadata``, ``stats`` with ``start_time`` and ``end_time`` in UNIX
        seconds, each once it is known; and ``attempts``, a list of its runs, the first one first, each with
        these times, its ``status`` and its ``executor`` (None if that one let go of it); of a fork also
        ``forked_from``; of one in a queue also ``queue``: ``name``, and as far as there are, ``key``,
        ``deduplication_id``, ``priority`` and ``delayed_until``. Of a task:
        ``task_id``, ``task_options``, ``user_metadata``, ``workflow_refs`` (ids of the tasks it reads),
        ``stats``, and ``attempts``, how often it was tried in the run in which it ended.

    Raises
    ------
    WorkflowNotFoundError
        If there is no such workflow or task. A `ValueError`.
    """
    records = default_executor().records
    if task_id is None:
        return records.workflow_metadata(workflow_id)
    return records.task_metadata(workflow_id, task_id)


def list_all(
    status_filter: WorkflowStatus | str | set[WorkflowStatus | str] | None = None,
    *,
    id_prefix: str = "",
    labels: Sequence[str] = (),
    queue: str | None = None,
    created_after: float | None = None,
    created_before: float | None = None,
    newest_first: bool = False,
    limit: int | None = None,
    after: str | None = None,
) -> list[tuple[str, WorkflowStatus]]:
    """List workflows, in the order of their submission; a page of them if there is a limit.

    Parameters
    ----------
    status_filter
        A status, its name, or a set of those; all by default.
    id_prefix
        What their ids begin with.
    labels
        What their executors must be able to do: those that were submitted with all of these.
    queue
        The name of the queue that they were submitted to.
    created_after, created_before
        When they were submitted, in UNIX seconds; from the first, and before the second.
    newest_first
        Whether the order is the other way round.
    limit
        How many at most; all by default.
    after
        The last id of the page before: the list goes on with what comes after it.

    Raises
    ------
    ValueError
        If there is no such status, or the limit is negative.
    WorkflowNotFoundError
        If the workflow that is named by `after` was deleted meanwhile. A `ValueError`.
    TypeError
        If a parameter is something else, such as a list of statuses.
    """
    search = Search(
        statuses=statuses_of(status_filter),
        id_prefix=id_prefix,
        labels=tuple(labels),
        queue=queue,
        created_after=created_after,
        created_before=created_before,
        newest_first=newest_first,
        limit=limit,
        after=after,
    )
    return workflows_listing(default_executor().records.list(search))


def list_tasks(workflow_id: str) -> list[TaskInfo]:
    """List the recorded tasks of a workflow, each followed by the tasks that it has returned.

    Raises
    ------
    WorkflowNotFoundError
        If there is none of that id. A `ValueError`.
    """
    return tasks_listing(default_executor().records.tasks(workflow_id))


def draw(workflow_id: str, *, fold: int = 8, link: Callable[[str], str] | None = None) -> Picture:
    """Draw the tasks of a workflow as they stand now, with those that tasks have made.

    Colours tell states. A dashed outline and wings, ``~name~``, mean that a result is not recorded; a bar
    at the left, that the task runs in place. Dotted arrows lead from a task to what it has made.

    Parameters
    ----------
    fold
        Chains, rounds and fans of more than so many alike tasks are drawn as one node with a count; 0 draws
        each.
    link
        Gives for the id of a task the address to which its box leads; boxes lead nowhere by default.

    Returns
    -------
    Picture
        SVG, which notebooks show.

    Raises
    ------
    WorkflowNotFoundError
        If there is none of that id.
    ValueError
        If `fold` is negative.
    """
    if fold < 0:
        raise ValueError(f"fold is a number of tasks from 0 on, not {fold}")
    return picture_of(default_executor().records.history(workflow_id), fold, link)


def timeline(workflow_id: str, *, rows: int = 200) -> Picture:
    """Draw when the tasks of a workflow ran: a row for each, with a bar for its last attempt.

    A thin line before a bar is the time for which it could have run and did not, earlier attempts
    included; how many there were is written beside it.

    Parameters
    ----------
    rows
        At most so many, at least 1; what is left out is counted below.

    Returns
    -------
    Picture
        SVG, which notebooks show.

    Raises
    ------
    WorkflowNotFoundError
        If there is none of that id.
    ValueError
        If `rows` is less than 1.
    """
    if rows < 1:
        raise ValueError(f"rows is a number from 1 on, not {rows}")
    return timeline_of(default_executor().records.history(workflow_id), rows)


def follow(workflow_id: str) -> Iterator[TaskInfo]:
    """Follow a workflow: give its tasks as they are now, then each one again whose status has changed.

    It ends when the workflow has ended, or nobody is at work on it any more: `get_status` says which.

    Raises
    ------
    WorkflowNotFoundError
        If there is none of that id, or it was deleted meanwhile. A `ValueError`.
    """
    return default_executor().follow(workflow_id)


def signal(workflow_id: str, key: str, payload: Any = None, *, idempotency_key: str | None = None) -> None:
    """Put a signal into the mailbox of a workflow, for a task of `wait_for_signal` to take.

    It is durable when this returns, and kept until it is taken, also if nobody waits for it yet.

    Parameters
    ----------
    key
        What kind of signal it is: 1 to 255 characters.
    payload
        Anything that can be pickled.
    idempotency_key
        A second signal with the same one is not delivered to the workflow: so who does not know whether a
        signal was sent may send it again.

    Raises
    ------
    WorkflowNotFoundError
        If there is no such workflow.
    WorkflowError
        If it has succeeded already.
    TypeError
        If a key is not text, or the payload cannot be pickled.
    """
    default_executor().signal(workflow_id, key, payload, idempotency_key=idempotency_key)


def get_event(workflow_id: str, key: str, timeout: float | None = None) -> Any:
    """Give what a workflow tells under a key with `set_event`, waiting until it has done so.

    Parameters
    ----------
    timeout
        Seconds; None waits as long as the workflow is active.

    Raises
    ------
    WorkflowNotFoundError
        If there is no such workflow.
    WorkflowOutputNotReady
        If it has ended without a value under that key.
    GetTimeoutError
        If there was none in time.
    """
    return default_executor().event(workflow_id, key).result(timeout)


def cancel(workflow_id: str) -> None:
    """Cancel a workflow; when this returns, it is CANCELED and its running tasks were told to end.

    Those are interrupted with `KeyboardInterrupt`; others never start, and what is recorded stays.
    Nothing happens to a workflow that has ended. Who waits for it gets `WorkflowCancellationError`.

    Raises
    ------
    WorkflowNotFoundError
        If there is none of that id.
    """
    default_executor().cancel(workflow_id)


def delete(workflow_id: str) -> None:
    """Remove everything recorded of a workflow that has ended; its id may be used anew.

    Raises
    ------
    WorkflowStillActiveError
        If it runs or waits.
    WorkflowNotFoundError
        If there is none of that id.
    """
    default_executor().delete(workflow_id)


def schedule(
    name: str,
    cron: str,
    work: Node[Any] | RemoteFunction[[], Any],
    *,
    timezone: str = "UTC",
    overlap: Overlap = "skip",
    paused: bool = False,
    labels: Sequence[str] = ("default",),
    queue: str | Queue | None = None,
    key: str | None = None,
    catchup: bool = True,
) -> Schedule:
    """Let a workflow begin at the times of a cron expression, each time once.

    Executors that take work from the queue look after it: those of ``alula up`` and ``alula worker``. The
    workflow of each time is called ``<name>@<time in UTC>``. If no executor lived at some of the times, the
    last of these counts, and the others are left out.

    Parameters
    ----------
    name
        1 to 200 characters. A schedule of that name is changed; if its times stay the same, none of them is
        lost or comes again.
    cron
        Minute, hour, day of the month, month, weekday; or six fields, with seconds before them. Several,
        with a ``|`` between them, for times that no single one has.
    work
        A node, made by ``f.bind(...)``; or a remote function that needs no arguments.
    timezone
        In which the expression is read: ``"Europe/Vienna"``. A time that is skipped in spring comes at the
        next that exists; one that comes twice in autumn counts once.
    overlap
        At a time at which the workflow of the last one still runs: ``"skip"`` leaves this one out,
        ``"queue"`` begins it when the other has ended (one waits at most), ``"allow"`` begins it,
        ``"cancel_other"`` cancels the other and begins it.
    paused
        Whether its times pass by until `resume_schedule`.
    labels
        What the executor that runs it must be able to do.
    queue, key
        The named queue in which each workflow waits for its turn, and its key there, as for `run`.
    catchup
        Whether the last of the times at which no executor lived counts; else those pass by.

    Raises
    ------
    ValueError
        If the expression, the time zone, the policy or the name is none.
    QueueNotFoundError
        If nobody has declared the queue.
    TypeError
        If `work` is neither, or an argument cannot be pickled.
    """
    node = work.bind() if isinstance(work, RemoteFunction) else _node("schedule", work)
    return default_executor().schedules.put(
        name,
        cron,
        Graph.of(node),
        timezone=timezone,
        overlap=overlap,
        paused=paused,
        labels=labels,
        ticket=Ticket.of(queue, key=key),
        catchup=catchup,
    )


def list_schedules() -> list[Schedule]:
    """Give all schedules, by name."""
    return default_executor().schedules.listed()


def pause_schedule(name: str) -> None:
    """Let the times of a schedule pass by; `NameNotFoundError` if there is none of that name."""
    default_executor().schedules.pause(name)


def resume_schedule(name: str) -> None:
    """Go on with a schedule that was paused, at its next time; `NameNotFoundError` if there is none."""
    default_executor().schedules.resume(name)


def delete_schedule(name: str) -> None:
    """Forget a schedule, not what it has begun; `NameNotFoundError` if there is none of that name."""
    default_executor().schedules.delete(name)


def trigger_schedule(name: str) -> str:
    """Begin the workflow of a schedule now, whatever else of it runs, and give its id.

    Raises
    ------
    NameNotFoundError
        If there is no schedule of that name.
    """
    return default_executor().schedules.trigger(name)


def prune(
    older_than: float,
    status_filter: WorkflowStatus | str | set[WorkflowStatus | str] = WorkflowStatus.SUCCESSFUL,
) -> int:
    """Delete the workflows that ended long ago, and free the room of what nothing mentions any more.

    Large values lie apart from the records and may belong to many workflows. Those that no record and no
    other value mentions are removed here, also if their workflow was deleted one by one; but not within a day
    after they were last written. For that all records are looked through.

    Parameters
    ----------
    older_than
        Seconds since their end; of a cancelled one, which has none, since its start.
    status_filter
        Which of them: SUCCESSFUL by default; also FAILED and CANCELED, which could still be resumed.

    Returns
    -------
    int
        How many workflows were deleted.

    Raises
    ------
    ValueError
        If the time is negative, or a status is not one of those.
    TypeError
        If the time is not a number.
    """
    if isinstance(older_than, bool) or not isinstance(older_than, (int, float)):
        raise TypeError(f"older_than is a number of seconds, not {older_than!r}")
    if not older_than >= 0:
        raise ValueError(f"older_than is 0 or more seconds, not {older_than!r}")
    statuses = statuses_of(status_filter)
    if active := statuses - {WorkflowStatus.SUCCESSFUL, WorkflowStatus.FAILED, WorkflowStatus.CANCELED}:
        raise ValueError(f"what is {', '.join(sorted(active))} has not ended, and is not pruned")
    return default_executor().prune(older_than, statuses)


def _submit(
    dag: Node[T],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    workflow_id: str | None,
    metadata: dict[str, Any] | None,
    timeout: float | None = None,
    on_conflict: Conflict = "resume",
    ticket: Ticket | None = None,
) -> Handle[T]:
    graph = Graph.of(_node("run", dag))
    return default_executor().submit(
        graph,
        id=workflow_id,
        metadata=metadata,
        args=args,
        kwargs=kwargs,
        timeout=timeout,
        on_conflict=on_conflict,
        ticket=ticket,
    )


def _node(call: str, dag: Any) -> Node[Any]:
    if not isinstance(dag, Node):
        raise TypeError(f"{call}() takes a node, made by f.bind(...), not {type(dag).__name__}")
    return dag
