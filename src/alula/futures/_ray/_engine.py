"""The engine interface on Ray: each method is a call or two of Ray's, and what it returns translated."""

import inspect
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import lru_cache, partial
from time import monotonic, sleep
from typing import Any, ClassVar, cast

import ray
from ray.core.generated.gcs_pb2 import ActorTableData
from ray.experimental import internal_kv

from ..._core._pickle import dump
from ...errors import (
    ActorDiedError,
    GetTimeoutError,
    NodeDiedError,
    ObjectLostError,
    suggest,
)
from .._engine import Cluster, Context, Engine, Feature, Settle, Waitable
from .._options import ActorOptions, MethodOptions, TaskOptions
from .._refs import ObjectRef
from .._remote import ActorType, Definition, Function
from ._errors import in_our_words, translate
from ._promises import Promises
from ._refs import NOT_PICKLED, Origin, RayActor, RayRef, here
from ._streams import RayGenerator
from ._watch import Watches
from ._words import actor_words, method_words, task_words
from ._worker import How, current_type, described, resident, run, stream

__all__ = ["RayEngine"]

_NEWS = 5.0  # seconds
_UP = (ActorTableData.PENDING_CREATION, ActorTableData.ALIVE, ActorTableData.RESTARTING)
_TYPES = b"alula"  # the part of Ray's key-value store where the types of named actors are


class RayEngine(Engine):
    """Ray, seen from one process: the driver, or a worker that runs our code."""

    name: ClassVar[str] = "ray"
    supports: ClassVar[frozenset[Feature]] = frozenset({"restarts", "threads", "nodes", "sharing"})

    def __init__(self, *, started: bool = False) -> None:
        """Use the Ray that runs in this process.

        Parameters
        ----------
        started
            Whether it was started, or joined, for this engine, which then ends it in `close`.
        """
        context = ray.get_runtime_context()
        self._session = f"{context.get_session_name()}/{context.get_job_id()}"
        self._started = started
        self._closed = False
        self._watches = Watches()
        self._promises = Promises()
        here.engine, here.session = self, self._session

    def check_alive(self) -> None:
        """Raise `NodeDiedError` if the session is over."""
        # Ray would start anew by itself, and then wait for values that nobody has.
        if self._closed or not ray.is_initialized():
            raise NodeDiedError("the session was shut down")

    def _mine(self, ref: Waitable) -> Any:
        self.check_alive()
        if not isinstance(ref, (RayRef, RayGenerator)) or ref.origin.session != self._session:
            raise ObjectLostError(repr(ref), "it is of another session")
        return ref

    def _alive(self, actor: RayActor) -> RayActor:
        self.check_alive()
        if actor.session != self._session:
            raise ActorDiedError(actor.cls, "it ended with its session")
        return actor

    # ---------------------------------------------------------------------------------------- values

    def put(self, value: Any) -> ObjectRef[Any]:
        """Keep a copy of a value; see `Engine.put`."""
        origin = Origin(self._session, "put()")
        return RayRef(self._sent(ray.put, (value,), {}, origin), origin)

    def get(self, refs: Sequence[ObjectRef[Any]], timeout: float | None) -> list[Any]:
        """Wait for values; see `Engine.get`."""
        mine = [self._mine(ref) for ref in refs]
        try:
            values: list[Any] = ray.get([ref.raw for ref in mine], timeout=timeout)
        except ray.exceptions.GetTimeoutError as error:
            raise GetTimeoutError(_missing(mine), timeout or 0) from error
        except ray.exceptions.RayError as error:
            ours = _first_failure(mine) or translate(error, mine[0])
            raise ours from ours.__cause__
        return values

    def wait(
        self, refs: Sequence[Waitable], num_returns: int, timeout: float | None, fetch_local: bool = True
    ) -> tuple[list[Any], list[Any]]:
        """Wait for some; see `Engine.wait`."""
        mine = {self._mine(ref).raw: ref for ref in refs}
        with in_our_words(Origin(self._session, "wait()")):
            ready, rest = ray.wait(
                list(mine), num_returns=num_returns, timeout=timeout, fetch_local=fetch_local
            )
        return [mine[raw] for raw in ready], [mine[raw] for raw in rest]

    def watch(self, ref: ObjectRef[Any], then: Callable[[BaseException | None], None]) -> None:
        """Call `then` when a reference has settled; see `Engine.watch`."""
        mine: RayRef[Any] = self._mine(ref)
        self._watches.add(mine.raw.future(), partial(_failure, mine), then)

    def promise(self) -> tuple[ObjectRef[Any], Settle]:
        """Give a reference and what settles it; see `Engine.promise`."""
        self.check_alive()
        raw, settle = self._promises.make()
        return RayRef(raw, Origin(self._session, "promise", actor="alula.promises")), settle

    # ----------------------------------------------------------------------------------------- tasks

    def submit(
        self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: TaskOptions
    ) -> list[Any]:
        """Start a task; see `Engine.submit`."""
        task = options.name or function.name
        origin = Origin(self._session, task, options.max_retries + 1)
        function.definition.pickled()  # here, so that a function that cannot be is refused in our words
        rays = _task(function.definition, options.calls, options.num_returns == "streaming")
        call = rays.options(**task_words(options, task))
        raws = self._sent(partial(call.remote, How.of(options, task)), args, kwargs, origin)
        return _wrapped(raws, origin)

    def cancel(self, ref: ObjectRef[Any], *, force: bool, recursive: bool) -> None:
        """Ask a task to end; see `Engine.cancel`."""
        mine = self._mine(ref)
        if force and mine.origin.actor:  # Ray says so only once the actor is up
            raise ValueError("an actor's call cannot be cancelled by force; kill() ends the actor")
        # Ray 2.60 aborts this process if a task is cancelled in the moment in which its result arrives,
        # and that is just when people do it: after a `get`.
        with in_our_words(mine.origin):
            if not ray.wait([mine.raw], timeout=0, fetch_local=False)[0]:
                ray.cancel(mine.raw, force=force, recursive=recursive)

    # ---------------------------------------------------------------------------------------- actors

    def actor(
        self, cls: ActorType, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: ActorOptions
    ) -> RayActor:
        """Start an actor; see `Engine.actor`."""
        cls.definition.pickled()
        origin = Origin(self._session, options.name or cls.name, actor=cls.name)
        rays = _resident(cls).options(**actor_words(options))
        raw = self._sent(partial(rays.remote, cls), args, kwargs, origin)
        if options.name:
            # Kept beside the actor, which may be busy for long when `find` asks.
            internal_kv._internal_kv_put(raw._actor_id.binary(), ray.cloudpickle.dumps(cls), namespace=_TYPES)
        return self._actor(raw, cls)

    def _actor(self, raw: Any, cls: ActorType) -> RayActor:
        options = cls.options
        return RayActor(
            raw, self._session, cls.name, tuple(options.concurrency_groups), options.max_task_retries
        )

    def tell(
        self,
        actor: RayActor,
        method: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: MethodOptions,
    ) -> list[Any]:
        """Call a method of an actor; see `Engine.tell`."""
        task = options.name or f"{actor.cls}.{method}"
        origin = Origin(self._session, task, actor=actor.cls)
        group = options.concurrency_group
        if group is not None and group not in actor.groups:  # Ray would end the actor
            raise ValueError(
                f"{actor.cls} has no concurrency group {group!r}; {suggest(group, actor.groups)}"
            )
        how, raw = How.of(options, task), self._alive(actor).raw
        if options.num_returns == "streaming":
            # A method of Ray's either yields or does not, and any of the user's may be asked to.
            rays, head = raw.alula_stream, [method, how]
        else:
            rays, head = getattr(raw, method), [how]
        call = rays.options(**method_words(options, task, actor.retries))
        raws = self._sent(partial(call.remote, *head), args, kwargs, origin)
        return _wrapped(raws, origin)

    def find(self, name: str, namespace: str | None) -> tuple[RayActor, ActorType]:
        """Give the living actor of that name; see `Engine.find`."""
        self.check_alive()
        with in_our_words(Origin(self._session, f"get_actor({name!r})", actor=name)):
            raw = _living(name, namespace)
            cls = self._type_of(raw, name)
        return self._actor(raw, cls), cls

    def _type_of(self, raw: Any, name: str) -> ActorType:
        kept = internal_kv._internal_kv_get(raw._actor_id.binary(), namespace=_TYPES)
        if not kept:  # in the moment between the two lines that make an actor
            asked = raw.__ray_call__.remote(described)
            [cls] = self.get([RayRef(asked, Origin(self._session, f"a call of {name!r}", actor=name))], None)
            return cast("ActorType", cls)
        return cast("ActorType", pickle.loads(kept))

    def kill(self, actor: RayActor, *, no_restart: bool) -> None:
        """End an actor at once; see `Engine.kill`."""
        raw = self._alive(actor).raw
        with in_our_words(Origin(self._session, "kill()", actor=actor.cls)):
            ray.kill(raw, no_restart=no_restart)
        if no_restart:
            _await_end(raw)

    # --------------------------------------------------------------------------------------- session

    def context(self) -> Context:
        """Tell where the calling thread runs; see `Engine.context`."""
        self.check_alive()
        theirs = ray.get_runtime_context()
        actor = theirs.get_actor_id()
        return Context(
            job=theirs.get_job_id(),
            node=theirs.get_node_id(),
            worker=theirs.get_worker_id(),
            namespace=theirs.namespace,
            task=theirs.get_task_id(),
            actor=actor,
            me=self._me(theirs) if actor else None,
            restarted=bool(actor) and theirs.was_current_actor_reconstructed,
        )

    def _me(self, theirs: Any) -> tuple[RayActor, ActorType] | None:
        cls = current_type()
        if cls is None:
            return None
        return self._actor(theirs.current_actor, cls), cls

    def assigned(self) -> Mapping[str, float]:
        """Give what the calling task holds; see `Engine.assigned`."""
        self.check_alive()
        held: Mapping[str, float] = ray.get_runtime_context().get_assigned_resources()
        return held

    def is_canceled(self) -> bool:
        """Tell whether the calling task was cancelled; see `Engine.is_canceled`."""
        self.check_alive()
        try:
            return bool(ray.get_runtime_context().is_canceled())
        except RuntimeError:  # Ray does not tell coroutines, which it interrupts instead
            return False

    def cluster(self) -> Cluster:
        """Tell what there is; see `Engine.cluster`."""
        self.check_alive()
        with in_our_words(Origin(self._session, "nodes()")):
            total, free, nodes = ray.cluster_resources(), ray.available_resources(), ray.nodes()
        available = {name: free.get(name, 0.0) for name in total}
        return Cluster(total=total, available=available, nodes=nodes)

    def machines(self) -> int:
        """Count the machines that live; see `Engine.machines`."""
        self.check_alive()
        return sum(bool(node["Alive"]) for node in ray.nodes())

    def timeline(self) -> list[dict[str, Any]]:
        """Tell what ran where and when, as far as Ray has heard of it; see `Engine.timeline`."""
        self.check_alive()
        with in_our_words(Origin(self._session, "timeline()")):
            return list(ray.timeline() or ())

    def close(self) -> None:
        """Leave Ray, and end it if it was started here; see `Engine.close`."""
        self._closed = True
        self._watches.close()
        self._promises.close()
        if self._started and ray.is_initialized():
            ray.shutdown(wait_for_processes=True)

    # --------------------------------------------------------------------------------- there and back

    def _sent(
        self, send: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], origin: Origin
    ) -> Any:
        """Call Ray with the user's arguments; a reference on its own becomes Ray's, to be replaced."""
        self.check_alive()
        theirs = {name: self._raw(arg) for name, arg in kwargs.items()}
        try:
            with in_our_words(origin):
                return send(*map(self._raw, args), **theirs)
        except NOT_PICKLED:
            for name, value in (*enumerate(args, 1), *kwargs.items()):
                dump(value, f"argument {name}")  # says where in the value the trouble is
            raise
        except ValueError as error:
            if "owner is unknown" in str(error):
                raise ObjectLostError("a reference in the arguments", "it is of another session") from error
            raise

    def _raw(self, arg: Any) -> Any:
        return self._mine(arg).raw if isinstance(arg, ObjectRef) else arg


@lru_cache(maxsize=4096)
def _task(definition: Definition, max_calls: int, streams: bool) -> Any:
    """Make the function that Ray is to know; Ray sends it to each worker once."""
    function = Function.of(definition, TaskOptions())

    def task(how: How, /, *args: Any, **kwargs: Any) -> Any:
        return run(function, how, args, kwargs)

    def streaming(how: How, /, *args: Any, **kwargs: Any) -> Any:
        yield from stream(function, how, args, kwargs)

    if streams:
        task = streaming
    task.__name__ = task.__qualname__ = definition.name.rpartition(".")[2]
    return ray.remote(max_calls=max_calls)(task)


def _resident(cls: ActorType) -> Any:
    """Give the class that Ray is to know, in which the methods have the user's names."""
    target = cls.target
    awaited = tuple(_is_async(getattr(target, name, None)) for name in cls.methods)
    groups = tuple(cls.options.concurrency_groups.items())
    return _rays_class(cls.name, tuple(cls.methods), any(awaited), groups)


def _is_async(member: Any) -> bool:
    return inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member)


@lru_cache(maxsize=4096)
def _rays_class(
    name: str, methods: tuple[str, ...], awaits: bool, groups: tuple[tuple[str, int], ...]
) -> Any:
    module, _, own = name.rpartition(".")
    made = resident(module, own, methods, awaits)
    return ray.remote(concurrency_groups=dict(groups))(made) if groups else ray.remote(made)


def _living(name: str, namespace: str | None) -> Any:
    """Give Ray's handle of a named actor; `ValueError` if there is none, or none any more."""
    space = namespace or ray.get_runtime_context().namespace
    named = ray.util.list_named_actors(all_namespaces=True)
    names = [actor["name"] for actor in named if actor["namespace"] == space]
    missing = f"no living actor is named {name!r}; {suggest(name, names)}"
    if name not in names:  # Ray itself may give a handle of one that died with its machine
        raise ValueError(missing)
    try:
        return ray.get_actor(name, namespace)
    except ValueError as error:
        raise ValueError(missing) from error


def _await_end(raw: Any) -> None:
    """Wait until this process knows that an actor was killed, and so sends it no more calls.

    A process that never called it hears of it with its first call. Without news, which would come from a
    cluster whose head is gone, we wait no longer than a moment.
    """
    until = monotonic() + _NEWS
    while raw._get_local_state() in _UP and monotonic() < until:
        sleep(0.001)


def _wrapped(raws: Any, origin: Origin) -> list[Any]:
    """Wrap what Ray gives: None, one reference, a list or a stream, depending on `num_returns`."""
    if isinstance(raws, ray.ObjectRefGenerator):
        return [RayGenerator(raws, origin)]
    listed = [] if raws is None else raws if isinstance(raws, list) else [raws]
    return [RayRef(raw, origin) for raw in listed]


def _failure(ref: RayRef[Any], settled: Future[Any]) -> BaseException | None:
    error = settled.exception()
    return None if error is None else translate(error, ref)


def _missing(refs: Sequence[RayRef[Any]]) -> str:
    if len(refs) == 1:
        return f"{refs[0].origin.task}:"
    raws = list({ref.raw for ref in refs})
    left = len(ray.wait(raws, num_returns=len(raws), timeout=0)[1])
    return f"{left} of {len(raws)} values:"


def _first_failure(refs: Iterable[RayRef[Any]]) -> BaseException | None:
    """Find the first reference that has failed; Ray's error does not say which of a list it was."""
    for ref in refs:
        if ray.wait([ref.raw], timeout=0)[0]:
            try:
                ray.get(ref.raw)
            except ray.exceptions.RayError as error:
                return translate(error, ref)
    return None
