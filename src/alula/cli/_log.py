"""``alula log`` and ``alula lineage``: what was logged, and what came of what."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from .. import runtime
from ..runtime import AsyncResult, Lineage, Record, Step
from ._terminal import out

__all__ = ["lineage", "log"]

_STYLES = {"CRITICAL": "bold red", "ERROR": "red", "WARNING": "yellow", "DEBUG": "dim", "SYSTEM": "dim"}


def log(
    *,
    follow: bool,
    task: str | None,
    level: str | None,
    logger: str | None,
    bucket: str | None,
    last: int,
    as_json: bool,
) -> int:
    """Print the last records; with `follow` also those that come, until Ctrl-C or the end of the task."""
    instance, console = runtime.bucket(bucket), out()
    result = None if task is None else instance.runtime.result(task, wait=False)
    dataset = instance.logger.dataset
    try:
        records = dataset.get(level=level, logger=logger, task=task, tail=last, raw=True)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    for record in records:
        _print(console, record, as_json)
    if follow:
        after = records[-1].id if records else 0
        ended = (lambda: False) if not isinstance(result, AsyncResult) else result.ready
        for record in dataset.follow(level=level, logger=logger, task=task, after=after, over=ended):
            _print(console, record, as_json)
    return 0


def lineage(name: str, *, depth: int | None, bucket: str | None, svg: Path | None, as_json: bool) -> int:
    """Print what a version was made of and what was made of it, or draw it into a file."""
    found = runtime.bucket(bucket).runtime.lineage(name, depth=depth)
    if svg is not None:
        found.picture.save(svg)
        out().print(Text(f"written to {svg}", style="dim"))
    elif as_json:
        print(json.dumps(_lineage(found), indent=2))
    else:
        out().print(Text(str(found)), soft_wrap=True)
    return 0


def _lineage(found: Lineage) -> dict[str, Any]:
    return {
        "version": str(found.version),
        "before": [_step(step) for step in found.before],
        "after": [_step(step) for step in found.after],
        "uses": {str(version): uses for version, uses in found.uses.items()},
        "complete": found.complete,
    }


def _step(step: Step) -> dict[str, Any]:
    versions = {"reads": [str(each) for each in step.reads], "writes": [str(each) for each in step.writes]}
    return asdict(step) | versions


def _print(console: Console, record: Record, as_json: bool) -> None:
    if as_json:
        print(json.dumps(_facts(record)), flush=True)
    else:
        console.print(Text(record.text, style=_STYLES.get(record.level, "")), soft_wrap=True)


def _facts(record: Record) -> dict[str, Any]:
    facts = asdict(record)
    del facts["id"]
    return facts
