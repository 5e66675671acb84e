"""Parts: one notebook for many elements, a task for each, and what is known of those that were begun before.

A part is a stored notebook, ``tasks/<name>/<group>-<id>.ipynb``, whose attributes say its element and its
task. All of a group are stored in one step, with the bytes of the notebook; what runs is the notebook as it
is then. So a group is known before its first task begins, and whoever asks for it again begins only what has
not succeeded.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, overload

from ..._core._extras import imported
from ..._core._ids import new_id
from ...errors import TaskNotFoundError
from ...futures import Function
from ...objects import Jobs, Metadata, Reference, check_name
from .._blocks import Call
from .._groups import GroupResult
from .._orders import Order
from .._results import AsyncResult
from .._tasks import Tasks
from .._wish import Wish
from ._body import How
from ._parameters import plain

__all__ = ["MapResult", "Parts"]

_EVERY: Final = "*"
_COLUMNS: Final = ("name", "task_id", "status", "run_status", "attempts")
_UNKNOWN: Final = "UNKNOWN"  # its task was never submitted, for the process that was about to has died
_UNFINISHED: Final = ("FAILURE", "REVOKED", _UNKNOWN)


@dataclass(frozen=True, slots=True)
class _Element:
    """One element of a group: where it stands, what it is called, and its value in JSON."""

    position: int
    id: str
    value: Any


class MapResult(Sequence[Metadata]):
    """The parts of a `JobProxy.map`: as a sequence their metadata, in the order of the elements.

    Attributes
    ----------
    task_group
        The name of the group, by which `JobProxy.status` and `JobProxy.restart` find it.
    group
        The results of the parts, as one.
    """

    def __init__(
        self, task_group: str, parts: Sequence[Metadata], group: GroupResult, owner: "Parts"
    ) -> None:
        self.task_group, self.group = task_group, group
        self._parts, self._owner = list(parts), owner

    @property
    def results(self) -> list[AsyncResult[Metadata]]:
        """Of each part, in the order of the elements."""
        return self.group.results

    def get(self, timeout: float | None = None, propagate: bool = True) -> list[Any]:
        """Wait for all parts, and give the metadata of their result notebooks, in the order of the elements.

        Parameters
        ----------
        timeout
            Seconds for all together; None waits for ever.
        propagate
            Whether to raise the error of the first element whose last attempt has failed, once all have
            ended; else errors stand in the list.

        Raises
        ------
        NotebookError
            If a part has failed for good.
        GetTimeoutError
            If they have not all ended in time; they go on.
        """
        return self.group.get(timeout, propagate)

    def as_completed(self, timeout: float | None = None) -> Iterator[AsyncResult[Metadata]]:
        """Give the results of the parts as they end; see `alula.runtime.as_completed`."""
        return self.group.as_completed(timeout)

    def ready(self) -> bool:
        """Tell whether all have ended."""
        return self.group.ready()

    def successful(self) -> bool:
        """Tell whether all have succeeded."""
        return self.group.successful()

    def failed(self) -> bool:
        """Tell whether one has failed for good."""
        return self.group.failed()

    def completed_count(self) -> int:
        """Count those that have succeeded."""
        return self.group.completed_count()

    def watch(self, timeout: float | None = None) -> None:
        """Show how far the parts are until all have ended; see `AsyncResult.watch`."""
        self.group.watch(timeout)

    def revoke(self) -> None:
        """Cancel all that have not ended."""
        self.group.revoke()

    def status(self) -> Any:
        """Give a DataFrame with one row for each part; see `JobProxy.status`."""
        return self._owner.status(self.task_group)

    def restart(self, reset: bool = False) -> "MapResult":
        """Begin again what has failed; see `JobProxy.restart`."""
        return self._owner.restart(self.task_group, reset=reset)

    @overload
    def __getitem__(self, index: int) -> Metadata: ...
    @overload
    def __getitem__(self, index: slice) -> list[Metadata]: ...
    def __getitem__(self, index: int | slice) -> Metadata | list[Metadata]:
        return self._parts[index]

    def __len__(self) -> int:
        return len(self._parts)

    def __await__(self) -> Any:
        return self.group.__await__()

    def _repr_html_(self) -> str:
        return self.group._repr_html_()

    def __repr__(self) -> str:
        return f"<MapResult {self.task_group}: {len(self)} parts>"


class Parts:
    """The parts of one notebook; safe to use from any thread.

    Parameters
    ----------
    name
        Of the notebook.
    order
        Makes the order of a run, given its arguments.
    body, wish
        What runs, and where.
    """

    def __init__(
        self, name: str, jobs: Jobs, tasks: Tasks, order: Callable[..., Order], body: Function, wish: Wish
    ) -> None:
        self._name, self._jobs, self._tasks = name, jobs, tasks
        self._order, self._body, self._wish = order, body, wish
        self._folder = f"tasks/{Reference.parse(name).name.removesuffix(jobs.suffix)}/"

    def map(
        self,
        elements: Sequence[Any],
        job_ids: Sequence[object] | None,
        task_group: str | None,
        *,
        reset: bool,
        timeout: float | None,
    ) -> MapResult:
        """Begin a task for each element that has none that goes on or has succeeded.

        Raises
        ------
        TypeError
            If an element is not JSON.
        ValueError
            If the ids are not as many as the elements, or two are the same; or the group has another element
            of that id, and is not `reset`.
        """
        group = new_id()[:8] if task_group is None else check_name(task_group)
        wanted = _elements(elements, job_ids)
        known = {part.attributes["job"]["job_id"]: part for part in self.found(group)}
        begin: list[_Element] = []
        for element in wanted:
            part = known.get(element.id)
            if part is None or reset:
                begin.append(element)
            elif part.attributes["job"]["param"] != element.value:
                raise ValueError(
                    f"the group {group!r} has another element {element.id!r}, "
                    f"{part.attributes['job']['param']!r}: take another group, or reset=True"
                )
            elif self._stands(part) in _UNFINISHED:
                begin.append(element)
        self._begin(group, begin, known.values() if reset else (), timeout)
        return self._result(group)

    def restart(self, task_group: str | None, *, reset: bool) -> MapResult:
        """Begin again what has failed or was never begun, with the notebook as it is now.

        Raises
        ------
        ValueError
            If there is no such group.
        """
        group = self._latest() if task_group is None else task_group
        parts = self.found(group)
        if not parts:
            raise ValueError(f"{self._name!r} was not mapped as {group!r}: there is nothing to restart")
        again = [part for part in parts if reset or self._stands(part) in _UNFINISHED]
        elements = [_element(part) for part in again]
        timeout = parts[0].attributes["job"].get("timeout")
        self._begin(group, elements, again if reset else (), timeout)
        return self._result(group)

    def status(self, task_group: str | None) -> Any:
        """Give a DataFrame of parts, by their names.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        pandas = _pandas()
        group = self._latest() if task_group is None else task_group
        return pandas.DataFrame([self._row(part) for part in self.found(group)], columns=list(_COLUMNS))

    def found(self, task_group: str = _EVERY) -> list[Metadata]:
        """Give the parts of a group, or of all, in the order of their elements."""
        found = [
            part
            for part in self._jobs.list(f"{self._folder}*", raw=True, include_temp=True)
            if task_group in (_EVERY, part.attributes.get("job", {}).get("task_group"))
        ]
        return sorted(found, key=lambda part: (part.created, part.attributes["job"]["position"]))

    # ------------------------------------------------------------------------------------- inside

    def _begin(
        self, group: str, elements: Sequence[_Element], before: Iterable[Metadata], timeout: float | None
    ) -> None:
        """Store the parts of some elements, then submit their tasks under one parent."""
        for part in before:  # what is begun anew must not go on as well
            if self._stands(part) not in ("SUCCESS", *_UNFINISHED):
                self._tasks.records.revoke(part.attributes["job"]["task_id"])
        if not elements:
            return
        calls: list[Call] = []
        parts: dict[str, dict[str, Any]] = {}
        for element in elements:
            name = f"{self._folder}{group}-{element.id}"
            order = self._order(args=(element.value,))
            calls.append(Call(self._body, order, (How(timeout=timeout, part=name),), self._wish))
            parts[name] = {"source_job": self._name, "job": _facts(group, element, order, timeout)}
        self._jobs.copy(self._name, parts)
        self._tasks.combine("parallel", calls)

    def _result(self, group: str) -> MapResult:
        parts = sorted(self.found(group), key=lambda part: part.attributes["job"]["position"])
        records = self._tasks.records
        results = [AsyncResult[Any](part.attributes["job"]["task_id"], records) for part in parts]

        def cancel() -> None:
            for result in results:
                if not result.ready():
                    result.revoke()

        return MapResult(group, parts, GroupResult(group, results, cancel), self)

    def _stands(self, part: Metadata) -> str:
        try:
            return self._tasks.records.status(part.attributes["job"]["task_id"])
        except TaskNotFoundError:
            return _UNKNOWN

    def _row(self, part: Metadata) -> tuple[Any, ...]:
        runs = part.attributes.get("job_runs", ())
        last = runs[-1]["status"] if runs else "unknown"
        attempts = runs[-1]["attempt"] if runs else 0
        return part.name, part.attributes["job"]["task_id"], self._stands(part), last, attempts

    def _latest(self) -> str:
        """Give the name of the group that was begun last, or one that there is not."""
        parts = self.found()
        newest = max(parts, key=lambda part: part.created, default=None)
        return "" if newest is None else str(newest.attributes["job"]["task_group"])


def _elements(elements: Sequence[Any], job_ids: Sequence[object] | None) -> list[_Element]:
    ids = [str(i) for i in range(len(elements))] if job_ids is None else [str(each) for each in job_ids]
    if len(ids) != len(elements):
        raise ValueError(f"there are {len(elements)} elements, and {len(ids)} job_ids")
    if twice := sorted({each for each in ids if ids.count(each) > 1}):
        raise ValueError(f"job_ids are different from each other, and {twice[0]!r} is there twice")
    return [
        _Element(i, check_name(each), plain(value, f"element {i}"))
        for i, (each, value) in enumerate(zip(ids, elements, strict=True))
    ]


def _element(part: Metadata) -> _Element:
    job = part.attributes["job"]
    return _Element(job["position"], job["job_id"], job["param"])


def _facts(group: str, element: _Element, order: Order, timeout: float | None) -> dict[str, Any]:
    return {
        "param": element.value,
        "job_id": element.id,
        "task_group": group,
        "task_name": order.name,
        "task_id": order.task,
        "position": element.position,
        "timeout": timeout,
        "status": "submitted",
    }


def _pandas() -> Any:
    return imported("pandas", "lab", "the status of a map as a table")
