"""The node process: starts workers, lends them out, and ends them. It runs no user code.

One single-threaded loop, started by exec, so that it may fork workers at will: a worker is ready a few
milliseconds after it is asked for, since the interpreter and this package are loaded already.

It knows resources, workers, actors' names and who is connected to whom, and nothing of tasks or
values: owners push tasks straight to the workers that they were lent. When the driver goes away, so
does the node, and with it every worker.
"""

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import _worker
from ._wire import Channel, Message

__all__ = ["main"]

_EPSILON = 1e-9  # fractions of cores are added and taken away; sums of tenths are not exact


@dataclass(slots=True, eq=False)
class _Worker:
    """A worker process, or the driver, as the node sees it."""

    id: int
    pid: int
    channel: Channel
    connected: set[int] = field(default_factory=set)  # ids of processes it has a connection to
    held: Mapping[str, float] = field(default_factory=dict)  # resources of its lease
    lessee: "_Worker | None" = None
    blocked: int = 0  # depth of waits inside its tasks: its cores are lent on meanwhile
    actor: bytes | None = None
    leases: set[int] = field(default_factory=set)  # ids of workers lent to it
    children: set[int] = field(default_factory=set)  # ids of workers that are its actors
    asked_back: bool = False


@dataclass(slots=True, eq=False)
class _Request:
    client: _Worker
    number: int
    resources: Mapping[str, float]
    actor: bytes | None = None


class Node:
    """The state of one session on one machine."""

    def __init__(self, driver: Channel, config: Mapping[str, Any]) -> None:
        self.total: dict[str, float] = dict(config["resources"])
        self.free = dict(self.total)
        self.config = config
        self.selector = selectors.DefaultSelector()
        self.workers: dict[int, _Worker] = {}
        self.by_pid: dict[int, _Worker] = {}
        self.idle: list[_Worker] = []
        self.queue: deque[_Request] = deque()
        self.actors: dict[bytes, _Worker] = {}
        self.dead_actors: dict[bytes, str] = {}
        self.names: dict[tuple[str, str], tuple[bytes, bytes]] = {}
        self.asked_for: dict[bytes, list[tuple[_Worker, int]]] = {}  # connections to actors not placed yet
        self.next_id = 1
        self.driver = _Worker(0, os.getppid(), driver)
        self.workers[0] = self.driver
        self.selector.register(driver.sock, selectors.EVENT_READ, self.driver)
        self.handlers: dict[str, Callable[..., None]] = {
            "lease": self.on_lease,
            "return": self.on_return,
            "blocked": self.on_blocked,
            "unblocked": self.on_unblocked,
            "actor": self.on_actor,
            "connect": self.on_connect,
            "find": self.on_find,
            "kill": self.on_kill,
            "cluster": self.on_cluster,
        }

    def run(self, prestart: int, messages: list[tuple[Message, list[int]]]) -> None:
        """Serve until the driver is gone; `messages` is what it has said already."""
        deaths, self.on_death = socket.socketpair()
        self.on_death.setblocking(False)
        deaths.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.on_death.fileno(), warn_on_full_buffer=False)
        self.selector.register(deaths, selectors.EVENT_READ, None)
        for _ in range(prestart):
            self.idle.append(self.fork())
        for message, _ in messages:
            self.handlers[message[0]](self.driver, *message[1:])
        self.grant()
        while True:
            for key, events in self.selector.select():
                worker: _Worker | None = key.data
                if worker is None:
                    with contextlib.suppress(BlockingIOError):
                        deaths.recv(4096)
                    self.reap()
                elif not worker.channel.closed:
                    self.serve(worker, events)
                if self.driver.channel.closed:
                    return
            self.grant()

    def serve(self, worker: _Worker, events: int) -> None:
        """Read what one process says."""
        if events & selectors.EVENT_WRITE:
            worker.channel.flush()
            self.listen(worker)
        if events & selectors.EVENT_READ:
            try:
                messages = worker.channel.receive()
            except EOFError:
                self.selector.unregister(worker.channel.sock)
                worker.channel.close()
                return  # a worker's end is noticed by reaping it
            for message, _ in messages:
                self.handlers[message[0]](worker, *message[1:])

    def send(self, worker: _Worker, message: Message, fds: tuple[int, ...] = ()) -> None:
        """Send a message; what the other side does not take now goes out when it does."""
        if not worker.channel.closed:
            worker.channel.send(message, fds)
            self.listen(worker)

    def listen(self, worker: _Worker) -> None:
        """Ask to be told when a process can take more, if something waits for it."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.channel.blocked else 0)
        if self.selector.get_key(worker.channel.sock).events != events:
            self.selector.modify(worker.channel.sock, events, worker)

    # ------------------------------------------------------------------------------------- workers

    def fork(self) -> _Worker:
        """Start a worker process."""
        ours, theirs = socket.socketpair()
        number = self.next_id
        self.next_id += 1
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if not pid:
            self.become_worker(theirs, number)
        theirs.close()
        worker = _Worker(number, pid, Channel(ours))
        self.workers[number] = self.by_pid[pid] = worker
        self.selector.register(ours, selectors.EVENT_READ, worker)
        return worker

    def become_worker(self, control: socket.socket, number: int) -> None:
        """In the child: let go of all that is the node's, and never come back."""
        status = 1
        signal.set_wakeup_fd(-1)
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self.selector.close()
            for worker in self.workers.values():
                worker.channel.close()
            sys.path[:] = self.config["sys_path"]
            _worker.main(control, self.total, self.config["namespace"])
            status = 0
        except KeyboardInterrupt:
            status = 0
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def reap(self) -> None:
        """Take note of workers that have ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if (worker := self.by_pid.pop(pid, None)) is not None:
                self.buried(worker, _how(status))

    def buried(self, worker: _Worker, how: str) -> None:
        """A worker has ended: free what it held, and tell everyone who was connected to it."""
        del self.workers[worker.id]
        if not worker.channel.closed:
            self.selector.unregister(worker.channel.sock)
            worker.channel.close()
        if worker in self.idle:
            self.idle.remove(worker)
        self.release(worker)
        for dependent in worker.leases | worker.children:  # they work for nobody now
            self.kill(self.workers.get(dependent))
        self.queue = deque(request for request in self.queue if request.client is not worker)
        if worker.actor is not None:
            self.bury_actor(worker.actor, how)
        for other in worker.connected:
            if other in self.workers:
                self.workers[other].connected.discard(worker.id)
                self.send(self.workers[other], ("died", worker.id, how))

    def bury_actor(self, actor: bytes, how: str) -> None:
        """Forget an actor and its name."""
        self.actors.pop(actor, None)
        self.dead_actors[actor] = how
        self.names = {name: entry for name, entry in self.names.items() if entry[0] != actor}
        for client, number in self.asked_for.pop(actor, ()):
            self.send(client, ("gone", number, how))

    # -------------------------------------------------------------------------------------- leases

    def on_lease(self, client: _Worker, number: int, resources: Mapping[str, float]) -> None:
        """A process asks for a worker with these resources."""
        self.queue.append(_Request(client, number, resources))

    def on_return(self, client: _Worker, number: int) -> None:
        """A process gives a worker back."""
        if number in client.leases and number in self.workers:
            self.end_lease(self.workers[number])

    def end_lease(self, worker: _Worker) -> None:
        """A worker is lent to nobody any more."""
        self.release(worker)
        self.idle.append(worker)

    def release(self, worker: _Worker) -> None:
        """Take back the resources that a worker holds."""
        if worker.lessee is not None:
            worker.lessee.leases.discard(worker.id)
            worker.lessee.asked_back = False
            worker.lessee = None
        for name, amount in worker.held.items():
            if not (worker.blocked and name == "CPU"):
                self.free[name] += amount
        worker.held, worker.blocked = {}, 0

    def on_blocked(self, worker: _Worker) -> None:
        """A task waits for others: its cores may be used meanwhile."""
        worker.blocked += 1
        if worker.blocked == 1:
            self.free["CPU"] += worker.held.get("CPU", 0)

    def on_unblocked(self, worker: _Worker) -> None:
        """It goes on: for a moment more cores may be in use than there are."""
        if worker.blocked:
            worker.blocked -= 1
            if not worker.blocked:
                self.free["CPU"] -= worker.held.get("CPU", 0)

    def grant(self) -> None:
        """Lend workers to whoever asked first, and ask for idle ones back if there are none."""
        waiting: deque[_Request] = deque()
        while self.queue:
            request = self.queue.popleft()
            if all(self.free.get(k, 0) + _EPSILON >= v for k, v in request.resources.items()):
                self.lend(request)
            else:
                waiting.append(request)
        self.queue = waiting
        if waiting:
            for client in self.workers.values():
                if client.leases and not client.asked_back:
                    client.asked_back = True
                    self.send(client, ("reclaim",))

    def lend(self, request: _Request) -> None:
        """Lend one worker, which may have to be started."""
        client = request.client
        worker = self.pick(client)
        worker.held = request.resources
        for name, amount in request.resources.items():
            self.free[name] -= amount
        if request.actor is None:
            worker.lessee = client
            client.leases.add(worker.id)
        else:
            worker.actor = request.actor
            client.children.add(worker.id)
            self.actors[request.actor] = worker
            self.send(worker, ("actor", request.actor))
        self.join(client, request.number, worker)
        for other, number in self.asked_for.pop(request.actor or b"", ()):
            self.join(other, number, worker)

    def pick(self, client: _Worker) -> _Worker:
        """Choose an idle worker, one that the client knows if possible, or start one."""
        for i, worker in enumerate(self.idle):
            if worker.id in client.connected:
                return self.idle.pop(i)
        return self.idle.pop() if self.idle else self.fork()

    def join(self, client: _Worker, number: int, worker: _Worker) -> None:
        """Give a client its worker, with a connection unless they have one."""
        if worker.id in client.connected:
            self.send(client, ("granted", number, worker.id))
            return
        ours, theirs = socket.socketpair()
        self.send(worker, ("attach", client.id), (theirs.fileno(),))
        self.send(client, ("granted", number, worker.id), (ours.fileno(),))
        ours.close()
        theirs.close()
        client.connected.add(worker.id)
        worker.connected.add(client.id)

    # -------------------------------------------------------------------------------------- actors

    def on_actor(
        self,
        client: _Worker,
        number: int,
        actor: bytes,
        resources: Mapping[str, float],
        name: tuple[str, str] | None,
        cls: bytes,
    ) -> None:
        """A process wants a worker for itself alone, perhaps under a name."""
        if name is not None:
            if name in self.names:
                self.send(client, ("taken", number))
                return
            self.names[name] = (actor, cls)
        self.asked_for.setdefault(actor, [])
        self.queue.append(_Request(client, number, resources, actor))
        self.send(client, ("accepted", number))

    def on_connect(self, client: _Worker, number: int, actor: bytes) -> None:
        """A process wants to talk to an actor."""
        if actor in self.actors:
            self.join(client, number, self.actors[actor])
        elif actor in self.asked_for:
            self.asked_for[actor].append((client, number))
        else:
            how = self.dead_actors.get(actor, "is not of this session")
            self.send(client, ("gone", number, how))

    def on_find(self, client: _Worker, number: int, name: tuple[str, str]) -> None:
        """A process looks for an actor by name."""
        if name in self.names:
            self.send(client, ("found", number, *self.names[name]))
        else:
            known = [n for space, n in self.names if space == name[0]]
            self.send(client, ("unknown", number, known))

    def on_kill(self, client: _Worker, worker: int | None, actor: bytes | None) -> None:
        """A process wants a worker, or an actor, to end at once."""
        if actor is not None and actor in self.asked_for:  # it has no worker yet
            self.queue = deque(r for r in self.queue if r.actor != actor)
            self.bury_actor(actor, "was killed before it started")
        else:
            self.kill(self.actors.get(actor) if actor is not None else self.workers.get(worker or 0))

    def kill(self, worker: _Worker | None) -> None:
        """End a worker process at once."""
        if worker is not None and worker is not self.driver:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)

    def on_cluster(self, client: _Worker, number: int) -> None:
        """A process asks what there is."""
        self.send(client, ("cluster", number, self.total, {k: max(0.0, v) for k, v in self.free.items()}))

    def end(self) -> None:
        """Kill every worker: whatever they do, nobody waits for it any more."""
        signal.set_wakeup_fd(-1)
        for pid in self.by_pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in list(self.by_pid):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"was killed by {signal.Signals(number).name}"
    return f"ended with exit code {os.WEXITSTATUS(status)}"


def main(descriptor: int) -> None:
    """Be the node process of the driver at the other end of `descriptor`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, which then ends us
    sock = socket.socket(fileno=descriptor)
    sock.set_inheritable(False)
    driver = Channel(sock)
    messages: list[tuple[Message, list[int]]] = []
    try:
        while not messages:
            with selectors.DefaultSelector() as selector:
                selector.register(sock, selectors.EVENT_READ)
                selector.select()
            messages = driver.receive()
    except EOFError:
        return
    (_, config), _ = messages.pop(0)
    gc.collect()
    gc.freeze()  # so that collections in the workers do not copy the pages they share with us
    node = Node(driver, config)
    try:
        node.run(config["prestart"], messages)
    finally:
        node.end()
