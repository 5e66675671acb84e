"""The I/O of one process: whoever waits does it.

A thread that waits in `get` takes the lead: it reads the sockets itself, so that an answer needs no
hand-over between threads (12 microseconds a round trip instead of 85). A background thread takes the
lead when nobody has led for a few milliseconds, so that answers are also taken while the program
computes. Threads that wait while another leads look at their values after each of its turns. One lock
guards all state; callbacks of users run after it is released.
"""

import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from ...errors import NodeDiedError
from ._wire import Channel, Message

__all__ = ["Loop"]

_GRACE = 0.005  # s without a leader before the background thread takes over
_LONG = 0.02  # s between looks while somebody leads
_RECHECK = 0.05  # s after which a follower looks again, should a wake-up have been lost


class _News(threading.local):
    def __init__(self) -> None:
        self.event = threading.Event()


class Loop:
    """Sockets, the lock over all that is done with them, and the lead."""

    def __init__(self, on_idle: Callable[[], float | None] = lambda: None) -> None:
        """Make a loop; before each wait in the background, `on_idle` says how long it may last."""
        self.lock = threading.RLock()
        self.closed = False
        self._on_idle = on_idle
        self._selector = selectors.DefaultSelector()
        self._lead = threading.Lock()
        self._last_led = self._led_since = 0.0
        self._wanting = 0  # threads that want the lead from the background thread
        self._followers: deque[threading.Event] = deque()
        self._callbacks: deque[Callable[[], None]] = deque()
        self._wake_out, wake_in = socket.socketpair()
        self._wake_out.setblocking(False)
        wake_in.setblocking(False)
        self._wake_in = wake_in
        self._selector.register(wake_in, selectors.EVENT_READ, None)
        self._park = threading.Event()
        self._news = _News()
        self._thread = threading.Thread(target=self._background, name="alula-io", daemon=True)

    def start(self) -> None:
        """Start the background thread."""
        self._thread.start()

    # ------------------------------------------------------------------------------------ channels

    def add(
        self, channel: Channel, handle: Callable[[Message, list[int]], None], lost: Callable[[str], None]
    ) -> None:
        """Read a channel: `handle` gets each message, `lost` the reason when it has ended."""
        self._selector.register(channel.sock, selectors.EVENT_READ, (channel, handle, lost))

    def remove(self, channel: Channel) -> None:
        """Read a channel no more, and close it."""
        if not channel.closed:
            self._selector.unregister(channel.sock)
            channel.close()

    def send(self, channel: Channel, message: Message, fds: list[int] | tuple[int, ...] = ()) -> None:
        """Send a message; what the other side does not take now goes out when it does."""
        channel.send(message, fds)
        if channel.blocked:
            self._interest(channel, selectors.EVENT_READ | selectors.EVENT_WRITE)

    def _interest(self, channel: Channel, events: int) -> None:
        if not channel.closed:
            key = self._selector.get_key(channel.sock)
            if key.events != events:
                self._selector.modify(channel.sock, events, key.data)

    def later(self, callback: Callable[[], None]) -> None:
        """Call something soon, without the lock, from a thread that does I/O or from `drain`."""
        self._callbacks.append(callback)

    def drain(self) -> None:
        """Run the callbacks that are due."""
        while self._callbacks:
            try:
                callback = self._callbacks.popleft()
            except IndexError:  # another thread was faster
                return
            callback()

    def wake(self) -> None:
        """Make whoever leads look at the world again."""
        with suppress(OSError):  # full, so the leader will wake anyway; or closed
            self._wake_out.send(b"!")

    # ------------------------------------------------------------------------------------ the lead

    def run_until(self, done: Callable[[], Any], deadline: float | None = None) -> bool:
        """Do I/O until `done` is true, or wait while another thread does it.

        Parameters
        ----------
        done
            Cheap; called without the lock, after every piece of news.
        deadline
            On the monotonic clock; None for never.

        Returns
        -------
        bool
            Whether it is done.
        """
        while not done():
            left = None if deadline is None else deadline - monotonic()
            if left is not None and left <= 0:
                return False
            if self.closed:
                raise NodeDiedError("the session was shut down")
            if self._take_lead():
                self._led_since = monotonic()
                try:
                    while not (done() or self.closed) and (left is None or left > 0):
                        self._turn(left)
                        left = None if deadline is None else deadline - monotonic()
                finally:
                    self._leave_lead()
            else:
                news = self._news.event
                self._followers.append(news)
                news.wait(_RECHECK if left is None else min(left, _RECHECK))
                news.clear()
        return True

    def _take_lead(self) -> bool:
        if self._lead.acquire(blocking=False):
            return True
        self._wanting += 1
        self.wake()  # if it is the background thread that leads, it steps back
        try:
            return self._lead.acquire(timeout=0.001)
        finally:
            self._wanting -= 1

    def _leave_lead(self) -> None:
        self._last_led = monotonic()
        self._lead.release()
        if self._last_led - self._led_since > _GRACE:
            self._park.set()  # the background thread sleeps longer while somebody leads for long
        self._tell_followers()

    def _tell_followers(self) -> None:
        while self._followers:
            try:
                self._followers.popleft().set()
            except IndexError:  # another thread told them
                return

    def _background(self) -> None:
        while not self.closed:
            with self._lead:
                if not self._wanting:
                    self._turn(self._on_idle())
            while self._wanting or self._lead.locked() or monotonic() - self._last_led < _GRACE:
                if self._is_closed():
                    return
                self._park.wait(_LONG if self._lead.locked() else _GRACE)
                self._park.clear()

    def _is_closed(self) -> bool:
        return self.closed

    def _turn(self, timeout: float | None) -> None:
        """Wait for sockets once, and handle what they say."""
        if self.closed:
            return
        for key, events in self._selector.select(timeout):
            if key.data is None:
                self._drain_wake()
                continue
            channel, handle, lost = key.data
            with self.lock:
                if events & selectors.EVENT_WRITE:
                    channel.flush()
                    if not channel.blocked:
                        self._interest(channel, selectors.EVENT_READ)
                if events & selectors.EVENT_READ and not channel.closed:
                    self._read(channel, handle, lost)
        self.drain()
        self._tell_followers()

    def read_now(self, channel: Channel) -> bool:
        """Handle what has arrived on a channel, without waiting; False if it was nothing."""
        if channel.closed:
            return False
        _, handle, lost = self._selector.get_key(channel.sock).data
        return self._read(channel, handle, lost)

    def _read(
        self, channel: Channel, handle: Callable[[Message, list[int]], None], lost: Callable[[str], None]
    ) -> bool:
        try:
            messages = channel.receive()
        except EOFError as error:
            self.remove(channel)
            lost(str(error))
            return False
        for message, fds in messages:
            handle(message, fds)
        return bool(messages)

    def _drain_wake(self) -> None:
        with suppress(BlockingIOError):
            while self._wake_in.recv(4096):
                pass

    def close(self) -> None:
        """Stop the background thread and close everything. May be called from it."""
        self.closed = True
        self.wake()
        self._park.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)
        with self.lock:
            for key in list(self._selector.get_map().values()):
                if key.data is not None:
                    self.remove(key.data[0])
            self._selector.close()
            self._wake_in.close()
            self._wake_out.close()
