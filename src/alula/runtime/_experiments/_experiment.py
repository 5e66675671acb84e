"""An experiment: runs with metrics, parameters and artifacts, from any number of processes."""

from collections.abc import Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from ..._core._html import grid, seconds, status
from ...errors import NameNotFoundError, suggest
from ...objects import Metadata, check_name
from ._active import Active, innermost, inside
from ._ledger import Entry, NoLedger, Run, RunStatus, StoredLedger
from ._mlflow import export
from ._profile import Profiler
from ._reader import Reader
from ._recorder import Place
from ._selection import Runs, pick_runs
from ._tracking import link, unlink

__all__ = [
    "CARDS",
    "PROVIDERS",
    "Experiment",
    "current_experiment",
    "existing",
    "existing_experiment",
    "no_experiment",
    "open_experiment",
]

PROVIDERS: Final = ("default", "notrack", "profiling", "simple")
"""How an experiment can keep what is logged; ``simple`` is another name of ``default``."""

CARDS: Final = "experiments/"
"""Where the cards of experiments stand among the models."""
_KIND: Final = "experiment.tracker"
_SHOWN: Final = 20  # runs in the table of a notebook

_entered: ContextVar[tuple[tuple[Run | None, ExitStack], ...]] = ContextVar("alula_entered", default=())


class Experiment(Reader):
    """A named series of runs. As a context it begins a run, to which all that is called inside belongs.

    The run ends with the block: ``STOPPED``, or ``FAILED`` with the error if the block raises. Calls of the
    runtime that are made inside take the run along, and their workers log to it.

    Attributes
    ----------
    name, bucket, provider
        Which it is, and how it keeps what is logged.
    """

    def __init__(self, *args: Any, implied_run: bool = True, **kwargs: Any) -> None:
        """Make one; people get it from ``runtime.experiment``."""
        super().__init__(*args, **kwargs)
        self._implied = implied_run
        self._others = partial(existing, self._place)
        self._profiler = Profiler(partial(self._log_all, "profile")) if self.provider == "profiling" else None

    @property
    def autotrack(self) -> bool:
        """Whether tasks that are tracked keep what a model is fitted on and what it predicts from."""
        return self._entry.autotrack

    @property
    def number(self) -> int:
        """The id of its row, which another of the same name does not have."""
        return self._entry.id

    @property
    def profiler(self) -> Profiler:
        """What measures the machine while a run is active: its ``interval`` and ``metrics`` may be set.

        Raises
        ------
        ValueError
            If the experiment has another provider than ``"profiling"``.
        """
        if self._profiler is None:
            raise ValueError(f"{self.name!r} does not profile: open it with provider='profiling'")
        return self._profiler

    def track(self, obj: str, label: str = "default", store: str | None = None) -> None:
        """Let each call of an object that runs under a label be a run of this experiment, whoever makes it.

        Parameters
        ----------
        obj
            The name of a model, script or notebook.
        label
            Of the executors whose calls are tracked.
        store
            ``"models"``, ``"scripts"`` or ``"jobs"``, if the name is in more than one of them.

        Raises
        ------
        NameNotFoundError
            If there is no such object.
        """
        link(self._catalogs, obj, self.name, label, store)

    def untrack(self, obj: str, label: str = "default", store: str | None = None) -> None:
        """Take back what `track` has done; raises as it does."""
        unlink(self._catalogs, obj, label, store)

    def clear(self, force: bool = False) -> None:
        """Remove all runs and all that was logged to them.

        Raises
        ------
        AssertionError
            Unless `force`.
        """
        if not force:
            raise AssertionError(f"all runs of {self.name!r} would be removed: clear(force=True) does so")
        self._ledger.clear()
        for catalog in (self._catalogs.datasets, self._catalogs.models):
            catalog.drop(f".experiments/{self._entry.id}/*", force=True)

    def to_mlflow(self, uri: str | None = None, run: Runs = "*", name: str | None = None) -> str:
        """Write runs into a store of MLflow, whose user interface shows them.

        What is there of a run already is left as it is, and what is new is added.

        Parameters
        ----------
        uri
            Of the tracking store; by default the file ``mlflow.db`` in the home of Alula:
            ``mlflow ui --backend-store-uri <what is returned>``.
        run
            As for `data`; all by default.
        name
            Of the experiment there; the same by default.

        Returns
        -------
        str
            The address of that store.

        Raises
        ------
        MissingExtraError
            If MLflow is not installed: it is the extra ``mlflow``.
        """
        picked = pick_runs(run, self.runs(), self.active_run())
        return export(self, picked, uri or f"sqlite:///{self._place.home}/mlflow.db", name or self.name)

    def start(self, run: int | None = None) -> int:
        """Begin a run, as `Recorder.start` does; ``profiling`` also measures the machine."""
        number = super().start(run)
        self._measure()
        return number

    def use(self, run: int | None = None) -> int:
        """Go on with a run, as `Recorder.use` does; ``profiling`` also measures the machine."""
        number = super().use(run)
        self._measure()
        return number

    def __enter__(self) -> Self:
        stack = ExitStack()
        begun = self._begin() if self._implied else None
        if begun is not None:
            self._entered.append(begun)
            stack.enter_context(inside(Active(self.bucket, self.name, begun)))
            self._measure()
        _entered.set((*_entered.get(), (begun, stack)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        *others, (begun, stack) = _entered.get()
        _entered.set(tuple(others))
        run = begun or self._run
        try:
            if run is not None:
                self._end(run, "STOPPED" if error is None else "FAILED", error)
        finally:
            stack.close()
            if begun is not None:
                self._entered.remove(begun)

    def __repr__(self) -> str:
        return f"<experiment {self.name}>"

    def _repr_html_(self) -> str:
        runs = [*reversed(self.runs())]
        rows = [
            (run.number, status(run.status), seconds(run.ended and run.ended - run.started), run.error or "")
            for run in runs[:_SHOWN]
        ]
        columns = ("run", "status", "took", "error")
        return grid(f"experiment {self.name}", columns, rows, total=len(runs))

    # ------------------------------------------------------------------------------------- inside

    def _measure(self) -> None:
        if self._profiler is not None:
            self._profiler.start()

    def _end(self, run: Run, status: RunStatus, error: BaseException | None = None) -> None:
        if self._profiler is not None and run.id not in self._over:
            self._profiler.stop()
        super()._end(run, status, error)


def open_experiment(
    place: Place,
    name: str,
    *,
    provider: str | None = None,
    autotrack: bool | None = None,
    implied_run: bool = True,
    recreate: bool = False,
) -> Experiment:
    """Open an experiment, making it if there is none; the parameters are those of ``runtime.experiment``.

    Raises
    ------
    ValueError
        If there is no such provider.
    InvalidNameError
        If the name has a character with a meaning.
    """
    check_name(name)
    if provider is not None and provider not in PROVIDERS:
        raise ValueError(f"there is no provider {provider!r}; {suggest(provider, PROVIDERS)}")
    if provider == "notrack":
        return no_experiment(place, name)
    card, models = CARDS + name, place.catalogs.models
    if recreate:
        models.drop(card, force=True)
        # Where the clock stands still, the new card would be taken for the old one.
        StoredLedger.forget(place.catalogs.store, (place.catalogs.bucket, name))
    metadata = models.metadata(card)
    if metadata is None:
        metadata = models.put({"name": name}, card, kind=_KIND)
    given = {"provider": "default" if provider == "simple" else provider, "autotrack": autotrack}
    return _opened(place, name, metadata, given, implied_run)


def no_experiment(place: Place, name: str = "notrack") -> Experiment:
    """Give an experiment that keeps nothing, and in which there is nothing to be read."""
    return Experiment(name, place, NoLedger(), Entry(0, "notrack", False))


def current_experiment(place: Place) -> Experiment:
    """Give the experiment whose run is at work in this context, or one that keeps nothing."""
    active = innermost()
    found = None if active is None else existing_experiment(place.of(active.bucket), active.experiment)
    if found is None:
        found = no_experiment(place)
        found.start()
    return found


def _opened(
    place: Place, name: str, card: Metadata, given: Mapping[str, Any], implied_run: bool = True
) -> Experiment:
    store, made = place.catalogs.store, card.created.timestamp()
    entry = StoredLedger.enter(store, (place.catalogs.bucket, name), made, given)
    return Experiment(name, place, StoredLedger(store, entry), entry, implied_run=implied_run)


def existing_experiment(place: Place, name: str) -> Experiment | None:
    """Open an experiment, if there is one of that name."""
    metadata = place.catalogs.models.metadata(CARDS + name)
    return None if metadata is None else _opened(place, name, metadata, {})


def existing(place: Place, name: str) -> Experiment:
    """Open an experiment that there is; `NameNotFoundError` if there is none."""
    found = existing_experiment(place, name)
    if found is None:
        raise NameNotFoundError(CARDS + name, place.catalogs.models.list(f"{CARDS}*"))
    return found
