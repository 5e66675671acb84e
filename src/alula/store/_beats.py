"""Locks of executors on many machines: rows that expire by the database's clock unless they are renewed.

Whoever holds some renews them from a thread, so an executor that dies or cannot reach the database is
dead to all others when its row expires. On its own machine it is known at once: the row names the process,
and the system tells whether that lives. One that comes back late finds its name taken, or goes on: what it
writes stands behind fences that do not ask for the time.
"""

import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import ClassVar, Final

from sqlalchemy import (
    Column,
    Connection,
    Double,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    insert,
    literal_column,
    select,
    update,
)

from ..errors import StoreUnavailableError

__all__ = ["Beats"]

EXPIRY: Final = 10.0
"""Seconds without a sign of life after which an executor is dead."""

_PERIOD: Final = EXPIRY / 4  # three signs may be lost

_TABLES = MetaData()
_BEATS = Table(
    "executor_beats",
    _TABLES,
    Column("name", String(255), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("process", String(255), nullable=False),  # how its own machine knows it; may be empty
    Column("expires", Double, nullable=False),  # by the clock of the database
)
_NOW: Final = literal_column("extract(epoch from clock_timestamp())", Double)
_ONE = (_BEATS.c.name == bindparam("of_name")) & (_BEATS.c.epoch == bindparam("of_epoch"))
_BEAT: Final = update(_BEATS).where(_ONE).values(expires=_NOW + EXPIRY)
_END: Final = delete(_BEATS).where(_ONE)
_ASKED: Final = select(_BEATS.c.process).where(_ONE, _BEATS.c.expires > _NOW)
_LATER: Final = select(_BEATS.c.epoch).where(
    _BEATS.c.name == bindparam("of_name"), _BEATS.c.epoch > bindparam("of_epoch")
)

_log = logging.getLogger("alula.store")


class Beats:
    """The rows of one process; what each call does is said by `Locks`."""

    tables: ClassVar[MetaData] = _TABLES

    def __init__(self, begin: Callable[[], AbstractContextManager[Connection]]) -> None:
        """Take what begins a transaction; the thread is started by the first `take`."""
        self._begin = begin
        self._guard = Lock()
        self._held: set[tuple[str, int]] = set()
        self._owner = (
            os.getpid()
        )  # a forked child has the rows of its parent in memory, and they are not its own
        self._idle = Event()
        self._thread: Thread | None = None

    def take(self, connection: Connection, name: str, epoch: int) -> None:
        """Write the row, seen by others when the transaction is committed, and renew it from then on."""
        connection.execute(delete(_BEATS).where(_BEATS.c.name == name))
        facts = {"name": name, "epoch": epoch, "process": _process(os.getpid()) or ""}
        connection.execute(insert(_BEATS).values(**facts, expires=_NOW + EXPIRY))
        with self._guard:
            self._held.add((name, epoch))
            if self._thread is None:
                self._idle = Event()
                self._thread = Thread(
                    target=self._run, args=(self._idle,), name="alula-store-beats", daemon=True
                )
                self._thread.start()

    def taken(self, name: str, epoch: int) -> bool:
        """Tell whether the row has not expired, and its process, if it is one of this machine, lives."""
        with self._begin() as connection:
            process = connection.scalar(_ASKED, {"of_name": name, "of_epoch": epoch})
        return process is not None and not _has_ended(process)

    def give_back(self, name: str, epoch: int) -> None:
        """Remove the row; if the database is away, it expires."""
        with self._guard:
            mine = (name, epoch) in self._held and self._owner == os.getpid()
            self._held.discard((name, epoch))
            if not self._held:
                self._idle.set()
                self._thread = None
        if mine:
            with suppress(StoreUnavailableError), self._begin() as connection:
                connection.execute(_END, {"of_name": name, "of_epoch": epoch})

    def forget(self, name: str, epoch: int) -> None:
        """Do nothing: whoever takes a name has removed what earlier holders left."""

    def beat(self) -> None:
        """Renew what is held; whose name has gone to another is told so, once."""
        with self._guard:
            held = sorted(self._held)
        with self._begin() as connection:
            for name, epoch in held:
                facts = {"of_name": name, "of_epoch": epoch}
                renewed = connection.execute(_BEAT, facts).rowcount
                # A row that is not there yet stands in a transaction that is still open.
                if not renewed and connection.scalar(_LATER, facts) is not None:
                    self._lost(name, epoch)

    def _lost(self, name: str, epoch: int) -> None:
        with self._guard:
            self._held.discard((name, epoch))
        _log.error("the executor %s was silent for so long that another has its name: start it anew", name)

    def _run(self, idle: Event) -> None:
        while not idle.wait(_PERIOD):
            with suppress(StoreUnavailableError):  # then the next one, if it comes in time
                self.beat()


def _process(pid: int) -> str | None:
    """Give what tells a process of this machine from all others, dead ones too; None if nothing does."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = os.stat("/proc/self/ns/pid").st_ino  # a number means another process in another container
        state, started = _status(pid)
    except (OSError, ValueError):  # no Linux, or no such process
        return None
    return None if state in "ZX" else f"{boot}/{space}/{pid}/{started}"


def _status(pid: int) -> tuple[str, str]:
    """Give the state of a process, and when it was started, in ticks since the machine was."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return fields[0], fields[19]


def _has_ended(process: str) -> bool:
    """Tell whether a process is known to have ended: never of one that another machine knows."""
    mine, place = _process(os.getpid()), process.split("/")[:2]
    if mine is None or mine.split("/")[:2] != place:
        return False
    return _process(int(process.split("/")[2])) != process
