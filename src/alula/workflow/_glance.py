"""Glances at values: what a task was given and what it gave, for people to look at.

No engine is started, no function is loaded, and nothing is opened that is larger than asked for. What a task
takes from others is named, and not fetched.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from .._core._settings import Settings
from ..errors import ArtifactNotFoundError, SealError, WorkflowNotFoundError
from ..graph import Mark, fill
from ..store import Store
from ._logical import CALL
from ._records import Records
from ._rows import one_task
from ._tables import TASKS
from ._vault import Link, Mentions, Split, Stored, Vault, artifacts_of

__all__ = ["Glance", "Hidden", "Stand", "glance"]

_MOST: Final = 32 << 20


@dataclass(frozen=True, slots=True)
class Stand:
    """Stands where the value of another task is, or an object that lies apart.

    Attributes
    ----------
    task_id
        Of that task; None for an object.
    """

    task_id: str | None

    def __repr__(self) -> str:
        return "an object that lies apart" if self.task_id is None else f"the value of {self.task_id}"


@dataclass(frozen=True, slots=True)
class Hidden:
    """Stands for a value that is not shown.

    Attributes
    ----------
    why
        In words for people.
    """

    why: str


@dataclass(frozen=True, slots=True)
class Glance:
    """What a task was given and gave.

    Attributes
    ----------
    task_id
        Its id.
    inputs
        Its arguments, by position or name; empty for what is no call of a function.
    output
        Its value. It, and each of the arguments, may be `Hidden`; and what they hold may be a `Stand`.
    """

    task_id: str
    inputs: Mapping[str, Any]
    output: Any


def glance(
    store: Store, settings: Settings, workflow_id: str, task_id: str | None = None, *, most: int = _MOST
) -> Glance:
    """Look at the values of one task.

    Parameters
    ----------
    task_id
        By default the one that gives the output of the workflow.
    most
        Bytes that a stored value may have to be opened.

    Raises
    ------
    WorkflowNotFoundError
        If there is no such workflow, or no task of that id in it.
    """
    vault = Vault.of(settings)
    records = Records.alone(store, vault)
    c = TASKS.c
    with store.reading() as connection:
        row = records.workflow(connection, workflow_id)
        mine = one_task(row.number, row.entry)
        if task_id is not None:
            mine = (c.workflow == row.number) & (c.task_id == task_id)
        found = connection.execute(select(c.task_id, c.kind, c.call_digest, c.call).where(mine)).one_or_none()
    if found is None:
        raise WorkflowNotFoundError(workflow_id, task_id)
    value = records.value(workflow_id, found.task_id)
    look = _Look(store, settings, vault, row.number, most)
    inputs = look.arguments(Stored(found.call_digest, found.call)) if found.kind == CALL else {}
    output = Hidden("there is none on record") if value is None else look.value(value)
    return Glance(found.task_id, inputs, output)


class _Look:
    """Opens stored values of one workflow, as far as that is allowed and worth it."""

    def __init__(self, store: Store, settings: Settings, vault: Vault, number: int, most: int) -> None:
        self._store, self._vault, self._number, self._most = store, vault, number, most
        self._forbidden = settings.pickles == "none"

    def arguments(self, stored: Stored) -> dict[str, Any]:
        found = self._opened(stored)
        if isinstance(found, Hidden):
            return {"all": found}
        _, args, kwargs, _ = found
        given = {**{str(i): arg for i, arg in enumerate(args)}, **kwargs}
        return {name: fill(value, self._stand) for name, value in given.items()}

    def value(self, stored: Stored) -> Any:
        found = self._opened(stored)
        if isinstance(found, Split):
            ready = [self.value(each) for each in found.ready]
            return ready, [Stand(self._named(key)) for key in found.remaining]
        return fill(found.value, self._stand) if isinstance(found, Mentions) else found

    def _opened(self, stored: Stored) -> Any:
        if self._forbidden:
            return Hidden("values are kept as pickles, and the setting pickles = 'none' forbids to open them")
        try:
            data = artifacts_of(self._vault).get(stored.digest) if stored.data is None else stored.data
            if len(data) > self._most:
                return Hidden(f"it has {len(data):,} bytes, and up to {self._most:,} are shown")
            return self._vault.unseal(Stored(stored.digest, bytes(data)), "a stored value")
        except (ArtifactNotFoundError, SealError) as error:
            return Hidden(str(error))
        except Exception as error:  # the classes of users' values: their modules may not be here
            return Hidden(f"it cannot be opened here: {type(error).__name__}: {error}")

    def _stand(self, mark: Mark) -> Any:
        return Stand(self._named(mark.key) if isinstance(mark, Link) else None)

    def _named(self, key: str) -> str:
        with self._store.reading() as connection:
            return _task_id(connection, self._number, key) or key


def _task_id(connection: Connection, number: int, key: str) -> str | None:
    mine = (TASKS.c.workflow == number) & (TASKS.c.key == key)
    found: str | None = connection.scalar(select(TASKS.c.task_id).where(mine))
    return found
