"""``alula demo``: the main job, end to end, on scikit-learn's 1,797 images of handwritten digits.

Stores the images and three classifiers by name, trains and scores them in a durable workflow, deploys
them to a tensor server, reads every test image with one command, and compares each answer with
scikit-learn's own.
"""

import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final, Self

import numpy as np
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from ..errors import StoreUnavailableError
from ..futures import shutdown
from ..graph import Graph, Look
from ..runtime import Instance, close_default, default
from ..server import picture
from ..workflow import get_metadata, get_status, reset_default_executor, resume
from ._demo_page import Misread, Page, render
from ._demo_serving import ANSWER, MEAN, Reading, command, mean_model, read_image, server
from ._demo_training import MODELS, TASKS, split, store_data, store_models, train, training
from ._terminal import out

__all__ = ["run"]

_ID: Final = "digits"
_DEATH: Final = "journal.recorded=kill@4"  # with three results recorded, and a fourth that nobody heard of
_PATIENCE: Final = 30.0  # s for the server to load what was deployed
_TOLERANCE: Final = 1e-5  # of probabilities: the server computes in float32


@dataclass(frozen=True, slots=True)
class _Check:
    """What the answers were, beside scikit-learn's own.

    Attributes
    ----------
    accuracy
        Of each model and then of the ensemble, 0 to 1.
    read
        Shape (n,): the class that the server answered.
    truth
        Shape (n,): the digit.
    wrong
        How many answers differ from scikit-learn's, in class or in probabilities.
    """

    accuracy: Mapping[str, float]
    read: Any
    truth: Any
    wrong: int


def run(*, crash: bool, page: Path, home: Path | None) -> int:
    """Do it all; give the status for the shell: 0 only if every answer agrees."""
    warnings.simplefilter("ignore")  # what the frameworks have to say about each other is no news here
    began = perf_counter()
    with _home(home) as folder, _Steps() as steps:
        om = default()
        with steps("storing images and models by name"):
            stored = store_data(om)
            store_models(om)
        died = _train_and_die(steps) if crash else None
        with steps("training in a durable workflow", total=len(TASKS)):
            scores = resume(_ID) if crash else train(_ID)
        with server(folder) as client:
            with steps("deploying to the tensor server"):
                _deploy(om, client)
            readings = _read_all(client, steps)
            stored_there = {key.decode() for key in client.keys("*")} - {*MODELS, MEAN}
        with steps("comparing with scikit-learn"):
            check = _compare(om, scores, readings)
        lines = _results(check, readings, stored_there, stored, perf_counter() - began)
        page.write_text(_page(om, check, lines), encoding="utf-8")
    _show(check, lines, died)
    out().print(f"\nThe page: [bold]{page.resolve()}[/]", soft_wrap=True, highlight=False)
    return int(check.wrong > 0 or stored_there != {ANSWER})


# ------------------------------------------------------------------------------------ around the work


@contextmanager
def _home(given: Path | None) -> Iterator[Path]:
    """Let everything happen in one folder, which goes away unless it was given."""
    with ExitStack() as stack:
        folder = given or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="alula-demo-")))
        before = os.environ.get("ALULA_HOME")
        os.environ["ALULA_HOME"] = str(folder.absolute())
        try:
            yield folder.absolute()
        finally:
            close_default()
            reset_default_executor()
            shutdown()
            if before is None:
                del os.environ["ALULA_HOME"]
            else:
                os.environ["ALULA_HOME"] = before


class _Steps:
    """Progress as lines in the terminal: one for each step, with what it took."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            console=out(),
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @contextmanager
    def __call__(self, what: str, *, total: int = 1) -> Iterator[None]:
        """Show one step while it lasts; it is complete when it ends, whatever was counted."""
        self._task = self._progress.add_task(what, total=total)
        yield
        self._progress.update(self._task, completed=total)

    def one_more(self) -> None:
        """Count one part of the current step."""
        assert self._task is not None
        self._progress.advance(self._task)


# -------------------------------------------------------------------------------------------- the work


def _train_and_die(steps: _Steps) -> Mapping[str, float | None]:
    """Run the workflow in a process that dies half-way; give when each task had ended by then."""
    with steps("training in a process that is killed half-way"):
        environment = {**os.environ, "ALULA_FAULTS": _DEATH}
        child = [sys.executable, "-m", "alula.cli._demo_training", _ID]
        status = subprocess.run(child, env=environment, check=False).returncode
    if status != -signal.SIGKILL:
        raise RuntimeError(f"the process was to be killed, and ended with status {status}")
    assert get_status(_ID) == "RESUMABLE"
    return {task: _ended(task) for task in TASKS}


def _ended(task: str) -> float | None:
    ended: float | None = get_metadata(_ID, task)["stats"].get("end_time")
    return ended


def _deploy(om: Instance, client: Any) -> None:
    deployments = [om.runtime.model(name).deploy() for name in MODELS]
    for deployment in deployments:
        deployment.get()
    client.execute_command("AI.MODELSTORE", MEAN, "ONNX", "CPU", "BLOB", mean_model(len(MODELS)))
    deadline = perf_counter() + _PATIENCE
    while client.exists(*MODELS) < len(MODELS):  # the server hears of them by the store's doorbell
        if perf_counter() > deadline:
            raise StoreUnavailableError(str(om), f"the server has not loaded the models in {_PATIENCE:g} s")


def _read_all(client: Any, steps: _Steps) -> Sequence[Reading]:
    _, test = split()
    images = test.drop(columns="digit").to_numpy()
    read_image(client, MODELS, images[0], lambda: None)  # the first run of a model is slower
    with steps("reading each test image with one command", total=len(images)):
        return [read_image(client, MODELS, image, steps.one_more) for image in images]


def _compare(om: Instance, scores: Mapping[str, float], readings: Sequence[Reading]) -> _Check:
    """Compute everything once more with scikit-learn alone."""
    _, test = split()
    truth, images = test.pop("digit").to_numpy(), test
    estimators = {name: om.models.load(name) for name in MODELS}
    mean = np.mean([model.predict_proba(images) for model in estimators.values()], axis=0)
    read = np.array([reading.digit for reading in readings])
    given = np.stack([reading.probabilities for reading in readings])
    # Where two classes are equally likely, either is right.
    likely = mean[np.arange(len(read)), read] >= mean.max(axis=1) - _TOLERANCE
    wrong = ~likely | (np.abs(given - mean).max(axis=1) > _TOLERANCE)
    own = {name: float(model.score(images, truth)) for name, model in estimators.items()}
    differing = sum(abs(scores[name] - own[name]) > 1e-12 for name in MODELS)
    accuracy = {**scores, "ensemble": float((read == truth).mean())}
    return _Check(accuracy, read, truth, int(wrong.sum()) + differing)


# ------------------------------------------------------------------------------------------ what to show


def _results(
    check: _Check, readings: Sequence[Reading], keys: AbstractSet[str], stored: int, seconds: float
) -> list[tuple[str, str]]:
    times = np.array([reading.seconds for reading in readings]) * 1e3
    agree = f"all {len(readings)} agree" if not check.wrong else f"{check.wrong} DIFFER"
    return [
        ("images stored", f"{stored:,} by name, {len(readings)} of them for testing"),
        ("answers beside scikit-learn's", agree),
        ("one command, p50 / p99", f"{np.percentile(times, 50):.2f} / {np.percentile(times, 99):.2f} ms"),
        ("volatile", "the image, three classes, three sets of probabilities, the answer's class"),
        ("stored", f"{', '.join(sorted(keys))}; no other key but the models'"),
        ("all of it took", f"{seconds:.1f} s"),
    ]


def _show(check: _Check, lines: Sequence[tuple[str, str]], died: Mapping[str, float | None] | None) -> None:
    table = Table(title="Handwritten digits", title_justify="left", show_header=False, box=None)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in check.accuracy.items():
        table.add_row(name, f"{value:.1%} right")
    for name, text in lines:
        table.add_row(name, text)
    if died is not None:
        again = [task for task, ended in died.items() if ended is None]
        table.add_row("recorded before the crash", ", ".join(t for t in died if t not in again))
        table.add_row("run after the resume", ", ".join(again))
    out().print(table, highlight=False)


def _page(om: Instance, check: _Check, lines: Sequence[tuple[str, str]]) -> str:
    _, test = split()
    images = test.drop(columns="digit").to_numpy()
    confusion = np.zeros((10, 10), dtype=int)
    np.add.at(confusion, (check.truth, check.read), 1)
    graph = Graph.of(training(om))
    words = [word if isinstance(word, str) else "<256 bytes>" for word in command(MODELS, b"")]
    return render(
        Page(
            rows=list(check.accuracy.items()),
            facts=lines,
            workflow_svg=graph.draw(lambda key: Look(graph.nodes[key].label, durable=True)),
            command_svg=picture(*command(MODELS, bytes(256))),
            command=" ".join(words).replace(" => ", " =>\n  "),
            confusion=confusion.tolist(),
            misread=[
                Misread(images[i].tolist(), int(check.truth[i]), int(check.read[i]))
                for i in np.flatnonzero(check.read != check.truth)[:8]
            ],
        )
    )
