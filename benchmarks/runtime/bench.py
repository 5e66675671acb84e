"""How fast is the runtime: each case in a fresh process and an empty home, beside its peers and its floor.

A case is a script in ``cases/``: it prints one line of JSON with its ``figures`` (by name: seconds, unless
the name says otherwise) and its ``targets`` (text, figure, most, and the figure that it is divided by, or
null). Peers with
environments of their own are named by their interpreters, and given to all cases in the environment.

    python benchmarks/runtime/bench.py --celery A/bin/python --mlflow B/bin/python
    python benchmarks/runtime/bench.py calls fits --rounds 5
"""

import argparse
import compileall
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

CASES: Final = Path(__file__).parent / "cases"
LIMIT: Final = 600  # s for one case in one round
PEERS: Final = ("celery", "papermill", "mlflow", "omegaml")


def main() -> int:
    """Run the cases that are named, or all; tell by the exit code whether all targets are reached."""
    known = sorted(path.stem for path in CASES.glob("[!_]*.py"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="case", help=", ".join(known))
    parser.add_argument("--rounds", type=int, default=3)
    for peer in PEERS:
        parser.add_argument(f"--{peer}", help=f"a Python that has {peer}")
    asked = parser.parse_args()
    if unknown := set(asked.cases) - set(known):
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    peers = {f"BENCH_{peer.upper()}": getattr(asked, peer) or "" for peer in PEERS}
    compileall.compile_dir(str(files("alula")), quiet=1)  # as an installer does: peers are installed
    missed = 0
    for case in asked.cases or known:
        rounds = [found for _ in range(asked.rounds) if (found := run(case, peers)) is not None]
        missed += report(case, rounds) if rounds else 1
    return 1 if missed else 0


def run(case: str, peers: dict[str, str]) -> dict[str, Any] | None:
    """Give what a case prints when it is run once; None, and a line that says why, if it fails."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ALULA_")}
        environment = {**clean, **peers, "ALULA_HOME": home}
        command = [sys.executable, str(CASES / f"{case}.py")]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=LIMIT, check=True
            )
            found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        except subprocess.CalledProcessError as error:
            print(f"{case}: failed\n{error.stderr[-2000:]}", file=sys.stderr)
        except (subprocess.TimeoutExpired, ValueError, IndexError) as error:
            print(f"{case}: {error}", file=sys.stderr)
        else:
            return found
    return None


def report(case: str, rounds: list[dict[str, Any]]) -> int:
    """Print the medians of a case and what is reached; give the number of targets that are not."""
    names = [name for name in rounds[0]["figures"] if all(name in each["figures"] for each in rounds)]
    figures = {name: statistics.median(each["figures"][name] for each in rounds) for name in names}
    print(f"\n{case} (medians of {len(rounds)})")
    for name, value in figures.items():
        print(f"  {name:44} {shown(value, name)}")
    return sum(not line for line in judged(figures, rounds[0].get("targets", ())))


def judged(figures: dict[str, float], targets: Iterable[list[Any]]) -> Iterable[bool]:
    """Print each target, and give whether it is reached."""
    for text, figure, most, over in targets:
        if figure not in figures or (over is not None and over not in figures):
            print(f"  not measured  {text}")
            continue
        value = figures[figure] / (1 if over is None else figures[over])
        reached = value <= most
        print(f"  {'reached' if reached else 'MISSED '}  {text}: {value:.4g} (at most {most:g})")
        yield reached


def shown(value: float, name: str) -> str:
    """Write a figure as people read it; one whose name says a unit or a ratio as it is."""
    if "ratio" in name or "[" in name:
        return f"{value:10.4g}"
    return f"{value * 1e3:10.3f} ms" if value < 10 else f"{value:10.2f} s"


if __name__ == "__main__":
    sys.exit(main())
