"""Ray is an extra: its tests are left out where it is missing, but not in continuous integration."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from tempfile import TemporaryDirectory

import pytest

# Ray looks once in so many milliseconds for tasks to try again; a second would be most of the suite's time.
os.environ.setdefault("RAY_core_worker_internal_heartbeat_ms", "100")


LIMIT = 400.0
"""Seconds after which a test on Ray hangs. It starts processes by the dozen, which each import Ray, and on a
busy machine that takes ten times as long as on another."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests on Ray their time."""
    for item in items:
        if {"ray", "cluster"} & set(item.path.parts[-2:]) or "[ray" in item.name or "-ray" in item.name:
            item.add_marker(pytest.mark.timeout(LIMIT))


@pytest.fixture(scope="module")
def ray_server(ray_is_installed: None) -> Iterator[str]:
    """A cluster of one machine that this process is no part of; gives the address for clients."""
    with server_for_clients() as address:
        yield address


@contextmanager
def server_for_clients(**environment: str) -> Iterator[str]:
    port, own = free_ports(2)
    options = {
        "port": own,
        "ray-client-server-port": port,
        "num-cpus": 2,
        "include-dashboard": "false",
        "min-worker-port": 0,  # any, as for a Ray that a program starts
        "max-worker-port": 0,
        "dashboard-agent-listen-port": 0,
    }
    with TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:  # sockets have short names
        words = [f"--{name}={text}" for name, text in {**options, "temp-dir": folder}.items()]
        start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", *words]
        clean = {name: text for name, text in os.environ.items() if not name.startswith("RAY_")}
        environment |= {"RAY_AUTH_MODE": "disabled", "RAY_core_worker_internal_heartbeat_ms": "100"}
        with subprocess.Popen(
            [*start, "--disable-usage-stats"],
            env={**clean, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as server:
            while not listens(port):
                with suppress(subprocess.TimeoutExpired):
                    pytest.fail(f"Ray does not start: {server.communicate(timeout=0.1)[0]}")
            yield f"ray://127.0.0.1:{port}"
            server.terminate()
            server.communicate()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def free_ports(count: int) -> list[int]:
    """Give ports on which nobody listens at the moment."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]
