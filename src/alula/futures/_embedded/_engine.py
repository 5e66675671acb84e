"""The methods of `Engine`, as a driver and every worker has them.

They run in the threads of users, so each takes the lock, says what is to happen, and waits without it.
What then happens to whom is the matter of `_hub` and of those behind it.
"""

from collections import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from socket import gethostname
from time import monotonic
from typing import Any, ClassVar

from ...errors import (
    ActorAlreadyExistsError,
    ActorUnschedulableError,
    GetTimeoutError,
    ObjectLostError,
    ObjectStoreFullError,
    OutOfDiskError,
    suggest,
)
from ...graph import Done, Failed
from .._engine import ActorRef, Cluster, Context, Feature, Settle, Waitable
from .._options import ActorOptions, Frozen, MethodOptions, Shape, TaskOptions
from .._refs import ObjectRef
from .._remote import ActorType, Function
from ._actors import Call
from ._awaits import awaited
from ._budget import Usage
from ._bursts import is_plain, is_small
from ._environments import checked
from ._handles import ActorName, Terms, new_tether
from ._hub import Hub, packed
from ._leases import Task
from ._memory import here
from ._placing import amounts, limit, refusal, warn_of
from ._streams import STREAM, Generator
from ._timeline import events
from ._values import BODY, ERROR, NONE, Blob, Ref, size_of, to_arguments, to_blob
from ._wire import Message

__all__ = ["Embedded"]

_NO_OPTIONS = MethodOptions()


class Embedded(Hub):
    """The engine of one machine, seen from one of its processes."""

    name: ClassVar[str] = "embedded"
    supports: ClassVar[frozenset[Feature]] = frozenset(
        {"restarts", "threads", "sharing", "lending", "withdrawing"}
    )

    def put(self, value: Any) -> ObjectRef[Any]:
        """Keep a copy of a value; see `Engine.put`."""
        blob = to_blob(value)
        self._inputs(blob, (), {})
        with self.lock:
            self._check_alive()
            [ref] = self.new_refs(1)
        ref.blob = blob
        return ref

    def promise(self) -> tuple[ObjectRef[Any], Settle]:
        """Give a reference and what settles it; see `Engine.promise`."""
        with self.lock:
            self._check_alive()
            [ref] = self.new_refs(1)
            self._promises.add(ref)
        return ref, partial(self._settle_promise, ref)

    def _settle_promise(self, ref: Ref[Any], outcome: Done[Any] | Failed) -> None:
        if isinstance(outcome, Done) and isinstance(outcome.value, Ref):
            self._follow(ref, outcome.value)
            return
        try:
            blob = to_blob(outcome.value) if isinstance(outcome, Done) else packed(outcome.error)
        except (TypeError, ObjectStoreFullError, OutOfDiskError) as error:
            blob = packed(error)
        self._settle_now(ref, blob)

    def _follow(self, ref: Ref[Any], source: Ref[Any]) -> None:
        def settle() -> None:
            assert source.blob is not None
            self._settle_now(ref, source.blob)

        self._when_settled(source, settle)

    def _settle_now(self, ref: Ref[Any], blob: Blob) -> None:
        with self.lock:
            self.settle(ref, blob)
        self.loop.drain()
        self.loop.wake()

    def _when_settled(self, ref: Ref[Any], then: Callable[[], None]) -> None:
        """Call `then` without the lock once a reference has settled, perhaps here and now."""
        with self.lock:
            if ref.blob is None:
                ref.on_settled(lambda: self.loop.later(then))
                return
        then()

    def watch(self, ref: ObjectRef[Any], then: Callable[[BaseException | None], None]) -> None:
        """Call `then` when a reference has settled; see `Engine.watch`."""
        mine = self._mine(ref)

        def tell() -> None:
            assert mine.blob is not None
            then(mine.blob.error())

        self._when_settled(mine, tell)

    def _mine(self, ref: Waitable) -> Ref[Any]:
        if not isinstance(ref, Ref) or ref.engine is not self:
            raise ObjectLostError(repr(ref), "it is of another session")
        return ref

    def _inputs(self, blob: Blob, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Sequence[Ref[Any]]:
        """Give the references that stand on their own; all those in `blob` must be of this session."""
        for ref in blob.refs:
            self._mine(ref)
        return [value for value in (*args, *kwargs.values()) if isinstance(value, Ref)]

    def get(self, refs: Sequence[ObjectRef[Any]], timeout: float | None) -> list[Any]:
        """Wait for values; see `Engine.get`."""
        mine: list[Any] = list(refs)  # no more is known of them than that they are references
        pending = False
        for ref in mine:
            if ref.__class__ is not Ref or ref._engine is not self:
                self._mine(ref)  # which refuses it
            pending = pending or ref.blob is None
        if pending:
            self._await(mine, timeout)
        return [None if ref.blob is NONE else ref.blob.load() for ref in mine if ref.blob is not None]

    def _await(self, refs: list[Ref[Any]], timeout: float | None) -> None:
        deadline = None if timeout is None else monotonic() + timeout
        self._before_lead()
        self._before_wait()
        try:
            if len(refs) == 1:
                found = self.loop.run_until(refs[0].settled, deadline)
            else:
                found = self._await_all(refs, deadline)
        finally:
            self._after_wait()
        if not found:
            left = sum(ref.blob is None for ref in refs)
            what = repr(refs[0]) if len(refs) == 1 else f"{left} of {len(refs)} values"
            raise GetTimeoutError(f"{what}:", timeout or 0)

    def _before_lead(self) -> None:
        """See to it that tasks are queued before we wait: one whose input has failed settles at that."""
        if self._submitted or self._told:
            self.take_submitted()

    def _await_all(self, refs: list[Ref[Any]], deadline: float | None) -> bool:
        """Wait until all have settled, or one has failed; False if that was not in time."""
        seen = self._errors - 1  # look once at the start
        for ref in refs:
            while ref.blob is None:
                if seen != self._errors:
                    seen = self._errors
                    if any(r.blob is not None and r.blob.kind == ERROR for r in refs):
                        return True
                if not self.loop.run_until(partial(self._news, ref, seen), deadline):
                    return False
        return True

    def _news(self, ref: Ref[Any], seen: int) -> bool:
        return ref.blob is not None or self._errors != seen

    def wait(
        self, refs: Sequence[Waitable], num_returns: int, timeout: float | None, fetch_local: bool = True
    ) -> tuple[list[Any], list[Any]]:
        """Wait for some; see `Engine.wait`."""
        mine = [self._awaited(ref) for ref in refs]
        deadline = None if timeout is None else monotonic() + timeout

        def enough() -> bool:
            found = 0
            for ref in mine:
                found += ref.blob is not None
                if found == num_returns:
                    return True
            return False

        if not enough():
            self._before_lead()
            with self.waiting():
                self.loop.run_until(enough, deadline)
        settled = [ref for ref in mine if ref.blob is not None]
        ready = settled[:num_returns]
        taken = set(map(id, ready))
        return ready, [ref for ref in mine if id(ref) not in taken]

    def _awaited(self, ref: Waitable) -> "Ref[Any] | Generator[Any]":
        if isinstance(ref, Generator) and ref.engine is self:
            return ref
        return self._mine(ref)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Lend the cores of the calling task; see `Engine.waiting`."""
        self._before_wait()
        try:
            yield
        finally:
            self._after_wait()

    def awaited(self, ref: Ref[Any]) -> abc.Generator[Any, None, Any]:
        """Wait for a value as ``await`` does."""
        return awaited(self, ref)

    def give_up(self, ref: Ref[Any]) -> None:
        """Nobody awaits a value any more: if it is a coroutine's of an actor, that is cancelled."""
        with self.lock:
            self._actors.take(self._told)
            self._actors.give_up(ref)

    # Hooks of a worker, which gives its cores away while a task of its waits.

    def _before_wait(self) -> None:
        pass

    def _after_wait(self) -> None:
        pass

    def _work(self) -> object:
        """What this thread works on for somebody else."""
        return None

    # --------------------------------------------------------------------------------------- tasks

    def submit(
        self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: TaskOptions
    ) -> list[Any]:
        """Start a task; see `Engine.submit`."""
        if function.definition.id not in self._functions:
            self.meet(function.definition)
        latest, plain = self._latest
        if options is not latest:
            plain = self._meet_options(options.name or function.name, options)
        if self._over is not None:
            self._check_alive()
        if args or kwargs:
            blob = _arguments(args, kwargs)
            inputs = self._inputs(blob, args, kwargs) if blob.refs else ()
        else:
            blob, inputs = NONE, ()
        given: list[Any]
        refs: list[Ref[Any]]
        # Nothing here takes the lock: most tasks are submitted in a burst, and queued together.
        if plain and (blob is NONE or is_small(blob)):
            ref: Ref[Any] = Ref(self, self.id, next(self._numbers))
            given = [ref]
            self._submitted.append((function, options, self._work(), blob, ref))
        else:
            if options.num_returns == 1:
                refs = given = [Ref(self, self.id, next(self._numbers))]
            else:
                refs, given = self._returned(options, function.name)
            if self._tasks.times is not None:
                self._tasks.note(refs[0].number, 0)
            self._submitted.append(Task(function, blob, options, refs, inputs, self._work()))
        if not self.loop.help():
            self.take_submitted()
        return given

    def _meet_options(self, task: str, options: TaskOptions) -> bool:
        """See options for the first time, or again; tell whether tasks with them are plain."""
        with self.lock:
            self._tasks.meet(task, options.shape)
        plain = is_plain(options) and self._tasks.times is None
        self._latest = options, plain
        return plain

    def actor(
        self, cls: ActorType, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: ActorOptions
    ) -> ActorRef:
        """Start an actor; see `Engine.actor`."""
        blob = _arguments(args, kwargs)
        inputs = self._inputs(blob, args, kwargs)
        wanted, env = self._demanded(cls.name, options.shape)
        made = to_blob(cls)
        named = _entry(self.namespace if options.namespace is None else options.namespace, options.name, made)
        lasts = (options.max_restarts, options.lifetime == "detached")
        answer: list[Message] = []

        def accepted(message: Message) -> None:
            # The first answer says whether the name was free, the second that there is a worker.
            answer.append(message)
            if message[0] == "accepted":
                self._requests[message[1]] = partial(self._actors.found, actor)
            elif message[0] == "taken":
                self._actors.refused(actor)

        reads, holds = new_tether()
        tether = self._new_tether(actor := self._new_actor(), holds)
        name = ActorName(actor, cls.name, Terms.of(cls), tether, self)
        with self.lock:
            self._check_alive()
            call = Call(name, "__init__", blob, self.new_refs(1), _NO_OPTIONS, self._work(), (), made)
            self._actors.making(call)
            self.request(("actor",), actor, wanted, *named, env, *lasts, reply=accepted, fds=(reads,))
        if options.name:
            self.loop.run_until(lambda: answer)
            if answer[0][0] == "taken":
                raise ActorAlreadyExistsError(options.name)
        with self.lock:
            self._check_alive()
            self._actors.make(actor, inputs)
        return name

    def _demanded(self, actor: str, shape: Shape) -> tuple[dict[str, float], Frozen]:
        """Give what to ask the node for, for an actor; errors as of `Tasks.add`."""
        if why := refusal(self.machine, shape):
            raise ActorUnschedulableError(actor, why)
        wanted = amounts(self.machine, shape)
        if not limit(self.machine, wanted):
            warn_of(self.machine, f"the actor {actor}", wanted)
        return wanted, checked(actor, shape.env)

    def _new_actor(self) -> bytes:
        with self.lock:
            self._check_alive()
            self._actors_made += 1
            return self._maker + self._actors_made.to_bytes(8, "big")

    def tell(
        self,
        actor: ActorRef,
        method: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: MethodOptions,
    ) -> list[Any]:
        """Call a method of an actor; see `Engine.tell`."""
        blob = _arguments(args, kwargs) if args or kwargs else NONE
        inputs = self._inputs(blob, args, kwargs) if blob.refs else ()
        if self._over is not None:
            self._check_alive()
        if options.num_returns == 1 and actor.terms.most_pending <= 0:
            # As with tasks, nothing here takes the lock.
            refs: list[Any] = [Ref(self, self.id, next(self._numbers))]
            self._told.append(Call(actor, method, blob, refs, options, self._work(), inputs))
            if not self.loop.help():
                self.take_submitted()
            return refs
        with self.lock:
            self._actors.take(self._told)
            refs, given = self._returned(options, f"{actor.cls_name}.{method}")
            self._actors.call(Call(actor, method, blob, refs, options, self._work(), inputs))
        self.loop.help()
        return given

    def _returned(self, options: TaskOptions | MethodOptions, name: str) -> tuple[list[Ref[Any]], list[Any]]:
        """Make what a task settles, and what people get for it. The lock is held."""
        count = options.num_returns
        if count == "streaming":
            refs = self.new_refs(STREAM)
            return refs, [self.streams.open(self, refs, options.name or name, options.backpressure)]
        refs = self.new_refs(1 if count == "dynamic" else count or 1)
        return refs, list(refs) if count else []

    def find(self, name: str, namespace: str | None) -> tuple[ActorRef, ActorType]:
        """Give the living actor of that name; see `Engine.find`."""
        space = (self.namespace if namespace is None else namespace, name)
        message = self._ask(("find",), space)
        if message[0] == "unknown":
            raise ValueError(f"no living actor is named {name!r}; {suggest(name, message[2])}")
        _, _, actor, data, end = message
        cls = Blob(BODY, data).load()
        tether = self.keep_tether(actor, self._new_tether(actor, end))
        return ActorName(actor, cls.name, Terms.of(cls), tether, self), cls

    def kill(self, actor: ActorRef, *, no_restart: bool) -> None:
        """End an actor at once; see `Engine.kill`."""
        actor.check(self)
        with self.lock:
            self._check_alive()
            self._actors.take(self._told)
            self.tell_node(("kill", None, actor.id, no_restart))
            if no_restart:
                self._actors.killed(actor.id)
        self.loop.drain()

    def cancel(self, ref: ObjectRef[Any], *, force: bool, recursive: bool) -> None:
        """Ask a task to end; see `Engine.cancel`."""
        mine = self._mine(ref)
        with self.lock:
            if mine.blob is None:
                self._cancel(mine.owner, mine.number, force=force, recursive=recursive)
        self.loop.drain()
        self.loop.wake()

    def cluster(self) -> Cluster:
        """Tell what there is; see `Engine.cluster`."""
        with self.lock:
            self._tasks.give_back_idle()  # which nobody holds, but for us
        _, _, total, free = self._ask(("cluster",))
        host = gethostname()
        node = {
            "NodeID": self.machine.node_id,
            "Alive": True,
            "alive": True,
            "NodeManagerAddress": "127.0.0.1",
            "NodeManagerHostname": host,
            "NodeName": host,
            "Resources": total,
            "Labels": dict(self.machine.labels),
        }
        return Cluster(total=total, available=free, nodes=[node])

    def context(self) -> Context:
        """Tell where the calling thread runs; see `Engine.context`."""
        job = self._maker[:4].hex()
        return Context(job=job, node=self.machine.node_id, worker=self._maker.hex(), namespace=self.namespace)

    def assigned(self) -> Mapping[str, float]:
        """Give what the calling task holds; see `Engine.assigned`."""
        held: Mapping[str, float] = self._ask(("held",))[2]
        return held

    def is_canceled(self) -> bool:
        """Tell whether the calling task was cancelled; see `Engine.is_canceled`."""
        return False

    def timeline(self) -> list[dict[str, Any]]:
        """Tell what ran where and when; see `Engine.timeline`."""
        return events(self._ask(("trace",))[2])

    def memory(self) -> Usage:
        """Tell what this process holds of its session's memory."""
        return here.usage()

    # ------------------------------------------------------------------------------------- the end

    def close(self) -> None:
        """Leave the session; see `Engine.close`."""
        with self.lock:
            self._end("the session was shut down")
        self.loop.close()
        self.loop.drain()
        share, self._share = self._share, None
        if share is not None:
            here.leave(share)


def _arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Blob:
    try:
        return to_arguments(args, kwargs)
    except TypeError:
        for name, value in (*enumerate(args, 1), *kwargs.items()):
            to_blob(value, f"argument {name}")  # raises the same with a better name
        raise
    except (ObjectStoreFullError, OutOfDiskError) as error:
        size, name = max(
            (size_of(value), str(name)) for name, value in (*enumerate(args, 1), *kwargs.items())
        )
        raise type(error)(f"argument {name} of {size:,} bytes", error.why) from error


def _entry(namespace: str, name: str | None, made: Blob) -> tuple[tuple[str, str] | None, bytes]:
    """What the node keeps of a named actor, for those who look for it."""
    if name is None:
        return None, b""
    if made.refs or made.kind != BODY:
        raise TypeError(f"the class of the actor {name!r} holds data or references: give those to __init__")
    return (namespace, name), made.data
