"""Writing: runs that begin and end, and what is logged to them. Each call returns when it is committed."""

import platform
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import distributions
from threading import RLock
from typing import Any, Self

from ...objects import Catalogs
from .._whereabouts import host, user
from ._active import active_in, inherited
from ._ledger import Entry, Ledger, Row, Run, RunStatus
from ._things import keep
from ._times import moment
from ._values import check_extra, number_of, packed

__all__ = ["Place", "Recorder"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an experiment is: the objects of its bucket, the home of Alula, and the task that has it open.

    Attributes
    ----------
    task
        Gives the id of the task in which it is called, or None.
    """

    catalogs: Catalogs
    home: str
    task: Callable[[], str | None] = lambda: None

    def of(self, bucket: str) -> Self:
        """Give the same in another bucket."""
        here = bucket == self.catalogs.bucket
        return self if here else replace(self, catalogs=self.catalogs[bucket])


class Recorder:
    """The side of an experiment that writes; safe to use from any thread.

    Attributes
    ----------
    name
        Of the experiment.
    bucket
        In which it is.
    provider
        ``"default"``; ``"profiling"`` adds the load of the machine; ``"notrack"`` keeps nothing.
    """

    def __init__(self, name: str, place: Place, ledger: Ledger, entry: Entry) -> None:
        """Make one; people get it from ``runtime.experiment``."""
        self.name, self.bucket, self.provider = name, place.catalogs.bucket, entry.provider
        self._place, self._ledger, self._entry = place, ledger, entry
        self._catalogs = place.catalogs
        self._lock = RLock()
        self._run: Run | None = None  # begun by `start`, or taken up by `use`
        self._entered: list[Run] = []  # begun by a `with` of some thread
        self._over: set[int] = set()
        self._extra: dict[str, Any] = {}

    def start(self, run: int | None = None) -> int:
        """Begin a run, to which is logged from now on, and give its number.

        Parameters
        ----------
        run
            Its number; the next one by default. Processes that begin runs at the same time get different
            ones.

        Raises
        ------
        ValueError
            If there is a run of that number.
        """
        begun = self._begin(run)
        self._run = begun
        return begun.number

    def use(self, run: int | None = None) -> int:
        """Go on with a run that has not ended, from this process, and give its number.

        Parameters
        ----------
        run
            Its number; by default the latest that has not ended, and a new one if all have.

        Raises
        ------
        ValueError
            If there is no such run, or it has ended.
        """
        known = self._ledger.runs()
        going = [each for each in known if each.status == "STARTED"]
        if run is None and not going:
            return self.start()
        numbers = [each.number for each in going]
        if run is not None and run not in numbers:
            there = "has ended" if run in [each.number for each in known] else "does not exist"
            raise ValueError(f"run {run} of {self.name!r} {there}; runs that go on: {numbers or 'none'}")
        self._run = going[-1] if run is None else going[numbers.index(run)]
        return self._run.number

    def stop(self) -> None:
        """End the active run: it is ``STOPPED``. Without one nothing happens."""
        active = self._active()
        if active is not None:
            self._end(active, "STOPPED")

    def active_run(self) -> int | None:
        """Give the number of the run to which is logged here; None if there is none."""
        active = self._active()
        return None if active is None else active.number

    def log_metric(
        self, key: str, value: Any, step: int | None = None, dt: datetime | float | None = None, **extra: Any
    ) -> None:
        """Log a number.

        Parameters
        ----------
        key
            Its name.
        value
            Any number, one of numpy's or torch's too; NaN and infinities as well.
        step
            Such as an epoch.
        dt
            When it was so, UTC or UNIX seconds; now by default.
        extra
            More columns of the row; JSON.

        Raises
        ------
        ValueError
            If no run is active, or an extra column has the name of another one.
        TypeError
            If it is no number.
        """
        self._add([self._row("metric", key, number_of(key, value), step, dt, extra)])

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None, **extra: Any) -> None:
        """Log several numbers in one commit; raises as `log_metric` does."""
        rows = [self._row("metric", k, number_of(k, v), step, None, extra) for k, v in metrics.items()]
        self._add(rows)

    def log_param(
        self, key: str, value: Any, step: int | None = None, dt: datetime | float | None = None, **extra: Any
    ) -> None:
        """Log a parameter: JSON; otherwise as `log_metric`."""
        self._add([self._row("param", key, value, step, dt, extra)])

    def log_params(self, params: Mapping[str, Any], **extra: Any) -> None:
        """Log several parameters in one commit; raises as `log_param` does."""
        self._add([self._row("param", key, value, None, None, extra) for key, value in params.items()])

    def log_event(
        self,
        event: str,
        key: str,
        value: Any,
        step: int | None = None,
        dt: datetime | float | None = None,
        **extra: Any,
    ) -> None:
        """Log anything that is JSON, under an event of your own; otherwise as `log_metric`."""
        self._add([self._row(event, key, value, step, dt, extra)])

    def log_events(
        self,
        event: str,
        key: str,
        values: Sequence[Any],
        step: int | Sequence[int | None] | None = None,
        dt: datetime | float | None = None,
        **extra: Any,
    ) -> None:
        """Log several values of one key in one commit, all or none.

        Parameters
        ----------
        step
            One for all, or one for each.

        Raises
        ------
        ValueError
            As `log_metric`; also if there are not as many steps as values.
        TypeError
            If a value is not JSON.
        """
        steps = [step] * len(values) if step is None or isinstance(step, int) else list(step)
        if len(steps) != len(values):
            raise ValueError(
                f"{len(values)} values have {len(steps)} steps: give one for all, or one for each"
            )
        self._add([self._row(event, key, v, s, dt, extra) for v, s in zip(values, steps, strict=True)])

    def log_artifact(
        self,
        obj: Any,
        name: str,
        step: int | None = None,
        dt: datetime | float | None = None,
        event: str = "artifact",
        **extra: Any,
    ) -> None:
        """Keep an object with the run.

        Parameters
        ----------
        obj
            Numbers, texts and small JSON stand in the row itself; of `Metadata` it is a reference to that
            very version; models and datasets are stored as such, anything else pickled and sealed.
        name
            The key under which `restore_artifacts` gives it.
        step, dt, event, extra
            As for `log_event`.

        Raises
        ------
        ValueError
            As `log_metric`.
        TypeError
            If it cannot be pickled.
        InvalidNameError
            If it has to be stored, and the name has a character with a meaning.
        """
        run = self._needed()
        if self.provider != "notrack":
            kept = keep(obj, f".experiments/{self._entry.id}/{run.number}/{name}", self._catalogs)
            self._add([self._row(event, name, kept, step, dt, extra)])

    def log_data(
        self, key: str, value: Any, event: str = "data", step: int | None = None, **extra: Any
    ) -> None:
        """Keep data with the run, for `restore_data`; otherwise as `log_artifact`."""
        self.log_artifact(value, key, step=step, event=event, **extra)

    def log_system(self) -> None:
        """Log what this program runs on: the platform, Python, and the packages with their versions."""
        facts = {
            "platform": platform.platform(),
            "machine": platform.machine(),
            "python": platform.python_version(),
            "packages": {each.metadata["Name"]: each.version for each in distributions()},
        }
        self._add([self._row("system", "system", facts, None, None, {})])

    def log_extra(self, remove: bool = False, **extra: Any) -> None:
        """Add columns to each row that is logged here from now on.

        Parameters
        ----------
        remove
            Whether to add these no more; without any named, none at all.

        Raises
        ------
        ValueError
            If one has the name of a column that each row has.
        TypeError
            If a value is not JSON.
        """
        check_extra(extra)
        packed("extra", extra)
        with self._lock:
            if not remove:
                self._extra = {**self._extra, **extra}
            else:
                self._extra = {k: v for k, v in self._extra.items() if extra and k not in extra}

    # ------------------------------------------------------------------------------------- inside

    @property
    def id(self) -> int:
        """The number of its row in the ledger."""
        return self._entry.id

    @property
    def ledger(self) -> Ledger:
        """Where it writes."""
        return self._ledger

    def begin_run(self, before: int | None) -> Run:
        """Begin a run for a task alone, or go on with the one of that number."""
        return self._begin() if before is None else next(r for r in self._ledger.runs() if r.number == before)

    def row_of(self, run: Run, event: str, key: str, value: Any) -> Row:
        """Make a row for a run, which is active or not."""
        return self._written(run.id, event, key, value, self._catalogs.store.clock.time(), extra=self._extra)

    def _begin(self, number: int | None = None) -> Run:
        parent = self.active_run()
        now = self._catalogs.store.clock.time()
        facts = {"started": now, "node": host(), "userid": user()}
        return self._ledger.begin(number, parent, facts, self._written(0, "start", "run", 0, now))

    def _end(self, run: Run, status: RunStatus, error: BaseException | None = None) -> None:
        said = None if error is None else "".join(traceback.format_exception_only(error)).strip()
        now = self._catalogs.store.clock.time()
        with self._lock:
            self._over.add(run.id)
            if self._run is run:
                self._run = None
        self._ledger.end(run, status, said, self._written(run.id, "stop", "run", run.number, now))

    def _active(self) -> Run | None:
        """Give the run of this context, or that of `start` and `use`, or that of another thread's `with`."""
        entered = self._entered[-1:]
        for run in (active_in(self.bucket, self.name), self._run, *entered):
            if run is not None and run.id not in self._over:
                return run
        return self._inherited()

    def _inherited(self) -> Run | None:
        """Give the run for which this process was begun, as long as that goes on."""
        number = inherited(self.bucket, self.name)
        if number is None:
            return None
        going = (run for run in self._ledger.runs() if run.number == number and run.status == "STARTED")
        self._run = next(going, None)
        return self._run if self._run is not None and self._run.id not in self._over else None

    def _needed(self) -> Run:
        active = self._active()
        if active is None:
            raise ValueError("no active run, call .start() or .use()")
        return active

    def _log_all(self, event: str, facts: Mapping[str, Any]) -> None:
        """Log several keys of one event in one commit."""
        self._add([self._row(event, key, value, None, None, {}) for key, value in facts.items()])

    def _add(self, rows: Sequence[Row]) -> None:
        self._ledger.add(rows)

    def _row(
        self,
        event: str,
        key: str,
        value: Any,
        step: int | None,
        dt: datetime | float | None,
        extra: Mapping[str, Any],
    ) -> Row:
        run = self._needed()
        if step is not None and (isinstance(step, bool) or not hasattr(step, "__index__")):
            raise TypeError(f"step={step!r} is no whole number")
        if not isinstance(key, str) or not isinstance(event, str):
            raise TypeError(f"the key {key!r} of the event {event!r} must be text, and so must the event")
        check_extra(extra)
        now = self._catalogs.store.clock.time()
        at = now if dt is None else moment(dt, now)
        more = {**self._extra, **extra}
        return self._written(run.id, event, key, value, at, step=step, extra=more)

    def _written(
        self,
        run: int,
        event: str,
        key: str,
        value: Any,
        at: float,
        *,
        step: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Row:
        text, number = packed(key, value)
        return {
            "run": run,
            "step": None if step is None else int(step),
            "event": event,
            "key": key,
            "value": text,
            "number": number,
            "dt": at,
            "node": host(),
            "userid": user(),
            "task": self._place.task(),
            "extra": packed("extra", extra)[0] if extra else None,
        }
