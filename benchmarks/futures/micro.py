"""The loops of `ray microbenchmark`, through alula's interface and through Ray's own, side by side.

By its method, with shorter rounds: a warm-up, then a few rounds in which a call is repeated for a while;
the figure is the rate of each round, its mean and standard deviation over all rounds. Each engine runs in
a process of its own, started fresh for each case. Cases through Ray's client server and those of placement
groups have no counterpart here.

    python benchmarks/futures/micro.py                           the embedded engine beside Ray
    python benchmarks/futures/micro.py --engine ray "tasks"      what our interface costs on Ray
"""

import argparse
import json
import subprocess
import sys
from statistics import mean, pstdev

from suite.engines import opened, version_of
from suite.loops import LOOPS, rates
from suite.measure import ENVIRONMENT, SIZES

ENGINES = {"embedded": "ours", "ray": "ours on ray"}


def apart(who: str, name: str, given: argparse.Namespace) -> list[float]:
    """Measure in a process of its own; no rates if that fails."""
    command = [sys.executable, __file__, name, "--measure", who]
    command += ["--seconds", str(given.seconds), "--rounds", str(given.rounds)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    if ran.returncode:
        print(f"{who}, {name}: {ran.stderr.strip().splitlines()[-1:]}")
        return []
    found: list[float] = json.loads(ran.stdout.splitlines()[-1])
    return found


def shown(found: list[float]) -> str:
    """Give mean and standard deviation."""
    return f"{mean(found):>12,.1f} +- {pstdev(found):<10,.1f}" if found else f"{'-':>26}"


def main() -> None:
    """Read the command line, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("filter", nargs="?", default="", help="only loops whose name has this in it")
    parser.add_argument("--engine", choices=ENGINES, default="embedded", help="below alula's interface")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each round, at least")
    parser.add_argument("--alone", action="store_true", help="without Ray itself beside it")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        with opened(given.measure, SIZES["full"]) as bench:
            print(json.dumps(rates(LOOPS[given.filter], bench.api, given.seconds, given.rounds)))
        return
    alone = given.alone or version_of("ray") is None
    print(f"{'each of the unit, per second':<44}{f'alula ({given.engine})':>26}{'ray':>26}{'alula/ray':>11}")
    for name in [name for name in LOOPS if given.filter in name]:
        theirs = [] if alone else apart("ray", name, given)
        ours = apart(ENGINES[given.engine], name, given)
        ratio = f"{mean(ours) / mean(theirs):>11.1f}" if ours and theirs else f"{'-':>11}"
        print(f"{name:<44}{shown(ours)}{shown(theirs)}{ratio}", flush=True)


if __name__ == "__main__":
    main()
