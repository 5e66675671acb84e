"""One client's connection: bytes in, requests carried out in their order, bytes out.

While a command runs elsewhere, the later requests of this connection stay unparsed, and everything
else goes on. What is answered in one turn of the loop is written at once.
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final, cast

from ..errors import CommandError
from ._admission import refusal
from ._client import Client
from ._commands import dispatch
from ._later import Later
from ._resp import Limits, Parser, ProtocolError, Reply, Several, encode, error_line

__all__ = ["Connection"]

_TURN: Final = 0.005  # seconds for which requests of one connection are carried out in a row
_AHEAD: Final = 1 << 20  # bytes that a client may send ahead of what is being carried out
_BATCH: Final = 256 << 10  # bytes of replies that are put together into one write

_STRANGE: Final = Limits(bulk=16 << 10, words=10, known=False)  # for who has not said the password


class Connection(asyncio.Protocol):
    """The server's end of one connection.

    Parameters
    ----------
    client
        Who the commands see.
    lost
        Called once, when the connection is gone.
    """

    def __init__(self, client: Client, lost: Callable[["Connection"], None]) -> None:
        self.client = client
        client.link = self
        self.address = self.local = ""
        self.began = self.since = monotonic()
        self.latest = b""
        self._keyspace, self._slowlog = client.keyspace, client.services.slowlog
        foreign = client.services.foreign
        if foreign is None:
            self._parser, self._dispatch = Parser(self._limits()), dispatch
        else:
            pipeline = foreign.pipeline(self._limits())
            self._parser, self._dispatch = pipeline.parser, pipeline.dispatch
        self._lost = lost
        self._out: list[bytes | memoryview] = []
        self._size = 0  # bytes in it
        self._later: Later | None = None
        self._words: list[bytes] = []  # of what is carried out elsewhere
        self._transport: asyncio.Transport
        self._loop = asyncio.get_running_loop()
        self.heard = True  # something came since the sweeper last looked
        self._full = False  # the client does not read what it asked for
        self._held = False  # it sends more than is carried out, so nothing is read
        self._soon = False  # the next turn is already asked for
        self._closed = False
        self._working = False  # what is put in now is flushed at the end of it
        self._settling = False  # what is to be sent waits until what was changed is kept
        self._changes: list[tuple[int, int]] = []  # where in `_out` the replies to changes begin and end

    # ------------------------------------------------------------------------- told by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless this client may not connect."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class
        services = self.client.services
        peer = transport.get_extra_info("peername")
        self.address, self.local = _address(peer), _address(transport.get_extra_info("sockname"))
        no = refusal(services.config, len(services.clients), peer)
        if no is None:
            services.clients[self.client.number] = self.client
            self.client.update()  # something may have begun since it was made
            return
        self.client.leaving = True
        self._transport.write(no)
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Carry out what came, unless something of before is still running."""
        if self.client.leaving:
            return
        self.heard = True
        self._parser.feed(data)
        if self._later is None and not (self._full or self._soon):
            self._work()
        elif self._parser.held > _AHEAD and not self._held:
            self._held = True
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """Carry out nothing more before the client has read some replies."""
        self._full = True

    def resume_writing(self) -> None:
        """Go on."""
        self._full = False
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """End: what runs for nobody now starts nothing more and stores nothing."""
        self._closed = True
        self.client.gone()
        self.client.services.clients.pop(self.client.number, None)  # it is not there if it was refused
        if self._later is not None:
            self._later.cancel()
        self._lost(self)

    # ------------------------------------------------------------------------ asked by the sweeper

    @property
    def waits(self) -> bool:
        """Whether a command is being carried out, or messages may come: then silence is no fault."""
        return self.busy or self._subscribes

    @property
    def busy(self) -> bool:
        """Whether a command is being carried out elsewhere, and later ones wait."""
        return self._later is not None

    @property
    def unread(self) -> int:
        """Bytes that wait to be read by the client."""
        return 0 if self._closed else self._transport.get_write_buffer_size()

    @property
    def kind(self) -> str:
        """The class of client, in the words of `Config.client_output_buffer_limit`."""
        return "pubsub" if self._subscribes else "normal"

    @property
    def _subscribes(self) -> bool:
        subscriber = self.client.subscriber
        return subscriber is not None and subscriber.count > 0

    # ---------------------------------------------------------------------------------- the work

    def leave(self) -> None:
        """Close the connection once the command that is being carried out has its reply."""
        self.client.leaving = True
        if self._later is None and not (self._closed or self._settling):
            self._transport.close()

    def abort(self) -> None:
        """Close the connection now."""
        if not self._closed:
            self._transport.abort()

    def relimit(self) -> None:
        """Take requests as large as they may be now, by the configuration and by who the client is."""
        self._parser.limits = self._limits()

    def _limits(self) -> Limits:
        config = self.client.services.config
        if self.client.trusted:
            return Limits(bulk=config.proto_max_bulk_len, request=config.client_query_buffer_limit)
        return _STRANGE

    def push(self, message: Reply) -> None:
        """Send what answers no request, after what has been answered already."""
        if self._closed:
            return
        if not self._out and not self._working:
            self._loop.call_soon(self._flush)
        encode(message, self._write, self.client.protocol)

    def _go_on(self) -> None:
        """Take another turn, soon."""
        if not self._soon and self._later is None:
            self._soon = True
            self._loop.call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._soon = False
        if not self._closed and self._later is None and not self._full:
            self._work()

    def _work(self) -> None:
        """Carry out requests until there is none, one takes longer, or others should have a turn."""
        self._working = True
        now = monotonic()
        until = now + _TURN
        config = self._slowlog.config
        try:
            while not (self._full or self.client.leaving) and (words := self._parser.next()) is not None:
                self.latest = words[0]
                reply = self._dispatch(self.client, words)
                if isinstance(reply, Later):
                    self._later, self._words, self.since = reply, words, now
                    reply.watch(self._answer)
                    break
                self._reply(reply)
                before, now = now, monotonic()
                if 0 <= config.slowlog_log_slower_than <= (now - before) * 1e6:
                    self._slowlog.ended(self.client, words, now - before)
                if now > until:
                    self._go_on()
                    break
        except ProtocolError as error:
            self._write(error_line(error))
            self.client.leaving = True
        self._working = False
        self.since = now
        self._flush()

    def _answer(self, reply: Reply) -> None:
        """Take the reply that came later, and go on with what has been sent meanwhile."""
        self._later = None
        self._slowlog.ended(self.client, self._words, monotonic() - self.since)
        self._words = []
        if not self._closed:
            self._reply(reply)
            self._work()

    def _reply(self, reply: Reply) -> None:
        client = self.client
        if client.muted and not (isinstance(reply, Several) and reply.items):  # which confirms subscriptions
            client.muted = max(-1, client.muted - 1)
            self._keyspace.touched = False
            return
        start = len(self._out)
        encode(reply, self._write, self.client.protocol)
        if self._keyspace.touched:
            self._keyspace.touched = False
            self._changes.append((start, len(self._out)))
        if self._size > _BATCH:
            self._flush()

    def _write(self, piece: bytes | memoryview) -> None:
        self._out.append(piece)
        self._size += len(piece)

    def _flush(self) -> None:
        """Send what there is, once what it tells of is kept."""
        if self._settling or self._closed:
            return
        if self._out:
            if self._keyspace.pending:
                self._settling = True
                self.client.services.settlement.wait(self._settled)
                return
            self._send()
        self._end_turn()

    def _send(self) -> None:
        self._transport.write(b"".join(self._out))
        self._out.clear()
        self._changes.clear()
        self._size = 0

    def _end_turn(self) -> None:
        """Do what a command left to be done to the connection after its reply."""
        if self._later is not None or self._full:
            return
        if self.client.leaving:
            self._transport.close()
        elif self._held:
            self._held = False
            self._transport.resume_reading()

    def _settled(self, error: CommandError | None) -> None:
        """Send what has waited; if nothing was kept, whoever changed something gets the reason instead."""
        self._settling = False
        if self._closed:
            return
        if error is not None:
            line: list[bytes | memoryview] = []
            encode(error, line.append, self.client.protocol)
            for start, stop in reversed(self._changes):
                self._out[start:stop] = line
        self._send()
        self._end_turn()


def _address(name: object) -> str:
    """Write where one end of a connection is as ``host:port``."""
    if not isinstance(name, tuple):
        return ""
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
