"""Runs that nobody waits for: AI.DAGRUNASYNC starts them, and they are asked after by their ids.

A record lives as long as its run, and then for as long as its client wanted. Runs live as long as the
server: what they have stored stays, what they have not is lost with it.
"""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, Literal, TypeAlias, get_args

from ..errors import CommandError
from ._config import Config
from ._devices import Devices
from ._later import Later
from ._plan import Answer, Ran, Read, WasSet
from ._plans import Bound
from ._resp import Reply
from ._run import Running
from ._turns import Seen, TimedOut

__all__ = ["STATES", "Background", "Record", "State"]

State: TypeAlias = Literal["queued", "running", "done", "failed", "timedout", "cancelled"]
STATES: Final[tuple[State, ...]] = get_args(State)
"""What may become of a run, in the order in which it may."""

_DAY: Final = 86400.0  # seconds; a loop's alarms need not be good for more

Kept: TypeAlias = Callable[[CommandError | None], None]
"""Told that what was stored is kept, or why it was undone."""

_OpState: TypeAlias = Literal["waiting", "running", "ok", "error", "skipped"]


class Record:
    """One run, while it runs and for a while after.

    Attributes
    ----------
    id
        By which clients know it; sorts by age. Empty if nobody is to know it.
    state
        What has become of it.
    replies
        What AI.DAGRUN would have replied, once it has ended.
    """

    def __init__(
        self,
        number: bytes,
        bound: Bound,
        devices: Devices,
        *,
        keep: Callable[[Kept], None],
        ended: Callable[["Record"], None],
    ) -> None:
        self.id = number
        self.state: State = "queued"
        self.replies: Reply = None
        self.expires: float | None = None  # by the monotonic clock, once it has ended
        self.alarm: asyncio.TimerHandle | None = None  # for that moment
        self._clock = devices.clock
        self._plan = bound.plan
        self._accepted = self._clock.monotonic()
        self._begun: float | None = None
        self._over = 0.0
        self._ops: dict[int, _OpState] = {}  # of those that have begun, by position
        self._keep, self._then = keep, ended
        self._waiting: list[Later] = []
        self._running: Running | None = Running(bound, devices, self._end)

    def start(self) -> None:
        """Begin; a run that is quick enough ends in this call."""
        assert self._running is not None
        self._running.start(self._saw)

    def cancel(self) -> bool:
        """End it now, if it has not ended and is not being stored; tell whether that was so."""
        if self._running is None or self._running.storing:
            return False
        self.state = "cancelled"
        self._running.cancel()
        return True

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._running is None

    def wait(self, later: Later) -> None:
        """Settle a reply with the status when the run ends."""
        self._waiting.append(later)

    def forget(self, later: Later) -> None:
        """Nobody waits for that reply any more."""
        if later in self._waiting:
            self._waiting.remove(later)

    def _saw(self, position: int, what: Seen) -> None:
        if self.state == "queued":
            self.state, self._begun = "running", self._clock.monotonic()
        self._ops[position] = what

    def _end(self, reply: Reply) -> None:
        assert self._running is not None
        error = self._running.error
        if self.state == "cancelled":
            self._close("cancelled", reply)
        elif error is None:
            self._keep(partial(self._kept, reply))
        else:
            self._close("timedout" if isinstance(error, TimedOut) else "failed", reply)

    def _kept(self, reply: Reply, error: CommandError | None) -> None:
        """End a run that has stored its keys, or could not after all."""
        if error is None:
            self._close("done", reply)
        else:
            assert isinstance(reply, list)
            self._close("failed", [*reply, error])

    def _close(self, state: State, reply: Reply) -> None:
        self._running = None
        self._over = self._clock.monotonic()
        self.state, self.replies = state, reply
        self.expires = self._over + self._plan.keep if self._plan.keep else None
        self._then(self)
        waiting, self._waiting = self._waiting, []
        for later in waiting:
            later.settle(None)

    # ------------------------------------------------------------------------------------- status

    def status(self, *, replies: bool) -> Reply:
        """Give the fields of AI.DAGSTATUS, each behind its name."""
        states = [self._op_state(answer) for answer in self._plan.answers]
        now = self._over if self.over else self._clock.monotonic()
        begun = now if self._begun is None else self._begun
        stored: list[Reply] = [key for key, _ in self._plan.stores] if self.state == "done" else []
        fields: list[Reply] = [
            *(b"id", self.id),
            *(b"state", self.state),
            *(b"ops", len(states)),
            *(b"completed", states.count("ok")),
            *(b"opstates", list[Reply](states)),
            *(b"queued_ms", round((begun - self._accepted) * 1000)),
            *(b"run_ms", round((now - begun) * 1000)),
            *(b"persisted", stored),
        ]
        return [*fields, b"replies", self.replies] if replies else fields

    def _op_state(self, answer: Answer) -> _OpState:
        if isinstance(answer, WasSet) or (isinstance(answer, Read) and not isinstance(answer.source, str)):
            return "ok"
        key = answer.key if isinstance(answer, Ran) else str(answer.source)
        state = self._ops.get(int(key.partition(".")[0]), "waiting")
        if self.over and state in ("waiting", "running"):
            return "skipped"
        if isinstance(answer, Read) and state != "ok":
            return "skipped" if self.over else "waiting"
        return state


class Background:
    """All runs of a server that nobody waits for.

    Parameters
    ----------
    loop
        The server's.
    devices
        Where they run.
    config
        How many there may be.
    keep
        Calls what it is given when all that has been stored until now is kept.

    Attributes
    ----------
    listeners
        Told the id and the final state of every run that ends, when what it stores can be seen.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        devices: Devices,
        config: Config,
        keep: Callable[[Kept], None],
    ) -> None:
        self.listeners: list[Callable[[bytes, State], None]] = []
        self._loop, self._devices, self._config, self._keep = loop, devices, config, keep
        self._records: dict[bytes, Record] = {}  # with an id, by age
        self._ended: dict[bytes, Record] = {}  # of those, by end
        self._unfinished: set[Record] = set()  # all of them
        self._last = (0, 0)  # milliseconds and number of the last id

    def submit(self, bound: Bound) -> bytes:
        """Start a run; give its id, or nothing if nothing of it is to be remembered.

        Raises
        ------
        CommandError
            If there are too many already.
        """
        if len(self._unfinished) >= self._config.dag_async_max:
            raise CommandError("ERR too many unfinished asynchronous DAGs")
        number = b"" if bound.plan.noid else self._id()
        record = Record(number, bound, self._devices, keep=self._keep, ended=self._end)
        self._unfinished.add(record)
        if record.id:
            self._records[record.id] = record
        record.start()
        return record.id

    def _id(self) -> bytes:
        now, (last, number) = int(self._devices.clock.time() * 1000), self._last
        # A clock that is set back makes no id twice.
        self._last = (now, 0) if now > last else (last, number + 1)
        return b"%d-%d" % self._last

    def find(self, number: bytes) -> Record:
        """Give the run of an id, or say that there is none."""
        record = self._records.get(number)
        if record is None or self._due(record):
            raise CommandError("ERR no such DAG id")
        return record

    def __iter__(self) -> Iterator[Record]:
        """Give those that are known, the oldest first."""
        return iter([record for record in self._records.values() if not self._due(record)])

    @property
    def unfinished(self) -> int:
        """How many have not ended."""
        return len(self._unfinished)

    @property
    def remembered(self) -> int:
        """How many that have ended are known."""
        return len(self._ended)

    def close(self) -> None:
        """Cancel all of them."""
        for record in list(self._unfinished):
            record.cancel()

    # ------------------------------------------------------------------------------------- the end

    def _end(self, record: Record) -> None:
        self._unfinished.discard(record)
        if not record.id:
            return
        self._ended[record.id] = record
        while len(self._ended) > self._config.dag_records_max:
            self._forget(next(iter(self._ended.values())))
        self._expire(record)
        for listener in self.listeners:
            listener(record.id, record.state)

    def _expire(self, record: Record) -> None:
        """Forget a run when it is time to."""
        if record.id in self._ended and record.expires is not None:
            if self._due(record):
                self._forget(record)
            else:
                seconds = record.expires - self._devices.clock.monotonic()
                record.alarm = self._loop.call_later(min(seconds, _DAY) + 0.001, self._expire, record)

    def _due(self, record: Record) -> bool:
        return record.expires is not None and self._devices.clock.monotonic() >= record.expires

    def _forget(self, record: Record) -> None:
        if record.alarm is not None:
            record.alarm.cancel()  # it would keep the record, and the tensors in its replies
        del self._records[record.id], self._ended[record.id]
