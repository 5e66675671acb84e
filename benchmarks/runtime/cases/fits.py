"""Fitting a small model: by name against the plain call, and the first one of a fresh process."""

import json
import os
import statistics
import subprocess
import sys
import time

FITS = 100
FRESH = """
import time
began = time.perf_counter()
import alula as om
from sklearn.linear_model import LinearRegression
om.models.put(LinearRegression(), "line")
om.runtime.model("line").fit([[0.0], [1.0]], [0.0, 1.0]).get()
print(time.perf_counter() - began, flush=True)
"""


def main() -> None:
    """Print the figures of this process."""
    took = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True, check=True)
        took.append(float(done.stdout.split()[-1]))
    figures = {"first fit of a process": statistics.median(took), **warm()}
    figures["by name less plain"] = figures["fit by name"] - figures["plain fit"]
    targets = [
        ["fit by name beyond the plain fit, in seconds", "by name less plain", 0.010, None],
        ["first fit of a fresh process, in seconds", "first fit of a process", 3.0, None],
    ]
    print(json.dumps({"figures": figures, "targets": targets}), flush=True)
    os._exit(0)


def warm() -> dict[str, float]:
    """Measure where everything has run before."""
    import numpy as np
    from sklearn.linear_model import LinearRegression

    import alula as om

    x = np.arange(100.0).reshape(-1, 1)
    om.models.put(LinearRegression(), "small")
    model, plain = om.runtime.model("small"), LinearRegression()
    named, alone = [], []
    for _ in range(FITS):
        began = time.perf_counter()
        model.fit(x, x).get()
        between = time.perf_counter()
        plain.fit(x, x)
        named.append(between - began)
        alone.append(time.perf_counter() - between)
    return {"fit by name": statistics.median(named), "plain fit": statistics.median(alone)}


if __name__ == "__main__":
    main()
