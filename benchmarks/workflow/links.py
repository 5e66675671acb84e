"""Long chains of continuations: whether memory and stack stay as they are.

    python benchmarks/workflow/links.py recorded            100,000 links in place, each recorded
    python benchmarks/workflow/links.py loose               100,000 links in place, nothing recorded
    python benchmarks/workflow/links.py tail --links 2000   10,000 links, each in a worker

The links themselves say how much memory their process has and how deep its stack is, at a tenth of the
way, half-way and at the end; beside it stands the memory of the executor. Prints figures as JSON: s,
bytes, and frames.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from threading import Event, Thread
from typing import Any

import alula
from alula import workflow

LINKS = {"recorded": 100_000, "loose": 100_000, "tail": 10_000}
MARKS = (0.1, 0.5, 1.0)  # of the way


def memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def depth() -> int:
    """Count the frames of this thread."""
    frame, count = sys._getframe(), 0
    while frame.f_back is not None:
        frame, count = frame.f_back, count + 1
    return count


def noted(folder: str, n: int, links: int) -> None:
    """Write down, at a mark, what this process has."""
    for mark in MARKS:
        if links - n == int(mark * links):
            Path(folder, str(mark)).write_text(json.dumps([memory(), depth()]))


@alula.remote
def inplace(n: int, links: int, folder: str, checkpoint: bool) -> Any:
    noted(folder, n, links)
    if not n:
        return 0
    options = workflow.options(allow_inplace=True, checkpoint=checkpoint)
    link = inplace.options(**options)
    return workflow.continuation(link.bind(n - 1, links, folder, checkpoint))


@alula.remote
def tail(n: int, links: int, folder: str) -> Any:
    noted(folder, n, links)
    return 0 if not n else workflow.continuation(tail.bind(n - 1, links, folder))


def watch(folder: str, over: Event) -> dict[str, float]:
    """Note the memory of this process, the executor's, when links come to the marks."""
    found: dict[str, float] = {}
    while len(found) < len(MARKS) and not over.wait(0.02):
        for mark in MARKS:
            if str(mark) not in found and Path(folder, str(mark)).exists():
                found[str(mark)] = memory()
    return found


def run(kind: str, links: int) -> dict[str, float]:
    """Run a chain; give its figures."""
    alula.init(num_cpus=2)
    executors: dict[str, float] = {}
    over = Event()
    with tempfile.TemporaryDirectory() as folder:
        node = tail.bind(links, links, folder)
        if kind != "tail":
            node = inplace.bind(links, links, folder, kind == "recorded")
        watcher = Thread(target=lambda: executors.update(watch(folder, over)))
        watcher.start()
        began = time.perf_counter()
        workflow.run(node)
        took = time.perf_counter() - began
        over.set()
        watcher.join()
        found = {mark: json.loads(Path(folder, str(mark)).read_text()) for mark in MARKS}
    first, last = found[MARKS[0]], found[MARKS[-1]]
    seen = [executors.get(str(mark), memory()) for mark in MARKS]
    figures = {"s": took / links, "grown": last[0] - first[0], "deeper": last[1] - first[1]}
    figures |= {f"at {100 * mark:g} %": found[mark][0] for mark in MARKS}
    figures |= {"executor grown": seen[-1] - seen[0]}
    return {f"{kind} {name}": value for name, value in figures.items()}


def main() -> None:
    """Read the command line, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("kind", choices=LINKS)
    parser.add_argument("--links", type=int)
    given = parser.parse_args()
    print(json.dumps(run(given.kind, given.links or LINKS[given.kind])))


if __name__ == "__main__":
    main()
