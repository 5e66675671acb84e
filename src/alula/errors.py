"""Every error that Alula raises on purpose, in one tree.

AlulaError
├─ SettingError (ValueError)              a setting that cannot be used, and where it came from
├─ MissingExtraError (ImportError)        a feature whose package is not installed
├─ SealError                              stored bytes that are unsigned, foreign or damaged
├─ CrashLoopError                         a program that is kept running crashes again and again
├─ FutureError
│  ├─ TaskError                           the task's own code raised; also an instance of its class
│  ├─ TaskCancelledError                  the task was cancelled before it had a result
│  ├─ WorkerCrashedError                  its process died, and no retries were left
│  │  ├─ WorkerStartError                 no process could be started for it at all
│  │  └─ OutOfMemoryError                 because the machine ran out of memory
│  ├─ NodeDiedError                       the engine itself is gone: the session is over
│  ├─ EngineError                         the engine failed in a way that has no name of its own
│  │  └─ StreamingGeneratorReplayInconsistentError  a generator gave another count when run again
│  ├─ TaskUnschedulableError              no machine may run the task as it asks
│  ├─ RuntimeEnvSetupError                the environment that it asks for cannot be made
│  ├─ UnserializableException             an error arrived and could not be read
│  ├─ ActorError
│  │  ├─ ActorDiedError                   the actor is dead for good
│  │  ├─ ActorUnavailableError            it cannot be reached now; the call may have run
│  │  ├─ ActorUnschedulableError          no machine may run it as it asks
│  │  ├─ PendingCallsLimitExceeded        too many calls of one process wait for it
│  │  └─ ActorAlreadyExistsError (ValueError)  a living one has that name
│  ├─ ObjectLostError                     a value existed and cannot be had any more
│  │  ├─ OwnerDiedError                   because the process that owned it died
│  │  ├─ ObjectReconstructionFailedError  because it cannot be computed again
│  │  ├─ ObjectFetchTimedOutError         because no machine that has it answered
│  │  ├─ ObjectFreedError                 because somebody freed it by hand
│  │  └─ ReferenceCountingAssertionError (AssertionError)  because of a fault in the engine
│  ├─ ObjectStoreFullError                no room for a value in shared memory, nor by spilling
│  ├─ OutOfDiskError                      no room on the disk that values are spilled to
│  ├─ GetTimeoutError (TimeoutError)      a value was not there in time; it may still come
│  └─ UnsupportedError (NotImplementedError)  this engine cannot do that
├─ GraphError
│  ├─ CycleError (ValueError)             a node needs itself
│  └─ UnknownNodeError (LookupError)      a key that the graph does not have
├─ WorkflowError
│  ├─ WorkflowExecutionError              a task failed and nothing caught it
│  ├─ WorkflowCancellationError           the workflow was cancelled while somebody waited
│  ├─ WorkflowNotFoundError (ValueError)  no workflow, or no task in it, has that id
│  ├─ WorkflowOutputNotReady (ValueError) it exists, and has no value to give now
│  ├─ WorkflowNotResumableError           what is recorded is not enough to go on
│  │  └─ WorkflowTaskNotRecoverableError  because something of a task is missing
│  ├─ WorkflowStillActiveError            it runs or waits, so it cannot be deleted
│  ├─ QueueNotFoundError (LookupError)    nobody has declared a queue of that name
│  ├─ QueueDeduplicatedError              one with that deduplication id waits or runs in the queue
│  └─ WorkflowTimeoutError (TimeoutError)  its deadline, or the time limit of a task, has passed
├─ StoreError
│  ├─ StoreUnavailableError               the store cannot be opened, read or written
│  ├─ FencedError                         an older epoch tried to write
│  ├─ ExecutorAliveError                  a living executor has that name
│  ├─ ArtifactNotFoundError (KeyError)    no stored bytes have that digest
│  ├─ NameNotFoundError (LookupError, AssertionError)  nothing is stored under that name
│  ├─ InvalidNameError (ValueError, AssertionError)  a name that cannot mean what it says
│  ├─ PickleRefusedError                  a pickle, where the settings forbid them
│  ├─ SourceRefusedError (PermissionError)  a package from where the settings allow none
│  ├─ TransactionError                    a transaction's code did what only its task may do
│  └─ KindError (TypeError)               no kind of object accepts that value
├─ RuntimeTaskError
│  ├─ InstallError                       the package of a script cannot be installed
│  ├─ ResultExpiredError (LookupError)    the value of a task was forgotten
│  ├─ TaskNotFoundError (LookupError)     no task has that id
│  ├─ NotebookError                       a notebook that has not run to its end
│  ├─ LabelError (ValueError, AssertionError)  what was asked for is no label
│  └─ DeployError                         a model that no tensor server can be given
└─ CommandError                           a command to the server that cannot be carried out

Each class takes its facts, keeps them as attributes, writes its own message, and survives pickling.
Errors know no wire: the server and the web look their texts and codes up by class.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, Self, TypeVar

__all__ = [
    "ActorAlreadyExistsError",
    "ActorDiedError",
    "ActorError",
    "ActorUnavailableError",
    "ActorUnschedulableError",
    "AlulaError",
    "ArtifactNotFoundError",
    "CommandError",
    "CrashLoopError",
    "CycleError",
    "DeployError",
    "EngineError",
    "ExecutorAliveError",
    "FencedError",
    "FutureError",
    "GetTimeoutError",
    "GraphError",
    "InstallError",
    "InvalidNameError",
    "KindError",
    "LabelError",
    "MissingExtraError",
    "NameNotFoundError",
    "NodeDiedError",
    "NotebookError",
    "ObjectFetchTimedOutError",
    "ObjectFreedError",
    "ObjectLostError",
    "ObjectReconstructionFailedError",
    "ObjectStoreFullError",
    "OutOfDiskError",
    "OutOfMemoryError",
    "OwnerDiedError",
    "PendingCallsLimitExceeded",
    "PickleRefusedError",
    "QueueDeduplicatedError",
    "QueueNotFoundError",
    "ReferenceCountingAssertionError",
    "ResultExpiredError",
    "RuntimeEnvSetupError",
    "RuntimeTaskError",
    "SealError",
    "SettingError",
    "SourceRefusedError",
    "StoreError",
    "StoreUnavailableError",
    "StreamingGeneratorReplayInconsistentError",
    "TaskCancelledError",
    "TaskError",
    "TaskNotFoundError",
    "TaskUnschedulableError",
    "TransactionError",
    "UnknownNodeError",
    "UnserializableException",
    "UnsupportedError",
    "WorkerCrashedError",
    "WorkerStartError",
    "WorkflowCancellationError",
    "WorkflowError",
    "WorkflowExecutionError",
    "WorkflowNotFoundError",
    "WorkflowNotResumableError",
    "WorkflowOutputNotReady",
    "WorkflowStillActiveError",
    "WorkflowTaskNotRecoverableError",
    "WorkflowTimeoutError",
    "blank",
    "native_facts",
    "suggest",
]

T = TypeVar("T", bound=BaseException)


def suggest(name: str, known: Iterable[str]) -> str:
    """Give the tail of a message about an unknown name: the nearest one, and what there is.

    Returns
    -------
    str
        Such as ``did you mean 'iris'? There are: 'digits', 'iris'``; at most eight names.
    """
    names = sorted(known)
    if not names:
        return "there are none yet"
    from difflib import get_close_matches  # here, for hardly any program ever needs it

    near = get_close_matches(name, names, n=1)
    shown = ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "")
    return (f"did you mean {near[0]!r}? " if near else "") + f"There are: {shown}"


class AlulaError(Exception):
    """The root: ``except AlulaError`` catches whatever Alula raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with `args`, which is the finished message, not the facts.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[AlulaError], args: tuple[object, ...], facts: dict[str, object]) -> AlulaError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(facts)
    return error


# ------------------------------------------------------------------------------------- everywhere


class SettingError(AlulaError, ValueError):
    """A setting has a value that cannot be used; the message names the setting and its origin."""

    def __init__(self, setting: str, value: object, why: str, *, origin: str = "argument") -> None:
        super().__init__(f"setting {setting!r} = {value!r} (from {origin}): {why}")
        self.setting, self.value, self.why, self.origin = setting, value, why, origin


class MissingExtraError(AlulaError, ImportError):
    """A feature needs a package that is not installed; the message is the command to install it."""

    def __init__(self, package: str, extra: str, feature: str) -> None:
        super().__init__(
            f"{feature} needs the package {package!r}: pip install 'alula[{extra}]'", name=package
        )
        self.package, self.extra, self.feature = package, extra, feature

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.package, self.extra, self.feature)  # `name` is no attribute like others


class SealError(AlulaError):
    """Stored bytes were refused before unpickling: unsigned, signed with another key, or damaged."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what} was refused: {why}")
        self.what, self.why = what, why


class CrashLoopError(AlulaError):
    """A program under supervision crashed too often in a row to be started once more."""

    def __init__(self, program: str, times: int, how: str) -> None:
        super().__init__(
            f"{program} crashed {times} times in a row, and is not started again; the last time it {how}: "
            "its log says more"
        )
        self.program, self.times, self.how = program, times, how


# ---------------------------------------------------------------------------------------- futures


class FutureError(AlulaError):
    """Something about a task, an actor or an object reference."""


class TaskError(FutureError):
    """The code of a task or of an actor's method raised.

    What `get` raises is an instance of this class *and* of the class of the original error, is
    named after both (``TaskError(ValueError)``), and has the original as its ``__cause__``; the
    text is the traceback in the worker, without the engine's own frames. Where the original has an
    attribute of the same name as one of these, it is to be found on the `cause`.

    Attributes
    ----------
    cause
        The original exception, with its notes and its own ``__cause__``.
    task
        The name of the remote function or method.
    pid
        The process that ran it; None if that is not known.
    remote_traceback
        Text of the traceback there; of all tasks that the error went through, the outermost first.
    """

    # With values here they are found before what the user's class may have of the same name.
    cause: BaseException = BaseException()
    task: str = ""
    pid: int | None = None
    remote_traceback: str = ""

    @classmethod
    def of(
        cls, cause: BaseException, *, task: str, remote_traceback: str, pid: int | None = None
    ) -> "TaskError":
        """Make the error of `task` out of the exception that its code raised."""
        double = _double(type(cause))
        error = blank(double, cause)
        # The user's own attributes stay readable on what they catch, whatever their __init__ takes.
        error.__dict__.update(getattr(cause, "__dict__", {}))
        error.__dict__.update({k: list(v) for k, v in error.__dict__.items() if k == "__notes__"})
        facts = {"cause": cause, "task": task, "pid": pid, "remote_traceback": remote_traceback}
        error.__dict__.update(facts)
        for name, value in {"args": cause.args, "__cause__": cause, **native_facts(cause)}.items():
            BaseException.__setattr__(error, name, value)  # past that of the class: it may be frozen
        return error

    def __str__(self) -> str:
        where = self.task if self.pid is None else f"{self.task} (pid={self.pid})"
        said = _text(self.cause).partition("\n")[0]
        what = f"{type(self.cause).__name__}: {said}" if said else type(self.cause).__name__
        return f"{where}: {what}\n\n{self.remote_traceback}"

    def __reduce__(self) -> tuple[Any, ...]:
        notes = self.__dict__.get("__notes__")
        return _rebuild_task_error, (self.cause, self.task, self.remote_traceback, self.pid, notes)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a user's __str__
        return "(its __str__ failed)"


def blank(cls: type[T], like: BaseException) -> T:
    """Make an exception without calling its ``__init__``, nor a ``__new__`` that is not Python's own.

    Parameters
    ----------
    cls
        Its class.
    like
        One of the same kind: where it is a group, the new one has the same members.
    """
    native: Any = next(c for c in cls.__mro__ if c.__module__ == "builtins")
    made: T
    if isinstance(like, BaseExceptionGroup) and issubclass(cls, BaseExceptionGroup):
        made = BaseExceptionGroup.__new__(cls, like.message, like.exceptions)
    else:
        made = native.__new__(cls)
    return made


_NATIVE = (MemberDescriptorType, GetSetDescriptorType)


def native_facts(error: BaseException) -> dict[str, Any]:
    """Give what is kept outside of ``args`` and ``__dict__``: an `OSError`'s file, a user's ``__slots__``.

    Not what was being looked at, such as an `AttributeError`'s object, which may be anything; nor what a
    group consists of, which it is made with.
    """
    found: dict[str, Any] = {}
    for cls in type(error).__mro__:
        if cls not in (BaseException, BaseExceptionGroup, object):
            kinds = _NATIVE if cls.__module__ == "builtins" else MemberDescriptorType  # of ``__slots__``
            for name, member in vars(cls).items():
                if isinstance(member, kinds) and name != "obj":
                    with suppress(AttributeError, TypeError):  # never set
                        found[name] = getattr(error, name)
    return {name: value for name, value in found.items() if value is not None}


_doubles: dict[type[BaseException], type[TaskError]] = {}


def _double(cause: type[BaseException]) -> type[TaskError]:
    """Make (once) the class that is a `TaskError` and a `cause` at the same time."""
    known = _doubles.get(cause)
    if known is None:
        bases: tuple[type, ...] = (TaskError, cause)
        if issubclass(TaskError, cause) or not issubclass(cause, Exception):
            bases = (TaskError,)
        try:
            known = type(f"TaskError({cause.__name__})", bases, {"__module__": __name__})
        except TypeError:  # a class that forbids heirs, or whose layout conflicts
            known = type(f"TaskError({cause.__name__})", (TaskError,), {"__module__": __name__})
        _doubles[cause] = known
    return known


def _rebuild_task_error(
    cause: BaseException, task: str, remote_traceback: str, pid: int | None, notes: list[str] | None
) -> TaskError:
    error = TaskError.of(cause, task=task, remote_traceback=remote_traceback, pid=pid)
    if notes is not None:
        error.__notes__ = notes
    return error


class TaskCancelledError(FutureError):
    """The task was cancelled; its body never ran, or was interrupted."""

    def __init__(self, task: str) -> None:
        super().__init__(f"task {task} was cancelled")
        self.task = task


class WorkerCrashedError(FutureError):
    """The process that ran the task died, and no retries were left; its code raised nothing."""

    def __init__(self, task: str, attempts: int, how: str) -> None:
        super().__init__(
            f"{self._what(task, attempts, how)} "
            "A native crash, the kernel's out-of-memory killer or os._exit() does that; "
            "max_retries= allows more attempts"
        )
        self.task, self.attempts, self.how = task, attempts, how

    @staticmethod
    def _what(task: str, attempts: int, how: str) -> str:
        times = "once" if attempts == 1 else f"{attempts} times"
        return f"the worker process running {task} {how}; it was tried {times}."


class OutOfMemoryError(WorkerCrashedError):
    """The process that ran the task was ended, because the machine ran out of memory."""

    def __init__(self, task: str, attempts: int) -> None:
        how = "was ended because the machine ran out of memory"
        FutureError.__init__(
            self,
            f"{self._what(task, attempts, how)} Let fewer such tasks run at once, with a higher num_cpus= "
            "or with memory=, or give each less to do",
        )
        self.task, self.attempts, self.how = task, attempts, how


class WorkerStartError(WorkerCrashedError):
    """The operating system gave no process to run the task in, and no other task's end would free one."""

    def __init__(self, task: str, how: str) -> None:
        FutureError.__init__(
            self,
            f"no worker process could be started for {task}: {how}. Raise the limit of processes "
            "(`ulimit -u`, or that of the container), or let fewer tasks wait inside of others",
        )
        self.task, self.attempts, self.how = task, 0, how


class NodeDiedError(FutureError):
    """The engine's own process is gone: no task can run, and every pending value is lost.

    Only of the session's own: a task that is lost with another machine of a cluster is a
    `WorkerCrashedError` when its retries are used up.
    """

    def __init__(self, why: str) -> None:
        super().__init__(f"the engine is gone ({why}); call alula.init() to start a new session")
        self.why = why


class EngineError(FutureError):
    """The engine failed in a way that has no name of its own; the text is all that is known."""

    def __init__(self, task: str, why: str) -> None:
        super().__init__(f"{task} failed inside the engine: {why}")
        self.task, self.why = task, why


class StreamingGeneratorReplayInconsistentError(EngineError):
    """A generator was run again, for values that were lost, and did not give as many as before."""

    def __init__(self, task: str, why: str) -> None:
        super().__init__(task, f"{why}; a generator that may be run again has to give the same each time")
        self.why = why


class TaskUnschedulableError(FutureError):
    """No machine may run the task as it asks; unlike one that has to wait for resources."""

    def __init__(self, task: str, why: str) -> None:
        super().__init__(
            f"{task} can run nowhere: {why}; alula.nodes() lists the machines, and a strategy with "
            "soft=True takes another one"
        )
        self.task, self.why = task, why


class RuntimeEnvSetupError(FutureError):
    """The environment that a task or an actor asks for cannot be made; its code did not run."""

    def __init__(self, task: str, why: str) -> None:
        super().__init__(f"the runtime_env of {task} cannot be set up: {why}")
        self.task, self.why = task, why


class UnserializableException(FutureError):
    """A task failed with an error that could be sent and not be read: only its text has arrived."""

    def __init__(self, task: str, text: str) -> None:
        super().__init__(f"{task} failed with an error that cannot be unpickled here:\n{text}")
        self.task, self.text = task, text


class ActorError(FutureError):
    """Something about an actor, apart from the errors that its methods raise."""


class ActorDiedError(ActorError):
    """The actor is dead for good: it was killed, its process died, or its ``__init__`` raised."""

    def __init__(self, actor: str, why: str) -> None:
        super().__init__(f"actor {actor} is dead: {why}")
        self.actor, self.why = actor, why


class ActorUnavailableError(ActorError):
    """The actor cannot be reached now, and may be later; unlike with `ActorDiedError`."""

    def __init__(self, actor: str, why: str) -> None:
        super().__init__(
            f"actor {actor} cannot be reached now: {why}. The call may or may not have run; later ones may "
            "succeed, and max_task_retries= repeats such a call"
        )
        self.actor, self.why = actor, why


class ActorUnschedulableError(ActorError):
    """No machine may run the actor as it asks; unlike one that has to wait for resources."""

    def __init__(self, actor: str, why: str) -> None:
        super().__init__(
            f"actor {actor} can live nowhere: {why}; alula.nodes() lists the machines, and a strategy with "
            "soft=True takes another one"
        )
        self.actor, self.why = actor, why


class PendingCallsLimitExceeded(ActorError):
    """As many calls of this process as ``max_pending_calls`` allows wait for the actor already."""

    def __init__(self, actor: str, limit: int) -> None:
        super().__init__(
            f"actor {actor} has {limit} calls of this process waiting, which is its max_pending_calls: "
            "get results of those first"
        )
        self.actor, self.limit = actor, limit


class ActorAlreadyExistsError(ActorError, ValueError):
    """A living actor has that name; `get_if_exists` takes it instead of failing."""

    def __init__(self, name: str) -> None:
        super().__init__(f"an actor named {name!r} exists: use get_actor({name!r}) or get_if_exists=True")
        self.name = name


class ObjectLostError(FutureError):
    """A value existed and cannot be had any more."""

    def __init__(self, ref: str, why: str) -> None:
        super().__init__(f"the value of {ref} is lost: {why}")
        self.ref, self.why = ref, why


class OwnerDiedError(ObjectLostError):
    """The process that created the reference died, and its values with it."""

    def __init__(self, ref: str) -> None:
        super().__init__(ref, "the process that owned it died; its own task may be run again")


class ObjectReconstructionFailedError(ObjectLostError):
    """The value was lost, and the task that made it cannot be run again, or there is none."""

    def __init__(self, ref: str, why: str) -> None:
        super().__init__(ref, f"it cannot be computed again, as {why}")
        self.why = why


class ObjectFetchTimedOutError(ObjectLostError):
    """The value should exist, and no machine that has it has answered."""

    def __init__(self, ref: str) -> None:
        super().__init__(ref, "no machine that has it answered in time")


class ObjectFreedError(ObjectLostError):
    """Somebody freed the value by hand, while references to it were left."""

    def __init__(self, ref: str) -> None:
        super().__init__(ref, "it was freed by hand")


class ReferenceCountingAssertionError(ObjectLostError, AssertionError):
    """The value was freed while references to it were left: a fault in the engine, worth a report."""

    def __init__(self, ref: str) -> None:
        super().__init__(
            ref, "the engine freed it too early, which is a fault in the engine; please report it"
        )


class ObjectStoreFullError(FutureError):
    """A value has no room: shared memory is full of values in use, and spilling did not help."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(
            f"there is no room for {what}: {why}. Drop references that are no longer needed, or give "
            "alula.init() a larger object_store_memory="
        )
        self.what, self.why = what, why


class OutOfDiskError(FutureError):
    """A value has no room: shared memory is full, and so is the disk that values are spilled to."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(
            f"there is no room on the disk to spill {what}: {why}. Free some space there, or drop references "
            "that are no longer needed"
        )
        self.what, self.why = what, why


class GetTimeoutError(FutureError, TimeoutError):
    """The value was not there in time; the task goes on and the reference stays good."""

    def __init__(self, waiting_for: str, timeout: float) -> None:
        super().__init__(f"{waiting_for} not ready after {timeout:g} s")
        self.waiting_for, self.timeout = waiting_for, timeout


class UnsupportedError(FutureError, NotImplementedError):
    """The engine in use cannot do that; the message says which one can, or what to use instead."""

    def __init__(self, what: str, engine: str, instead: str = "") -> None:
        super().__init__(f"the {engine} engine does not support {what}" + (instead and f": {instead}"))
        self.what, self.engine, self.instead = what, engine, instead


# ------------------------------------------------------------------------------------------ graph


class GraphError(AlulaError):
    """A graph that cannot be made, or a question that it cannot answer."""


class CycleError(GraphError, ValueError):
    """A node needs its own value, directly or through others."""

    def __init__(self, path: Iterable[str]) -> None:
        self.path = tuple(path)
        super().__init__("these nodes need each other: " + " -> ".join(self.path))


class UnknownNodeError(GraphError, LookupError):
    """The graph has no node under that key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"no node {key!r} in this graph")
        self.key = key


# --------------------------------------------------------------------------------------- workflow


class WorkflowError(AlulaError):
    """Something about a durable workflow."""


class WorkflowExecutionError(WorkflowError):
    """A task of the workflow failed and nothing caught it; ``__cause__`` is the task's error."""

    def __init__(self, workflow_id: str, task_id: str | None = None) -> None:
        where = f" in task {task_id!r}" if task_id else ""
        super().__init__(
            f"workflow {workflow_id!r} failed{where}; what finished is recorded, "
            f"and resume({workflow_id!r}) goes on from there"
        )
        self.workflow_id, self.task_id = workflow_id, task_id


class WorkflowCancellationError(WorkflowError):
    """The workflow was cancelled while somebody waited for it."""

    def __init__(self, workflow_id: str) -> None:
        super().__init__(f"workflow {workflow_id!r} was cancelled")
        self.workflow_id = workflow_id


class WorkflowNotFoundError(WorkflowError, ValueError):
    """No workflow has that id, or no task of it has that one."""

    def __init__(self, workflow_id: str, task_id: str | None = None) -> None:
        super().__init__(
            f"No such workflow_id {workflow_id!r}"
            if task_id is None
            else f"No such task_id {task_id!r} in workflow {workflow_id!r}"
        )
        self.workflow_id, self.task_id = workflow_id, task_id


class WorkflowOutputNotReady(WorkflowError, ValueError):
    """The workflow or task exists, and has no value to give: unlike `WorkflowNotFoundError`."""

    def __init__(self, workflow_id: str, why: str) -> None:
        super().__init__(f"workflow {workflow_id!r} has no output: {why}")
        self.workflow_id, self.why = workflow_id, why


class WorkflowNotResumableError(WorkflowError):
    """What is recorded of the workflow is not enough to go on, or nothing is recorded at all."""

    def __init__(self, workflow_id: str, why: str) -> None:
        super().__init__(f"workflow {workflow_id!r} cannot be resumed: {why}")
        self.workflow_id, self.why = workflow_id, why


class WorkflowTaskNotRecoverableError(WorkflowNotResumableError):
    """Something of a task is needed to go on, and is not among the records, which are damaged."""

    def __init__(self, workflow_id: str, what: str) -> None:
        super().__init__(workflow_id, f"{what} should be recorded and is not there")
        self.what = what


class WorkflowStillActiveError(WorkflowError):
    """The workflow runs, or waits to run, and cannot be deleted before it has ended."""

    def __init__(self, workflow_id: str) -> None:
        super().__init__(f"workflow {workflow_id!r} is active: wait for it, or cancel({workflow_id!r}) first")
        self.workflow_id = workflow_id


class QueueNotFoundError(WorkflowError, LookupError):
    """Nobody has declared a queue of that name."""

    def __init__(self, queue: str, known: Iterable[str] = ()) -> None:
        super().__init__(
            f"no queue {queue!r} was declared, which workflow.queue({queue!r}) does; {suggest(queue, known)}"
        )
        self.queue = queue


class QueueDeduplicatedError(WorkflowError):
    """Another workflow with the same deduplication id waits or runs in the queue already."""

    def __init__(self, queue: str, deduplication_id: str, workflow_id: str) -> None:
        super().__init__(
            f"workflow {workflow_id!r} waits or runs in the queue {queue!r} with the deduplication id "
            f"{deduplication_id!r} already: wait for that one, or take another id"
        )
        self.queue, self.deduplication_id, self.workflow_id = queue, deduplication_id, workflow_id


class WorkflowTimeoutError(WorkflowError, TimeoutError):
    """Something in a workflow took longer than it was given."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"{what} did not come within {seconds:g} s")
        self.what, self.seconds = what, seconds


# ------------------------------------------------------------------------------------------ store


class StoreError(AlulaError):
    """Something about what is kept on disk."""


_SECRET = re.compile(r"(://[^:/@\s]*:)[^/\s]*@")  # what stands between a user's name and a host


class StoreUnavailableError(StoreError):
    """The store cannot be opened, read or written; the message says where and why.

    Attributes
    ----------
    where, why
        As in the message.
    of_task
        Whether the code of a workflow's task has raised it, which may use any store: then it is the
        failure of that task.
    """

    of_task: bool = False

    def __init__(self, where: str, why: str) -> None:
        where = _SECRET.sub(r"\1***@", where)  # of a URL: people show errors to others
        super().__init__(f"the store {where} cannot be used: {why}")
        self.where, self.why = where, why


class FencedError(StoreError):
    """A write came from an executor that no longer owns what it writes to; nothing was changed."""

    def __init__(self, what: str, epoch: int) -> None:
        super().__init__(f"{what} is no longer owned by epoch {epoch}: the write was refused")
        self.what, self.epoch = what, epoch


class ExecutorAliveError(StoreError):
    """The name that an executor is to have belongs to one that lives."""

    def __init__(self, name: str, host: str, pid: int) -> None:
        super().__init__(
            f"an executor named {name!r} runs already (process {pid} on {host}): "
            "stop it, or choose another name"
        )
        self.name, self.host, self.pid = name, host, pid


class ArtifactNotFoundError(StoreError, KeyError):
    """The store of large values has none under that digest: it was deleted, or is another store."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"no artifact {digest} in this store")
        self.digest = digest

    __str__ = Exception.__str__  # a KeyError shows its text in quotes


class NameNotFoundError(StoreError, LookupError, AssertionError):
    """Nothing is stored under that name.

    Also a `LookupError`, which it is, and an `AssertionError`, which programs written for omega-ml
    catch.
    """

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        super().__init__(f"{name} does not exist; {suggest(name, known)}")
        self.name = name


class InvalidNameError(StoreError, ValueError, AssertionError):
    """A name that cannot mean what it says: wrongly written, or asking for what is not there to ask.

    Also a `ValueError`, which it is, and an `AssertionError`, as for `NameNotFoundError`.
    """

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"the name {name!r} cannot be used: {why}")
        self.name, self.why = name, why


class PickleRefusedError(StoreError):
    """An object would be kept as a pickle, or is, and the setting ``pickles`` is ``"none"``."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} is a pickle, and the setting pickles = 'none' forbids them: put it in a form that runs "
            "nothing when it is read (skops, ONNX, safetensors), or allow those that your own key has sealed"
        )
        self.what = what


class SourceRefusedError(StoreError, PermissionError):
    """A package comes from an address that the setting ``sources`` does not allow."""

    def __init__(self, spec: str, allowed: Iterable[str]) -> None:
        self.allowed = tuple(allowed)
        there = ", ".join(self.allowed) or "none"
        super().__init__(
            f"{spec} may not be installed: the setting 'sources' allows {there}; add a pattern such as "
            f"{spec.partition('://')[0]}://*"
        )
        self.spec = spec


class TransactionError(StoreError):
    """The code of a transaction did what is not its own to do, such as to commit; it is not recorded."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the transaction is not recorded: {why}. It is committed when its function returns, and "
            "undone if that raises; with connection.begin_nested() a part of it may be undone"
        )
        self.why = why


class KindError(StoreError, TypeError):
    """No kind of object accepts that value."""

    def __init__(self, value_type: type, store: str, kinds: Iterable[str]) -> None:
        self.kinds = tuple(sorted(kinds))
        super().__init__(
            f"type {value_type.__module__}.{value_type.__qualname__} not supported "
            f"in {store}; it takes {', '.join(self.kinds)}"
        )
        self.value_type, self.store = value_type, store


# ---------------------------------------------------------------------------------------- runtime


class RuntimeTaskError(AlulaError):
    """Something about a task of the runtime, apart from the error that its own work raised."""


class TaskNotFoundError(RuntimeTaskError, LookupError):
    """No task has that id: it was never submitted to this store, or was deleted."""

    def __init__(self, task_id: str) -> None:
        super().__init__(f"no task {task_id!r} in this store")
        self.task_id = task_id


class ResultExpiredError(RuntimeTaskError, LookupError):
    """The task has ended, and how is known; but its value was forgotten, and cannot be had any more."""

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"the value of task {task_id} was forgotten; alula.runtime.rerun({task_id!r}) makes it anew"
        )
        self.task_id = task_id


class NotebookError(RuntimeTaskError):
    """A notebook has not run to its end: a cell raised, took too long or ended its kernel, or there is none.

    Attributes
    ----------
    notebook
        Its name.
    cell
        The position of the cell that ended the run, from 1, as the notebook was stored; None if none ran.
    ename, evalue
        The class of the error in the kernel, and its text.
    metadata
        Of the notebook in which all outputs until then are kept; None if it could not be kept.
    """

    def __init__(
        self, notebook: str, cell: int | None, ename: str, evalue: str, metadata: Any = None
    ) -> None:
        where = "" if cell is None else f" in cell {cell}"
        kept = "" if metadata is None else f"; its outputs are kept in {metadata.prefix}{metadata.name}"
        super().__init__(f"jobs/{notebook} failed{where}: {ename}: {evalue}{kept}")
        self.notebook, self.cell, self.ename, self.evalue = notebook, cell, ename, evalue
        self.metadata = metadata


class InstallError(RuntimeTaskError):
    """The package of a script cannot be installed on the machine that is to run it."""

    def __init__(self, module: str, said: str) -> None:
        super().__init__(f"the package of the script {module!r} cannot be installed; pip says:\n{said}")
        self.module, self.said = module, said


class LabelError(RuntimeTaskError, ValueError, AssertionError):
    """What was asked for cannot be the label of any executor.

    Also an `AssertionError`, which programs written for omega-ml catch.
    """

    def __init__(self, label: object) -> None:
        super().__init__(
            f"label must be valid, and {label!r} is not: a label is text without commas; "
            "alula.runtime.labels() lists those of the active executors"
        )
        self.label = label


class DeployError(RuntimeTaskError):
    """A model cannot be deployed: it has no form that a tensor server loads, or the server refused it."""

    def __init__(self, model: str, why: str) -> None:
        super().__init__(f"models/{model} cannot be deployed: {why}")
        self.model, self.why = model, why


# ----------------------------------------------------------------------------------------- server


class CommandError(AlulaError):
    """A command to the tensor server that cannot be carried out; the text is the reply's."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    @classmethod
    def wrongtype(cls) -> Self:
        """A key holds a value of another type than the command works on."""
        return cls("WRONGTYPE Operation against a key holding the wrong kind of value")
