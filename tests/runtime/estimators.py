"""Estimators that wait, die or refuse, for the tests of the runtime; workers import them from here."""

import os
import signal
from pathlib import Path
from typing import Any, Self

from sklearn.base import BaseEstimator

import alula as om
from alula._core._gates import arm
from alula.runtime import current_task
from alula.testing import Turnstile


class Held(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Stops in each fit until the test lets it through."""

    def __init__(self, turnstile: Turnstile | None = None) -> None:
        self.turnstile = turnstile

    def fit(self, X: Any, y: Any = None) -> Self:
        assert self.turnstile is not None
        self.turnstile.wait()
        return self

    def predict(self, X: Any) -> list[int]:
        return [os.getpid()]


class Mortal(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Kills its own process in the first so many fits, or raises in them; counts them in a file."""

    def __init__(
        self, path: Path | None = None, times: int = 0, error: type[Exception] | None = None
    ) -> None:
        self.path, self.times, self.error = path, times, error

    def fit(self, X: Any, y: Any = None) -> Self:
        assert self.path is not None
        with self.path.open("a") as file:
            file.write(".")
        if len(self.path.read_text()) <= self.times:
            if self.error is not None:
                raise self.error("as it was told")
            os.kill(os.getpid(), signal.SIGKILL)
        return self


class Doomed(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Lets its process be killed, after the first fit, when that passes a gate."""

    def __init__(self, gate: str = "") -> None:
        self.gate = gate

    def fit(self, X: Any, y: Any = None) -> Self:
        task = current_task()
        assert task is not None
        self.learned_ = task.id  # so that there are bytes to write
        if task.attempt == 1:
            arm(self.gate, lambda: os.kill(os.getpid(), signal.SIGKILL))
        return self


class Adder(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Adds up all that it was ever fitted on, and has no form in ONNX."""

    total_ = 0.0

    def fit(self, X: Any, y: Any = None, weight: float = 1.0) -> Self:
        self.total_ = 0.0
        return self.partial_fit(X, y, weight)

    def partial_fit(self, X: Any, y: Any = None, weight: float = 1.0) -> Self:
        self.n_features_in_ = 1
        self.total_ += weight * sum(float(row[0]) for row in X)
        return self

    def predict(self, X: Any) -> Any:
        return {"total": self.total_, "type": type(X).__name__, "shape": getattr(X, "shape", None)}


class Seer(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Tells what it sees of the task that asks it, and how far it is."""

    def __init__(self, turnstile: Turnstile | None = None) -> None:
        self.turnstile = turnstile

    def predict(self, X: Any, **options: Any) -> dict[str, Any]:
        task = current_task()
        assert task is not None
        task.progress(1, 4, "a quarter")
        task.progress(2, 4)
        task.progress(3, 4)
        if self.turnstile is not None:
            self.turnstile.wait()
        names = ("id", "attempt", "action", "kind", "name", "bucket", "args", "kwargs", "previous", "results")
        known = {name: getattr(task, name) for name in names}
        return known | {"models": task.instance.models.list(), "default": om.datasets.bucket}


class Echo(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Gives its data and what comes before its task; may be stopped on the way, or made to fail."""

    def __init__(self, turnstile: Turnstile | None = None, path: Path | None = None) -> None:
        self.turnstile, self.path = turnstile, path

    def predict(self, X: Any, fail: bool = False, die: int = 0, stop: bool = False) -> Any:
        task = current_task()
        assert task is not None
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(f"{X[0][0]:g} ")
        if stop:
            assert self.turnstile is not None
            self.turnstile.wait()
        if fail:
            raise LookupError(f"no luck with {X[0][0]}")
        if task.attempt <= die:
            os.kill(os.getpid(), signal.SIGKILL)
        before = task.results if task.results is not None else task.previous
        return {"X": X[0][0], "before": before}


class Counted(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Notes each fit in a file, and stops in one of its own until the test lets it through."""

    def __init__(self, path: Path | None = None, value: int = 0, turnstile: Turnstile | None = None) -> None:
        self.path, self.value, self.turnstile = path, value, turnstile

    def fit(self, X: Any, y: Any = None) -> Self:
        assert self.path is not None
        with self.path.open("a") as file:
            file.write(f"{self.value} {len(X)}\n")
        if self.turnstile is not None and len(self.path.read_text().splitlines()) == 5:
            self.turnstile.wait()
        return self

    def score(self, X: Any, y: Any = None) -> float:
        return float(self.value)
