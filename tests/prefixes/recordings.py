"""Recordings: what the records were after each commit of a run, as another process would find them.

On SQLite the log that the database writes ahead is the recording: cut off behind any commit, beside the
file as it was before, it is what a death at that moment leaves, whichever process has written. On Postgres
triggers note each row that is written. Large values are there as they were: none that was written later.
"""

import json
import os
import shutil
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import connect
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier
from sqlalchemy import make_url

from alula._core._settings import Settings

__all__ = ["PostgresRecorder", "Recorder", "Recording", "SQLiteRecorder", "State"]


@dataclass(frozen=True, slots=True)
class State:
    """A store and a home, whole."""

    home: Path
    store: str

    def settings(self) -> Settings:
        return Settings.load(home=str(self.home), store=self.store, where="here")


class Recording(ABC):
    """What a run has written, commit by commit."""

    @abstractmethod
    def __len__(self) -> int:
        """Give the number of commits."""

    @abstractmethod
    def after(self, commits: int) -> State:
        """Make the state after so many commits, in a place of its own."""


class Recorder(ABC):
    """Makes empty states, and records what is written to a state."""

    @abstractmethod
    def empty(self) -> State:
        """Make an empty store and home."""

    @abstractmethod
    def recording(self, state: State) -> Any:
        """Record what is written while a block lasts; gives a list that then has the `Recording`."""


# ----------------------------------------------------------------------------------------- SQLite


class SQLiteRecorder(Recorder):
    """Keeps all states in one folder, until `clear`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def empty(self) -> State:
        home = self._folder / f"home{self._count}"
        self._count += 1
        home.mkdir()
        return State(home, f"sqlite:///{home}/alula.db")

    @contextmanager
    def recording(self, state: State) -> Iterator[list[Recording]]:
        file = state.home / "alula.db"
        log = state.home / "alula.db-wal"
        made: list[Recording] = []
        with closing(connect(file, isolation_level=None)) as reader:
            [(busy, *_)] = reader.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            assert not busy
            # Who reads keeps the log from being emptied into the file.
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM sqlite_master").fetchall()
            # Not by opening the file: to close it again would end the locks that this process has on it.
            base = reader.serialize()
            yield made
            made.append(_Log(self, state, base, log.read_bytes() if log.exists() else b""))

    def clear(self) -> None:
        for home in self._folder.iterdir():
            shutil.rmtree(home)


_HEADER, _FRAME = 32, 24


class _Log(Recording):
    def __init__(self, recorder: SQLiteRecorder, state: State, base: bytes, log: bytes) -> None:
        self._recorder, self._state, self._base, self._bytes = recorder, state, base, log
        self._ends = [0, *_commits(log)]
        self._artifacts = _artifacts(state)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def after(self, commits: int) -> State:
        made = self._recorder.empty()
        end = self._ends[commits]
        (made.home / "alula.db").write_bytes(self._base)
        (made.home / "alula.db-wal").write_bytes(self._bytes[:end])
        shutil.copytree(self._state.home / "keys", made.home / "keys")
        for path, since in self._artifacts.items():
            if since < end:
                copy = made.home / path.relative_to(self._state.home)
                copy.parent.mkdir(parents=True, exist_ok=True)
                os.link(path, copy)
        return made


def _commits(log: bytes) -> Iterator[int]:
    """Give where each commit ends in a log of SQLite's."""
    if not log:
        return
    size: int = struct.unpack(">I", log[8:12])[0]
    salt = log[16:24]
    for start in range(_HEADER, len(log) - size, _FRAME + size):
        pages, found = struct.unpack(">I", log[start + 4 : start + 8])[0], log[start + 8 : start + 16]
        if found != salt:
            return
        if pages:
            yield start + _FRAME + size


def _artifacts(state: State) -> Mapping[Path, int]:
    """Give all large values, and how long the log was when each was written; those from before at 0."""
    noted: dict[int, int] = {}
    notes = state.home / "alula.db.artifacts"
    for line in notes.read_text().splitlines() if notes.exists() else ():
        inode, length = map(int, line.split())
        noted[inode] = length
    found = (state.home / "artifacts").glob("[0-9a-f][0-9a-f]/*")
    return {path: noted.get(path.stat().st_ino, -1) for path in found}


# --------------------------------------------------------------------------------------- Postgres

_TABLES = (
    "executors",
    "workflows",
    "workflow_tasks",
    "workflow_attempts",
    "workflow_messages",
    "workflow_events",
)
_KEYS = {
    "executors": ("name",),
    "workflows": ("number",),
    "workflow_tasks": ("workflow", "key"),
    "workflow_attempts": ("workflow", "attempt"),
    "workflow_messages": ("number",),
    "workflow_events": ("workflow", "key"),
}
_NOTE = """
CREATE TABLE written (n bigserial, tx bigint, name text, old jsonb, new jsonb);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO written (tx, name, old, new) VALUES (txid_current(), TG_TABLE_NAME,
    CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END, CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END);
  RETURN NULL;
END $$;
"""
_NOTES = """
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON {} FOR EACH ROW EXECUTE FUNCTION note()
"""


class PostgresRecorder(Recorder):
    """Plays all states into one database, one after the other; the homes are in a folder.

    Parameters
    ----------
    url
        Of a database that is the test's own.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self._homes = SQLiteRecorder(folder)
        self._url = url

    def empty(self) -> State:
        with self._open() as connection:
            if self._is_made(connection):
                self.fill(connection, {name: [] for name in _TABLES})
        return State(self._homes.empty().home, self._url)

    @contextmanager
    def recording(self, state: State) -> Iterator[list[Recording]]:
        made: list[Recording] = []
        with self._open() as connection:
            if not connection.execute("SELECT to_regclass('written')").fetchone()[0]:  # type: ignore[index]  # there is a row
                connection.execute(_NOTE)
                for name in _TABLES:
                    connection.execute(SQL(_NOTES).format(Identifier(name)))
            base = {name: self._read(connection, name) for name in _TABLES}
            connection.execute("TRUNCATE written")
        yield made
        with self._open() as connection:
            rows = connection.execute("SELECT tx, name, old, new FROM written ORDER BY n").fetchall()
        made.append(_Rows(self, state, base, rows))

    def played(self, home: Path, tables: Mapping[str, list[Any]]) -> State:
        """Make a state of rows, and of the keys and large values of a home."""
        made = self._homes.empty()
        shutil.copytree(home / "keys", made.home / "keys")
        if (home / "artifacts").exists():
            shutil.copytree(home / "artifacts", made.home / "artifacts", copy_function=os.link)
        with self._open() as connection:
            self.fill(connection, tables)
        return State(made.home, self._url)

    def fill(self, connection: "psycopg.Connection[Any]", tables: Mapping[str, list[Any]]) -> None:
        """Put these rows in place of all others."""
        every = SQL(", ").join(map(Identifier, (*_TABLES, "executor_beats")))
        connection.execute(SQL("SET session_replication_role = replica"))
        connection.execute(SQL("TRUNCATE {}").format(every))
        for name, rows in tables.items():
            table = Identifier(name)
            connection.execute(
                SQL("INSERT INTO {} SELECT * FROM jsonb_populate_recordset(NULL::{}, %s)").format(
                    table, table
                ),
                [json.dumps(rows)],
            )
        for name in ("workflows", "workflow_messages"):
            numbers = [row["number"] for row in tables[name]]
            sequence = f"{name}_number_seq"
            connection.execute("SELECT setval(%s, %s)", [sequence, max(numbers, default=0) + 1])

    def clear(self) -> None:
        self._homes.clear()

    def _open(self) -> "psycopg.Connection[Any]":
        url = make_url(self._url)
        return psycopg.connect(
            f"postgresql://{url.username}@/{url.database}?host={url.query['host']}", autocommit=True
        )

    def _is_made(self, connection: "psycopg.Connection[Any]") -> bool:
        [(found,)] = connection.execute("SELECT to_regclass('workflow_tasks')").fetchall()
        return found is not None

    def _read(self, connection: "psycopg.Connection[Any]", name: str) -> list[Any]:
        asked = SQL("SELECT to_jsonb(t) FROM {} t").format(Identifier(name))
        return [row for (row,) in connection.execute(asked)]


class _Rows(Recording):
    def __init__(
        self,
        recorder: PostgresRecorder,
        state: State,
        base: Mapping[str, list[Any]],
        written: list[tuple[int, str, Any, Any]],
    ) -> None:
        self._recorder, self._state, self._base, self._written = recorder, state, base, written
        # In the order of their commits: what writes to one workflow waits for each other.
        self._transactions = [*dict.fromkeys([row[0] for row in written])]

    def __len__(self) -> int:
        return len(self._transactions)

    def after(self, commits: int) -> State:
        tables = {name: {_key(name, row): row for row in rows} for name, rows in self._base.items()}
        there = set(self._transactions[:commits])
        for transaction, name, old, new in self._written:
            if transaction in there:
                if old is not None:
                    tables[name].pop(_key(name, old), None)
                if new is not None:
                    tables[name][_key(name, new)] = new
        return self._recorder.played(
            self._state.home, {name: list(rows.values()) for name, rows in tables.items()}
        )


def _key(name: str, row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple([row[column] for column in _KEYS[name]])
