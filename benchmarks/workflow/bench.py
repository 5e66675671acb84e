"""How fast are durable workflows: ours beside their peers, at the same durability, and the physical floor.

Each system is measured in a process of its own that is started fresh, round after round; the figures are
medians over the rounds. Peers live in environments of their own, named by their interpreters:

    python benchmarks/workflow/bench.py --dbos A/bin/python --ray B/bin/python --prefect C/bin/python
    python benchmarks/workflow/bench.py chain fan --durability full --rounds 3
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

HERE = Path(__file__).parent
LIMIT = 600  # s that a system may take for a case in a round

CASES: Final = {
    "chain": ("chain of 200 recorded tasks, each given the value of the one before", "s for a task"),
    "fan": ("1,000 recorded tasks, and one that is given all their values", "s for a task"),
    "continuation": ("chain of 200 continuations, in workers", "s for a link"),
    "inplace": ("chain of 5,000 continuations in place, each recorded", "s for a link"),
    "loose": ("chain of 50,000 continuations in place, nothing recorded", "s for a link"),
    "large": ("a task that gives 10 MB, recorded", "s"),
    "unrecorded": ("the same, not recorded", "s"),
    "many": ("200 workflows of 10 tasks each at once", "s for a task"),
    "resume": ("from resume to the first new task of a workflow with 10,000 recorded ones", "s"),
}

FLOORS: Final = {
    "chain": ("commit", "trip"),
    "fan": ("commit",),
    "continuation": ("commit", "trip"),
    "inplace": ("commit",),
    "loose": ("bind",),
    "large": ("bytes",),
}


def measured(python: str, script: str, case: str, durability: str) -> dict[str, float]:
    """Run one script for one case in an empty home; give its figures."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "ALULA_HOME": home, "BENCH_HOME": home, "ALULA_DURABILITY": durability}
        command = [python, str(HERE / script), case, durability]
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT, check=False, env=environment, cwd=home
        )
    if ran.returncode:
        lines = ran.stderr.strip().splitlines() or [f"ended with status {ran.returncode}"]
        raise RuntimeError(lines[-1][:150])
    figures: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return figures


def shown(seconds: float) -> str:
    """Write a time with the unit that fits."""
    for unit, factor in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        if seconds * factor >= 1 or unit == "us":
            return f"{seconds * factor:.3g} {unit}"
    raise AssertionError("the last unit fits everything")


def row(who: str, middle: float, ours: float) -> str:
    """Write a line of a table: a peer costs xN of ours; ours costs /N of a floor."""
    ratio = (
        ""
        if who == "alula"
        else f"x{middle / ours:.3g}"
        if not who.startswith("floor")
        else f"/{ours / middle:.3g}"
    )
    return f"  {who:34}{shown(middle):>12}{1 / middle:>14,.0f}/s   {'' if who == 'alula' else ratio}"


def table(case: str, given: argparse.Namespace) -> None:
    """Measure one case round by round, and print what came of it."""
    peers = [(name, python, f"peers/{name}.py") for name, python in given.peers.items() if python]
    found: dict[str, list[float]] = {}
    notes: dict[str, str] = {}
    for _ in range(given.rounds):
        for who, python, script in [("alula", sys.executable, "ours.py"), *peers]:
            if who in notes:
                continue
            try:
                figures = measured(python, script, case, given.durability)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                notes[who] = str(error)
                continue
            if case in figures:
                found.setdefault(who, []).append(figures[case])
        if case in FLOORS:
            figures = measured(sys.executable, "floors.py", case, given.durability)
            total = sum(figures[name] for name in FLOORS[case])
            found.setdefault("floor, " + " + ".join(FLOORS[case]), []).append(total)
    title, unit = CASES[case]
    print(f"\n{title} ({unit}; {given.durability})")
    if "alula" in found:
        ours = statistics.median(found["alula"])
        print(*[row(who, statistics.median(times), ours) for who, times in found.items()], sep="\n")
    for who, why in notes.items():
        print(f"  {who}: {why}")
    sys.stdout.flush()


def main() -> None:
    """Read the command line, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("cases", nargs="*", choices=[[], *CASES], help="which; all by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--durability", choices=("normal", "full"), default="normal")
    for peer, what in (
        ("dbos", "DBOS"),
        ("ray", "ray 2.47, the last with workflows"),
        ("prefect", "Prefect 3"),
    ):
        parser.add_argument(f"--{peer}", metavar="PYTHON", help=f"interpreter of an environment with {what}")
    given = parser.parse_args()
    given.peers = {"dbos": given.dbos, "ray": given.ray, "prefect": given.prefect}
    print(f"Medians of {given.rounds} rounds, two workers.")
    print("xN: a peer costs N times what alula does; /N: alula costs N times the floor.")
    for case in given.cases or CASES:
        table(case, given)


if __name__ == "__main__":
    main()
