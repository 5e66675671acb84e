"""Estimators that talk, for the tests of logs; workers import it from here."""

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any, Self

from sklearn.base import BaseEstimator

import alula as om


class Talker(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Says something in each way that there is."""

    def predict(self, X: Any, fail: bool = False, lines: int = 0, die: str | None = None) -> list[int]:
        print("printed")
        for i in range(lines):
            print(f"line {i}")
        print("to stderr", file=sys.stderr)
        logging.getLogger("talker").info("by logging")
        logging.getLogger("talker").debug("details")
        if die is not None and not Path(die).exists():
            Path(die).touch()
            om.logger.info("about to die")
            os.kill(os.getpid(), signal.SIGKILL)
        om.logger.info("by om.logger")
        if fail:
            _ = 1 / 0
        print("half a line", end="")
        return [1]


class Learner(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Logs each of three steps to an experiment, and dies amid them the first time."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path

    def fit(self, X: Any, y: Any = None) -> Self:
        assert self.path is not None
        exp = om.runtime.experiment("myexp")
        for step in range(3):
            exp.log_metric("loss", 1 / (step + 1), step=step)
            if step == 1 and not self.path.exists():
                self.path.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return self
