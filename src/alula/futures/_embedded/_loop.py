"""The I/O of one process: whoever waits does it.

A thread that waits in `get` takes the lead: it reads the sockets itself, so that an answer needs no
hand-over between threads (12 microseconds a round trip instead of 85). A background thread takes the
lead when nobody has led for a few milliseconds, so that answers are also taken while the program
computes; it steps back for whoever wants to wait. Threads that wait while another leads look at their
values after each of its turns. One lock guards all state; callbacks of users run after it is released.

No wake-up is lost, because whoever sleeps first says so and then looks again: a follower enters itself
before it looks for its value and for a leader, and the background thread says that it is parked before
it looks whether there is still a leader. So nothing polls, and an idle process uses no time.
"""

import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import get_ident
from time import monotonic
from typing import Any, Protocol, TypeAlias

from ..._core._shield import Guard, Shield
from ...errors import NodeDiedError
from ._poll import READ, WRITE, new_poll
from ._wire import Channel, Descriptor, Message

__all__ = ["Handle", "Loop", "Lost", "Source"]

_GRACE = 0.005  # s without a leader before the background thread takes over
# A signal that comes in the moment before the wait begins does not end it, so no wait of those who may be
# interrupted is longer than this.
_LOOK = 0.5
_PATIENCE = 0.001  # s that a thread waits for the background thread to step back
_PAUSE = 0.001  # s between looks of a thread that makes work
_LULL = 0.005  # s without new work that end a burst; less may be the system, which let others run
_BURST = 16  # tasks that it must have made without a lull
_MOST = 64  # sockets that are served before the next look at the others

Handle: TypeAlias = Callable[[Message, list[Descriptor]], None]
Lost: TypeAlias = Callable[[], None]


class Source(Protocol):
    """What a loop reads: a `Channel`, or one end of a pipe."""

    closed: bool

    @property
    def sock(self) -> Any:
        """What has a descriptor."""

    @property
    def blocked(self) -> bool:
        """Whether something waits to be sent."""

    def receive(self) -> list[tuple[Message, list[Descriptor]]]:
        """Read what is there; `EOFError` at the end."""

    def flush(self) -> None:
        """Send what waits."""

    def close(self) -> None:
        """Be read no more."""


class _News(threading.local):
    def __init__(self) -> None:
        self.event = threading.Event()


class Loop:
    """Sockets, the lock over all that is done with them, and the lead.

    Parameters
    ----------
    on_idle
        Called by the leader before each wait, without the lock: s that it may last, None for no limit.
    on_error
        Called with the lock when a message could not be handled, which should not happen: what is
        known may be wrong from then on.
    """

    def __init__(
        self, on_idle: Callable[[], float | None], on_error: Callable[[BaseException], None]
    ) -> None:
        self.closed = False
        self._on_idle, self._on_error = on_idle, on_error
        self.shield = Shield(self.wake)
        self.lock = Guard(self.shield)
        self._poll = new_poll()
        self._sources: dict[int, tuple[Source, Handle, Lost]] = {}  # by descriptor
        self._writing: set[int] = set()  # descriptors of those that have something to send
        self._lead = threading.Lock()
        self._busy = 0.0  # when somebody made work last
        self._burst = 0  # how often somebody did without a lull
        self._unseen = 0  # how much more may be made until it is time to look again
        self._leader: int | None = None  # the thread that leads
        self._leads = 0  # how often a thread has taken it to wait
        self._last_led = 0.0  # when such a thread left it
        self._in_background = False  # the background thread leads
        self._wanting: deque[None] = deque()  # one for each thread that wants the lead from it
        self._parked = False  # the background thread sleeps until the leader leaves
        self._park = threading.Event()
        self._followers: deque[threading.Event] = deque()
        self._callbacks: deque[Callable[[], None]] = deque()
        self._news = _News()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._poll.register(self._wake_in.fileno(), READ)
        self._thread = threading.Thread(target=self._background, name="alula-io", daemon=True)

    def start(self) -> None:
        """Start the background thread."""
        self._thread.start()

    # ------------------------------------------------------------------------------------ channels

    def add(self, channel: Source, handle: Handle, lost: Lost) -> None:
        """Read a channel: `handle` gets each message; `lost` is called when it has ended."""
        number = channel.sock.fileno()
        self._sources[number] = channel, handle, lost
        self._poll.register(number, READ)

    def remove(self, channel: Source) -> None:
        """Read a channel no more, and close it."""
        if not channel.closed:
            number = channel.sock.fileno()
            self._poll.unregister(number)
            self._writing.discard(number)
            del self._sources[number]
            channel.close()

    def send(self, channel: Channel, message: Message, fds: Sequence[Descriptor] = ()) -> None:
        """Send a message; what the other side does not take now goes out when it does."""
        if channel.send(message, fds):
            self.await_room(channel)

    def await_room(self, channel: Source) -> None:
        """Send the rest when the other side takes it."""
        if not channel.closed and (number := channel.sock.fileno()) not in self._writing:
            self._writing.add(number)
            self._poll.modify(number, READ | WRITE)

    def read_now(self, channel: Source) -> bool:
        """Handle what has arrived on a channel, without waiting; False if it was nothing."""
        if channel.closed:
            return False
        return self._read(*self._sources[channel.sock.fileno()])

    def _read(self, channel: Source, handle: Handle, lost: Lost) -> bool:
        try:
            messages = channel.receive()
        except EOFError:
            self.remove(channel)
            lost()
            return False
        for message, fds in messages:
            handle(message, fds)
        return bool(messages)

    # ----------------------------------------------------------------------------------- callbacks

    def later(self, callback: Callable[[], None]) -> None:
        """Call something soon, without the lock, from a thread that does I/O or from `drain`."""
        self._callbacks.append(callback)

    def drain(self) -> None:
        """Run the callbacks that are due; what they raise is reported, and is no concern of ours."""
        if self._callbacks:
            self._drain()

    def _drain(self) -> None:
        with self.shield:
            while self._callbacks:
                try:
                    callback = self._callbacks.popleft()
                except IndexError:  # another thread was faster
                    return
                try:
                    callback()
                except Exception:  # a user's: `Future.add_done_callback` and the like end up here
                    thread = threading.current_thread()
                    threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), thread)))

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
            On the monotonic clock; None for never. If it has passed, one look is taken all the same.

        Returns
        -------
        bool
            Whether it is done.

        Raises
        ------
        NodeDiedError
            If the loop was closed before it was.
        """
        while not done():
            if self.closed:
                raise NodeDiedError("the session was shut down")
            with self.shield:
                led = self._lead_until(done, deadline)
            if deadline is not None and monotonic() >= deadline:
                return bool(done())
            if not led:
                self._follow(done, deadline)
        return True

    def help(self) -> bool:
        """Do the I/O that is due, if nobody has for a moment; called by whoever has made work.

        Only a thread that does so without a lull gets to it: the background thread would have to wrest
        the interpreter from it for each of its steps, while the workers have nothing to do.

        Returns
        -------
        bool
            Whether what was made may wait for the next turn, which will be soon: of this thread, if it
            goes on like this, or of the next one that leads, which looks before it sleeps.
        """
        if self._unseen and self._leader is None:  # to look at the clock each time is half of the work
            self._unseen -= 1
            return True
        now = monotonic()
        self._burst = self._burst + 1 if now - self._busy < _LULL else 0
        self._busy = now
        if self._burst < _BURST or self._leader == get_ident():
            return False
        if now - self._last_led < _PAUSE:
            self._unseen = _BURST
            return not self.led
        with self.shield:
            if not (self._lead.acquire(blocking=False) or self._is_left()):
                return False
            self._leader = get_ident()
            self._leads += 1
            try:
                self._turn(0)
            finally:
                self._leave_lead()
        return True

    @property
    def led(self) -> bool:
        """Whether any thread leads, which may not look for work again before there is news."""
        return self._lead.locked()

    def _lead_until(self, done: Callable[[], Any], deadline: float | None) -> bool:
        """Lead until it is done, or the time is over, or a signal waits; False if another leads."""
        me = get_ident()
        nested = self._leader == me  # we are inside a callback that waits for something
        if not nested:
            if not (self._lead.acquire(blocking=False) or self._is_left(deadline)):
                return False
            self._leader = me
            self._leads += 1
        try:
            # First a look: whoever led before us may have done it since the last one.
            while not (done() or self.closed or self.shield.pending):
                left = _LOOK if deadline is None else max(0.0, deadline - monotonic())
                self._turn(min(left, _LOOK))
                if left == 0:
                    break
            return True
        finally:
            if not nested:
                self._leave_lead()

    def _is_left(self, deadline: float | None = None) -> bool:
        """Ask the background thread to leave us the lead, if that has it and there is time to wait for it."""
        if not self._in_background or (deadline is not None and monotonic() >= deadline):
            return False
        self._wanting.append(None)
        self.wake()
        taken = self._lead.acquire(timeout=_PATIENCE)
        self._wanting.pop()
        return taken

    def _leave_lead(self) -> None:
        self._leader = None
        self._last_led = monotonic()
        self._lead.release()
        if self._parked:
            self._park.set()
        if self._followers:
            self._tell_followers()

    def _follow(self, done: Callable[[], Any], deadline: float | None) -> None:
        """Wait until there is news, or nobody leads."""
        news = self._news.event
        news.clear()
        self._followers.append(news)
        if not done() and self._lead.locked():
            news.wait(None if deadline is None else max(0.0, deadline - monotonic()))

    def _tell_followers(self) -> None:
        while self._followers:
            try:
                self._followers.popleft().set()
            except IndexError:  # another thread told them
                return

    def _background(self) -> None:
        while not self.closed:
            wanted = self._wanting or monotonic() - self._last_led < _GRACE
            if wanted or not self._lead.acquire(blocking=False):
                self._stand_by()
                continue
            self._leader, self._in_background = get_ident(), True
            while not (self._wanting or self.closed):
                self._turn(None)
            self._leader, self._in_background = None, False
            self._lead.release()
            self._tell_followers()

    def _stand_by(self) -> None:
        leads = self._leads
        self._park.wait(_GRACE)
        self._park.clear()
        if self._lead.locked() and self._leads == leads:  # somebody leads for longer
            self._parked = True
            if self._lead.locked() and not self.closed:
                self._park.wait()
            self._parked = False
            self._park.clear()

    def _turn(self, timeout: float | None) -> None:
        """Wait for sockets once, and handle what they say."""
        idle = self._on_idle()
        if idle is not None and (timeout is None or idle < timeout):
            timeout = idle
        for number, events in self._poll.poll(timeout, _MOST):
            with self.lock.bare:
                try:
                    self._serve(number, events)
                except Exception as error:  # whatever it is, nobody may go on waiting because of it
                    self._on_error(error)
        if self._callbacks:
            self._drain()
        if self._followers:
            self._tell_followers()

    def _serve(self, number: int, events: int) -> None:
        source = self._sources.get(number)
        if source is None:  # another thread has just removed it, or wakes us
            self._drain_wake()
            return
        if events != READ:
            self._flush(source[0])
        if events != WRITE and not source[0].closed:
            self._read(*source)

    def _flush(self, channel: Source) -> None:
        channel.flush()
        number = channel.sock.fileno()
        if not channel.blocked and number in self._writing:
            self._writing.remove(number)
            self._poll.modify(number, READ)

    def _drain_wake(self) -> None:
        with suppress(BlockingIOError):
            while self._wake_in.recv(4096):
                pass

    # ----------------------------------------------------------------------------------------- end

    def close(self) -> None:
        """Stop the background thread and close everything. May be called from a callback."""
        self.closed = True
        self.wake()
        self._park.set()
        self._tell_followers()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)
        # Whoever leads leaves as soon as it sees `closed`; only then may the sockets go. A callback that
        # is called by the leader cannot wait for that.
        taken = self._leader != get_ident() and self._lead.acquire(timeout=5)
        with self.lock:
            self._let_go()
        if taken:
            self._lead.release()

    def abandon(self) -> None:
        """In a forked child: let go of the copies of sockets that are the parent's."""
        self.closed = True
        self.shield = Shield(self.wake)
        self.lock.renew(self.shield)
        self._lead = threading.Lock()
        self._let_go()

    def _let_go(self) -> None:
        for channel, _, _ in list(self._sources.values()):
            channel.close()
        self._sources.clear()
        self._poll.close()
        self._wake_in.close()
        self._wake_out.close()
