"""Calls of an identity model by name, warm: one after the other, and all at once."""

import json
import os
import statistics
import time
from typing import Any

from sklearn.base import BaseEstimator

import alula as om

CALLS = 1000


class Identity(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Gives what it is given."""

    def fit(self, X: Any, y: Any = None) -> "Identity":
        """Learn nothing."""
        return self

    def predict(self, X: Any) -> Any:
        """Give what is given."""
        return X


def main() -> None:
    """Print the figures of this process."""
    om.models.put(Identity(), "identity")
    model = om.runtime.model("identity")
    for _ in range(20):
        model.predict([[1.0]]).get()
    took = []
    for _ in range(CALLS):
        began = time.perf_counter()
        model.predict([[1.0]]).get()
        took.append(time.perf_counter() - began)
    began = time.perf_counter()
    results = [model.predict([[1.0]]) for _ in range(CALLS)]
    for result in results:
        result.get()
    pipelined = (time.perf_counter() - began) / CALLS
    took.sort()
    figures = {
        "sync p50": statistics.median(took),
        "sync p99": took[int(0.99 * CALLS)],
        "pipelined": pipelined,
    }
    targets = [["sync p50 in seconds", "sync p50", 0.005, None]]
    print(json.dumps({"figures": figures, "targets": targets}), flush=True)
    om.runtime.close_default()
    os._exit(0)


if __name__ == "__main__":
    main()
