"""Who has to go: clients that have been silent for too long, and those that do not read what they asked for.

Looked into once a second, so the connections themselves only note that something came.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Final, Protocol

from .._core._clock import Clock
from ._config import Config

__all__ = ["Sweepable", "Sweeper"]

_log = logging.getLogger("alula.server")
_EVERY: Final = 1.0


class Sweepable(Protocol):
    """What a sweeper has to know of a connection."""

    heard: bool
    """Whether something came since this was last set to False."""

    @property
    def waits(self) -> bool:
        """Whether a command of its own is being carried out, or it subscribes: then silence is no fault."""
        ...

    @property
    def unread(self) -> int:
        """Bytes that wait to be read by the client."""
        ...

    @property
    def kind(self) -> str:
        """The class of client, in the words of `Config.client_output_buffer_limit`."""
        ...

    def abort(self) -> None:
        """Close the connection now."""
        ...


class Sweeper:
    """Closes connections that the configuration does not allow to stay.

    Parameters
    ----------
    connections
        All that there are, as they come and go.
    """

    def __init__(self, connections: Collection[Sweepable], config: Config, clock: Clock) -> None:
        self._connections, self._config, self._clock = connections, config, clock
        self._silent: dict[Sweepable, float] = {}  # since when
        self._slow: dict[Sweepable, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, on the running loop."""
        self._timer = asyncio.get_running_loop().call_later(_EVERY, self._tick)

    def stop(self) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self.sweep()
        self.start()

    def sweep(self) -> None:
        """Look at all connections once."""
        now = self._clock.monotonic()
        self._silent = self._since(self._silent, now, self._is_silent) if self._config.timeout else {}
        for connection, since in self._silent.items():
            if now - since > self._config.timeout:
                _log.info(
                    "a client was silent for %s s", self._config.timeout, extra={"event": "idle client"}
                )
                connection.abort()
        self._slow = self._since(self._slow, now, self._is_slow)
        for connection, since in self._slow.items():
            self._judge(connection, now - since)

    def _since(
        self, before: dict[Sweepable, float], now: float, test: Callable[[Sweepable], bool]
    ) -> dict[Sweepable, float]:
        return {each: before.get(each, now) for each in self._connections if test(each)}

    def _is_silent(self, connection: Sweepable) -> bool:
        heard, connection.heard = connection.heard, False
        return not heard and not connection.waits

    def _is_slow(self, connection: Sweepable) -> bool:
        limit = self._config.client_output_buffer_limit[connection.kind]
        unread = connection.unread if limit.hard or limit.soft else 0
        return bool((limit.soft and unread > limit.soft) or (limit.hard and unread > limit.hard))

    def _judge(self, connection: Sweepable, seconds: float) -> None:
        limit = self._config.client_output_buffer_limit[connection.kind]
        unread = connection.unread
        if (limit.hard and unread > limit.hard) or seconds > limit.seconds:
            text = "a client does not read: %s bytes wait for it"
            _log.warning(text, unread, extra={"event": "slow client", "bytes": unread})
            connection.abort()
