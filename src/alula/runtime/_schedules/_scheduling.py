"""Scheduling: a task on a named object becomes a schedule of the workflow layer, and its body one of its own.

At each time one workflow of one task begins, which is a task of the runtime like any other. Its id is that of
the schedule and the time, so that however many executors look after it, there is one. How it went is noted at
the object before the task ends.
"""

import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeAlias

from ..._core._settings import Settings
from ..._core._zone import local_zone
from ...errors import NameNotFoundError
from ...futures import Function, TaskOptions
from ...graph import Graph, Node
from ...objects import Catalog, Catalogs, Metadata, Reference
from ...store import Executors
from ...workflow import Cron, Overlap, Schedules, current_workflow, open_schedules
from .._opened import catalogs_of
from .._orders import Order
from .._wish import Wish
from ._schedule import Schedule
from ._triggers import Outcome, cancelled, planned, settled, triggers_of

__all__ = ["Planned", "Scheduling"]

Body: TypeAlias = Callable[..., Any]
Change: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]

_MARK: Final = "runtime"  # in the metadata of a workflow: it is a task of the runtime, and does this


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """How a task is to be repeated.

    Attributes
    ----------
    schedule
        When.
    overlap, catchup
        As for `alula.workflow.schedule`.
    since
        After which its first time comes; now by default. Without a zone it is one of the schedule's.
    """

    schedule: Schedule
    overlap: Overlap = "skip"
    catchup: bool = True
    since: datetime | None = None


class Scheduling:
    """The schedules of the objects of one bucket; safe to use from any thread.

    Parameters
    ----------
    catalogs
        The objects.
    settings
        Of their store.
    """

    def __init__(self, catalogs: Catalogs, settings: Settings) -> None:
        self._catalogs, self._settings = catalogs, settings
        self._store = catalogs.store

    def put(self, how: Planned, body: Body, order: Order, *args: Any, wish: Wish) -> Metadata:
        """Let a task be repeated, in place of how it was before; give the metadata of its object.

        Parameters
        ----------
        how
            When, and how it is repeated.
        body, order, args, wish
            As for `Tasks.submit`, but that the order's task is not known yet.

        Raises
        ------
        NameNotFoundError
            If there is no such object.
        TypeError, ValueError
            If something cannot be pickled, or `overlap` is none.

        Warns
        -----
        UserWarning
            If it is more often than hourly; or no living executor looks after schedules.
        """
        schedule = how.schedule
        zone = schedule.timezone or self._settings.timezone or local_zone()
        times = _Times(schedule.cron, zone)
        labels = ("default" if wish.label is None else wish.label,)
        node: Node[Any] = Node(_FIRE.with_options(wish.options), (order, body, times, *args), options={})
        made = self._schedules().put(
            _name(order),
            schedule.cron,
            Graph.of(node),
            timezone=zone,
            overlap=how.overlap,
            labels=labels,
            catchup=how.catchup,
            since=None if how.since is None else schedule.timestamp(how.since),
            metadata={_MARK: order.action, "kind": order.kind, **_about(order)},
            prunable=False,
        )
        now = self._store.clock.time()
        self._warn(schedule, labels)
        return _catalog(self._catalogs, order.kind).amend(
            order.name,
            lambda attributes: planned(attributes, order.action, schedule.cron, made.next_time, now),
        )

    def get(
        self, kind: str, name: str, action: str, *, only_pending: bool = False
    ) -> tuple[str | None, list[dict[str, Any]]]:
        """Give the cron expression of a schedule, or None, and its triggers.

        Raises
        ------
        NameNotFoundError
            If there is no such object.
        """
        metadata = _catalog(self._catalogs, kind).resolve(name)
        live = self._schedules().find(_called(kind, action, metadata.bucket, metadata.name))
        due = None if live is None else live.next_time
        found = triggers_of(metadata.attributes, action, due, only_pending=only_pending)
        return (None if live is None else live.cron), found

    def drop(self, kind: str, name: str, action: str) -> Metadata:
        """Repeat a task no more; give the metadata of its object.

        Raises
        ------
        NameNotFoundError
            If there is no such object.
        """
        catalog = _catalog(self._catalogs, kind)
        metadata = catalog.resolve(name)
        self.forget(_called(kind, action, metadata.bucket, metadata.name))
        now = self._store.clock.time()
        return catalog.amend(metadata.name, lambda attributes: cancelled(attributes, action, now))

    def forget(self, called: str) -> None:
        """Delete a schedule, if there is one."""
        with suppress(NameNotFoundError):
            self._schedules().delete(called)

    def _schedules(self) -> Schedules:
        return open_schedules(self._store, self._settings)

    def _warn(self, schedule: Schedule, labels: tuple[str, ...]) -> None:
        if schedule.is_often():
            warnings.warn(f"{schedule.text!r} is more often than once an hour", stacklevel=4)
        alive = Executors(self._store).alive()
        if not any(info.claims and set(labels) <= set(info.labels) for info in alive):
            warnings.warn(
                f"no living executor looks after schedules with the labels {sorted(labels)}: "
                "nothing begins until there is one, such as that of 'alula up' or 'alula worker'",
                stacklevel=4,
            )


@dataclass(frozen=True, slots=True)
class _Times:
    """What a body needs to know of its schedule."""

    cron: str
    zone: str

    def after(self, time: float) -> float:
        return Cron(self.cron, self.zone).after(time)


def fire(order: Order, body: Body, times: _Times, *args: Any) -> Any:
    """Run the body of a task whose time has come, and note at its object how it went."""
    task = current_workflow()
    assert task is not None
    catalogs = catalogs_of(order.settings)
    catalog = _catalog(catalogs, order.kind)
    try:
        catalog.resolve(order.name)
    except NameNotFoundError:  # it was dropped: nothing is left to be repeated
        Scheduling(catalogs, order.settings).forget(_name(order))
        raise
    outcome: Outcome = "ERROR"
    try:
        value = body(replace(order, task=task), *args)
        outcome = "OK"
    finally:
        time, now = _time_of(task), catalogs.store.clock.time()
        due = times.after(max(time, now))
        with suppress(NameNotFoundError):  # it was dropped meanwhile
            catalog.amend(
                order.name,
                lambda attributes: settled(attributes, order.action, time, outcome, due, now),
            )
    return value


_FIRE: Final = Function(fire, TaskOptions())


def _time_of(task: str) -> float:
    """Read the time out of the id of a task that a schedule began."""
    said = task.rpartition("@")[2].removesuffix("~triggered")
    return datetime.fromisoformat(said).timestamp()


def _catalog(catalogs: Catalogs, kind: str) -> Catalog:
    known: Mapping[str, Catalog] = {
        "job": catalogs.jobs,
        "model": catalogs.models,
        "script": catalogs.scripts,
    }
    return known[kind]


def _name(order: Order) -> str:
    return _called(order.kind, order.action, order.settings.bucket, order.name)


def _called(kind: str, action: str, bucket: str, name: str) -> str:
    """Name a schedule: what it does, to what."""
    return f"{action} {kind}s/{bucket}/{Reference.parse(name).name.removesuffix('.ipynb')}"


def _about(order: Order) -> dict[str, Any]:
    return {"name": order.name, "bucket": order.settings.bucket}
