"""A Postgres server for as long as its standard input is open, as it is configured by default.

Prints ``ready``, or why it cannot be; then, for each line that it is given, the URL of an empty database.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from glob import glob
from pathlib import Path
from typing import Any

import psycopg

LISTEN = "listen_addresses = ''\nunix_socket_directories = '{folder}'\nmax_connections = 200\n"


def find(program: str) -> str | None:
    """Find a program of Postgres, which Debian does not put on the PATH."""
    folders = [os.environ["PATH"], *sorted(glob("/usr/lib/postgresql/*/bin"), reverse=True)]
    return shutil.which(program, path=os.pathsep.join(folders))


def user(folder: Path) -> dict[str, Any]:
    """Give whom it runs as: Postgres refuses to be root."""
    if os.geteuid():
        return {}
    found = next(entry for entry in pwd.getpwall() if entry.pw_name in ("postgres", "nobody"))
    os.chown(folder, found.pw_uid, found.pw_gid)
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}


def serve(folder: Path) -> None:
    """Run the server, and make databases."""
    who, data = user(folder), str(folder / "data")

    def run(program: str, *args: str) -> None:
        path = find(program)
        assert path is not None
        with (folder / "said").open("w") as said:  # a pipe would be held open by the server
            subprocess.run([path, *args], cwd=folder, stdout=said, stderr=said, check=True, **who)

    run("initdb", "--pgdata", data, "--username=alula", "--encoding=UTF8", "--auth=trust")
    with (folder / "data" / "postgresql.conf").open("a") as file:
        file.write(LISTEN.format(folder=folder))
    run("pg_ctl", "start", "--pgdata", data, "--wait", "--log", str(folder / "log"))
    try:
        print("ready", flush=True)
        for number, _ in enumerate(sys.stdin):
            with psycopg.connect(
                f"postgresql://alula@/postgres?host={folder}", autocommit=True
            ) as connection:
                connection.execute(f"CREATE DATABASE bench{number}".encode())
            print(f"postgresql://alula@/bench{number}?host={folder}", flush=True)
    finally:
        run("pg_ctl", "stop", "--pgdata", data, "--wait", "--mode", "immediate")


def main() -> None:
    """Serve, if that can be done."""
    if find("initdb") is None:
        print("it is not installed")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that it ends as at the end of the input
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))  # the path of a socket has to be short
    try:
        serve(folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
