"""Experiments: what happened in runs, in numbers that any number of processes log and anybody reads.

It keeps rows, and knows nothing of tasks: who runs them says, through `inside`, to which run they belong.
"""

from ._active import RunReference, environment, inside, reference
from ._board import Board, Event, RunKeys, RunRow, RunsPage, Series
from ._experiment import (
    PROVIDERS,
    Experiment,
    current_experiment,
    no_experiment,
    open_experiment,
)
from ._ledger import Run
from ._linked import experiment_of, experiments_of
from ._listing import ExperimentInfo, Experiments
from ._recorder import Place
from ._stats import Stats
from ._times import moment

__all__ = [
    "PROVIDERS",
    "Board",
    "Event",
    "Experiment",
    "ExperimentInfo",
    "Experiments",
    "Place",
    "Run",
    "RunKeys",
    "RunReference",
    "RunRow",
    "RunsPage",
    "Series",
    "Stats",
    "current_experiment",
    "environment",
    "experiment_of",
    "experiments_of",
    "inside",
    "moment",
    "no_experiment",
    "open_experiment",
    "reference",
]
