"""The node process: starts workers, lends them out, and ends them. It runs no user code.

One single-threaded loop, started by exec, so that it may fork workers at will: a worker is ready a few
milliseconds after it is asked for, since the interpreter and this package are loaded already.

It knows resources, workers and who is connected to whom, and nothing of tasks or values: owners push
tasks straight to the workers that they were lent. What it knows of actors is in `_registry`. When the
driver goes away, so does the node, and with it every worker.
"""

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn

from ..._core._gates import gate
from .._options import Frozen
from . import _output, _worker
from ._environments import enter, merged
from ._ledger import Ledger, fits
from ._machine import Machine
from ._registry import Registry
from ._survey import Surveys, Window, reply
from ._tally import Tally
from ._turns import PATIENCE, Request, in_turn
from ._wire import Channel, Descriptor, Message

__all__ = ["Node", "Worker", "main"]

_TRACES = 64  # dead workers of which it is kept what they ran
_BREATH = 0.05  # s between two requests for memory
_SPARE = 2  # idle workers that are kept beyond one for each core
_MANY = 4, 16  # workers for each core, and further ones, beyond which nested tasks are served in depth
_FOR_NOTHING = 16  # tasks without a core that may run at once when there are so many


@dataclass(slots=True, eq=False)
class Worker:
    """A worker process, or the driver, as the node sees it."""

    id: int
    pid: int
    channel: Channel
    connected: set[int] = field(default_factory=set)  # ids of processes it has a connection to
    env: Frozen = ()  # its runtime environment, for good
    devices: tuple[str, ...] = ()  # the GPUs that it may see, for good
    held: Mapping[str, float] = field(default_factory=dict)  # resources of its lease
    lessee: "Worker | None" = None
    used: bool = False  # it has run tasks, so it may own what others need
    depth: int = 0  # of its task in the tree of tasks; the driver's own are 1
    blocked: int = 0  # depth of waits inside its tasks: its cores are lent on meanwhile
    actor: bytes | None = None
    leases: set[int] = field(default_factory=set)  # ids of workers lent to it
    children: set[int] = field(default_factory=set)  # ids of workers that are its actors
    actors_made: int = 0
    asked_back: bool = False
    slot: int = 0  # in the tally of memory
    last_words: str | None = None  # why it ends, if it could say so


class Node:
    """The state of one session on one machine."""

    def __init__(self, driver: Channel, config: Mapping[str, Any], tally: Tally) -> None:
        self.machine = Machine(**config["machine"])
        self.ledger = Ledger(self.machine)
        self.tally = tally
        self.asked_to_shrink = 0.0
        self.config = config
        self.selector = selectors.DefaultSelector()
        self.workers: dict[int, Worker] = {}
        self.by_pid: dict[int, Worker] = {}
        self.idle: list[Worker] = []
        self.queue: deque[Request[Worker]] = deque()
        self.registry = Registry(self)
        self.next_id = 1
        self.lacking = 0  # of the workers that are there from the start
        self.over = False
        self.surveys = Surveys()
        self.window = Window(config["window"])
        self.traces: deque[tuple[int, Any]] = deque(maxlen=_TRACES)  # of workers that have ended
        self.driver_end: Descriptor | None = None
        self.driver = Worker(0, config["pid"], driver)
        self.workers[0] = self.driver
        self.register(self.driver)
        self.deaths, self.on_death = socket.socketpair()
        self.handlers: dict[str, Callable[..., None]] = {
            "lease": self.on_lease,
            "return": self.on_return,
            "blocked": self.on_blocked,
            "unblocked": self.on_unblocked,
            "kill": self.on_kill,
            "cluster": self.on_cluster,
            "failing": self.on_failing,
            "stay": self.on_stay,
            "leaving": self.on_leaving,
            "held": self.on_held,
            **self.registry.handlers,
            "told": self.on_told,
            "trace": self.on_trace,
            "traced": self.on_traced,
            "shortage": self.on_shortage,
        }

    def run(self, messages: list[tuple[Message, list[Descriptor]]]) -> None:
        """Serve until the driver is gone; `messages` is what it has said already."""
        self.watch_driver()
        self.watch_workers()
        self.window.open()
        if self.window.sock is not None:
            self.selector.register(self.window.sock, selectors.EVENT_READ, self.on_visitor)
        self.lacking = self.cores
        self.stock()
        for message, fds in messages:
            self.handlers[message[0]](self.driver, *message[1:], *fds)
        self.grant()
        while not self.over:
            for key, events in self.selector.select(0 if self.lacking else self.surveys.patience()):
                if not self.over:
                    key.data(events)
            self.surveys.expire()
            self.grant()
            if self.lacking:
                self.stock()

    def stock(self) -> None:
        """Start one of the first workers; between them we listen, for somebody may be waiting for one."""
        try:
            self.idle.append(self.fork())
        except OSError:  # whoever needs one will hear of it
            self.lacking = 0

    @property
    def cores(self) -> int:
        """How many workers are kept, whether or not they have something to do."""
        return max(1, int(self.machine.resources["CPU"]))

    def register(self, worker: Worker) -> None:
        """Listen to a process."""
        self.selector.register(worker.channel.sock, selectors.EVENT_READ, partial(self.serve, worker))

    def watch_driver(self) -> None:
        """Notice the driver's end also while a child of its own has a copy of our connection."""
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):  # an old kernel; or it is gone, as the channel will tell
                self.driver_end = Descriptor(os.pidfd_open(self.driver.pid))
                self.selector.register(self.driver_end, selectors.EVENT_READ, self.on_driver_end)

    def on_driver_end(self, events: int) -> None:
        """The driver has ended."""
        self.over = True

    def watch_workers(self) -> None:
        """Notice the end of workers."""
        self.deaths.setblocking(False)
        self.on_death.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.on_death.fileno(), warn_on_full_buffer=False)
        self.selector.register(self.deaths, selectors.EVENT_READ, self.on_deaths)

    def serve(self, worker: Worker, events: int) -> None:
        """Hear what one process says."""
        if worker.channel.closed:
            return
        if events & selectors.EVENT_WRITE:
            worker.channel.flush()
            self.listen(worker)
        if events & selectors.EVENT_READ:
            try:
                messages = worker.channel.receive()
            except EOFError:
                self.selector.unregister(worker.channel.sock)
                worker.channel.close()
                self.over = self.over or worker is self.driver
                return  # a worker's end is noticed by reaping it
            for message, fds in messages:
                if not worker.channel.closed:  # one of them may have shown that it is dead
                    self.handlers[message[0]](worker, *message[1:], *fds)

    def send(self, worker: Worker, message: Message, fds: tuple[Descriptor, ...] = ()) -> None:
        """Send a message; what the other side does not take now goes out when it does."""
        if not worker.channel.closed:
            worker.channel.send(message, fds)
            self.listen(worker)

    def listen(self, worker: Worker) -> None:
        """Ask to be told when a process can take more, if something waits for it."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.channel.blocked else 0)
        key = self.selector.get_key(worker.channel.sock)
        if key.events != events:
            self.selector.modify(worker.channel.sock, events, key.data)

    # ------------------------------------------------------------------------------------- workers

    def fork(self, env: Frozen = (), devices: tuple[str, ...] = ()) -> Worker:
        """Start a worker process with these surroundings."""
        ours, theirs = socket.socketpair()
        pipes: list[tuple[int, int]] = []
        slot = self.tally.open()
        try:
            if self.config["log_to_driver"]:
                pipes += (os.pipe(), os.pipe())
            gate("node.forking")
            pid = os.fork()
        except OSError:
            self.tally.close(slot)
            ours.close()
            theirs.close()
            for end in chain(*pipes):
                os.close(end)
            raise
        if not pid:
            ours.close()
            self.become_worker(theirs, self.next_id, [write for _, write in pipes], env, devices, slot)
        gate("node.forked")
        theirs.close()
        if pipes:
            for _, write in pipes:
                os.close(write)
            self.send(self.driver, ("output", pid), tuple([Descriptor(read) for read, _ in pipes]))
        worker = Worker(self.next_id, pid, Channel(ours), env=env, devices=devices, slot=slot)
        self.next_id += 1
        self.lacking = max(0, self.lacking - 1)
        self.workers[worker.id] = self.by_pid[pid] = worker
        self.register(worker)
        return worker

    def become_worker(
        self,
        control: socket.socket,
        number: int,
        pipes: list[int],
        env: Frozen,
        devices: tuple[str, ...],
        slot: int,
    ) -> NoReturn:
        """In the child: let go of all that is the node's, and never come back."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self.selector.close()
            self.deaths.close()
            self.on_death.close()
            self.driver_end = None
            self.registry.abandon()
            self.window.close(unlink=False)
            for worker in self.workers.values():
                worker.channel.close()
            control = _output.redirect(control, pipes)
            enter(env, devices)
            _worker.main(
                control,
                self.machine,
                self.config["namespace"],
                self.maker(number),
                (self.tally, slot, Path(self.config["spill"])),
                timeline=self.config["timeline"],
                logging_level=self.config["logging_level"],
            )
            status = 0
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def on_deaths(self, events: int) -> None:
        """Some worker has ended."""
        with contextlib.suppress(BlockingIOError):
            self.deaths.recv(4096)
        self.reap()

    def reap(self) -> None:
        """Take note of workers that have ended."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if (worker := self.by_pid.pop(ended[0], None)) is not None:
                    self.serve(worker, selectors.EVENT_READ)  # its last words
                    self.bury(worker, worker.last_words or _how(ended[1]))

    def bury(self, worker: Worker, how: str) -> None:
        """A worker has ended: free what it held, and tell everyone who was connected to it."""
        gate("node.burying")
        del self.workers[worker.id]
        if not worker.channel.closed:
            self.selector.unregister(worker.channel.sock)
            worker.channel.close()
        if worker in self.idle:
            self.idle.remove(worker)
        self.tally.close(worker.slot)
        self.release(worker)
        for dependent in worker.leases | worker.children:  # they work for nobody now
            self.kill(self.workers.get(dependent))
        self.queue = deque(request for request in self.queue if request.client is not worker)
        epitaph, restarts = self.registry.lost(worker, how) if worker.actor else (how, False)
        self.registry.orphan(worker)
        for other in worker.connected & self.workers.keys():
            self.workers[other].connected.discard(worker.id)
            self.send(self.workers[other], ("died", worker.id, epitaph, restarts))
        self.surveys.gone(worker.id)

    def on_failing(self, worker: Worker, why: str) -> None:
        """A worker says why it is about to end."""
        worker.last_words = why

    def kill(self, worker: Worker | None) -> None:
        """End a worker process at once."""
        if worker is not None and worker is not self.driver:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)

    def on_shortage(self, client: Worker) -> None:
        """A process finds no memory: all others look for some that they can do without."""
        if monotonic() - self.asked_to_shrink > _BREATH:
            self.asked_to_shrink = monotonic()
            for worker in self.workers.values():
                if worker is not client:
                    self.send(worker, ("shrink",))

    # -------------------------------------------------------------------------------------- leases

    def on_lease(self, client: Worker, number: int, resources: Mapping[str, float], env: Frozen) -> None:
        """A process asks for a worker with these resources and surroundings."""
        self.queue.append(Request(client, number, resources, merged(client.env, env)))

    def ask(self, client: Worker, resources: Mapping[str, float], env: Frozen, actor: bytes) -> None:
        """An actor of that process needs a worker, once more perhaps."""
        self.queue.append(Request(client, 0, resources, env, actor))

    def on_return(self, client: Worker, number: int) -> None:
        """A process gives a worker back."""
        if number in client.leases and number in self.workers:
            worker = self.workers[number]
            self.release(worker)
            self.idle.append(worker)
            if len(self.idle) > self.cores + _SPARE:  # as after many tasks that waited for others
                self.retire(self.idle[0])

    def on_stay(self, worker: Worker) -> None:
        """A worker that was to retire owns what others may need."""
        self.idle.append(worker)

    def on_leaving(self, worker: Worker) -> None:
        """A worker has run what it may and ends; it may be a while until nobody needs what it owns."""
        self.release(worker)
        if worker in self.idle:
            self.idle.remove(worker)

    def release(self, worker: Worker) -> None:
        """Take back the resources that a worker holds."""
        if worker.lessee is not None:
            worker.lessee.leases.discard(worker.id)
            worker.lessee.asked_back = False
            worker.lessee = None
        if worker.held:
            self.ledger.give(worker.held, worker.devices, but_cores=worker.blocked > 0)
        worker.held, worker.blocked = {}, 0

    def on_blocked(self, worker: Worker) -> None:
        """A task waits for others: its cores may be used meanwhile."""
        worker.blocked += 1
        if worker.blocked == 1:
            self.ledger.free["CPU"] += worker.held.get("CPU", 0)

    def on_unblocked(self, worker: Worker) -> None:
        """It goes on: for a moment more cores may be in use than there are."""
        if worker.blocked:
            worker.blocked -= 1
            if not worker.blocked:
                self.ledger.free["CPU"] -= worker.held.get("CPU", 0)

    def grant(self) -> None:
        """Lend workers to those whose turn it is, and ask for idle ones back if there are none."""
        if not self.queue:
            return
        self.reap()  # nobody is lent a worker of which he may know that it is dead
        served: set[Request[Worker]] = set()
        attainable = self.attainable()
        kept: set[str] = set()  # resources that a request has waited for too long to be overtaken again
        wanted = False
        now = monotonic()
        many = len(self.by_pid) >= _MANY[0] * self.cores + _MANY[1]
        for request in in_turn(self.queue, self.working(), now, deepest_first=many):
            free = kept.isdisjoint(request.resources) and self.ledger.fits(request.resources)
            if free and not (many and self.crowded(request)) and self.lend(request):
                served.add(request)
            elif fits(request.resources, attainable):
                wanted = True
                if now - request.since > PATIENCE:
                    kept.update(request.resources)
        self.queue = deque(request for request in self.queue if request not in served)
        if wanted:
            self.ask_back()

    def working(self) -> Counter[int]:
        """Count, for each process, the workers lent to it that do not wait inside their task."""
        return Counter(w.lessee.id for w in self.workers.values() if w.lessee is not None and not w.blocked)

    def crowded(self, request: Request[Worker]) -> bool:
        """Whether enough tasks run that hold no core; those that do are limited by the cores."""
        if request.actor is not None or "CPU" in request.resources:
            return False
        running = [w for w in self.workers.values() if w.lessee is not None and not w.blocked]
        return sum("CPU" not in worker.held for worker in running) >= _FOR_NOTHING

    def attainable(self) -> Counter[str]:
        """What would be free if all tasks ended: all but what actors hold, who may live for ever."""
        held: Counter[str] = Counter(self.ledger.total)
        for worker in self.registry.workers:
            held.subtract(worker.held)
        return held

    def ask_back(self) -> None:
        """Ask for the workers that are lent and idle."""
        for client in self.workers.values():
            if client.leases and not client.asked_back:
                client.asked_back = True
                self.send(client, ("reclaim",))

    def lend(self, request: Request[Worker]) -> bool:
        """Answer a request: with a worker, which may have to be started, or that there can be none.

        Returns
        -------
        bool
            Whether it was answered. If no process can be started now, and the end of some task may
            free one, it goes on waiting.
        """
        client = request.client
        devices = self.ledger.take(request.resources)
        try:
            worker = self.pick(request, devices)
        except OSError as error:  # no process is left, or no memory for one
            self.ledger.give(request.resources, devices, but_cores=False)
            return self.deny(request, error)
        worker.held, worker.depth = request.resources, client.depth + 1
        gate("node.lending")
        if request.actor is not None:
            self.registry.placed(request.actor, worker)
            return True
        worker.lessee, worker.used = client, True
        client.leases.add(worker.id)
        self.join(client, request.number, worker)
        return True

    def deny(self, request: Request[Worker], error: OSError) -> bool:
        """Say that no worker can be started, unless a task runs that may end."""
        if self.working():
            return False
        if request.actor is None:
            self.send(request.client, ("denied", request.number, str(error)))
        else:
            self.registry.deny(request.actor, f"it could not be started: {error}")
        return True

    def pick(self, request: Request[Worker], devices: tuple[str, ...]) -> Worker:
        """Choose an idle worker with just these surroundings, one that the client knows if possible.

        An actor gets one that owns nothing, so that nobody else loses anything when it is killed.
        """
        alike = [worker for worker in self.idle if worker.env == request.env and worker.devices == devices]
        fit = alike if request.actor is None else [worker for worker in alike if not worker.used]
        if not fit:
            if devices:
                self.clear(devices)
            try:
                return self.fork(request.env, devices)
            except OSError:
                if not (fit := [worker for worker in alike if worker in self.idle]):
                    raise
        known = [worker for worker in fit if worker.id in request.client.connected]
        worker = (known or fit)[-1]
        self.idle.remove(worker)
        return worker

    def clear(self, devices: tuple[str, ...]) -> None:
        """Let idle workers go that have used one of these GPUs, and may still have memory on it."""
        for worker in [worker for worker in self.idle if not set(devices).isdisjoint(worker.devices)]:
            self.retire(worker)

    def retire(self, worker: Worker) -> None:
        """Let an idle worker go, unless actors of its would end with it."""
        if not worker.children:
            self.idle.remove(worker)
            self.send(worker, ("retire", worker.actors_made))

    def join(self, client: Worker, number: int, worker: Worker) -> None:
        """Give a client its worker, with a connection unless they have one."""
        if worker.id in client.connected:
            self.send(client, ("granted", number, worker.id))
            return
        ours, theirs = (Descriptor(end.detach()) for end in socket.socketpair())
        self.send(worker, ("attach", client.id), (theirs,))
        # The client may run before we go on. It tells that the worker is dead by a connection without
        # another end, so that must not be here any more.
        del theirs
        self.send(client, ("granted", number, worker.id), (ours,))
        client.connected.add(worker.id)
        worker.connected.add(client.id)

    def maker(self, number: int) -> bytes:
        """Give the first bytes of the id of every actor that a process makes; the rest counts them."""
        return bytes(self.config["session"]) + number.to_bytes(4, "big")

    def on_kill(self, client: Worker, worker: int | None, actor: bytes | None, no_restart: bool) -> None:
        """A process wants a worker that it was lent, or an actor, to end at once."""
        if actor is not None:
            self.registry.kill(actor, no_restart=no_restart)
        elif worker in client.leases:
            self.kill(self.workers.get(worker))

    def on_held(self, client: Worker, number: int) -> None:
        """A process asks what it holds."""
        self.send(client, ("held", number, dict(client.held)))

    def on_cluster(self, client: Worker, number: int) -> None:
        """A process asks what there is."""
        free = {name: max(0.0, amount) for name, amount in self.ledger.free.items()}
        self.send(client, ("cluster", number, self.ledger.total, free))

    # ------------------------------------------------------------------------------------- surveys

    def on_visitor(self, events: int) -> None:
        """Another program of this user wants to see the session."""
        client = self.window.accept()
        if client is not None:
            question = partial(self.question, "tell")
            self.surveys.start(self.workers, question, lambda facts: reply(client, self.describe(facts)))

    def question(self, what: str, process: int, ticket: int) -> None:
        """Ask a process for what it knows."""
        self.send(self.workers[process], (what, ticket))

    def on_told(self, worker: Worker, ticket: int, facts: Any) -> None:
        """A process has answered."""
        self.surveys.answer(worker.id, ticket, facts)

    def describe(self, facts: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
        """Say what is known of the session; `facts` are the answers by process."""
        return {
            "now": monotonic(),
            "total": self.ledger.total,
            "free": {name: max(0.0, amount) for name, amount in self.ledger.free.items()},
            "waiting_for_workers": len(self.queue),
            "objects": self.tally.total(),
            "processes": [self.describe_process(w, facts.get(w.id)) for w in self.workers.values()],
        }

    def describe_process(self, worker: Worker, facts: Mapping[str, Any] | None) -> dict[str, Any]:
        """Say what is known of one process; None are the facts of one that did not answer."""
        kind = "driver" if worker is self.driver else "actor" if worker.actor is not None else "worker"
        return {
            "pid": worker.pid,
            "kind": kind,
            "held": dict(worker.held),
            "idle": worker in self.idle,
            "waits": bool(worker.blocked),
            "answers": facts is not None,
            **(facts or {}),
        }

    def on_trace(self, client: Worker, number: int) -> None:
        """A process wants to know what ran where and when."""

        def then(answers: Mapping[int, Any]) -> None:
            living = [(self.workers[i].pid, i, answer) for i, answer in answers.items() if i in self.workers]
            dead = [(pid, -1, answer) for pid, answer in self.traces]
            self.send(client, ("cluster", number, [*dead, *living]))

        self.surveys.start(self.workers, partial(self.question, "trace"), then)

    def on_traced(self, worker: Worker, trace: Any) -> None:
        """A worker that ends tells what it ran."""
        self.traces.append((worker.pid, trace))

    def end(self) -> None:
        """Kill every worker: whatever they do, nobody waits for it any more."""
        self.window.close()
        signal.set_wakeup_fd(-1)
        for worker in self.by_pid.values():
            self.kill(worker)
        for pid in self.by_pid:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        with contextlib.suppress(OSError):  # it was never made, most likely
            os.rmdir(self.config["spill"])


def _how(status: int) -> str:
    if not os.WIFSIGNALED(status):
        return f"ended with exit code {os.WEXITSTATUS(status)}"
    number = os.WTERMSIG(status)
    names = {member.value: member.name for member in signal.Signals}
    return f"was killed by {names.get(number, f'signal {number}')}"


def main(descriptor: int) -> None:
    """Be the node process of the driver at the other end of `descriptor`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, which then ends us
    sock = socket.socket(fileno=descriptor)
    sock.set_inheritable(False)
    driver = Channel(sock)
    messages: list[tuple[Message, list[Descriptor]]] = []
    try:
        while not messages:
            with selectors.DefaultSelector() as selector:
                selector.register(sock, selectors.EVENT_READ)
                selector.select()
            messages = driver.receive()
    except EOFError:
        return
    (_, config), [tally] = messages.pop(0)
    # What is loaded stays, and collections in the workers do not copy the pages that they share with us.
    gc.freeze()
    gc.enable()
    node = Node(driver, config, Tally(tally))
    try:
        node.run(messages)
    except Exception as error:  # no descriptor, process or memory left, most likely
        node.send(node.driver, ("failing", f"{type(error).__name__}: {error}"))
        raise
    finally:
        node.end()
