"""How fast are tasks, actors and values: the embedded engine beside its peers and the physical floor.

Each engine is measured in a process of its own, started fresh with two workers, for each case and round;
the figures are medians over the rounds. A floor is what any engine would have to pay: it is measured in
the same rounds.

    python benchmarks/futures/bench.py                                  all cases, five rounds
    python benchmarks/futures/bench.py noop sync --rounds 3 --peers ray,pool
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from suite.cases import CASES, Case
from suite.engines import PEERS, opened, version_of
from suite.measure import ENVIRONMENT, SIZES, Bench, Figures, Skipped
from suite.report import medians, table, verdict

LIMIT = 600  # s that an engine may take for a case in a round


def measured(who: str, case: Case, size: str) -> dict[str, Figures]:
    """Measure a case in this process, on one engine or its floors."""
    if who == "floor":
        return case.floor(SIZES[size]) if case.floor else {}
    if case.bare:
        return {who: case.run(Bench(who, None, SIZES[size]))}
    with opened(who, SIZES[size]) as bench:
        return {who: case.run(bench)}


def apart(who: str, name: str, size: str) -> dict[str, Any]:
    """Measure in a process of its own: the figures, or why there are none."""
    command = [sys.executable, __file__, name, "--measure", who, "--size", size]
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT, check=False, env=ENVIRONMENT
        )
    except subprocess.TimeoutExpired:
        return {"note": f"no answer in {LIMIT} s"}
    if ran.returncode:
        lines = ran.stderr.strip().splitlines() or [f"ended with status {ran.returncode}"]
        return {"note": f"failed: {lines[-1][:200]}"}
    answer: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return answer


def rounds(name: str, case: Case, given: argparse.Namespace) -> Iterator[str]:
    """Measure a case round by round, engine after engine; give its table and verdicts."""
    found: dict[str, list[Figures]] = {}
    notes: dict[str, str] = {}
    chosen = [*[peer for peer in case.peers if peer in given.peers], "ours", *["floor"][: bool(case.floor)]]
    for _ in range(given.rounds):
        for who in [who for who in chosen if who not in notes]:
            answer = apart(who, name, given.size)
            if "note" in answer:
                notes[who] = answer["note"]
            for each, figures in answer.get("figures", {}).items():
                found.setdefault(each, []).append(figures)
    middle = {who: medians(figures) for who, figures in found.items()}
    print(*table(case, middle, notes), sep="\n", flush=True)
    for target in case.targets:
        yield f"{verdict(target, middle)}   ({name})"


def peers(text: str) -> list[str]:
    """Read the names of peers; those that are not installed are left out, which a line says."""
    names = [name for name in text.split(",") if name]
    if unknown := set(names) - set(PEERS):
        raise argparse.ArgumentTypeError(
            f"no peer is named {', '.join(unknown)}: there are {', '.join(PEERS)}"
        )
    return names


def answer(who: str, name: str, size: str) -> dict[str, Any]:
    """Measure in this process, and say why if it cannot be done."""
    try:
        return {"figures": measured(who, CASES[name], size)}
    except Skipped as skipped:
        return {"note": f"skipped: {skipped}"}


def main() -> None:
    """Read the command line, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("cases", nargs="*", choices=[[], *CASES], help="which; all by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", type=peers, default=list(PEERS), help="by name, with commas; '' for none")
    parser.add_argument("--size", choices=SIZES, default="full", help="how much of everything")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(answer(given.measure, given.cases[0], given.size)))
        return
    for peer in [peer for peer in given.peers if version_of(peer) is None]:
        print(f"{peer} is not installed, so it is left out: pip install --group bench")
        given.peers.remove(peer)
    versions = [f"{peer} {version_of(peer)}".strip() for peer in given.peers]
    print(f"Medians of {given.rounds} rounds, two workers; beside {', '.join(versions) or 'nobody'}.")
    print("xN: a peer costs N times what alula does; /N: alula costs N times the floor.")
    cases = {name: CASES[name] for name in given.cases or CASES}
    verdicts = [line for name, case in cases.items() for line in rounds(name, case, given)]
    print("\nTo be reached:", *verdicts, sep="\n")


if __name__ == "__main__":
    main()
