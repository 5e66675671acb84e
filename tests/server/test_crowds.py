"""Many who come, wait, lose patience, cancel and leave: everybody is answered, and nothing is left."""

import asyncio
from collections import Counter
from random import Random

import pytest

from alula._core._clock import SYSTEM
from alula.server import Config, Server
from tests.server.world import Start, Wire, request

DAG = (
    "TENSORSET ~x~ UINT8 1 VALUES 7 => MODELRUN m INPUTS ~x~ OUTPUTS ~y~ "
    "=> MODELRUN far INPUTS ~x~ OUTPUTS ~z~ => MODELRUN m INPUTS ~z~ OUTPUTS ~w~ => TENSORGET ~w~ VALUES"
)
DONE = b"*5\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n*1\r\n:7\r\n"


class Guest:
    """One of the crowd: sends one command after the other, and counts what came of each kind."""

    def __init__(self, port: int, seed: int, seen: Counter[str]) -> None:
        self.port, self.random, self.seen = port, Random(seed), seen
        self.numbers: list[bytes] = []

    async def visit(self, times: int) -> None:
        await self.come()
        for _ in range(times):
            await self.random.choice(
                (self.run, self.run, self.hurry, self.begin, self.cancel, self.ask, self.leave)
            )()
        self.writer.close()

    async def come(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)

    async def say(self, *words: str | bytes | int) -> bytes:
        self.writer.write(request(*words))
        return await asyncio.wait_for(self.reply(), 20)

    async def reply(self) -> bytes:
        line = await self.reader.readline()
        kind, rest = line[:1], line[1:].strip()
        if kind == b"$" and rest != b"-1":
            return line + await self.reader.readexactly(int(rest) + 2)
        if kind == b"*":
            for _ in range(int(rest)):
                line += await self.reply()
        return line

    async def run(self) -> None:
        assert await self.say(f"AI.DAGRUN {DAG}") == DONE
        self.seen["run"] += 1

    async def hurry(self) -> None:
        reply = await self.say(f"AI.DAGRUN TIMEOUT {self.random.randint(1, 3)} {DAG}")
        assert reply in (DONE, b"+TIMEDOUT\r\n")
        self.seen["hurry"] += 1

    async def begin(self) -> None:
        self.numbers.append((await self.say(f"AI.DAGRUNASYNC {DAG}")).split(b"\r\n")[1])
        self.seen["begin"] += 1

    async def cancel(self) -> None:
        if self.numbers:
            assert await self.say("AI.DAGCANCEL", self.random.choice(self.numbers)) in (b":0\r\n", b":1\r\n")
            self.seen["cancel"] += 1

    async def ask(self) -> None:
        if self.numbers:
            reply = await self.say("AI.DAGSTATUS", self.numbers.pop(0), "WAIT", 0)
            assert b"+cancelled" in reply or DONE in reply
            self.seen["ask"] += 1

    async def leave(self) -> None:
        self.writer.write(request(f"AI.DAGRUN {DAG}"))
        await self.writer.drain()
        self.writer.close()
        await self.come()
        self.seen["leave"] += 1


@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
def test_everybody_is_answered_and_nothing_is_left(start: Start, parallel: bool, threads: int) -> None:
    config = Config()
    config.dag_parallel = parallel
    server = start(clock=SYSTEM, config=config, threads=threads, m=lambda inputs: (inputs[0],))
    wire = Wire(server.port)
    for words in (
        "m ONNX CPU BATCHSIZE 6 MINBATCHSIZE 2 MINBATCHTIMEOUT 2 BLOB m",
        "far ONNX CPU:1 BATCHSIZE 3 BLOB m",
    ):
        assert wire.ask(f"AI.MODELSTORE {words}") == b"+OK\r\n"
    seen = Counter[str]()

    async def crowd() -> None:
        await asyncio.gather(*[Guest(server.port, seed, seen).visit(12) for seed in range(12)])

    asyncio.run(crowd())
    assert set(seen) == {"run", "hurry", "begin", "cancel", "ask", "leave"}
    while left(server):
        assert wire.ask("PING") == b"+PONG\r\n"
    wire.close()


def left(server: Server) -> bool:
    """Whether anything of anybody is still in the devices' queues, or runs."""
    services = server._services
    devices = services.devices._devices.values()
    return bool(services.background.unfinished or services.devices.parked) or any(
        device._taken or device._queue or device._batches._groups for device in devices
    )
