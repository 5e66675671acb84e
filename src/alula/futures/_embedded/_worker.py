"""A worker process: runs tasks, or is one actor. It owns what its tasks ask for, like any process.

The main thread runs users' code; when it has none it reads the sockets itself. While it is busy, the
background thread of the loop takes orders, sends results that are ready, and gives back tasks that
would have to wait behind a long one.
"""

import asyncio
import ctypes
import inspect
import os
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Any

from ..._core._gates import gate
from ...errors import ActorDiedError, TaskCancelledError
from .. import _session
from .._errors import pack_error, pack_task_error
from .._remote import ActorType, known, learn
from ._engine import Embedded
from ._peers import Peer
from ._values import ERROR, Blob, Ref, to_blob
from ._wire import Message

__all__ = ["main"]

_LONG = 0.004  # s after which a task counts as long
_BUFFER = 0.001  # s for which finished results may wait for others
_SIGNAL_OF_PARENT_DEATH = 1  # PR_SET_PDEATHSIG


@dataclass(slots=True, eq=False)
class _Work:
    """A task, or a call of the actor's method, that somebody asked for."""

    peer: Peer
    number: int
    what: Any  # digest of the function, or name of the method
    returns: int
    args: Blob
    name: str | None
    run: Callable[["_Work"], list[Blob]]


@dataclass(slots=True)
class _Results:
    """Results on their way to one peer."""

    items: list[tuple[int, list[Message]]]
    fds: list[int]
    holding: list[Blob]  # so that the descriptors stay open until they are sent
    since: float
    seconds: float = 0.0


class Worker(Embedded):
    """The engine of a worker process, and its main loop."""

    def __init__(self, control: socket.socket, total: Mapping[str, float], namespace: str) -> None:
        super().__init__(control, total, namespace=namespace)
        self._inbox: deque[_Work] = deque()
        self._results: dict[Peer, _Results] = {}
        self._current: _Work | None = None
        self._started = 0.0
        self._in_body = False
        self._interrupt: int | None = None
        self._waiting = False  # the current task waits for others
        self._exiting = False
        self._actor: Any = None
        self._actor_error: Blob | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._coroutines: asyncio.Runner | None = None
        self._main = threading.get_ident()
        signal.signal(signal.SIGINT, self._on_interrupt)

    # ------------------------------------------------------------------------------------ main loop

    def serve(self) -> None:
        """Run what comes until there will be nothing more."""
        while True:
            self.loop.run_until(lambda: self._inbox or self._exiting)
            with self.lock:
                if not self._inbox:
                    return
                work = self._inbox.popleft()
                self._current, self._started = work, monotonic()
            if self._pool is not None:
                self._pool.submit(self._run_in_thread, work)
                self._current = None
            else:
                self._run(work)

    def _run(self, work: _Work) -> None:
        blobs = self._outcome(work)
        gate("task.finished")
        with self.lock:
            self._current = None
            now = monotonic()
            self._finished(work, blobs, now - self._started, now)
            if not self._inbox:
                self._tasks.give_back_idle()

    def _run_in_thread(self, work: _Work) -> None:
        blobs = self._outcome(work)
        with self.lock:
            self._finished(work, blobs, 0.0, 0.0)

    def _outcome(self, work: _Work) -> list[Blob]:
        """Run the body; whatever happens in it is a value or an error."""
        try:
            gate("task.started")
            return work.run(work)
        except KeyboardInterrupt:
            self._in_body = False
            error = Blob(ERROR, pack_error(TaskCancelledError(work.name or "the task")))
        except BaseException as raised:  # also SystemExit: a task does not end its worker
            self._in_body = False
            error = Blob(ERROR, pack_task_error(_explained(raised), work.name or str(work.what)))
        return [error] * work.returns

    def _finished(self, work: _Work, blobs: list[Blob], seconds: float, now: float) -> None:
        results = self._results.get(work.peer)
        if results is None:
            results = self._results[work.peer] = _Results([], [], [], now)
        encoded = [self.encode(work.peer, blob, results.fds) for blob in blobs]
        results.items.append((work.number, encoded))
        results.holding += blobs
        results.seconds += seconds
        if not self._inbox or now - results.since > _BUFFER or len(results.fds) > 100:
            self._flush()

    def _flush(self) -> None:
        for peer, results in self._results.items():
            self.send(peer, ("result", results.items, results.seconds), results.fds)
        self._results.clear()

    # ---------------------------------------------------------------------------------------- bodies

    def _run_task(self, work: _Work) -> list[Blob]:
        definition = known(work.what)
        work.name = work.name or definition.name
        return self._called(definition.target, work)

    def _run_method(self, work: _Work) -> list[Blob]:
        if self._actor_error is not None:
            return [self._actor_error] * work.returns
        work.name = f"{type(self._actor).__name__}.{work.what}"
        return self._called(getattr(self._actor, work.what), work)

    def _called(self, function: Callable[..., Any], work: _Work) -> list[Blob]:
        args, kwargs = work.args.load()
        if work.args.refs:
            for ref in (*args, *kwargs.values()):
                if isinstance(ref, Ref) and ref.blob is not None and ref.blob.kind == ERROR:
                    return [ref.blob] * work.returns
            args = tuple([self._value(arg) for arg in args])
            kwargs = {name: self._value(arg) for name, arg in kwargs.items()}
        self._in_body = True
        value = function(*args, **kwargs)
        if inspect.iscoroutine(value):
            value = self._run_coroutine(value)
        self._in_body = False
        del args, kwargs
        return [to_blob(item) for item in _split(value, work)]

    def _value(self, arg: Any) -> Any:
        return arg.blob.load() if isinstance(arg, Ref) and arg.blob is not None else arg

    def _run_coroutine(self, coroutine: Any) -> Any:
        if self._coroutines is None:
            self._coroutines = asyncio.Runner()
        return self._coroutines.run(coroutine)

    def _make_actor(self, made: bytes) -> Callable[[_Work], list[Blob]]:
        def make(work: _Work) -> list[Blob]:
            cls, concurrency = Blob(0, made).load()
            assert isinstance(cls, ActorType)
            work.name = f"{cls.name}.__init__"
            try:
                args, kwargs = work.args.load()
                self._actor = cls.target(
                    *[self._value(a) for a in args], **{k: self._value(v) for k, v in kwargs.items()}
                )
            except BaseException as raised:  # the actor is dead before it lived, and every call says why
                why = f"its __init__ raised {type(raised).__name__}: {raised}"
                error = ActorDiedError(cls.name, why)
                error.__cause__ = raised if isinstance(raised, Exception) else None
                self._actor_error = Blob(ERROR, pack_error(error))
                return [self._actor_error]
            if concurrency > 1:
                self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="alula-actor")
            return [to_blob(None)]

        return make

    # ---------------------------------------------------------------------------------------- orders

    def on_work(self, peer: Peer, message: Message, fds: list[int]) -> None:
        """Take an order of another process; the lock is held."""
        match message[0]:
            case "push":
                for number, digest, returns, args, name in message[1]:
                    blob = self.decode(peer, args, fds)
                    self._inbox.append(_Work(peer, number, digest, returns, blob, name, self._run_task))
                if self._waiting:
                    self._give_back()
            case "ship":
                learn(message[1])
            case "call":
                _, number, method, returns, args, made = message
                run = self._make_actor(made) if made is not None else self._run_method
                blob = self.decode(peer, args, fds)
                self._inbox.append(_Work(peer, number, method, returns, blob, None, run))
            case "cancel":
                self._cancel(message[1])
            case "exit":
                self._exiting = True
            case other:
                raise ValueError(f"unknown order {other!r}")

    def _on_order(self, message: Message) -> None:
        if message[0] != "actor":  # the node says which actor we are; the maker's first call makes it
            super()._on_order(message)

    def _cancel(self, number: int) -> None:
        current = self._current
        if current is not None and current.number == number and current.run == self._run_task:
            self._interrupt = number
            signal.pthread_kill(self._main, signal.SIGINT)
            return
        for work in self._inbox:
            if work.number == number:
                self._inbox.remove(work)
                error = Blob(ERROR, pack_error(TaskCancelledError(work.name or "the task")))
                self._finished(work, [error] * work.returns, 0.0, monotonic())
                return

    def _on_interrupt(self, *_: object) -> None:
        current = self._current
        if self._in_body and current is not None and current.number == self._interrupt:
            self._interrupt = None
            raise KeyboardInterrupt

    # -------------------------------------------------------------------------------- while it is busy

    def _give_back(self) -> None:
        """Let others run what we have not started. Calls of an actor stay: only it can run them."""
        returned: dict[Peer, list[int]] = {}
        for work in [w for w in self._inbox if w.run == self._run_task]:
            self._inbox.remove(work)
            returned.setdefault(work.peer, []).append(work.number)
        for peer, numbers in returned.items():
            self.send(peer, ("givenback", numbers))

    def _on_idle(self) -> float | None:
        with self.lock:
            if self._current is None or not (self._inbox or self._results):
                return None
            if monotonic() - self._started < _LONG:
                return _LONG
            self._flush()
            self._give_back()
            return None

    def _before_wait(self) -> None:
        if threading.get_ident() == self._main and self._current is not None:
            with self.lock:
                self._waiting = True
                self._flush()
                self._give_back()
                self.tell_node(("blocked",))

    def _after_wait(self) -> None:
        if threading.get_ident() == self._main and self._current is not None:
            with self.lock:
                self._waiting = False
                self.tell_node(("unblocked",))

    def on_peer_died(self, peer: Peer) -> None:
        """Forget what a dead process asked for; what runs for it is ended by the node."""
        self._results.pop(peer, None)
        self._inbox = deque(work for work in self._inbox if work.peer is not peer)

    def _on_node_lost(self, why: str) -> None:
        os._exit(1)  # the session is over; nobody waits for what we do


def _split(value: Any, work: _Work) -> list[Any]:
    if work.returns == 1:
        return [value]
    values = list(value) if inspect.isgenerator(value) or isinstance(value, (tuple, list)) else None
    if values is None or len(values) != work.returns:
        found = f"{len(values)} values" if values is not None else f"a {type(value).__name__}"
        raise ValueError(f"{work.name} has num_returns={work.returns} and returned {found}")
    return values


def _explained(error: BaseException) -> BaseException:
    if isinstance(error, SystemExit):
        error.add_note("the task called sys.exit(); a task ends by returning")
    return error


def main(control: socket.socket, total: Mapping[str, float], namespace: str) -> None:
    """Be a worker of the node at the other end of `control`."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SIGNAL_OF_PARENT_DEATH, signal.SIGKILL)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # what a process starts with
    worker = Worker(control, total, namespace)
    _session.set_default(worker)
    worker.loop.start()
    worker.serve()
