"""Notebooks: one cell beside nbclient, a fresh process beside papermill, and fifty on one and two workers.

The peer of one cell is nbclient with a kernel that was started before and has run nothing, as people use it
(`NotebookClient(nb, km=km).execute()`); the floor is the same with the client's channels open and heard as
well, so that nothing is measured but the cell. Ours submits a durable task, runs it in a worker in a kernel
that was made ready before, and stores the notebook with its outputs. The fifty wait a quarter of a second
each, as for a disk or a GPU: what is measured is the runtime, and not how two cores share one computation.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

TIMES = 10
PARTS = 50
PAUSE = 1.0  # s between two, in which kernels are made ready, theirs as ours

COLD = "import alula as om; om.runtime.job('one').run().get()"
MAPPED = """
import sys, time
import alula as om
om.init(num_cpus=int(sys.argv[1]))
om.runtime.job("part").map(range(int(sys.argv[1]))).get()  # workers and kernels are there
began = time.perf_counter()
om.runtime.job("part").map(range(int(sys.argv[2]))).get()
print(time.perf_counter() - began)
"""
v4: Any = nbformat.v4  # it has types for some of it


def one_cell() -> Any:
    """Give a notebook of one cell."""
    return v4.new_notebook(cells=[v4.new_code_cell("6 * 7")])


async def of_nbclient(*, ready: bool) -> float:
    """Time nbclient in a kernel that was started before; `ready` if its client is, too."""
    manager = AsyncKernelManager()
    await manager.start_kernel()
    first = manager.client()
    first.start_channels()
    await first.wait_for_ready(timeout=60)
    client = NotebookClient(one_cell(), km=manager)
    if ready:
        client.kc = first
    else:
        first.stop_channels()
    began = time.perf_counter()
    await client.async_execute()
    took = time.perf_counter() - began
    await manager.shutdown_kernel(now=True)
    return took


def of_ours() -> list[float]:
    """Time a task that runs a notebook, warm."""
    import alula as om

    om.jobs.put(one_cell(), "one")
    om.init(num_cpus=1)
    om.runtime.job("one").run().get()
    found = []
    for _ in range(TIMES):
        time.sleep(PAUSE)
        began = time.perf_counter()
        om.runtime.job("one").run().get()
        found.append(time.perf_counter() - began)
    om.jobs.create("import time\ntime.sleep(0.25)", "part")
    om.runtime.close_default()
    om.shutdown()
    return found


def process(*command: str) -> tuple[float, str]:
    """Time a process from its start to its end; give what it printed, too."""
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - began, done.stdout


def papermill(python: str) -> float:
    """Time papermill from a fresh process of its own environment."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "in.ipynb", Path(folder) / "out.ipynb"
        notebook = one_cell()
        notebook.metadata["kernelspec"] = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        given.write_text(json.dumps(notebook))
        code = (
            f"import papermill; papermill.execute_notebook({str(given)!r}, {str(made)!r}, progress_bar=False)"
        )
        return process(python, "-c", code)[0]


def main() -> None:
    """Print the figures of this process."""
    figures = {
        "one cell": statistics.median(of_ours()),
        "one cell, nbclient with a started kernel": statistics.median(
            [asyncio.run(of_nbclient(ready=False)) for _ in range(TIMES)]
        ),
        "one cell, floor: its client ready as well": statistics.median(
            [asyncio.run(of_nbclient(ready=True)) for _ in range(TIMES)]
        ),
        "cold": statistics.median([process(sys.executable, "-c", COLD)[0] for _ in range(3)]),
    }
    if python := os.environ.get("BENCH_PAPERMILL"):
        figures["cold, papermill"] = statistics.median([papermill(python) for _ in range(3)])
    for workers in ("1", "2"):
        _, told = process(sys.executable, "-c", MAPPED, workers, str(PARTS))
        figures[f"map of {PARTS}, workers {workers}"] = float(told)
    figures["map, ratio of one worker to two"] = (
        figures[f"map of {PARTS}, workers 1"] / figures[f"map of {PARTS}, workers 2"]
    )
    targets = [
        ["one cell beside nbclient", "one cell", 1.3, "one cell, nbclient with a started kernel"],
        ["cold beside papermill", "cold", 1.0, "cold, papermill"],
        ["two workers beside one", f"map of {PARTS}, workers 2", 1 / 1.7, f"map of {PARTS}, workers 1"],
    ]
    print(json.dumps({"figures": figures, "targets": targets}), flush=True)


if __name__ == "__main__":
    main()
