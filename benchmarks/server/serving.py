"""How fast is the tensor server: beside its peers, and beside what any server would have to pay.

    python benchmarks/server/serving.py --fastapi A/bin/python --serve B/bin/python --bentoml C/bin/python
    python benchmarks/server/serving.py keys mlp --rounds 3
    python benchmarks/server/serving.py --quick

The load comes from a process of its own: prebuilt bytes, the same client for every server (`load.py`, and
redis-benchmark for plain keys). Servers are started fresh in every round, on one core where a case says so;
the figures are medians over the rounds. At the end stands what is to be reached: reached, or missed.
"""

import argparse
import json
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import nets
from systems import HERE, Served, alula, echo, peer, post, redis, request

SERVER, CLIENT = 0, 1  # the cores, where they are kept apart
ROW: Final = b"\x00\x00\x80\x3f" * 784
Figures: TypeAlias = dict[str, float]
Run: TypeAlias = AbstractContextManager[Served]


@dataclass(slots=True)
class Bench:
    """What one call of the program measures, and what it found.

    Attributes
    ----------
    figures
        By name, those of every round.
    verdicts
        What is to be reached, by its text: the figure is at least, or at most, so much of another.
    """

    given: argparse.Namespace
    folder: Path
    figures: dict[str, list[float]] = field(default_factory=dict)
    verdicts: list[str] = field(default_factory=list)

    def add(self, name: str, figures: Mapping[str, float]) -> None:
        """Take the figures of one round."""
        for key, value in figures.items():
            self.figures.setdefault(f"{name} {key}", []).append(value)

    def middle(self, name: str) -> float | None:
        """Give the median over the rounds."""
        found = self.figures.get(name)
        return statistics.median(found) if found else None

    def model(self, name: str) -> Path:
        """Give the file of a model."""
        path = self.folder / f"{name}.onnx"
        if not path.exists():
            path.write_bytes(getattr(nets, name)())
        return path

    def row(self, title: str, name: str) -> None:
        """Print what was found of one server."""
        rate, p50, p99 = (self.middle(f"{name} {key}") for key in ("rate", "p50", "p99"))
        if rate is None:
            return
        cpu = self.middle(f"{name} cpu")
        times = f"{_time(p50):>10}{_time(p99):>10}" if p50 and p99 else ""
        print(f"  {title:44}{rate:>12,.0f}/s{times}{'' if cpu is None else f'   cpu {_time(cpu)}'}")

    def at_least(self, text: str, of: str, share: float, base: str) -> None:
        """Note whether a figure is so much of another, or more."""
        value, other = self.middle(of), self.middle(base)
        if value is None or other is None:
            self.verdicts.append(f"  not measured   {text}")
            return
        got = value / other
        said = "reached" if got >= share else f"missed {share / got:.2f}x"
        self.verdicts.append(f"  {said:15}{text}: {got:.3g}")

    def at_most(self, text: str, value: float | None, most: float | None) -> None:
        """Note whether a figure is so much, or less."""
        if value is None or most is None:
            self.verdicts.append(f"  not measured   {text}")
            return
        said = "reached" if value <= most else f"missed {value / most:.2f}x"
        self.verdicts.append(f"  {said:15}{text}: {value:.4g} of {most:.4g}")


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    unit, factor = next((u for u in (("s", 1), ("ms", 1e3)) if seconds * u[1] >= 1), ("us", 1e6))
    return f"{seconds * factor:.3g} {unit}"


# ------------------------------------------------------------------------------------------- the load


def load(served: Served, asked: bytes, *, clients: int, seconds: float, core: int | None = None) -> Figures:
    """Keep clients busy for a while, in a process of its own; also what of processor time a reply costs."""
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    command = [*pinned, sys.executable, str(HERE / "load.py"), "--port", str(served.port)]
    before = served.processor()
    done = subprocess.run(
        [*command, "--clients", str(clients), "--seconds", str(seconds)],
        input=asked,
        capture_output=True,
        timeout=seconds * 3 + 60,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace").strip().splitlines()[-1])
    found: Figures = json.loads(done.stdout)
    found["cpu"] = (served.processor() - before) / (found["rate"] * seconds * 1.1)
    return found


def plain(served: Served, count: int, payload: bytes, *words: str) -> Figures:
    """Let redis-benchmark send a command whose last word is the payload; 16 clients, nothing in advance."""
    command = ["redis-benchmark", "-p", str(served.port), "-c", "16", "-n", str(count), "--csv"]
    done = subprocess.run(
        [*command, *(["-x"] if payload else []), *words],
        input=payload,
        capture_output=True,
        timeout=300,
        check=True,
    )
    fields = done.stdout.decode().strip().splitlines()[-1].split('","')
    return {"rate": float(fields[1])}


# ------------------------------------------------------------------------------------------- the cases


def keys(bench: Bench) -> None:
    """Set and get tensors of 3 KB and of 1 MB, beside what redis-server does with as many bytes."""
    for size, count in ((3072, 60_000), (1 << 20, 2_000)):
        payload, count = b"\1" * size, count // (6 if bench.given.quick else 1)
        name = f"keys {size}"
        with redis() as served:
            bench.add(f"{name} redis set", plain(served, count, payload, "SET", "k"))
            bench.add(f"{name} redis get", plain(served, count, b"", "GET", "k"))
        with alula() as served:
            words = ("AI.TENSORSET", "k", "FLOAT", str(size // 4), "BLOB")
            bench.add(f"{name} alula set", plain(served, count, payload, *words))
            bench.add(f"{name} alula get", plain(served, count, b"", "AI.TENSORGET", "k", "BLOB"))
        with echo(b"+OK\r\n") as served:
            bench.add(f"{name} echo set", plain(served, count, payload, "SET", "k"))
        with echo(b"$%d\r\n%b\r\n" % (size, payload)) as served:
            bench.add(f"{name} echo get", plain(served, count, b"", "GET", "k"))


def keys_told(bench: Bench) -> None:
    for size, share in ((3072, 0.6), (1 << 20, 0.7)):
        print(f"\n{size:,} bytes, 16 clients of redis-benchmark")
        for verb in ("set", "get"):
            for who in ("redis", "alula", "echo"):
                bench.row(f"{who} {verb}", f"keys {size} {who} {verb}")
            text = f"{verb} of {size:,} bytes, at least {share} of redis-server's"
            bench.at_least(text, f"keys {size} alula {verb} rate", share, f"keys {size} redis {verb} rate")


def dag(*ops: tuple[str | bytes | int, ...], sections: tuple[str | int, ...] = ()) -> bytes:
    """Write a DAG as the founding proposal does."""
    words: list[str | bytes | int] = ["AI.DAGRUN", *sections]
    for i, op in enumerate(ops):
        words += ["=>", *op] if i else op
    return request(*words)


MLP: Final = dag(
    ("TENSORSET", "~x~", "FLOAT", 1, 784, "BLOB", ROW),
    ("MODELRUN", "mlp", "INPUTS", "~x~", "OUTPUTS", "~y~"),
    ("TENSORGET", "~y~", "BLOB"),
)
MLP_REPLY: Final = b"*3\r\n+OK\r\n+OK\r\n$40\r\n" + bytes(40) + b"\r\n"


def store(served: Served, name: str, file: Path, *options: str | int) -> None:
    """Store a model, and run nothing."""
    served.ask("AI.MODELSTORE", name, "ONNX", "CPU", *options, "BLOB", file.read_bytes())


def mlp(bench: Bench) -> None:
    """One DAG that sets, runs and gets, a server on one core and the clients on another."""
    file, seconds = bench.model("mlp"), bench.given.seconds
    command = [sys.executable, str(HERE / "floors.py"), "run", str(file)]
    bench.add("mlp", json.loads(subprocess.check_output(["taskset", "-c", str(SERVER), *command])))
    servers: dict[str, tuple[Callable[[], Run], bytes]] = {
        "alula": (lambda: alula(SERVER), MLP),
        "echo": (lambda: echo(MLP_REPLY, core=SERVER), MLP),
        "echo and run": (lambda: echo(MLP_REPLY, file, SERVER), MLP),
    }
    for name in ("fastapi", "serve", "bentoml"):
        if python := getattr(bench.given, name):
            # Ray Serve is many processes: it may use both cores.
            core = None if name == "serve" else SERVER
            servers[name] = (_peer(name, python, file, core), post(ROW))
    for who, (start, asked) in servers.items():
        try:
            with start() as served:
                if who == "alula":
                    store(served, "mlp", file)
                for clients in (1, 16, 64):
                    found = load(served, asked, clients=clients, seconds=seconds, core=CLIENT)
                    bench.add(f"mlp {clients} {who}", found)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"  mlp, {who}: {error}")


def _peer(name: str, python: str, file: Path, core: int | None) -> Callable[[], Run]:
    return lambda: peer(name, python, file, core)


def mlp_told(bench: Bench) -> None:
    print(f"\nMLP 784-128-10 in one DAG; onnxruntime alone {_time(bench.middle('mlp run'))}")
    for clients in (1, 16, 64):
        for who in ("alula", "echo", "echo and run", "fastapi", "serve", "bentoml"):
            bench.row(f"{clients} clients, {who}", f"mlp {clients} {who}")
    ours, run, trip = (bench.middle(n) for n in ("mlp 1 alula p50", "mlp run", "mlp 1 echo p50"))
    bench.at_most("p50 of onnxruntime and 1.5 round trips, s", ours, run and trip and run + 1.5 * trip)
    half = bench.middle("mlp 1 fastapi p50")
    bench.at_most("p50 at half of FastAPI's, s", ours, half and half / 2)
    cpu = bench.middle("mlp 1 alula cpu")
    bench.at_most("processor time beside onnxruntime's, s", cpu and run and cpu - run, 60e-6)
    for clients in (16, 64):
        name = f"mlp {clients} alula"
        for who, share in (("fastapi", 3), ("serve", 10), ("bentoml", 10), ("echo and run", 0.4)):
            text = f"{clients} clients, at least {share}x {who}"
            bench.at_least(text, f"{name} rate", share, f"mlp {clients} {who} rate")
        for who in ("fastapi", "serve", "bentoml"):
            other = bench.middle(f"mlp {clients} {who} p99")
            bench.at_most(f"{clients} clients, p99 below {who}'s, s", bench.middle(f"{name} p99"), other)


FRAUD: Final = dag(
    ("TENSORSET", "~now~", "FLOAT", 1, 30, "BLOB", ROW[:120]),
    ("TENSORSET", "~past~", "FLOAT", 1, 256, "BLOB", ROW[:1024]),
    ("MODELRUN", "fraud", "INPUTS", "~now~", "~past~", "OUTPUTS", "~y~"),
    ("TENSORGET", "~y~", "BLOB"),
)


def fraud(bench: Bench) -> None:
    """The shape of the original's published benchmark: 1x30 and 1x256 in, 1x2 out, 16 clients."""
    file, seconds = bench.model("fraud"), bench.given.seconds
    reply = b"*4\r\n+OK\r\n+OK\r\n+OK\r\n$8\r\n" + bytes(8) + b"\r\n"
    with alula(SERVER) as served:
        store(served, "fraud", file)
        bench.add("fraud alula", load(served, FRAUD, clients=16, seconds=seconds, core=CLIENT))
    with echo(reply, core=SERVER) as served:
        bench.add("fraud echo", load(served, FRAUD, clients=16, seconds=seconds, core=CLIENT))


def fraud_told(bench: Bench) -> None:
    print(
        "\nfraud check, 16 clients; the original published 16,500/s and a p99 of 1.12 ms, on other machines"
    )
    for who in ("alula", "echo"):
        bench.row(who, f"fraud {who}")


IMAGES: Final = dag(
    ("TENSORSET", "~x~", "FLOAT", 1, 1, 28, 28, "BLOB", ROW),
    ("MODELRUN", "conv", "INPUTS", "~x~", "OUTPUTS", "~y~"),
    ("TENSORGET", "~y~", "BLOB"),
)


def batch(bench: Bench) -> None:
    """A network of 25 million operations, 64 clients: each alone, and 16 at once."""
    file, seconds = bench.model("conv"), bench.given.seconds
    for who, options in (("alone", ()), ("batched", ("BATCHSIZE", 16))):
        with alula() as served:
            store(served, "conv", file, *options)
            bench.add(f"batch {who}", load(served, IMAGES, clients=64, seconds=seconds))


def batch_told(bench: Bench) -> None:
    print("\na network of 25 MFLOP, 64 clients")
    for who in ("alone", "batched"):
        bench.row(who, f"batch {who}")
    bench.at_least("batched, at least 2x", "batch batched rate", 2, "batch alone rate")
    bench.at_most(
        "batched, p99 no worse, s", bench.middle("batch batched p99"), bench.middle("batch alone p99")
    )


def ensemble(bench: Bench) -> None:
    """Three models and their mean in one DAG, one client."""
    seconds = bench.given.seconds
    ops = [("TENSORSET", "~x~", "FLOAT", 1, 1, 28, 28, "BLOB", ROW)]
    runs = [("MODELRUN", f"conv{i}", "INPUTS", "~x~", "OUTPUTS", f"~{i}~") for i in range(3)]
    joined = ("MODELRUN", "mean", "INPUTS", "~0~", "~1~", "~2~", "OUTPUTS", "~y~")
    with alula() as served:
        for i in range(3):
            store(served, f"conv{i}", bench.model("conv"))
        store(served, "mean", bench.model("mean"))
        whole = dag(*ops, *runs, joined, ("TENSORGET", "~y~", "BLOB"))
        bench.add("ensemble whole", load(served, whole, clients=1, seconds=seconds))
        one = dag(*ops, runs[0], ("TENSORGET", "~0~", "BLOB"))
        bench.add("ensemble one", load(served, one, clients=1, seconds=seconds))


def ensemble_told(bench: Bench) -> None:
    print("\nthree networks and a mean in one DAG, one client, two cores")
    for who in ("one", "whole"):
        bench.row(who, f"ensemble {who}")
    one = bench.middle("ensemble one p50")
    bench.at_most(
        "the ensemble, 1.2x of 3 runs on 2 cores, s",
        bench.middle("ensemble whole p50"),
        one and 1.2 * 1.5 * one,
    )


def long(bench: Bench) -> None:
    """A DAG of 1,000 operations, beside one of 100."""
    with alula() as served:
        store(served, "same", bench.model("identity"))
        for count in (100, 1000):
            first = ("TENSORSET", "~0~", "FLOAT", 1, "VALUES", 1)
            runs = [
                ("MODELRUN", "same", "INPUTS", f"~{i}~", "OUTPUTS", f"~{i + 1}~") for i in range(count - 2)
            ]
            asked = dag(first, *runs, ("TENSORGET", f"~{count - 2}~", "BLOB"))
            bench.add(f"long {count}", load(served, asked, clients=1, seconds=bench.given.seconds))


def long_told(bench: Bench) -> None:
    print("\na chain of models in one DAG")
    for count in (100, 1000):
        bench.row(f"{count} operations", f"long {count}")
    short = bench.middle("long 100 p50")
    bench.at_most(
        "1,000 operations, at most 11x of 100, s", bench.middle("long 1000 p50"), short and 11 * short
    )


def many(bench: Bench) -> None:
    """10,000 open connections that all ask, a few times each."""
    count = 1_000 if bench.given.quick else 10_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with alula() as served:
        before = served.memory()
        clients: list[socket.socket] = []
        began = time.perf_counter()
        try:
            where = ("127.0.0.1", served.port)
            clients += [socket.create_connection(where, timeout=60) for _ in range(count)]
            opened = time.perf_counter()
            for _ in range(3):
                for client in clients:
                    client.sendall(request("PING"))
                for client in clients:
                    if client.recv(64) != b"+PONG\r\n":
                        raise RuntimeError("not what was asked for")
            asked = time.perf_counter()
            memory = (served.memory() - before) / count
        finally:
            for client in clients:
                client.close()
    bench.add(
        "many", {"open": (opened - began) / count, "ask": (asked - opened) / (3 * count), "memory": memory}
    )


def many_told(bench: Bench) -> None:
    facts = (
        _time(bench.middle("many open")),
        _time(bench.middle("many ask")),
        bench.middle("many memory") or 0,
    )
    print("\nopen connections: to open one {}, to ask {}, memory {:,.0f} B".format(*facts))


def steady(bench: Bench) -> None:
    """Tensors of 1 MB from 64 clients, for minutes: how the memory grows after the first tenth."""
    seconds = 10.0 if bench.given.quick else 300.0
    asked = request("AI.TENSORSET", "k", "FLOAT", 1 << 18, "BLOB", b"\1" * (1 << 20))
    with alula() as served:
        bench.add("steady", load(served, asked, clients=64, seconds=seconds / 10))
        before = served.memory()
        bench.add("steady", load(served, asked, clients=64, seconds=seconds))
        bench.add("steady", {"before": before, "growth": served.memory() - before})


def steady_told(bench: Bench) -> None:
    print("\ntensors of 1 MB, 64 clients")
    bench.row("alula", "steady")
    growth, before = bench.middle("steady growth"), bench.middle("steady before")
    bench.at_most("memory flat, to 10 %, B", growth, before and before / 10)


CASES: Final[Mapping[str, tuple[Callable[[Bench], None], Callable[[Bench], None]]]] = {
    "keys": (keys, keys_told),
    "mlp": (mlp, mlp_told),
    "fraud": (fraud, fraud_told),
    "batch": (batch, batch_told),
    "ensemble": (ensemble, ensemble_told),
    "long": (long, long_told),
    "many": (many, many_told),
    "steady": (steady, steady_told),
}


def rounds(name: str, given: argparse.Namespace) -> Iterator[int]:
    """Give the rounds of a case; the minutes of `steady` are gone through once."""
    yield from range(1 if name == "steady" else given.rounds)


def main() -> None:
    """Read the command line, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("cases", nargs="*", choices=[[], *CASES], help="which; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, help="of load at a time; 4, or 1 if it is to be quick")
    parser.add_argument("--quick", action="store_true", help="one round, and less of everything")
    for name, what in (("fastapi", "FastAPI"), ("serve", "Ray Serve"), ("bentoml", "BentoML")):
        parser.add_argument(f"--{name}", metavar="PYTHON", help=f"interpreter of an environment with {what}")
    given = parser.parse_args()
    if given.quick:
        given.rounds = 1
    given.seconds = given.seconds or (1.0 if given.quick else 4.0)
    print(f"Medians of {given.rounds} rounds. Latencies: the middle one, and 99 of 100.")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(given, Path(folder))
        for name in given.cases or CASES:
            measure, tell = CASES[name]
            for _ in rounds(name, given):
                measure(bench)
            tell(bench)
            sys.stdout.flush()
    print("\nTo be reached:", *bench.verdicts, sep="\n")


if __name__ == "__main__":
    main()
