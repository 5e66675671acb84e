"""What came of what: the graph of versions and tasks around one version, both ways.

It is read from the rows of lineage, so it also knows versions that were dropped since.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Row, func, select

from ..errors import TaskNotFoundError
from ..store import Store
from ..workflow import Picture
from ._ancestry_views import drawn, told
from ._lineage import DEPLOYMENTS, STEPS, TOUCHED, Mode, ensure

__all__ = ["Ancestry", "Lineage", "Step", "Version"]

_SAME: Final = STEPS.c.task == TOUCHED.c.task
_MOST: Final = 200  # steps that are followed in each direction; beyond it is no picture


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """One version of an object, or what was deployed of a model.

    Attributes
    ----------
    prefix
        ``"data/"``, ``"models/"``, ``"scripts/"``, ``"jobs/"`` or ``"deployments/"``.
    name, version, bucket
        Which it is. Of a deployment, the version is that of its model.
    """

    prefix: str
    name: str
    version: int
    bucket: str

    @property
    def is_deployment(self) -> bool:
        """Whether it is what tensor servers load."""
        return self.prefix == DEPLOYMENTS

    def __str__(self) -> str:
        return f"{self.prefix}{self.name} v{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A task, as far as it has read and written.

    Attributes
    ----------
    task
        Its id.
    action, kind, name
        What was done, to which kind of object, of which name.
    ended
        UNIX time in seconds.
    succeeded
        Whether it did.
    experiment, run
        To which run it belonged, if it belonged to one.
    reads, writes
        The versions.
    """

    task: str
    action: str
    kind: str
    name: str
    ended: float
    succeeded: bool
    experiment: str | None = None
    run: int | None = None
    reads: tuple[Version, ...] = ()
    writes: tuple[Version, ...] = ()


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a version was made of, and what was made of it. It prints as a tree, and shows as a picture.

    Attributes
    ----------
    version
        In the middle.
    before, after
        The tasks that led to it, and those that it led to; the nearest first.
    uses
        How often each version was read by tasks that made nothing of it, by action: ``{"predict": 3}``.
    complete
        False if there is more than is shown.
    """

    version: Version
    before: tuple[Step, ...]
    after: tuple[Step, ...]
    uses: dict[Version, dict[str, int]] = field(default_factory=dict)
    complete: bool = True

    @property
    def upstream(self) -> list[Version]:
        """The versions that it was made of, the nearest first."""
        return _once(version for step in self.before for version in step.reads)

    @property
    def downstream(self) -> list[Version]:
        """The versions that were made of it, and deployments; the nearest first."""
        return _once(version for step in self.after for version in step.writes)

    @property
    def runs(self) -> list[tuple[str, int]]:
        """The runs of experiments in which that happened."""
        steps = (*self.before, *self.after)
        return _once((s.experiment, s.run) for s in steps if s.experiment is not None and s.run is not None)

    @property
    def deployments(self) -> list[str]:
        """The keys under which servers have had it, or what was made of it."""
        return [version.name for version in self.downstream if version.is_deployment]

    @property
    def picture(self) -> Picture:
        """The same as SVG."""
        return drawn(self)

    def __str__(self) -> str:
        return told(self)

    def _repr_svg_(self) -> str:
        return str(self.picture)

    _repr_html_ = _repr_svg_


class Ancestry:
    """Reads the lineage of one store."""

    def __init__(self, store: Store) -> None:
        ensure(store)
        self._store = store

    def step(self, task: str) -> Step:
        """Give what a task has read and written.

        Raises
        ------
        TaskNotFoundError
            If nothing is recorded of it: there is no such task, it has not ended, or has touched no object.
        """
        found = self._steps([task])
        if not found:
            raise TaskNotFoundError(task)
        return found[0]

    def knows(self, version: Version) -> bool:
        """Tell whether any task has touched a version."""
        with self._store.reading() as connection:
            return connection.execute(select(TOUCHED.c.id).where(*_is(version)).limit(1)).first() is not None

    def of(self, version: Version, depth: int | None = None) -> Lineage:
        """Give the lineage of a version.

        Parameters
        ----------
        depth
            Tasks to follow in each direction; None for all, up to some hundreds.
        """
        before, whole = self._follow(version, "write", depth)
        after, all_of_it = self._follow(version, "read", depth)
        versions = _once([version, *(v for step in after for v in step.writes)])
        uses = {each: found for each in versions if (found := self._uses(each))}
        return Lineage(version, tuple(before), tuple(after), uses, whole and all_of_it)

    # ------------------------------------------------------------------------------------- inside

    def _follow(self, start: Version, mode: Mode, depth: int | None) -> tuple[list[Step], bool]:
        """Go from version to version by the tasks that have touched them in one way."""
        found: dict[str, Step] = {}
        seen, edge = {start}, [start]
        while edge and (depth is None or depth > 0):
            depth = None if depth is None else depth - 1
            tasks = _once(task for version in edge for task in self._tasks(version, mode))
            steps = self._steps([task for task in tasks if task not in found])
            found |= {step.task: step for step in steps}
            if len(found) > _MOST:
                return list(found.values())[:_MOST], False
            beyond = (v for step in steps for v in (step.reads if mode == "write" else step.writes))
            edge = _once(version for version in beyond if version not in seen)
            seen.update(edge)
        return list(found.values()), not edge

    def _tasks(self, version: Version, mode: Mode) -> list[str]:
        asked = select(TOUCHED.c.task).join(STEPS, _SAME).where(*_is(version), TOUCHED.c.mode == mode)
        with self._store.reading() as connection:
            wanted = asked.where(STEPS.c.succeeded, STEPS.c.writes).order_by(STEPS.c.ended).limit(_MOST + 1)
            return list(connection.scalars(wanted))

    def _uses(self, version: Version) -> dict[str, int]:
        asked = select(STEPS.c.action, func.count()).join(TOUCHED, _SAME).where(*_is(version))
        quiet = asked.where(STEPS.c.succeeded, ~STEPS.c.writes).group_by(STEPS.c.action)
        with self._store.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(quiet.order_by(STEPS.c.action))}

    def _steps(self, tasks: Sequence[str]) -> list[Step]:
        """Give tasks with all that they have touched, in this order."""
        found: dict[str, Step] = {}
        with self._store.reading() as connection:
            for i in range(0, len(tasks), _MOST):
                some = tasks[i : i + _MOST]
                touched = list(connection.execute(select(TOUCHED).where(TOUCHED.c.task.in_(some))))
                for row in connection.execute(select(STEPS).where(STEPS.c.task.in_(some))):
                    found[row.task] = _step(row, [each for each in touched if each.task == row.task])
        return [found[task] for task in tasks if task in found]


def _step(row: Row[Any], touched: Sequence[Row[Any]]) -> Step:
    def those(mode: Mode) -> tuple[Version, ...]:
        return tuple(Version(t.prefix, t.name, t.version, t.bucket) for t in touched if t.mode == mode)

    return Step(
        task=row.task,
        action=row.action,
        kind=row.kind,
        name=row.name,
        ended=row.ended,
        succeeded=row.succeeded,
        experiment=row.experiment,
        run=row.run,
        reads=those("read"),
        writes=those("write"),
    )


def _is(version: Version) -> Iterator[Any]:
    for name in ("bucket", "prefix", "name", "version"):
        yield TOUCHED.c[name] == getattr(version, name)


def _once(items: Any) -> list[Any]:
    return list(dict.fromkeys(items))
