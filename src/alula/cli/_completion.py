"""Completion of stored names: what a shell is told when somebody presses the tabulator key.

It must be quick and quiet, and must not make a store where there is none.
"""

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

__all__ = ["labels", "names", "tasks"]

Complete = Callable[[typer.Context, str], list[str]]


def names(store: str) -> Complete:
    """Complete the names of one store: ``datasets``, ``models``, ``scripts`` or ``jobs``."""

    def complete(context: typer.Context, incomplete: str) -> list[str]:
        return _found(lambda: _instance(context), lambda om: getattr(om, store).list(f"{incomplete}*"))

    return complete


def labels(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the labels of the executors that live."""

    def known(om: Any) -> list[str]:
        each = import_module("alula.store").Executors(om.store).alive()
        return sorted({label for info in each for label in info.labels if label.startswith(incomplete)})

    return _found(lambda: _instance(context), known)


def tasks(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the ids of the tasks that were submitted last."""

    def known(om: Any) -> list[str]:
        workflow = import_module("alula.workflow")
        found = workflow.list_all(id_prefix=incomplete, newest_first=True, limit=20)
        return [id_ for id_, _ in found]

    return _found(lambda: _instance(context), known)


def _instance(context: typer.Context) -> Any:
    runtime = import_module("alula.runtime")
    return runtime.bucket(context.params.get("bucket"))


def _found(make: Callable[[], Any], look: Callable[[Any], list[str]]) -> list[str]:
    try:
        if not _is_there():
            return []
        return look(make())
    except Exception:  # whatever is wrong, a shell that completes is no place to hear of it
        return []


def _is_there() -> bool:
    settings = import_module("alula._core._settings").Settings.load()
    kind, _, path = settings.store.partition(":///")
    return not kind.startswith("sqlite") or Path(os.path.expanduser(path)).exists()
