"""The floors: a server that answers every command with the same bytes, and a model that nobody serves.

python benchmarks/server/floors.py echo PORT FILE             answers with the bytes of the file
python benchmarks/server/floors.py echo PORT FILE --model M   and runs a model each time, on one line of zeros
python benchmarks/server/floors.py run MODEL                  prints the seconds of a run as JSON
"""

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import hiredis
import numpy as np
import onnxruntime
import uvloop


class Echo(asyncio.Protocol):
    """Parses requests, and answers each with the same."""

    def __init__(self, reply: bytes, work: Callable[[], object]) -> None:
        self._reader, self._reply, self._work = hiredis.Reader(), reply, work
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class

    def data_received(self, data: bytes) -> None:
        """Answer every command that is whole."""
        self._reader.feed(data)
        while self._reader.gets() is not False:
            self._work()
            self._transport.write(self._reply)


def session(path: str) -> Callable[[], object]:
    """Load a model; give what runs it on zeros."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    loaded = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    shapes = {given.name: [length or 1 for length in given.shape] for given in loaded.get_inputs()}
    zeros = {
        name: np.zeros([n if isinstance(n, int) else 1 for n in shape], np.float32)
        for name, shape in shapes.items()
    }
    return lambda: loaded.run(None, zeros)


async def echo(port: int, reply: bytes, work: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Echo(reply, work), "127.0.0.1", port)
    await server.serve_forever()


def run(model: str) -> float:
    """Give the median of many runs, in seconds."""
    work, took = session(model), []
    for _ in range(3000):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return sorted(took)[len(took) // 2]


def main() -> None:
    """Read the command line, and serve or measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("echo")
    serving.add_argument("port", type=int)
    serving.add_argument("file", type=Path)
    serving.add_argument("--model")
    commands.add_parser("run").add_argument("model")
    given = parser.parse_args()
    if given.command == "run":
        print(json.dumps({"run": run(given.model)}))
        return
    work = session(given.model) if given.model else lambda: None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(echo(given.port, given.file.read_bytes(), work))


if __name__ == "__main__":
    main()
