"""A Postgres server of the tests' own, in a folder of its own, behind a socket that lies there."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

ON_BOTH = pytest.mark.parametrize("records", ["sqlite", "postgres"], indirect=True)
"""Marks what is to hold on each kind of store."""

# For tests only: nothing is forced to the disk, so that a database is made in the blink of an eye.
CONFIGURATION = """
listen_addresses = ''
unix_socket_directories = '{folder}'
fsync = off
full_page_writes = off
max_connections = 200
shared_buffers = 32MB
autovacuum = off
"""
DOOR = """
local all locked_out scram-sha-256
local all all trust
"""

# Waits for the end of who started it, whatever ended that, and clears away what it has left behind.
UNDERTAKER = """
import shutil, subprocess, sys
folder, user, *stop = sys.argv[1:]
sys.stdin.read()
options = {"user": int(user), "extra_groups": []} if user else {}
subprocess.run(stop, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
shutil.rmtree(folder, ignore_errors=True)
"""


def find(program: str) -> str | None:
    """Find a program of Postgres, which Debian does not put on the PATH."""
    folders = [os.environ["PATH"], *sorted(glob("/usr/lib/postgresql/*/bin"), reverse=True)]
    return shutil.which(program, path=os.pathsep.join(folders))


class Postgres:
    """The server, started and stopped as a test likes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = count(1)
        # Postgres refuses to run as root.
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            found = next(entry for entry in pwd.getpwall() if entry.pw_name in ("postgres", "nobody"))
            self._user = {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
            os.chown(folder, found.pw_uid, found.pw_gid)
        self._data = str(folder / "data")
        self._run("initdb", "--pgdata", self._data, "--no-sync", "--username=alula", "--encoding=UTF8")
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION.format(folder=folder))
        (folder / "data" / "pg_hba.conf").write_text(DOOR)

    def start(self) -> None:
        log = str(self.folder / "log")
        self._run("pg_ctl", "start", "--pgdata", self._data, "--wait", "--log", log)

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "stop", "--pgdata", self._data, "--wait", "--mode", mode)

    @contextmanager
    def buried(self) -> Iterator[None]:
        """Stop the server and remove its folder in the end, also if this process is killed before."""
        stop = [str(find("pg_ctl")), "stop", "--pgdata", self._data, "--mode", "immediate"]
        user = str(self._user.get("user", ""))
        command = [sys.executable, "-c", UNDERTAKER, str(self.folder), user, *stop]
        undertaker = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        try:
            yield
        finally:
            undertaker.communicate()

    def url(self, database: str, user: str = "alula") -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def execute(self, *statements: str) -> None:
        """Do something as the one who may do anything."""
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database, and give its URL; it goes in the end."""
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        yield self.url(name)
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, program: str, *args: str) -> None:
        path = find(program)
        assert path is not None
        # Not into a pipe: the server that pg_ctl starts would hold it open.
        with (self.folder / "said").open("w") as said:
            done = subprocess.run(
                [path, *args],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                check=False,
                **self._user,
            )
        assert done.returncode == 0, (self.folder / "said").read_text()


@contextmanager
def running() -> Iterator[Postgres]:
    """Run a server; skip where Postgres is not installed, but not in continuous integration."""
    if find("initdb") is None:
        if os.environ.get("CI"):
            pytest.fail("Postgres is not installed, and CI is set: apt-get install postgresql")
        pytest.skip("Postgres is not installed")
    folder = Path(
        mkdtemp(prefix="alula-postgres-", dir="/tmp")
    )  # a short path, as those of sockets have to be
    try:
        server = Postgres(folder)
    except BaseException:
        shutil.rmtree(folder)
        raise
    with server.buried():
        server.start()
        yield server
