"""The load: so many clients on one thread, each sending its next request when it has its reply.

    python benchmarks/server/load.py --port 6379 --clients 16 --seconds 5 < request

The same for every server: the bytes of the request are made before, those of a reply are counted and not
read. How long a reply is says the first one. Prints figures as JSON: replies a second, and seconds.
"""

import argparse
import json
import re
import select
import socket
import sys
import time

LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
PATIENCE = 10.0  # s
QUIET = 0.3  # s without another byte after which the first reply is taken for whole


def connected(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=30)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def first_reply(port: int, request: bytes) -> bytes:
    """Ask once, and give all that comes."""
    with connected(port) as client:
        client.sendall(request)
        reply = client.recv(1 << 20)
        client.settimeout(QUIET)
        try:
            while more := client.recv(1 << 20):
                reply += more
        except TimeoutError:
            return reply
    raise ConnectionError(f"the server hung up after {reply[:200]!r}")


class Client:
    """One connection, and the time of its last request."""

    def __init__(self, port: int, request: bytes, reply: bytes) -> None:
        self.socket = connected(port)
        self._request, self._begin, self._length = request, reply[:2], len(reply)
        self._is_http = reply.startswith(b"HTTP")
        self._got = 0
        self._sent = 0.0
        self._buffer = memoryview(bytearray(max(2 * len(reply), 1 << 16)))

    def ask(self) -> None:
        """Send the next request; a large one goes out in this call as well."""
        self._got, self._sent = 0, time.perf_counter()
        self.socket.sendall(self._request)

    def hear(self) -> float | None:
        """Take what has come; give the seconds that the reply took, once it is whole."""
        got = self.socket.recv_into(self._buffer[self._got :])
        if not got:
            raise ConnectionError("the server hung up")
        self._got += got
        if self._got >= 2 and self._buffer[:2] != self._begin:
            raise ConnectionError(f"another reply than the first: {bytes(self._buffer[:200])!r}")
        return time.perf_counter() - self._sent if self._is_whole() else None

    def _is_whole(self) -> bool:
        if not self._is_http:
            return self._got >= self._length
        head, end, body = bytes(self._buffer[: self._got]).partition(b"\r\n\r\n")
        found = LENGTH.search(head)  # heads differ in length: the first reply may say more
        return bool(end) and found is not None and len(body) >= int(found[1])


def run(port: int, request: bytes, clients: int, seconds: float) -> dict[str, float]:
    """Keep all clients busy; what happens in a first tenth of the time is not counted."""
    reply = first_reply(port, request)
    if reply[:1] == b"-" or b"\r\n-" in reply[:64]:
        raise ConnectionError(reply[:300].decode(errors="replace"))
    made = [Client(port, request, reply) for _ in range(clients)]
    by_number = {client.socket.fileno(): client for client in made}
    poll = select.epoll()
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    for client in made:
        client.ask()
    begin = time.perf_counter() + seconds / 10
    until = begin + seconds
    took: list[float] = []
    while (now := time.perf_counter()) < until or not took:
        heard = poll.poll(PATIENCE)
        if not heard:
            raise ConnectionError(f"no reply for {PATIENCE:g} s")
        for number, _ in heard:
            client = by_number[number]
            latency = client.hear()
            if latency is not None:
                if now > begin:
                    took.append(latency)
                client.ask()
    took.sort()
    for client in made:
        client.socket.close()
    return {
        "rate": len(took) / seconds,
        "p50": took[len(took) // 2],
        "p99": took[len(took) * 99 // 100],
        "count": len(took),
    }


def main() -> None:
    """Read the command line, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args()
    print(json.dumps(run(given.port, sys.stdin.buffer.read(), given.clients, given.seconds)))


if __name__ == "__main__":
    main()
