"""A worker process: runs tasks, or is one actor. It owns what its tasks ask for, like any process.

The main thread runs users' code; when it has none it reads the sockets itself. While it is busy, the
background thread of the loop takes orders, sends results that are ready, and gives back tasks that
would have to wait behind a long one.
"""

import ctypes
import inspect
import logging
import os
import signal
import socket
import sys
import threading
import traceback
import warnings
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from itertools import chain
from operator import attrgetter
from pathlib import Path
from time import monotonic
from types import CoroutineType
from typing import TYPE_CHECKING, Any, NoReturn

from ..._core._gates import gate
from ...errors import ActorDiedError, TaskCancelledError
from .. import _session
from .._engine import ActorExit, Context
from .._errors import pack_error, pack_task_error
from .._remote import ActorType, Definition, learn
from ._engine import Embedded
from ._handles import ActorName, Terms
from ._machine import Machine
from ._output import Voice
from ._peers import Peer
from ._producers import GENERATORS, Producers, Yields
from ._resident import Resident, settle_in, working_on
from ._series import Series
from ._streams import STREAM
from ._tally import Tally
from ._timeline import LEAST, RECORDED, Span
from ._values import ERROR, NONE, SEGMENT, Blob, Ref, arguments_of, to_blob
from ._wire import Descriptor, Message
from ._work import BUFFER, InputError, Results, Work, explained, split, stillborn

if TYPE_CHECKING:
    import asyncio

    from ._leases import Returned

__all__ = ["Worker", "main"]

_SHORT = 0.00005  # s of a task in which nobody can have said anything about the next
_LONG = 0.004  # s after which a task counts as long
_OF_BURST = 4  # entries of a row that is a burst, and not one task
_SIGNAL_OF_PARENT_DEATH = 1  # PR_SET_PDEATHSIG


class Worker(Embedded):
    """The engine of a worker process, and its main loop."""

    def __init__(self, control: socket.socket, machine: Machine, namespace: str, maker: bytes) -> None:
        super().__init__(control, machine, namespace=namespace, maker=maker)
        self._inbox: deque[Work | Series] = deque()
        self._series: Series | None = None  # the one whose tasks are run
        self._results: dict[Peer, Results] = {}
        self._current: Work | None = None
        self._started = 0.0
        self._named = ""  # of the task whose name stands before what is written
        self._in_body = False
        self._interrupted: Work | None = None  # the work that is to be interrupted
        self._felled: Work | None = None  # the work whose children are cancelled with it
        self._waiting = False  # the current task waits for others
        self._exiting = False  # it ends when nobody needs it
        self._leaving = False  # it runs nothing more, and ends when nobody needs what it owns
        self._quitting = False  # it ends now, whatever there is still to do
        self._calls: dict[bytes, int] = {}  # of functions whose calls are counted: how many are left
        self._actor_id: bytes | None = None
        self._actor: Any = None
        self._actor_type: ActorType | None = None
        self._restarted = False
        self._names: dict[str, str] = {}  # of its methods, for people
        self._early: list[Work] = []  # calls that came before the actor was made
        self._resident: Resident | None = None  # what runs its calls, unless that is the main loop
        self._coroutines: asyncio.Runner | None = None
        self._producers = Producers(self)
        self._voice = Voice(maker[:4])
        self._ran: deque[Span] = deque(maxlen=RECORDED)
        self._least = LEAST
        self._main = threading.get_ident()
        self.loop.shield.stay(self._on_interrupt)

    # ------------------------------------------------------------------------------------ main loop

    def serve(self) -> None:
        """Run what comes until there will be nothing more."""
        while True:
            if not self._inbox:
                self.loop.run_until(self._has_next)
            with self.lock.bare:  # outside of bodies no signal raises anything here
                if not self._has_next():
                    continue  # the background thread has just given it back
                if self._quitting or not self._inbox:
                    self._flush()
                    break
                self._take_next()
            # Nothing here may hold the work while we wait for the next: its arguments may be large.
            if self._series is not None:
                self._run_series(self._series)
            elif self._current is not None:
                self._be_named(self._current)
                self._run(self._current)
        self.loop.run_until(self._is_sent)

    def _take_next(self) -> None:
        first = self._inbox[0]
        if isinstance(first, Series):
            self._series = first  # it stays there as long as there is something left of it
        else:
            self._current, self._started = first, monotonic()
            del self._inbox[0]

    def _has_next(self) -> object:
        return self._inbox or self._quitting or ((self._exiting or self._leaving) and self._free())

    def _is_sent(self) -> bool:
        return not (self._control.blocked or any(peer.channel.blocked for peer in self.peers.values()))

    def _be_named(self, work: Work | Series) -> None:
        """Write under the name of a task from now on; an actor keeps that of its class."""
        if work.is_task and work.name is not self._named:
            self._named = work.name
            given = work.name != work.what.name
            self._voice.become(work.name if given else work.name.rpartition(".")[2], self._started)

    def _run(self, work: Work) -> None:
        blobs = self.outcome(work)
        gate("task.finished")
        if not self._inbox:  # before the result is sent, for then the session may end
            self._voice.flush()
        with self.lock.bare:
            self._current = self._interrupted = self._felled = None
            now = monotonic()
            seconds = now - self._started
            if seconds >= self._least:
                self._ran.append((work.name, work.peer.id, work.number, self._started, now, 0))
            self._finished(work, blobs, seconds, now)
            if self._calls and work.is_task:
                self._count_call(work.what.id)
            if self._inbox and (work.is_task or seconds > _SHORT):
                self.hear()  # that the next is cancelled, by who then let this one go
            if not self._inbox:
                self._tasks.give_back_idle()

    def _run_series(self, series: Series) -> None:
        """Run tasks one after the other, as long as they are not given back."""
        self._be_named(series)
        now = since = monotonic()
        while series:
            # First this, then those: who cancels a task, or takes it away, does it the other way round.
            self._current = work = Work(
                series.peer, series.number, series.what, 1, NONE, series.name, self._run_task, True
            )
            self._started = now
            args = series.next()
            if args is None:
                break
            work.args = args
            cancelled = series.cancelled and work.number in series.cancelled
            series.values.append((self.cancelled(work) if cancelled else self.outcome(work))[0])
            gate("task.finished")
            now = monotonic()
            seconds = now - self._started
            series.seconds += seconds
            if seconds >= self._least:
                self._ran.append((work.name, work.peer.id, work.number, self._started, now, 0))
            if seconds > _SHORT:
                with self.lock.bare:
                    self.hear()
            if now - since > BUFFER:
                with self.lock.bare:
                    self._flush()
                since = now
        self._end_series(series)

    def _end_series(self, series: Series) -> None:
        if len(self._inbox) <= 1:
            self._voice.flush()
        with self.lock.bare:
            self._current = self._interrupted = self._felled = None
            if self._inbox and self._inbox[0] is series:
                self._inbox.popleft()
            results = self._collect(series)
            self._series = None
            if not (self._inbox and self._inbox[0].what == series.what and results.is_young(monotonic())):
                self._flush()
            if not self._inbox:
                self._tasks.give_back_idle()

    def _collect(self, series: Series) -> Results:
        """Put the values that a series has so far with the other results."""
        results = self._results_for(series.peer)
        number, blobs, seconds = series.collect()
        if blobs:
            encoded: list[Message] = [()]
            if any(blob is not NONE for blob in blobs):
                encode, peer = self.parcels.encode, series.peer
                encoded = [encode(peer, blob, results.fds, hand_over=True) for blob in blobs]
            results.bursts.append((series.first, number, len(blobs), encoded))
            results.seconds += seconds
        return results

    def _results_for(self, peer: Peer) -> Results:
        results = self._results.get(peer)
        if results is None:
            results = self._results[peer] = Results(monotonic(), [], [], [])
        return results

    def _count_call(self, function: bytes) -> None:
        """End soon, if that was the last call of a function that this process may run."""
        if function not in self._calls:
            return
        self._calls[function] -= 1
        if not self._calls[function]:
            self._flush()
            self._give_back()
            self._leaving = True
            self.tell_node(("leaving",))
            for peer in self.peers.values():
                self.send(peer, ("leaving",))

    def outcome(self, work: Work) -> list[Blob]:
        """Run the body; whatever happens in it is a value or an error."""
        try:
            try:
                gate("task.started")
                return work.run(work)
            except KeyboardInterrupt:
                raise
            except BaseException as raised:  # also SystemExit: a task does not end its worker
                return self.failed(raised, work)
        except KeyboardInterrupt:
            self._in_body = False
            if self._felled is work:
                with self.lock:
                    self._cancel_children(work)
            return self.cancelled(work)
        finally:
            self._in_body = False

    def cancelled(self, work: Work) -> list[Blob]:
        """Give the error of a work that was cancelled."""
        return work.fail(Blob(ERROR, pack_error(TaskCancelledError(work.name))))

    def failed(self, raised: BaseException, work: Work) -> list[Blob]:
        """Give the error of a body that has raised."""
        if isinstance(raised, InputError):
            return work.fail(raised.blob)
        if isinstance(raised, ActorExit) and self._actor_type is not None:
            return work.fail(self._leave(ActorDiedError(self._actor_type.name, "it left by exit_actor()")))
        blob = Blob(ERROR, pack_task_error(explained(raised), work.name))
        return work.stream.spoilt(blob) if work.stream is not None else work.fail(blob)

    def ran(self, work: Work) -> None:
        """Take note of a call that ran beside others, for the timeline, and write its last words."""
        self._voice.flush()
        now = monotonic()
        if now - work.started >= self._least:
            span = (work.name, work.peer.id, work.number, work.started, now, threading.get_native_id())
            self._ran.append(span)

    def finish(self, results: list[tuple[Work, list[Blob]]]) -> None:
        """Send results of calls that ran at once; the lock is held."""
        now = monotonic()
        for work, blobs in results:
            self._keep(work, blobs, 0.0, now)
        self._flush()
        if self._exiting or self._leaving:  # which may have waited for these
            self.loop.wake()

    def _keep(self, work: Work, blobs: list[Blob], seconds: float, now: float) -> Results:
        results = self._results_for(work.peer)
        results.items.append((work.number, self._encoded(work, blobs, results.fds)))
        results.seconds += seconds
        return results

    def _encoded(self, work: Work, blobs: list[Blob], fds: list[Descriptor]) -> list[Message]:
        peer = work.peer
        encoded = [self.parcels.encode(peer, blob, fds, hand_over=True) for blob in blobs]
        # A large value, or one that holds references, would be kept alive by this.
        small = blobs[0].kind != SEGMENT and not blobs[0].refs
        peer.latest = (work.number, blobs[0]) if small else None
        if peer.making and (ref := peer.making.pop(work.number, None)) is not None:
            self.settle(ref, blobs[0])
        return encoded

    def _finished(self, work: Work, blobs: list[Blob], seconds: float, now: float) -> None:
        if not (self._inbox or self._results):  # nothing to wait for, and nothing that waits
            fds: list[Descriptor] = []
            items = [(work.number, self._encoded(work, blobs, fds))]
            gate("results.sending")
            self.send(work.peer, ("result", items, seconds, ()), fds)
            gate("results.sent")
            return
        results = self._keep(work, blobs, seconds, now)
        # Results wait for others only if the next will be there soon, as those of its function were.
        waits = self._inbox and self._inbox[0].what == work.what and results.is_young(now)
        if not waits:
            self._flush()

    def _flush(self) -> None:
        if self._series is not None and self._series.values:
            self._collect(self._series)
        while self._results:
            self._send_results(next(iter(self._results)))

    def _send_results(self, peer: Peer) -> None:
        results = self._results.pop(peer)
        gate("results.sending")
        self.send(peer, ("result", results.items, results.seconds, results.bursts), results.fds)
        gate("results.sent")

    def send(self, peer: Peer, message: Message, fds: Sequence[Descriptor] = ()) -> None:
        """Send a message behind the results that wait to go there, which may lend what it settles."""
        if peer in self._results:
            self._send_results(peer)
        super().send(peer, message, fds)

    # ---------------------------------------------------------------------------------------- bodies

    def _run_task(self, work: Work) -> list[Blob]:
        return self._called(work.what.target, work)

    def _run_method(self, work: Work) -> list[Blob]:
        self._name(work)
        return self._called(getattr(self._actor, work.what), work)

    def _name(self, work: Work) -> None:
        if work.name is work.what:
            name = self._names.get(work.what)
            if name is None:
                name = self._names[work.what] = f"{type(self._actor).__name__}.{work.what}"
            work.name = name

    def call(self, work: Work) -> Any:
        """Call a method of the actor; gives what it gives, which may be a coroutine."""
        self._name(work)
        args, kwargs = self._arguments(work)
        return getattr(self._actor, work.what)(*args, **kwargs)

    def packed(self, value: Any, work: Work) -> list[Blob]:
        """Pickle what a body has given."""
        if work.returns == 1:
            return [to_blob(value)]
        return [to_blob(item) for item in split(value, work)] if work.returns else [NONE]

    def _called(self, function: Callable[..., Any], work: Work) -> list[Blob]:
        if work.stream is not None and work.stream.stopped:  # nobody wants it any more
            return work.stream.blobs()
        args, kwargs = ((), {}) if work.args is NONE else self._arguments(work)
        gate("task.unpickled")
        self._in_body = True
        if self._interrupted is work:  # it was cancelled while its arguments were unpickled
            raise KeyboardInterrupt
        value = function(*args, **kwargs)
        if value.__class__ is CoroutineType:
            value = self._run_coroutine(value)
        self._in_body = False
        if value is None and work.returns == 1 and work.stream is None:
            return [NONE]
        del args, kwargs
        if work.stream is not None or value.__class__ in GENERATORS:
            return self._yielded(value, work)
        return self.packed(value, work)

    def _arguments(self, work: Work) -> tuple[Sequence[Any], dict[str, Any]]:
        args, kwargs = arguments_of(work.args)
        if work.args.refs:
            for ref in (*args, *kwargs.values()):
                if isinstance(ref, Ref) and ref.blob is not None and ref.blob.kind == ERROR:
                    raise InputError(ref.blob)
            args = [self._value(arg) for arg in args]
            kwargs = {name: self._value(arg) for name, arg in kwargs.items()}
        return args, kwargs

    def taker(self, value: Any, work: Work) -> Yields | None:
        """Give what takes the values that a body's value yields; None if it is a value itself."""
        if work.stream is None and value.__class__ in GENERATORS:
            work.stream = self._producers.fill(work.peer, work.number, work.name, work.returns)
        return work.stream

    def _yielded(self, values: Any, work: Work) -> list[Blob]:
        """Run a generator; what it yields is on its way before it ends."""
        taker = self.taker(values, work)
        assert taker is not None
        if isinstance(values, AsyncIterator):
            self._in_body = True
            self._run_coroutine(taker.run_async(values))
            self._in_body = False
        else:
            taker.run(values, self)
        return taker.blobs()

    def enter(self) -> None:
        """Run the user's code from here on; see `Body`."""
        self._in_body = True
        if self._interrupted is not None and self._interrupted is self._current:
            raise KeyboardInterrupt

    def leave(self) -> None:
        """Run our own again."""
        self._in_body = False

    def _value(self, arg: Any) -> Any:
        return arg.blob.load() if isinstance(arg, Ref) and arg.blob is not None else arg

    def _run_coroutine(self, coroutine: Any) -> Any:
        import asyncio  # here, for it takes as long to import as all of the engine

        if threading.get_ident() != self._main:
            return asyncio.run(coroutine)
        if self._coroutines is None:
            self._coroutines = asyncio.Runner()
        try:
            return self._coroutines.run(coroutine)
        except KeyboardInterrupt:
            runner, self._coroutines = self._coroutines, None
            runner.close()  # which ends what the interrupted one has left behind
            raise

    # ------------------------------------------------------------------------------------- the actor

    def _make_actor(self, actor: bytes, made: Blob, restarts: int) -> Callable[[Work], list[Blob]]:
        def make(work: Work) -> list[Blob]:
            cls = made.load()
            assert isinstance(cls, ActorType)
            work.name = f"{cls.name}.__init__"
            self._actor_id, self._actor_type, self._restarted = actor, cls, restarts > 0
            self._voice.become(cls.name.rpartition(".")[2], monotonic())
            try:
                args, kwargs = arguments_of(work.args)
                gate("actor.making")
                self._actor = cls.target(
                    *[self._value(a) for a in args], **{k: self._value(v) for k, v in kwargs.items()}
                )
            except BaseException as raised:  # the actor is dead before it lived, and every call says why
                return [self._leave(stillborn(cls, raised))]
            self._begin(cls)
            return [NONE]

        return make

    def _begin(self, cls: ActorType) -> None:
        """The actor is there: its calls may run."""
        with self.lock:
            self._resident = settle_in(self, cls)
            early, self._early = self._early, []
            self._take_calls(early)
            if cls.options.lifetime == "detached":
                self.tell_node(("made",))

    def _leave(self, error: ActorDiedError) -> Blob:
        """End this actor for good; give the error of whoever asks for it from now on."""
        packed = pack_error(error)
        with self.lock:
            self._quitting = True
            self.tell_node(("ending", packed))
        self.loop.wake()
        return Blob(ERROR, packed)

    def keep_tether(self, actor: bytes, tether: Ref[Any]) -> Ref[Any] | None:
        """An actor that has a handle of its own does not keep itself alive."""
        return None if actor == self._actor_id else super().keep_tether(actor, tether)

    # ---------------------------------------------------------------------------------------- orders

    def _on_message(self, peer: Peer, message: Message, fds: list[Descriptor]) -> None:
        if message[0] == "push" or message[0] == "calls":  # a set takes longer than both
            self._on_work(peer, message, fds)
        else:
            super()._on_message(peer, message, fds)

    def _on_work(self, peer: Peer, message: Message, fds: list[Descriptor]) -> None:
        """Take an order of another process; the lock is held."""
        match message[0]:
            case "push" if self._leaving:  # it was on its way when we said so, or before whoever lent us knew
                self.send(peer, ("leaving",))
            case "push":
                for row in message[1]:
                    if len(row) == _OF_BURST:
                        first, key, args, name = row
                        what = peer.taught[key]
                        self._inbox.append(Series(peer, what, name or what.name, first, args))
                        continue
                    number, key, returns, args, name, ahead = row
                    blob = self.parcels.decode(peer, args, fds) if args else NONE
                    if ahead and not self._makes(peer, ahead):
                        self.send(peer, ("unknown", [number]))
                        continue
                    what = peer.taught[key]
                    name = name or what.name
                    work = Work(peer, number, what, returns, blob, name, self._run_task, True)
                    if returns.__class__ is not int:
                        self._open_stream(work, returns)
                    self._inbox.append(work)
                if self._waiting:
                    self._give_back()
            case "ship":
                definition: Definition = learn(self.parcels.decode(peer, message[1], fds).load())
                peer.taught[definition.id] = definition
                if message[2]:
                    self._calls.setdefault(definition.id, message[2])
            case "forget":
                peer.taught.pop(message[1], None)
                self._calls.pop(message[1], None)
            case "make":
                _, number, actor, args, made, restarts = message
                blob = self.parcels.decode(peer, args, fds)
                run = self._make_actor(actor, self.parcels.decode(peer, made, fds), restarts)
                self._inbox.append(Work(peer, number, "__init__", 1, blob, "__init__", run, False))
            case "calls":
                self._take_calls([self._as_work(peer, call, fds) for call in message[1]])
            case "taken":
                self._producers.took(peer, message[1], message[2])
            case "stop":
                self._producers.stop(peer, message[1])
            case "cancel":
                self._producers.stop(peer, message[1])
                self._cancel_work(peer, message[1], recursive=message[2], force=message[3])
            case "unwanted":
                self._give_up_work(peer, message[1])
            case other:
                raise ValueError(f"unknown order {other!r}")

    def _open_stream(self, work: Work, terms: Any) -> None:
        work.stream = self._producers.open(work.peer, work.number, work.name, terms)
        work.returns = STREAM if terms != "dynamic" else 1

    def _makes(self, peer: Peer, number: int) -> bool:
        """Whether a value that a task needs is being made here, or has been just now."""
        if peer.latest is not None and peer.latest[0] == number:
            self.settle(peer.making.pop(number), peer.latest[1])
            return True
        current = self._current if self._series is None else None  # what follows a burst comes too late
        for work in chain(reversed(self._inbox), (current,)):
            if isinstance(work, Work) and work.number == number and work.peer is peer:
                return True
        peer.making.pop(number, None)
        return False

    def _as_work(self, peer: Peer, call: Message, fds: list[Descriptor]) -> Work:
        number, method, returns, args, group, name = call
        blob = self.parcels.decode(peer, args, fds) if args else NONE
        work = Work(peer, number, method, returns, blob, name or method, self._run_method, False, group)
        if returns.__class__ is not int:
            self._open_stream(work, returns)
        return work

    def _take_calls(self, works: list[Work]) -> None:
        """Put calls of the actor in their place; whoever made the actor comes first."""
        if self._actor is None:
            self._early += works
        elif self._resident is not None:
            self._resident.take(works)
        else:
            self._inbox += works

    def _on_order(self, message: Message, fds: list[Descriptor]) -> None:
        match message[0]:
            case "retire":  # the node has more idle workers than it needs
                if self._free() and message[1] == self._actors_made:
                    self._exiting = True
                elif not self._leaving:
                    self.tell_node(("stay",))
            case "exit":  # nobody is left who could call this actor
                self._exiting = True
            case _:
                super()._on_order(message, fds)

    def facts(self) -> dict[str, Any]:
        """Say what this process does; see `Hub.facts`."""
        current = self._current
        found = super().facts()
        beside = [] if self._resident is None else self._resident.works()
        running = sorted((work for work in beside if work.started), key=attrgetter("started"))
        found["behind"] = len(self._inbox) + len(self._early) + len(beside) - len(running)
        if self._actor is not None:
            found["actor"] = type(self._actor).__name__
        if current is not None:
            found |= {"running": current.name, "since": self._started, "at_once": 1}
        elif running:
            found |= {"running": running[0].name, "since": running[0].started, "at_once": len(running)}
        return found

    def record(self) -> None:
        """Keep everything from now on; see `Hub.record`."""
        super().record()
        self._least = 0.0

    def trace(self) -> tuple[list[Any], list[Any]]:
        """Give what ran here, and what is known of our own tasks; see `Hub.trace`."""
        return list(self._ran), super().trace()[1]

    def _free(self) -> bool:
        """Tell whether nobody needs this process: it has no work, and all that it has said has gone out."""
        needed = any(peer.lending for peer in list(self.peers.values()))
        works = self._inbox or self._early or self._current or (self._resident and self._resident.busy)
        owns = self._submitted or self._told or self._tasks.pending or self._actors.busy
        return self._is_sent() and not (needed or works or owns)

    def _cancel_work(self, peer: Peer, number: int, *, recursive: bool, force: bool = False) -> None:
        for series in self._inbox:
            if isinstance(series, Series) and series.peer is peer:
                series.cancel(number)
        work = self._find(peer, number)
        if work is None:
            return
        work.cancelled = True
        if force and work.is_task and work is self._current:
            self._flush()
            os.kill(os.getpid(), signal.SIGKILL)
        if recursive:
            self._felled = work if work is self._current else self._felled
            self._cancel_children(work)
        if work is self._current:
            if work.is_task:
                self._interrupted = work
                signal.pthread_kill(self._main, signal.SIGINT)
        elif self._resident is not None and work not in self._early:
            if self._resident.cancel(work):
                self.finish([(work, self.cancelled(work))])
        else:
            (self._early if work in self._early else self._inbox).remove(work)
            self._finished(work, self.cancelled(work), 0.0, monotonic())

    def _find(self, peer: Peer, number: int) -> Work | None:
        """Give the work that somebody calls by that number, if it has no result yet."""

        def matches(work: Work) -> bool:
            return work.peer is peer and work.number == number

        if (current := self._current) is not None and matches(current):
            return current
        known = None if self._resident is None else self._resident.find(matches)
        waiting = [work for work in self._inbox if isinstance(work, Work)]
        return known or next(filter(matches, (*waiting, *self._early)), None)

    def _give_up_work(self, peer: Peer, number: int) -> None:
        """Whoever awaited that call was cancelled: so is a coroutine, and nothing else."""
        work = self._find(peer, number)
        if work is not None and inspect.iscoroutinefunction(getattr(self._actor, work.what, None)):
            self._cancel_work(peer, number, recursive=True)

    def _cancel_children(self, parent: Work) -> None:
        """Cancel what a task has submitted. What it submits until it is interrupted comes after that."""
        self.take_submitted()
        self._tasks.cancel_children(parent)
        self._actors.cancel_children(parent)

    def _on_interrupt(self, *_: object) -> None:
        if self._in_body and self._current is not None and self._current is self._interrupted:
            self._interrupted = None
            raise KeyboardInterrupt

    # -------------------------------------------------------------------------------- while it is busy

    def _give_back(self, *, waits: bool = False) -> None:
        """Let others run what we have not started. Calls of an actor stay: only it can run them.

        Whoever asked for what we run hears that it waits, also if there is nothing to be given back.
        """
        returned: dict[Peer, list[Returned]] = {}
        if waits and self._current is not None and self._current.is_task:
            returned[self._current.peer] = []
        for work in [work for work in self._inbox if work.is_task]:
            self._inbox.remove(work)
            if isinstance(work, Series):
                if (rest := work.give_back()) is not None:
                    returned.setdefault(work.peer, []).append(rest)
                continue
            work.peer.making.pop(work.number, None)
            returned.setdefault(work.peer, []).append(work.number)
        for peer, numbers in returned.items():
            self.send(peer, ("givenback", numbers, waits))

    def _on_idle(self) -> float | None:
        left, late = super()._on_idle(), self._producers.on_idle()
        if late is not None and (left is None or late < left):
            left = late
        if (self._inbox or self._results) and self._is_short():
            left = _LONG if left is None else min(left, _LONG)
        return left

    def _is_short(self) -> bool:
        """Tell whether what runs may be short; else send what is done, and give back what is not begun."""
        with self.lock.bare:
            # With an inbox and nothing current, the main thread is just about to take what is first.
            if self._current is None or monotonic() - self._started < _LONG:
                return True
            self._flush()
            self._give_back()
        return False

    def _before_wait(self) -> None:
        if self._resident is not None and self._resident.blocks():
            warnings.warn(
                "get() or wait() in a coroutine stops all others of its actor: use `await ref`",
                RuntimeWarning,
                stacklevel=5,  # whoever called it
            )
        if threading.get_ident() == self._main and self._current is not None:
            with self.lock:
                self._waiting = True
                self._flush()
                self._give_back(waits=True)
                self.tell_node(("blocked",))

    def _after_wait(self) -> None:
        if threading.get_ident() == self._main and self._current is not None:
            with self.lock:
                self._waiting = False
                self.tell_node(("unblocked",))

    def _work(self) -> Work | None:
        return self._current if threading.get_ident() == self._main else working_on.get()

    def context(self) -> Context:
        """Tell where the calling thread, or asyncio task, runs; see `Engine.context`."""
        work, actor, cls = self._work(), self._actor_id, self._actor_type
        task = actor_id = me = None
        if work is not None:
            owner = self._maker[:4] + work.peer.id.to_bytes(4, "big")
            task = (owner + work.number.to_bytes(8, "big")).hex()
        if actor is not None and cls is not None:
            actor_id, me = actor.hex(), (ActorName(actor, cls.name, Terms.of(cls), None, self), cls)
        return replace(super().context(), task=task, actor=actor_id, me=me, restarted=self._restarted)

    def is_canceled(self) -> bool:
        """Tell whether the calling task was cancelled; see `Engine.is_canceled`."""
        work = self._work()
        return work is not None and work.cancelled

    def _on_peer_died(self, peer: Peer) -> None:
        """Forget what a dead process asked for; what runs for it is ended by the node."""
        self._results.pop(peer, None)
        self._producers.lost(peer)
        if self._series is not None and self._series.peer is peer:
            self._series.give_back()
        self._inbox = deque(work for work in self._inbox if work.peer is not peer)
        self._early = [work for work in self._early if work.peer is not peer]

    # ---------------------------------------------------------------------------------------- the end

    def close(self) -> NoReturn:
        """Refuse: a task cannot end the session that it runs in."""
        _session.set_default(self)
        raise RuntimeError("shutdown() inside a task: only the program that called init() ends the session")

    def _on_node_lost(self) -> None:
        os._exit(1)  # the session is over; nobody waits for what we do

    def _on_error(self, error: BaseException) -> None:
        traceback.print_exception(error)
        self.tell_node(("failing", f"gave up ({type(error).__name__}: {error})"))
        os._exit(1)


def main(
    control: socket.socket,
    machine: Machine,
    namespace: str,
    maker: bytes,
    share: tuple[Tally, int, Path],
    *,
    timeline: bool,
    logging_level: int | None,
) -> None:
    """Be a worker of the node at the other end of `control`."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SIGNAL_OF_PARENT_DEATH, signal.SIGKILL)
    worker = Worker(control, machine, namespace, maker)
    worker.use_memory(*share)
    if timeline:
        worker.record()
    if logging_level is not None:
        logging.getLogger("alula").setLevel(logging_level)
    _session.set_default(worker)
    worker.loop.start()
    worker.serve()
    worker.tell_node(("traced", worker.trace()))
