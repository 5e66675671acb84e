"""How fast are durable workflows: ours beside their peers, at the same durability, and the physical floor.

Each system is measured in a process of its own that is started fresh in an empty home, round after round;
the figures are medians over the rounds. Peers live in environments of their own, named by their
interpreters. At the end stands what is to be reached: reached, or missed by which factor.

    python benchmarks/workflow/bench.py --dbos A/bin/python --ray B/bin/python --prefect C/bin/python
    python benchmarks/workflow/bench.py chain fan --settings full --rounds 3
    python benchmarks/workflow/bench.py --quick
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

HERE: Final = Path(__file__).parent
LIMIT: Final = 600  # s that a system may take for a case in a round
SLOW: Final = ("ray", "prefect")  # peers that are measured in the first round alone
SETTINGS: Final = ("normal", "full", "postgres")

Unit: TypeAlias = Literal["time", "bytes", "share", "frames"]
Figures: TypeAlias = dict[str, float]


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be reached: at most `most` times what another costs, or at most that figure itself.

    Attributes
    ----------
    over
        A peer; ``"floor"``, the sum of the row's floors; one floor, or another figure of ours. None compares
        with nothing.
    setting
        Where it holds; everywhere by default.
    """

    text: str
    most: float
    over: str | None = None
    setting: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, which costs: less is better.

    Attributes
    ----------
    floor
        Names of floors that it is compared with, which are added up.
    """

    key: str
    title: str
    unit: Unit = "time"
    floor: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """What one process of each system measures.

    Attributes
    ----------
    script
        Of ours; those of the peers have their names.
    args, quick
        For our script; the latter for a short run.
    settings
        In which it is measured.
    often
        Whether it is measured in every round, or once.
    """

    rows: tuple[Row, ...]
    script: str = "ours.py"
    args: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    settings: tuple[str, ...] = ("normal",)
    often: bool = True


ALL: Final = ("dbos", "ray", "prefect")
EVERYWHERE: Final = SETTINGS
LINKS: Final = ("--links", "2000")

CASES: Final[Mapping[str, Case]] = {
    "chain": Case(
        (
            Row(
                "chain",
                "200 recorded tasks, each given the value of the one before: for a task",
                floor=("commit", "trip"),
                targets=(
                    Target("at most 2x a commit and a round trip", 2, "floor", "normal"),
                    Target("a 50th of ray.workflow", 1 / 50, "ray", "normal"),
                    Target("a 10th of DBOS", 1 / 10, "dbos", "normal"),
                    Target("at most 2x a commit", 2, "commit", "full"),
                    Target("a third of DBOS", 1 / 3, "dbos", "full"),
                ),
            ),
        ),
        peers=ALL,
        settings=EVERYWHERE,
    ),
    "fan": Case(
        (
            Row(
                "fan",
                "1,000 recorded tasks, and one that is given all their values: for a task",
                floor=("commit",),
                targets=(Target("5,000 tasks/s", 1 / 5000, None, "normal"),),
            ),
        ),
        peers=ALL,
        settings=EVERYWHERE,
    ),
    "continuation": Case(
        (Row("continuation", "200 continuations, in workers: for a link", floor=("commit", "trip")),),
        peers=("ray",),
    ),
    "inplace": Case(
        (
            Row(
                "inplace",
                "5,000 continuations in place, each recorded: for a link",
                floor=("commit",),
                targets=(
                    Target("5,000 links/s", 1 / 5000, None, "normal"),
                    Target("half the rate of commits", 2, "floor", "full"),
                ),
            ),
        ),
        settings=EVERYWHERE,
    ),
    "loose": Case(
        (
            Row(
                "loose",
                "50,000 continuations in place, nothing recorded: for a link",
                floor=("bind",),
                targets=(Target("100,000 links/s", 1e-5),),
            ),
        ),
    ),
    "large": Case(
        (
            Row("large", "a task that gives 10 MB, recorded"),
            Row("unrecorded", "the same, not recorded"),
            Row(
                "written",
                "the difference of the two",
                floor=("bytes",),
                targets=(Target("at most 1.5x writing the bytes", 1.5, "floor"),),
            ),
        ),
        peers=("dbos", "ray"),
    ),
    "many": Case(
        (
            Row("many 100", "100 workflows of 10 tasks at once: for a task"),
            Row("many 300", "300 of them"),
            Row(
                "many 1000",
                "1,000 of them",
                targets=(Target("linear: at most 1.2x a task of 100", 1.2, "many 100"),),
            ),
        ),
        peers=("dbos", "ray"),
        often=False,
    ),
    "resume": Case(
        (
            Row("resume chain 1000", "to the first new task, 1,000 recorded, in a chain"),
            Row(
                "resume chain 10000",
                "10,000 of them",
                targets=(
                    Target("0.5 s", 0.5),
                    Target("as with 1,000, to a factor of 2", 2, "resume chain 1000"),
                ),
            ),
            Row("resume chain 50000", "50,000 of them"),
            Row("resume wide 1000", "to the first new task, which reads 1,000 recorded values"),
            Row("resume wide 10000", "10,000 of them", targets=(Target("0.5 s", 0.5),)),
            Row("resume wide 50000", "50,000 of them"),
        ),
        script="resumed.py",
        quick=("--counts", "200,1000"),
        often=False,
    ),
    "asleep": Case(
        (
            Row("asleep submit", "10,000 workflows that sleep: to submit one"),
            Row("asleep bytes", "its memory", "bytes"),
            Row("asleep restart", "after SIGKILL: a process goes on with all of them"),
            Row("asleep restart bytes", "its memory there", "bytes"),
            Row("asleep p50", "waking over 20 s: how late is the middle one"),
            Row("asleep p99", "99 of 100", targets=(Target("1 s", 1.0),)),
            Row("asleep last", "the last one"),
            Row("asleep once p50", "waking all at one moment: how late is the middle one"),
            Row("asleep once p99", "99 of 100", targets=(Target("1 s", 1.0),)),
            Row("asleep once last", "the last one"),
            Row("asleep signal", "2,000 that wait for a signal, after SIGKILL: to signal one, and it ends"),
        ),
        script="asleep.py",
        quick=("--count", "500"),
        often=False,
    ),
    **{
        f"{kind} links": Case(
            (
                Row(f"{kind} s", f"{title}: for a link"),
                Row(f"{kind} at 10 %", "memory of the process at a tenth of the way", "bytes"),
                Row(f"{kind} at 50 %", "half-way", "bytes"),
                Row(
                    f"{kind} at 100 %",
                    "at the end",
                    "bytes",
                    targets=(Target("flat, to 10 %", 1.1, f"{kind} at 10 %"),),
                ),
                Row(f"{kind} deeper", "and its stack has grown by", "frames", targets=(Target("0", 0),)),
                Row(f"{kind} executor grown", "and the executor by", "bytes"),
            ),
            script="links.py",
            args=(kind,),
            quick=(kind, *LINKS),
            often=False,
        )
        for kind, title in {
            "recorded": "100,000 continuations in place, each recorded",
            "loose": "100,000 continuations in place, nothing recorded",
            "tail": "10,000 continuations, in workers",
        }.items()
    },
    "lists": Case(
        (
            Row(
                "lists slowest",
                "100,000 finished workflows, a page of 50: the slowest of all filters",
                floor=(),
                targets=(Target("50 ms", 0.050),),
            ),
            Row("lists middle", "the middle one"),
            Row("lists floor", "one row by its id"),
        ),
        script="lists.py",
        quick=("--count", "10000"),
        often=False,
    ),
    "idle": Case(
        (
            Row("idle", "`alula up` idle: of a core", "share", targets=(Target("1 %", 0.01),)),
            Row("idle asleep", "with 1,000 workflows asleep", "share", targets=(Target("1 %", 0.01),)),
        ),
        script="idle.py",
        args=("--asleep", "1000"),
        quick=("--asleep", "100", "--seconds", "5"),
        often=False,
    ),
}


@dataclass(slots=True)
class Found:
    """What was measured of one case in one setting: figures by whose they are, and why some are not there."""

    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def add(self, who: str, figures: Figures) -> None:
        """Take in what one process has told."""
        for key, value in figures.items():
            self.figures.setdefault(who, {}).setdefault(key, []).append(value)

    def middle(self, who: str, key: str) -> float | None:
        """Give the median over the rounds, if there is one."""
        values = self.figures.get(who, {}).get(key)
        return statistics.median(values) if values else None

    def cost(self, who: str, row: Row) -> float | None:
        """Give a figure, of the floors the sum of those that belong to it."""
        if who != "floor":
            return self.middle(who, row.key)
        floors = [self.middle("floor", name) for name in row.floor]
        known = [floor for floor in floors if floor is not None]
        return sum(known) if known else None


# ------------------------------------------------------------------------------------------- measuring


def measured(command: list[str], environment: Mapping[str, str]) -> Figures:
    """Run one script in an empty home; give its figures."""
    with tempfile.TemporaryDirectory() as home:
        ran = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
            env={**os.environ, **environment, "ALULA_HOME": home, "BENCH_HOME": home},
            cwd=home,
        )
    lines = ran.stdout.splitlines()
    if ran.returncode or not lines:
        said = ran.stderr.strip().splitlines() or [f"ended with status {ran.returncode}"]
        raise RuntimeError(said[-1][:150])
    figures: Figures = json.loads(lines[-1])
    return figures


def commands(name: str, case: Case, setting: str, given: argparse.Namespace) -> dict[str, list[str]]:
    """Give what measures each system, ours first and the floors last."""
    durability = "full" if setting == "full" else "normal"
    ours = [sys.executable, str(HERE / case.script)]
    own = [name, durability] if case.script == "ours.py" else [*(case.quick if given.quick else case.args)]
    found = {"alula": [*ours, *own]}
    for peer in case.peers:
        python = getattr(given, peer)
        if python and (setting == "normal" or peer == "dbos"):
            found[peer] = [python, str(HERE / "peers" / f"{peer}.py"), name, durability]
    if any(row.floor for row in case.rows):
        found["floor"] = [sys.executable, str(HERE / "floors.py"), name, durability]
    return found


def measure(name: str, setting: str, given: argparse.Namespace) -> Found:
    """Measure one case in one setting, round by round."""
    found, case = Found(), CASES[name]
    server = given.server if setting == "postgres" else None
    durability = {"ALULA_DURABILITY": "full" if setting == "full" else "normal"}
    for turn in range(given.rounds if case.often and setting != "postgres" else 1):
        for who, command in commands(name, case, setting, given).items():
            if who in found.notes or (turn and who in SLOW):
                continue
            try:
                with database(server) as environment:
                    found.add(who, measured(command, durability | environment))
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                found.notes[who] = str(error)
    return found


@contextmanager
def database(server: "subprocess.Popen[str] | None") -> Iterator[dict[str, str]]:
    """Give what names an empty database of the server; nothing where there is none."""
    if server is None:
        yield {}
        return
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write("\n")
    server.stdin.flush()
    url = server.stdout.readline().strip()
    yield {"ALULA_STORE": url, "BENCH_STORE": url}


@contextmanager
def postgres(*, wanted: bool) -> Iterator["subprocess.Popen[str] | None"]:
    """Run a server, if there is one to run."""
    if not wanted:
        yield None
        return
    command = [sys.executable, str(HERE / "server.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        said = server.stdout.readline().strip()
        if said != "ready":
            print(f"postgres is left out: {said or 'it does not start'}")
        yield server if said == "ready" else None
        server.stdin.close()


# -------------------------------------------------------------------------------------------- printing


def shown(unit: Unit, value: float) -> str:
    """Write a figure with the unit that fits."""
    match unit:
        case "time":
            return _scaled(value, (("s", 1), ("ms", 1e3), ("us", 1e6)))
        case "bytes":
            return _scaled(value, (("MB", 1e-6), ("KB", 1e-3), ("B", 1)))
        case "share":
            return f"{100 * value:.2f} %"
        case "frames":
            return f"{value:.0f}"


def _scaled(value: float, units: tuple[tuple[str, float], ...]) -> str:
    unit, factor = next((pair for pair in units if abs(value) * pair[1] >= 1), units[-1])
    return f"{value * factor:.3g} {unit}"


def lines(row: Row, found: Found) -> Iterator[str]:
    """Lay out one figure: of everybody, with the ratio to ours; of a floor, what of it ours is."""
    ours = found.cost("alula", row)
    for who in found.figures:
        value = found.cost(who, row)
        if value is None:
            continue
        name = f"floor, {' + '.join(row.floor)}" if who == "floor" else who
        ratio = ""
        if who != "alula" and ours and value:
            ratio = f"/{ours / value:.3g}" if who == "floor" else f"x{value / ours:.3g}"
        rate = f"{1 / value:,.0f}/s" if row.unit == "time" and 0 < value < 0.1 else ""
        processor = found.middle(who, f"{row.key} cpu")
        beside = f"cpu {shown('time', processor)}" if processor is not None else ""
        yield f"  {name:34}{shown(row.unit, value):>12}{rate:>14}{ratio:>10}   {beside}".rstrip()


def table(name: str, setting: str, found: Found) -> None:
    """Print what came of one case."""
    for row in CASES[name].rows:
        laid_out = list(lines(row, found))
        if laid_out:
            print(f"\n{row.title} ({setting})", *laid_out, sep="\n")
    for who, why in found.notes.items():
        print(f"  {name}, {setting}, {who}: {why}")
    sys.stdout.flush()


def verdicts(name: str, setting: str, found: Found) -> Iterator[str]:
    """Say of each target of a case whether it was reached, or by which factor it was missed."""
    for row in CASES[name].rows:
        for target in row.targets:
            if target.setting in (None, setting):
                yield f"{_verdict(row, target, found):16}{row.key}, {setting}: {_reached(row, target, found)}"


def _verdict(row: Row, target: Target, found: Found) -> str:
    value, base = found.cost("alula", row), _base(row, target, found)
    if value is None or base is None:
        return "  not measured"
    if value <= target.most * base:
        return "  reached"
    return f"  missed {value / base / target.most:.2f}x" if target.most else "  missed"


def _reached(row: Row, target: Target, found: Found) -> str:
    value, base = found.cost("alula", row), _base(row, target, found)
    if value is None or base is None:
        return target.text
    beside = f" ({value / base:.3g}x)" if target.over else ""
    return f"{target.text}: {shown(row.unit, value)}{beside}"


def _base(row: Row, target: Target, found: Found) -> float | None:
    """Give what a figure is compared with: what a peer costs, a floor, or another figure of ours."""
    if target.over is None:
        return 1.0
    if target.over in (*ALL, "floor"):
        return found.cost(target.over, row)
    return found.middle("floor", target.over) or found.middle("alula", target.over)


def main() -> None:
    """Read the command line, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("cases", nargs="*", choices=[[], *CASES], help="which; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--settings", default=",".join(SETTINGS), help="of normal, full and postgres")
    parser.add_argument("--quick", action="store_true", help="one round, and less of everything")
    for peer, what in (
        ("dbos", "DBOS"),
        ("ray", "ray 2.47, the last with workflows"),
        ("prefect", "Prefect 3"),
    ):
        parser.add_argument(f"--{peer}", metavar="PYTHON", help=f"interpreter of an environment with {what}")
    given = parser.parse_args()
    settings = given.settings.split(",")
    if given.quick:
        given.rounds = 1
    print(f"Medians of {given.rounds} rounds, two workers.")
    print("xN: a peer costs N times what alula does; /N: alula costs N times the floor.")
    told: list[str] = []
    with postgres(wanted="postgres" in settings) as given.server:
        for name in given.cases or CASES:
            for setting in CASES[name].settings:
                if setting in settings and (setting != "postgres" or given.server):
                    found = measure(name, setting, given)
                    table(name, setting, found)
                    told += verdicts(name, setting, found)
    print("\nTo be reached:", *told, sep="\n")


if __name__ == "__main__":
    main()
