"""The engine of a program outside of the cluster, joined by ``ray://``: it asks an agent on the cluster.

Ray's own client has no promises, no streams, and arrays that can be written to. So it only carries
messages here, to one actor (`_agent`), in which everything is as it is on the cluster. Each call is one
message and its answer; values travel when they are put, given or got, and never otherwise.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from importlib import import_module
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, ClassVar, Final

import ray
from ray.util.debug import log_once

from ..._core._pickle import dump, load, pack, unpack
from ...errors import ActorDiedError, MissingExtraError, NodeDiedError, ObjectLostError
from ...graph import Done, Failed
from .._engine import Cluster, Context, Engine, Feature, Settle, Waitable
from .._errors import pack_error, unpack_error
from .._options import ActorOptions, MethodOptions, TaskOptions
from .._refs import ObjectRef
from .._remote import ActorType, Function
from ._agent import Agent, Reply
from ._proxies import ClientActor, Named, Names, ends
from ._watch import Watches

__all__ = ["ClientEngine", "check_client"]

_MANY: Final = 1_000_000  # messages that the agent may be busy with; Ray takes a number, not "any"


def check_client() -> None:
    """Raise `MissingExtraError` if Ray's client cannot run here."""
    try:
        import_module("grpc")
    except ImportError as error:
        raise MissingExtraError("grpcio", "ray", "joining a cluster by ray://") from error


class ClientEngine(Engine):
    """A cluster, seen from a program that does not run on it."""

    name: ClassVar[str] = "ray"
    supports: ClassVar[frozenset[Feature]] = frozenset({"restarts", "threads", "nodes"})

    def __init__(self, *, started: bool = False) -> None:
        """Use the connection of Ray's client that this process has.

        Parameters
        ----------
        started
            Whether it was made for this engine, which then ends it in `close`.
        """
        self.names: Names = Names()
        self._started = started
        self._closed = False
        log_once("client_communication_overhead_warning")  # Ray's, of large arguments: it counts as said
        self._watches = Watches()
        self._lock = Lock()  # of what is sent, so that it has the order of its numbers
        self._sent = 0
        self._left: SimpleQueue[int | Future[Any] | None] = SimpleQueue()
        theirs = ray.get_runtime_context()
        self._context = Context(
            job=theirs.get_job_id(),
            node=theirs.get_node_id(),
            worker=theirs.get_worker_id(),
            namespace=theirs.namespace,
        )
        self._agent: Any = None
        ends.engine = self
        self._sweeper = Thread(target=self._sweep, name="alula-ray-drops", daemon=True)
        self._sweeper.start()

    def meet(self) -> None:
        """Start the agent; if that cannot be, the session ends.

        Raises
        ------
        ConnectionError
            If it cannot live on that cluster, which has no Alula or another one.
        """
        try:
            self._agent = ray.remote(num_cpus=0, max_concurrency=_MANY)(Agent).remote()
            self.ask("hello")
        except (ImportError, AttributeError, NodeDiedError) as error:
            self.close()
            why = str(error).strip().splitlines()[-1]
            raise ConnectionError(f"the cluster cannot run the agent of this program: {why}") from error

    def check_alive(self) -> None:
        """Raise `NodeDiedError` if the session is over."""
        if self._closed or not ray.is_initialized():
            raise NodeDiedError("the session was shut down")

    def _mine(self, refs: Sequence[Any]) -> None:
        self.check_alive()
        for ref in refs:
            if not isinstance(ref, Named) or ref.owner is not self:
                raise ObjectLostError(repr(ref), "it is of another session")

    # -------------------------------------------------------------------------------------- messages

    def send(self, name: str, *args: Any, **kwargs: Any) -> Future[Reply]:
        """Send a message; what comes is for `read`, once.

        Raises
        ------
        TypeError
            If an argument cannot be pickled.
        """
        self.check_alive()
        message = pack(dump((name, args, kwargs)))
        with self._lock:
            reply = self._agent.call.remote(self._sent, message)
            self._sent += 1
        future: Future[Reply] = reply.future()
        return future

    def read(self, reply: Future[Reply]) -> Any:
        """Give the value of an answer, waiting for it, or raise its error."""
        try:
            good, content = reply.result()
        except (ray.exceptions.RayError, ConnectionError) as error:
            raise NodeDiedError(f"the connection to the cluster, or the agent there: {error}") from error
        if not good:
            ours = unpack_error(content)
            raise ours from ours.__cause__
        parts = unpack(memoryview(content))
        return load(parts.body, parts.buffers)

    def ask(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Send a message and give the value of its answer."""
        reply = self.send(name, *args, **kwargs)
        try:
            reply.exception()
        except BaseException:  # a signal's: nobody will read it, and names may be in it
            reply.add_done_callback(self._left.put)
            raise
        return self.read(reply)

    def drop(self, number: int) -> None:
        """Have an entry of the agent's table forgotten, soon; takes no lock, as any line may end a name."""
        self._left.put(number)

    def _sweep(self) -> None:
        while (left := self._left.get()) is not None:
            with suppress(Exception):  # of an answer that nobody wants, or of a session that ends
                if isinstance(left, Future):
                    self.read(left)
                else:
                    self.send("drop", [left])

    # ---------------------------------------------------------------------------------------- values

    def put(self, value: Any) -> ObjectRef[Any]:
        """Keep a copy of a value; see `Engine.put`."""
        ref: ObjectRef[Any] = self._given("put", value)
        return ref

    def get(self, refs: Sequence[ObjectRef[Any]], timeout: float | None) -> list[Any]:
        """Wait for values; see `Engine.get`."""
        self._mine(refs)
        values: list[Any] = self.ask("get", list(refs), timeout)
        return values

    def wait(
        self, refs: Sequence[Waitable], num_returns: int, timeout: float | None, fetch_local: bool = True
    ) -> tuple[list[Any], list[Any]]:
        """Wait for some; see `Engine.wait`."""
        self._mine(refs)
        numbers = [ref.number for ref in refs if isinstance(ref, Named)]
        ready, rest = self.ask("wait", numbers, num_returns, timeout, fetch_local)
        return [refs[place] for place in ready], [refs[place] for place in rest]

    def watch(self, ref: ObjectRef[Any], then: Callable[[BaseException | None], None]) -> None:
        """Call `then` when a reference has settled; see `Engine.watch`."""
        self._mine([ref])
        self._watches.add(self.send("watch", ref), self._failure, then)

    def _failure(self, reply: Future[Reply]) -> BaseException | None:
        try:
            self.read(reply)
        except BaseException as error:  # that of the task
            return error
        return None

    def promise(self) -> tuple[ObjectRef[Any], Settle]:
        """Give a reference and what settles it; see `Engine.promise`."""
        ref, number = self.ask("promise")
        return ref, partial(self._settle, number)

    def _settle(self, number: int, outcome: Done[Any] | Failed) -> None:
        if self._closed:  # whoever asks has the error already
            return
        if isinstance(outcome, Done):
            try:
                self.send("settle", number, True, outcome.value)
                return
            except TypeError as error:
                outcome = Failed(error)
        self.send("settle", number, False, pack_error(outcome.error))

    # ----------------------------------------------------------------------------- tasks and actors

    def submit(
        self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: TaskOptions
    ) -> list[Any]:
        """Start a task; see `Engine.submit`."""
        function.definition.pickled()  # here, so that a function that cannot be is named
        refs: list[Any] = self._given("submit", function, args, kwargs, options)
        return refs

    def actor(
        self, cls: ActorType, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: ActorOptions
    ) -> ClientActor:
        """Start an actor; see `Engine.actor`."""
        cls.definition.pickled()
        actor: ClientActor = self._given("actor", cls, args, kwargs, options)
        return actor

    def tell(
        self,
        actor: ClientActor,
        method: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: MethodOptions,
    ) -> list[Any]:
        """Call a method of an actor; see `Engine.tell`."""
        refs: list[Any] = self._given("tell", self._alive(actor), method, args, kwargs, options)
        return refs

    def find(self, name: str, namespace: str | None) -> tuple[ClientActor, ActorType]:
        """Give the living actor of that name; see `Engine.find`."""
        found: tuple[ClientActor, ActorType] = self.ask("find", name, namespace)
        return found

    def kill(self, actor: ClientActor, *, no_restart: bool) -> None:
        """End an actor at once; see `Engine.kill`."""
        self.ask("kill", self._alive(actor), no_restart=no_restart)

    def cancel(self, ref: ObjectRef[Any], *, force: bool, recursive: bool) -> None:
        """Ask a task to end; see `Engine.cancel`."""
        self._mine([ref])
        self.ask("cancel", ref, force=force, recursive=recursive)

    def _alive(self, actor: ClientActor) -> ClientActor:
        self.check_alive()
        if actor.owner is not self:
            raise ActorDiedError(actor.cls, "it ended with its session")
        return actor

    def _given(self, name: str, *args: Any) -> Any:
        """Ask for what takes the user's values; one that cannot be pickled is named."""
        try:
            return self.ask(name, *args)
        except TypeError:
            positional, keywords = (args, {}) if name == "put" else (args[-3], args[-2])
            for where, value in (*enumerate(positional, 1), *keywords.items()):
                dump(value, f"argument {where}")
            raise

    # --------------------------------------------------------------------------------------- session

    def context(self) -> Context:
        """Tell that this is a driver; its process is known to the cluster as that of Ray's server for it."""
        self.check_alive()
        return self._context

    def assigned(self) -> Mapping[str, float]:
        """Give nothing: this is no task."""
        return {}

    def is_canceled(self) -> bool:
        """Tell that nobody can cancel a program."""
        return False

    def cluster(self) -> Cluster:
        """Tell what there is; see `Engine.cluster`."""
        found: Cluster = self.ask("cluster")
        return found

    def timeline(self) -> list[dict[str, Any]]:
        """Tell what ran where and when, as far as Ray has heard of it; see `Engine.timeline`."""
        events: list[dict[str, Any]] = self.ask("timeline")
        return events

    def close(self) -> None:
        """End the agent, with what it owns, and leave the cluster; see `Engine.close`."""
        if self._closed:
            return
        self._closed = True
        self._watches.close()
        self._left.put(None)
        self._sweeper.join()
        if ray.is_initialized():
            if self._agent is not None:
                ray.kill(self._agent)
            if self._started:
                ray.shutdown()
