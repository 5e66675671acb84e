"""The mailbox of a workflow: signals are kept until one of its tasks takes them.

The oldest of a key comes first. Each is taken by one task, in the transaction that records it as the
value of that task; so what was taken is never given out again, and what was not is never lost.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Condition, Thread, current_thread
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select, update

from .._core._ids import Key
from ..errors import FencedError, StoreUnavailableError
from ..graph import Node
from ..store import Store
from ._logical import DUE, Logical
from ._owner import Owner
from ._tables import MESSAGES
from ._texts import checked_text
from ._vault import Stored

__all__ = [
    "SIGNAL",
    "Mailroom",
    "Waiter",
    "checked_key",
    "keep",
    "mail_topic",
    "take",
    "wait_for_signal",
]

SIGNAL: Final = Logical("signal", "workflow.wait_for_signal")
_DUE: Final = Logical(DUE, "workflow.wait_for_signal.due")

_LOOK: Final = 1.0  # seconds after which to look, bell or not
_END: Final = 15.0  # seconds that the end waits for a look that is under way
_MANY: Final = 500  # workflows of which messages are asked for by number; of more, all are read
_TAKE: Final = (
    update(MESSAGES)
    .where(MESSAGES.c.number == bindparam("of_number"), MESSAGES.c.taken_by.is_(None))
    .values(taken_by=bindparam("taker"))
)


def wait_for_signal(key: str, timeout: float | None = None) -> Node[Any]:
    """Make a node whose value is the payload of the oldest signal of a key that no task has taken.

    Parameters
    ----------
    key
        As given to `signal`.
    timeout
        Seconds after which the task fails with `WorkflowTimeoutError`; None waits for ever. It is recorded
        first when they are over, so they do not begin anew in a workflow that is resumed; but that takes
        what is in the mailbox by then, however late it came.

    Raises
    ------
    TypeError
        If the key is not text, or the timeout not a number.
    ValueError
        If the key is empty or longer than 255 characters, or the timeout negative.
    """
    checked_key(key)
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, (int, float))):
        raise TypeError(f"a timeout is a number of seconds or None, not {timeout!r}")
    if timeout is not None and not timeout >= 0:
        raise ValueError(f"a timeout is 0 or more seconds, not {timeout!r}")
    return Node(SIGNAL, (key,) if timeout is None else (key, timeout, Node(_DUE, (timeout,))))


def checked_key(key: object) -> str:
    """Give the key of a signal or event, if it is one."""
    return checked_text("a key", key)


def mail_topic(executor: str) -> str:
    """Name the topic that is rung when a workflow which an executor runs has got a signal."""
    return f"mail/{executor}"


def keep(
    connection: Connection, number: int, key: str, payload: Stored, again: str | None, now: float
) -> None:
    """Write a signal, unless one with the same idempotency key was written before."""
    if again is not None:
        same = (MESSAGES.c.workflow == number) & (MESSAGES.c.idempotency_key == again)
        if connection.scalar(select(MESSAGES.c.number).where(same)) is not None:
            return
    row = {
        "workflow": number,
        "key": key,
        "idempotency_key": again,
        "digest": payload.digest,
        "value": payload.data,
        "sent": now,
    }
    connection.execute(insert(MESSAGES), row)


def take(message: int, task: Key, connection: Connection) -> None:
    """Note that a task has taken a message."""
    if connection.execute(_TAKE, {"of_number": message, "taker": task}).rowcount != 1:
        raise FencedError(f"message {message}", 0)


@dataclass(frozen=True, slots=True, eq=False)
class Waiter:
    """A task that waits for a message.

    Attributes
    ----------
    owner, key
        Of which workflow, and what kind of message.
    then
        Called with the number and payload of one, from another thread.
    """

    owner: Owner
    key: str
    then: Callable[[int, Stored], None]

    @property
    def place(self) -> tuple[int, str]:
        """The number of its workflow, and the key."""
        return self.owner.number, self.key


class Mailroom:
    """Hands the messages of one executor's workflows to the tasks that wait for them."""

    def __init__(self, store: Store, executor: str) -> None:
        self._store, self._executor = store, executor
        # By workflow and key, in the order in which they came: there may be many thousands.
        self._waiting: dict[tuple[int, str], dict[Waiter, None]] = {}
        self._late: dict[Waiter, Callable[[], None]] = {}
        self._given: dict[int, tuple[int, int]] = {}  # message: workflow and attempt, until it is taken
        self._news = Condition()
        self._heard = self._closed = False
        self._stop: Callable[[], None] | None = None
        self._thread: Thread | None = None

    def wait(self, waiter: Waiter) -> None:
        """Hand a message to a task, once there is one."""
        with self._news:
            if self._closed:
                raise RuntimeError("the executor is closed")
            if self._stop is None:
                self._stop = self._store.listen(mail_topic(self._executor), self._hear)
                self._thread = Thread(target=self._run, name="alula-workflow-mail", daemon=True)
                self._thread.start()
            self._waiting.setdefault(waiter.place, {})[waiter] = None
            self._heard = True
            self._news.notify()

    def expire(self, waiter: Waiter, late: Callable[[], None]) -> None:
        """Look for a message for a task once more, and tell it that it is `late` if there is none."""
        with self._news:
            self._late[waiter] = late
        self._hear()

    def leave(self, waiter: Waiter) -> bool:
        """Let a task wait no more; tell whether it still waited."""
        with self._news:
            self._late.pop(waiter, None)
            waiting = self._waiting.get(waiter.place, {})
            was = waiter in waiting
            waiting.pop(waiter, None)
            if was and not waiting:
                del self._waiting[waiter.place]
        return was

    def close(self) -> None:
        """Hand out nothing more."""
        with self._news:
            self._closed = True
            self._news.notify()
        if self._stop is not None:
            self._stop()
        if self._thread is not None and self._thread is not current_thread():
            self._thread.join(_END)  # it may be reading

    def _hear(self) -> None:
        with self._news:
            self._heard = True
            self._news.notify()

    def _run(self) -> None:
        while self._wait():
            with self._news:
                numbers = {number for number, _ in self._waiting}
                late = [*self._late.items()]
            if numbers:
                with suppress(StoreUnavailableError):  # then it is looked at again in a while
                    self._hand_out(numbers)
                    self._send_away(late)

    def _wait(self) -> bool:
        with self._news:
            self._news.wait_for(lambda: self._heard or self._closed, _LOOK if self._waiting else None)
            self._heard = False
            return not self._closed

    def _send_away(self, late: Sequence[tuple[Waiter, Callable[[], None]]]) -> None:
        for waiter, tell in late:
            if self.leave(waiter):
                tell()

    def _hand_out(self, numbers: set[int]) -> None:
        messages = self._untaken(numbers)
        found = {message.number for message in messages}
        self._given = {n: to for n, to in self._given.items() if n in found or to[0] not in numbers}
        for message in messages:
            waiter = self._taker(message)
            if waiter is not None and self.leave(waiter):
                self._given[message.number] = (message.workflow, waiter.owner.attempt)
                waiter.then(message.number, Stored(message.digest, message.value))

    def _taker(self, message: Any) -> Waiter | None:
        with self._news:
            waiter = next(iter(self._waiting.get((message.workflow, message.key), ())), None)
        if waiter is None or self._given.get(message.number) == (message.workflow, waiter.owner.attempt):
            return None
        return waiter

    def _untaken(self, numbers: set[int]) -> Sequence[Any]:
        c = MESSAGES.c
        asked = select(c.number, c.workflow, c.key, c.digest, c.value).where(c.taken_by.is_(None))
        if len(numbers) <= _MANY:
            asked = asked.where(c.workflow.in_(numbers))
        with self._store.reading() as connection:
            return connection.execute(asked.order_by(c.number)).all()
