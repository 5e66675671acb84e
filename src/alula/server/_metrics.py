"""A port beside the server's own, where programs that watch it ask: ``/metrics`` and ``/healthz``.

It is served by threads of its own, so that a scrape does not hold up commands; whether the server is
well is found out by asking its loop, for it is the loop that has to answer clients.
"""

import socket
from asyncio import AbstractEventLoop
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Final

from ..errors import SettingError
from ._client import Services
from ._foreign import RedisKeyspace
from ._measures import Measures, render

__all__ = ["Metrics", "expose", "expose_loss"]

_PATIENCE: Final = 2.0  # seconds within which a server that is well answers
_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Answers on a port until it is closed.

    Parameters
    ----------
    host, port
        Where to listen; port 0 takes any free one.
    write
        Gives the numbers.
    trouble
        Says why the server does not answer; empty if it does.

    Attributes
    ----------
    port
        Where it listens.

    Raises
    ------
    SettingError
        If nobody can listen there.
    """

    def __init__(
        self, host: str, port: int, *, write: Callable[[], bytes], trouble: Callable[[], str]
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = 10.0  # seconds for a request to arrive

            def do_GET(self) -> None:
                match self.path.partition("?")[0]:
                    case "/metrics":
                        self._reply(200, write())
                    case "/healthz":
                        why = trouble()
                        self._reply(503 if why else 200, f"{why or 'ok'}\n".encode())
                    case _:
                        self._reply(404, b"there are /metrics and /healthz\n")

            def _reply(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", _TEXT)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base names it so
                """Say nothing: a scrape every few seconds is no news."""

        class Listener(ThreadingHTTPServer):
            daemon_threads = True
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        try:
            self._http = Listener((host, port), Handler)
        except OSError as error:
            why = f"cannot listen on {host}:{port}: {error.strerror or error}"
            raise SettingError("metrics_port", port, why) from error
        self.port: int = self._http.server_address[1]
        self._thread = Thread(
            target=self._http.serve_forever, args=(0.05,), name="alula-metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def expose(services: Services, loop: AbstractEventLoop, host: str, port: int) -> Metrics:
    """Show the numbers of a server on a port; called on its thread, before the first client is there.

    Raises
    ------
    SettingError
        If nobody can listen there.
    MissingExtraError
        If prometheus-client is not installed.
    """
    measures = services.measure()
    services.meter.count()

    def write() -> bytes:
        gauges = {"up": 1, "connected_clients": len(services.clients), "uptime_seconds": services.uptime()}
        if not isinstance(
            services.keyspace, RedisKeyspace
        ):  # else keys and values are not here to be counted
            gauges |= {"keys": len(services.keyspace), "value_bytes": services.meter.used or 0}
        return render(measures, gauges, services.commands)

    def trouble() -> str:
        answered = Event()
        loop.call_soon_threadsafe(answered.set)
        return "" if answered.wait(_PATIENCE) else "the server does not answer"

    write()  # what is missing is said now, and not to the first scrape
    return Metrics(host, port, write=write, trouble=trouble)


def expose_loss(host: str, port: int, why: str) -> Metrics:
    """Answer in place of a server that was watched on a port and will not come back.

    Parameters
    ----------
    host, port
        Where it had its numbers.
    why
        What ``/healthz`` says; ``/metrics`` has ``alula_up 0`` alone.

    Raises
    ------
    SettingError
        If nobody can listen there.
    MissingExtraError
        If prometheus-client is not installed.
    """
    said = render(Measures(), {"up": 0})
    return Metrics(host, port, write=lambda: said, trouble=lambda: why)
