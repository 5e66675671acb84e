"""What an engine must do: a dozen methods, written by the embedded engine and by the Ray adapter.

Everything people see (`remote`, handles, `ObjectRef.future`, graphs) is built on these, once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from ..graph import Call, Cancel, Done, Failed, Then
from ._options import ActorOptions, MethodOptions, TaskOptions
from ._refs import ObjectRef
from ._remote import ActorType, Function
from ._streams import ObjectRefGenerator

__all__ = ["ActorExit", "ActorRef", "Cluster", "Context", "Engine", "Feature", "Settle", "Waitable"]

Feature: TypeAlias = Literal["restarts", "threads", "nodes", "sharing", "lending", "withdrawing"]
"""What only some engines can do.

Restart actors; run an actor's calls in threads; span machines; give this process each large value where it
lies, so that two `get` share it; let a stream yield references of tasks that still run; withdraw, together
with a cancelled task, every call of its own that waits at an actor (Ray now and then runs one).
"""

Settle: TypeAlias = Callable[[Done[Any] | Failed], None]
"""Gives a promise its value or error. A value that is a reference is followed, not wrapped."""

Waitable: TypeAlias = ObjectRef[Any] | ObjectRefGenerator[Any]
"""What `wait` takes."""

ActorRef: TypeAlias = Any
"""An engine's own name of an actor; pickles, and may be used by any process of the session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What an engine has to run on.

    Attributes
    ----------
    total, available
        Amounts by resource name, ``"CPU"`` among them: all there are, and those not held now.
    nodes
        One mapping per machine, in Ray's words: ``NodeID``, ``Alive``, ``Resources``.
    """

    total: Mapping[str, float]
    available: Mapping[str, float]
    nodes: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Where some code runs: what `RuntimeContext` shows to people. All ids are hexadecimal.

    Attributes
    ----------
    job, node, worker
        Ids of the session, of the machine, as in `Cluster.nodes`, and of the process.
    namespace
        Of the names of actors.
    task
        Id of the task, or of the call of an actor's method; None outside of both.
    actor
        Id of the actor inside of one.
    me
        The actor, so that others may be told of it.
    restarted
        Whether the actor's ``__init__`` has run before, in a process that died.
    """

    job: str
    node: str
    worker: str
    namespace: str
    task: str | None = None
    actor: str | None = None
    me: tuple[ActorRef, ActorType] | None = None
    restarted: bool = False


class ActorExit(BaseException):
    """Raised inside an actor's method to end the actor; no error, so ``except Exception`` lets it pass."""


class Engine(ABC):
    """Runs tasks and actors, keeps volatile values. Safe to use from any thread."""

    name: ClassVar[str]
    supports: ClassVar[frozenset[Feature]]

    @abstractmethod
    def submit(
        self,
        function: Function,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: TaskOptions,
    ) -> list[Any]:
        """Start a task when its inputs are there; return at once.

        A reference that stands on its own among the arguments is replaced by its value, and the task
        waits for it; one inside a container or object is passed as a reference.

        Returns
        -------
        list of ObjectRef
            ``options.count`` of them; with ``num_returns="streaming"`` one `ObjectRefGenerator`.

        Raises
        ------
        TypeError
            If an argument or the function cannot be pickled.
        """

    @abstractmethod
    def actor(
        self, cls: ActorType, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: ActorOptions
    ) -> ActorRef:
        """Start an actor; return at once. It ends when no handle is left, or when it is killed."""

    @abstractmethod
    def tell(
        self,
        actor: ActorRef,
        method: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: MethodOptions,
    ) -> list[Any]:
        """Call a method of an actor; the calls of one process to one actor run in their order."""

    @abstractmethod
    def find(self, name: str, namespace: str | None) -> tuple[ActorRef, ActorType]:
        """Give the living actor of that name; `ValueError` if there is none."""

    @abstractmethod
    def kill(self, actor: ActorRef, *, no_restart: bool) -> None:
        """End an actor at once; its running and queued calls fail with `ActorDiedError`.

        Unless `no_restart`, the actor starts again if it may, as after a crash.
        """

    @abstractmethod
    def put(self, value: Any) -> ObjectRef[Any]:
        """Keep a copy of a value."""

    @abstractmethod
    def get(self, refs: Sequence[ObjectRef[Any]], timeout: float | None) -> list[Any]:
        """Wait for values; raise the first error found, or `GetTimeoutError` after `timeout` s."""

    @abstractmethod
    def wait(
        self, refs: Sequence[Waitable], num_returns: int, timeout: float | None, fetch_local: bool = True
    ) -> tuple[list[Any], list[Any]]:
        """Wait until `num_returns` are settled or `timeout` s have passed; keep the input's order.

        A stream among them counts as settled when its next reference, or its end, is there; a value on
        another machine when it has been fetched, or, without `fetch_local`, as soon as it exists.
        """

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Lend the cores of the calling task while it waits for something that is no reference.

        `get` and `wait` do so by themselves. An engine that cannot does nothing.
        """
        yield

    @abstractmethod
    def watch(self, ref: ObjectRef[Any], then: Callable[[BaseException | None], None]) -> None:
        """Call `then` once when a reference has settled, with its error if it failed.

        From any thread, also from this call if it has settled already. `then` must not block.
        """

    @abstractmethod
    def promise(self) -> tuple[ObjectRef[Any], Settle]:
        """Give a reference and the function that settles it, once."""

    @abstractmethod
    def cancel(self, ref: ObjectRef[Any], *, force: bool, recursive: bool) -> None:
        """Ask the task behind a reference to end; one that has finished keeps its value."""

    @abstractmethod
    def context(self) -> Context:
        """Tell where the calling thread, or asyncio task, runs; cheap."""

    @abstractmethod
    def assigned(self) -> Mapping[str, float]:
        """Give the resources that the calling task or actor holds, by name; none outside of one."""

    @abstractmethod
    def is_canceled(self) -> bool:
        """Tell whether somebody has cancelled the task or call that asks; cheap."""

    @abstractmethod
    def cluster(self) -> Cluster:
        """Tell what there is to run on."""

    def machines(self) -> int:
        """Tell on how many machines tasks may run; cheap."""
        return 1

    @abstractmethod
    def timeline(self) -> list[dict[str, Any]]:
        """Tell what ran where and when: events in the trace format of Chrome, times in microseconds."""

    @abstractmethod
    def close(self) -> None:
        """End what this engine started; references and handles are of no use afterwards."""

    def start(self, call: Call, then: Then) -> Cancel:
        """Run a node of a graph as a task: an engine is a place.

        The value given to `then` is the reference of the result, so it stays where it was made.
        """
        if not isinstance(call.fn, Function):
            raise TypeError(
                f"a node of {call.fn} does not run on the engine, where only remote functions do: "
                "bind one, or give the whole graph to workflow.run()"
            )
        [ref] = self.submit(call.fn, call.args, call.kwargs, call.fn.options)
        return self.follow(ref, then)

    def follow(self, ref: ObjectRef[Any], then: Then) -> Cancel:
        """Answer with a reference itself, or its error, when it has settled; see `Place.start`."""
        self.watch(ref, lambda error: then(Failed(error) if error else Done(ref)))
        return lambda: self.cancel(ref, force=False, recursive=True)
