"""Whoever waits reads the sockets; nobody sleeps through what he waits for."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest

from alula.errors import NodeDiedError
from alula.futures._embedded._loop import Loop
from alula.futures._embedded._wire import Channel

LIMIT = 150.0


class World:
    """A loop, and the other ends of its channels."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.idle: Callable[[], float | None] = lambda: None
        self.loop = Loop(lambda: self.idle(), self.errors.append)
        self.got: list[Any] = []  # message, and the thread that handled it
        self.lost = 0
        self.others: list[Channel] = []

    def connect(self, handle: Callable[[Any], None] = lambda message: None) -> Channel:
        ours, theirs = map(Channel, socket.socketpair())

        def take(message: Any, fds: list[Any]) -> None:
            self.got.append((message, threading.get_ident()))
            handle(message)

        with self.loop.lock:
            self.loop.add(ours, take, self.end)
        self.loop.wake()
        self.others.append(theirs)
        return theirs

    def end(self) -> None:
        self.lost += 1

    def reached(self, count: int) -> bool:
        return self.loop.run_until(lambda: len(self.got) >= count, monotonic() + LIMIT)

    def close(self) -> None:
        self.loop.close()
        for channel in self.others:
            channel.close()


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


@pytest.fixture
def started(world: World) -> World:
    world.loop.start()
    return world


def wait_for(fact: Callable[[], Any]) -> None:
    deadline = monotonic() + LIMIT
    while not fact():
        assert monotonic() < deadline
        os.sched_yield()


def thread(target: Callable[[], Any]) -> threading.Thread:
    made = threading.Thread(target=target)
    made.start()
    return made


def test_a_thread_that_waits_reads_the_sockets_itself(world: World) -> None:
    other = world.connect()
    for i in range(100):
        other.send((i,))
        assert world.reached(i + 1)
    assert world.got == [((i,), threading.get_ident()) for i in range(100)]


def test_when_nobody_waits_the_background_thread_reads(started: World) -> None:
    other = started.connect()
    other.send(("hello",))
    wait_for(lambda: started.got)
    assert started.got[0][1] != threading.get_ident()


def test_the_background_thread_takes_over_after_a_long_wait(started: World) -> None:
    other = started.connect()
    assert not started.loop.run_until(lambda: started.got, monotonic() + 0.05)
    other.send(("hello",))
    wait_for(lambda: started.got)


def test_a_wait_ends_at_its_deadline_and_looks_at_least_once(world: World) -> None:
    other = world.connect()
    assert not world.loop.run_until(lambda: world.got, monotonic())
    other.send(("there already",))
    assert world.loop.run_until(lambda: world.got, monotonic() - 1)


def test_what_is_done_needs_no_look(world: World) -> None:
    assert world.loop.run_until(lambda: True, monotonic() - 1)


def test_threads_wait_while_another_leads(world: World) -> None:
    other = world.connect()
    threads = [thread(lambda i=i: world.reached(i + 1)) for i in range(20)]  # type: ignore[misc]  # mypy cannot infer such a lambda
    for i in range(20):
        other.send((i,))
    for waiting in threads:
        waiting.join(LIMIT)
        assert not waiting.is_alive()


@pytest.mark.parametrize("background", [False, True])
def test_no_wake_up_is_lost_among_many_threads(world: World, background: bool) -> None:
    """Each thread waits for answers of its own; whoever leads takes those of all."""
    if background:
        world.loop.start()
    answers = [0] * 8

    def count(message: Any) -> None:
        answers[message[0]] += 1

    other = world.connect(count)
    turn = threading.Lock()

    def ask(k: int) -> None:
        for i in range(300):
            with turn:
                other.send((k,))
            assert world.loop.run_until(lambda: answers[k] > i, monotonic() + LIMIT)  # noqa: B023  # used at once

    threads = [thread(lambda k=k: ask(k)) for k in range(8)]  # type: ignore[misc]  # mypy cannot infer such a lambda
    for asking in threads:
        asking.join(2 * LIMIT)
    assert answers == [300] * 8


def test_a_change_by_another_thread_wakes_the_leader(world: World) -> None:
    done: list[int] = []
    waiting = thread(lambda: world.loop.run_until(lambda: done, monotonic() + LIMIT))
    done.append(1)
    world.loop.wake()
    waiting.join(LIMIT)
    assert not waiting.is_alive()


@pytest.mark.parametrize("count", [1, 3])
def test_closing_wakes_whoever_waits(started: World, count: int) -> None:
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            started.loop.run_until(lambda: False)
        except NodeDiedError as error:
            raised.append(error)

    threads = [thread(wait) for _ in range(count)]
    started.loop.close()
    for waiting in threads:
        waiting.join(LIMIT)
    assert len(raised) == count
    started.loop.close()  # and may be done again


def test_a_closed_loop_says_so_unless_it_is_done(started: World) -> None:
    started.loop.close()
    assert started.loop.run_until(lambda: True)
    with pytest.raises(NodeDiedError):
        started.loop.run_until(lambda: False)


def test_a_callback_may_close_the_loop(started: World) -> None:
    started.loop.later(started.loop.close)
    started.loop.wake()
    wait_for(lambda: started.loop.closed and not started.loop._thread.is_alive())


def test_the_end_of_a_channel_is_told_once(started: World) -> None:
    other = started.connect()
    other.send(("last words",))
    other.close()
    wait_for(lambda: started.lost)
    assert (len(started.got), started.lost) == (1, 1)


def test_a_message_that_cannot_be_handled_is_reported_and_others_are_read(world: World) -> None:
    def fail(message: Any) -> None:
        raise KeyError(message)

    bad, good = world.connect(fail), world.connect()
    bad.send(("bad",))
    good.send(("good",))
    assert world.reached(2)
    assert [repr(error) for error in world.errors] == ["KeyError(('bad',))"]


def test_what_cannot_be_sent_now_goes_out_later(started: World) -> None:
    other = started.connect()
    [(ours, _, _)] = started.loop._sources.values()
    assert isinstance(ours, Channel)
    with started.loop.lock:
        started.loop.send(ours, (bytes(5_000_000),))
    found: list[Any] = []
    deadline = monotonic() + LIMIT
    while not found:
        found = other.receive()
        assert monotonic() < deadline
    assert len(found[0][0][0]) == 5_000_000


def test_callbacks_run_in_their_order_without_the_lock(started: World) -> None:
    ran: list[int] = []

    def callback(i: int) -> None:
        free = threading.Event()

        def look() -> None:
            with started.loop.lock:
                free.set()

        thread(look).join(LIMIT)
        ran.append(i if free.is_set() else -1)

    for i in range(3):
        started.loop.later(lambda i=i: callback(i))  # type: ignore[misc]  # mypy cannot infer such a lambda
    started.loop.drain()
    assert ran == [0, 1, 2]


def test_a_callback_may_wait_and_goes_on_reading(started: World) -> None:
    other = started.connect()
    found: list[bool] = []
    started.loop.later(lambda: found.append(started.reached(1)))
    started.loop.wake()
    other.send(("for the callback",))
    wait_for(lambda: found == [True])


def test_idle_is_asked_before_each_wait_and_limits_it(world: World) -> None:
    asked: list[int] = []

    def idle() -> float | None:
        asked.append(1)
        return 0.0 if len(asked) < 5 else None

    world.idle = idle
    assert not world.loop.run_until(lambda: len(asked) == 4, monotonic())
    assert world.loop.run_until(lambda: len(asked) == 4, monotonic() + LIMIT)


def test_a_thread_that_makes_work_without_a_pause_reads_too(started: World) -> None:
    other = started.connect()
    for i in range(200_000):
        started.loop.help()
        if i == 100_000:
            other.send(("for whoever makes work",))
    wait_for(lambda: started.got)
    assert started.got[0][1] == threading.get_ident()


def test_ctrl_c_ends_a_wait_and_the_next_one_goes_on(started: World) -> None:
    other = started.connect()
    timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        started.loop.run_until(lambda: started.got)
    timer.join()
    other.send(("still there",))
    assert started.reached(1)


def test_a_forked_child_lets_go_without_harm_to_the_parent(started: World) -> None:
    other = started.connect()
    child = os.fork()
    if not child:
        try:
            started.loop.abandon()
            with started.loop.lock:
                os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    other.send(("parent",))
    assert started.reached(1)
