"""The code of a workflow's functions: what it was when the workflow was submitted, and what it is now.

A function that is decorated where it is defined is stored whole, so what is recorded is what runs. What can
differ: one that is stored by its name, because it can be imported as it is; a new submission under a known
id; and what somebody wishes to run instead. So of each function of the submitted graph a fingerprint is
kept: of its byte code, not of where it stands in a file, nor of what it calls.
"""

import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache, partial
from hashlib import blake2b
from importlib import import_module
from types import CodeType
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import Connection, bindparam, select, update

from .._core._ids import Key
from ..errors import WorkflowNotResumableError
from ..futures import Definition, Function, RemoteFunction
from ..graph import Graph
from ..store import Store
from ._logical import CALL
from ._tables import TASKS, WORKFLOWS
from ._vault import Packer, Stored, Unpacker, Vault

__all__ = ["Code", "Renewal", "changed", "check_code", "code_of", "renewal_of"]

Code: TypeAlias = Literal["stored", "current"]
"""Which code a workflow goes on with: what is recorded of it, or what is found under the same names."""

Fingerprints: TypeAlias = Mapping[str, tuple[str, bool]]
"""By name, ``module:qualified.name``: of the code, and whether it is stored as its name only."""

Renewal: TypeAlias = Callable[[Connection, int], None]
"""Gives the tasks of the workflow of a number other functions."""

_CHUNK: Final = 500  # keys in one query, well below what any database allows

_log = logging.getLogger("alula.workflow")

_CALL: Final = update(TASKS).where(
    TASKS.c.workflow == bindparam("of_workflow"),
    TASKS.c.key == bindparam("of_key"),
    TASKS.c.call_digest == bindparam("before"),
)


# -------------------------------------------------------------------------------------- fingerprints


def code_of(graph: Graph) -> dict[str, tuple[str, bool]]:
    """Give the fingerprints of a graph's functions."""
    functions = [node.fn for node in graph.nodes.values() if isinstance(node.fn, Function)]
    found: dict[str, tuple[str, bool]] = {}
    for definition in dict.fromkeys([function.definition for function in functions]):
        name, print_, by_name = _taken(definition)
        if name in found and found[name][0] != print_:  # two of one name, such as lambdas
            print_ = _digest(repr(sorted([found[name][0], print_])))
        found[name] = (print_, by_name)
    return found


def changed(stored: str, given: Fingerprints) -> list[str]:
    """Give the names of functions whose code is another than under the same name in a workflow's row."""
    before = json.loads(stored)
    known = [name for name in given if name in before]
    return sorted([name for name in known if given[name][0] != before[name][0]])


def check_code(workflow_id: str, stored: str) -> None:
    """Refuse to go on with functions that were stored by their names, and have other code by now.

    Raises
    ------
    WorkflowNotResumableError
        Naming them. What cannot be imported here is left to whoever runs it.
    """
    before = json.loads(stored)
    by_name = {name: _found(name) for name, (_, is_name) in before.items() if is_name}
    now = {name: _fingerprint(target) for name, target in by_name.items() if target is not None}
    if other := sorted([name for name, print_ in now.items() if print_ != before[name][0]]):
        why = (
            f"the code of {', '.join(other)} is not that with which it was submitted; "
            f'resume({workflow_id!r}, code="current") goes on with what it is now'
        )
        raise WorkflowNotResumableError(workflow_id, why)


@lru_cache(maxsize=4096)
def _taken(definition: Definition) -> tuple[str, str, bool]:
    target = definition.target
    name = _name(target)
    return name, _fingerprint(target), _found(name) is target


def _name(target: Any) -> str:
    return f"{target.__module__}:{target.__qualname__}"


def _found(name: str) -> Any:
    """Give what stands under a name now; None if it cannot be had."""
    module, _, path = name.partition(":")
    try:
        found: Any = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except Exception:  # whatever the user's module does when it is imported: it cannot be had here
        return None
    return found


def _fingerprint(target: Any) -> str:
    """Fingerprint a function with all that it wraps."""
    parts: list[object] = []
    while target is not None:
        code = getattr(target, "__code__", None)
        parts.append(_code(code, target.__doc__) if isinstance(code, CodeType) else _named(target))
        target = getattr(target, "__wrapped__", None)
    return _digest(repr(parts))


def _named(target: Any) -> str:
    return str(getattr(target, "__qualname__", type(target).__qualname__))


def _code(code: CodeType, doc: str | None = None) -> object:
    constants = [_constant(value) for value in code.co_consts if value is not doc]
    return code.co_code, code.co_names, code.co_varnames, code.co_freevars, constants


def _constant(value: object) -> object:
    if isinstance(value, CodeType):
        return _code(value)
    if isinstance(value, frozenset):  # in no order
        return sorted(map(repr, value))
    return type(value).__name__, value


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=10).hexdigest()


# ------------------------------------------------------------------------------------------ renewal


def renewal_of(
    store: Store, vault: Vault, number: int, workflow_id: str, again: Collection[Key] = ()
) -> Renewal:
    """Prepare to give the tasks of a workflow that have no result the functions of now.

    Parameters
    ----------
    again
        Tasks that will have none, either.

    Returns
    -------
    Renewal
        Writes that to a workflow with the same tasks, in the transaction in which it begins to run.

    Raises
    ------
    WorkflowNotResumableError
        If nothing stands under the name of a function, or no remote function.
    """
    c = TASKS.c
    calls = select(c.key, c.call_digest, c.call).where(c.workflow == number, c.kind == CALL)
    keys = sorted(again)
    with store.reading() as connection:
        rows = list(connection.execute(calls.where(c.digest.is_(None), c.pointer.is_(None))))
        for i in range(0, len(keys), _CHUNK):
            ended = c.digest.is_not(None) | c.pointer.is_not(None)
            rows += connection.execute(calls.where(c.key.in_(keys[i : i + _CHUNK]), ended))
        stored = connection.scalar(select(WORKFLOWS.c.code).where(WORKFLOWS.c.number == number))
    packer, unpacker = Packer(vault), Unpacker(vault)
    code: dict[str, Any] = json.loads(stored or "{}")
    changes: list[dict[str, object]] = []
    for row in rows:
        digest, *rest = vault.unseal(Stored(row.call_digest, row.call), "a stored call")
        function = _now(workflow_id, _name(unpacker.function(digest)))
        name, print_, by_name = _taken(function.definition)
        code[name] = (print_, by_name)
        call = packer.call((packer.function(function), *rest))
        change = {"of_key": row.key, "before": row.call_digest}
        changes.append({**change, "call_digest": call.digest, "call": call.data})
    return partial(_renew, changes, json.dumps(code))


def _renew(changes: Sequence[Mapping[str, object]], code: str, connection: Connection, number: int) -> None:
    if changes:
        connection.execute(_CALL, [{"of_workflow": number, **change} for change in changes])
    connection.execute(update(WORKFLOWS).where(WORKFLOWS.c.number == number).values(code=code))


def _now(workflow_id: str, name: str) -> Function:
    found = _found(name)
    if isinstance(found, RemoteFunction):
        return found.function
    what = "nothing that can be imported here" if found is None else f"{found!r}, no remote function,"
    raise WorkflowNotResumableError(workflow_id, f"{what} stands under the name {name}")
