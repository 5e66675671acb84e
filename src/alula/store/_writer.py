"""Group commit: one thread that writes what all others hand it, as much as there is in one transaction.

A commit costs the same for one record and for a hundred, so whoever can go on without waiting posts
its write here and is told when it is durable. A piece that fails takes nothing else with it: one without
a fence, which may well be refused, stands in a savepoint of its own, and if another fails, which is rare,
all are undone and done again with a savepoint each.

Who has much else under way may be patient: his pieces wait a moment for others to share their commit.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Condition, Thread, current_thread
from typing import Any, Protocol, TypeAlias

from sqlalchemy import Connection

from ..errors import FencedError
from ._prepared import say

__all__ = ["Fence", "Piece", "Writer"]

_MOMENT = 0.002  # seconds for which pieces wait for others, if all that are there are patient
_ENOUGH = 64  # pieces, for which a commit costs each of them next to nothing
_MOST = 1000  # pieces in one transaction, so that nobody else waits for the write lock too long

_log = logging.getLogger("alula.store")

Outcome: TypeAlias = tuple[Any, BaseException | None]


class Fence(Protocol):
    """Refuses a writer that has been superseded."""

    def __call__(self, connection: Connection) -> None:
        """Raise `FencedError` if the writer no longer owns what it is about to write to.

        Runs inside the write transaction and before its work, so nothing can change in between, if it
        locks what it reads: ``select(...).with_for_update(key_share=True)``.
        """
        ...


@dataclass(frozen=True, slots=True)
class Piece:
    """One write, and whom to tell; `then` gets the value of `work`, or the error; see `Store.post`."""

    work: Callable[[Connection], Any]
    then: Callable[[Any, BaseException | None], None]
    fence: Fence | None
    lasting: bool = False
    patient: bool = False


class Commit(Protocol):
    """Does some work in a transaction of its own, and commits it."""

    def __call__(self, work: Callable[[Connection], list[Outcome]], *, alone: bool) -> list[Outcome]:
        """Give what the work gives; `alone` keeps other processes from writing meanwhile."""
        ...


class Writer:
    """A queue of pieces and the daemon thread that empties it, started by the first piece."""

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._queue: list[Piece] = []
        self._wake = Condition()
        self._thread: Thread | None = None
        self._closed = self._hurried = False

    def post(self, piece: Piece) -> bool:
        """Queue a piece; False if the writer is closed."""
        with self._wake:
            if self._closed:
                return False
            self._queue.append(piece)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="alula-store-writer", daemon=True)
                self._thread.start()
            self._hurried = self._hurried or not piece.patient
            if self._hurried or len(self._queue) in (1, _ENOUGH):
                self._wake.notify()
        return True

    def close(self) -> None:
        """Take no more, and return when all that was queued has been written and told."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread is not None and self._thread is not current_thread():
            self._thread.join()

    def _run(self) -> None:
        while batch := self._next():
            for piece, outcome in zip(batch, self._write(batch), strict=True):
                _tell(piece, outcome)

    def _next(self) -> list[Piece]:
        """Wait for pieces; none means that the writer is closed and all is written."""
        with self._wake:
            self._wake.wait_for(lambda: self._queue or self._closed)
            self._wake.wait_for(self._goes, _MOMENT)
            batch, self._queue = self._queue[:_MOST], self._queue[_MOST:]
            self._hurried = any(not piece.patient for piece in self._queue)
        return batch

    def _goes(self) -> bool:
        return self._hurried or self._closed or len(self._queue) >= _ENOUGH

    def _write(self, batch: list[Piece]) -> list[Outcome]:
        alone = any(piece.fence is None for piece in batch)
        try:
            try:
                return self._commit(partial(_together, batch), alone=alone)
            except _PieceFailed:
                return self._commit(lambda c: [_apart(c, piece) for piece in batch], alone=alone)
        except BaseException as error:  # whatever it is, those who wait must hear of it
            return [(None, error)] * len(batch)


class _PieceFailed(Exception):
    """A piece has failed half-way, with others in its transaction."""


def _together(batch: list[Piece], connection: Connection) -> list[Outcome]:
    if len(batch) == 1:  # what is undone is its own
        return [_do(connection, batch[0])]
    outcomes: list[Outcome] = []
    passed: Fence | None = None  # by the piece before, and still good
    for piece in batch:
        if piece.fence is None:
            outcomes.append(_apart(connection, piece))
        else:
            known = piece.lasting and piece.fence == passed
            outcomes.append(_amid(connection, piece, passed=known))
        passed = piece.fence if piece.lasting and outcomes[-1][1] is None else None
    return outcomes


def _do(connection: Connection, piece: Piece) -> Outcome:
    if piece.fence is not None:
        piece.fence(connection)
    return piece.work(connection), None


def _amid(connection: Connection, piece: Piece, *, passed: bool) -> Outcome:
    try:
        if piece.fence is not None and not passed:
            piece.fence(connection)
    except FencedError as error:
        return None, error  # nothing was done that had to be undone
    try:
        return piece.work(connection), None
    except BaseException as error:  # the caller's code, or the connection
        if connection.invalidated:  # lost: the store's trouble, and not the piece's
            raise
        raise _PieceFailed from error


def _apart(connection: Connection, piece: Piece) -> Outcome:
    say(connection, "SAVEPOINT piece")
    try:
        outcome = _do(connection, piece)
    except BaseException as error:  # the caller's code: its error belongs to it alone
        if connection.invalidated:  # lost, and with it whatever was done
            raise
        # A full disk may have ended the whole transaction: this then fails, and with it the batch.
        say(connection, "ROLLBACK TO SAVEPOINT piece")
        outcome = (None, error)
    say(connection, "RELEASE SAVEPOINT piece")
    return outcome


def _tell(piece: Piece, outcome: Outcome) -> None:
    try:
        piece.then(*outcome)
    except Exception:  # the caller's code: it must not silence the writer for all others
        _log.exception("a callback of Store.post failed; what it was about is written")
