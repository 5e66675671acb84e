"""``alula doctor``: what is installed, what is missing, and how to get it."""

import json
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from rich.markup import escape
from rich.table import Table

from .._core._settings import Settings
from .._core._version import VERSION
from ..errors import AlulaError
from ._terminal import out

__all__ = ["Finding", "examine", "group", "show"]

_MARKS = {"ok": "[green]ok[/]", "missing": "[yellow]missing[/]", "broken": "[red]broken[/]"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    what
        Its name.
    state
        ``"ok"``; ``"missing"`` for something optional; ``"broken"`` for what Alula cannot work without.
    detail
        Version, place, or reason.
    remedy
        What to type; empty if there is nothing to do.
    """

    what: str
    state: Literal["ok", "missing", "broken"]
    detail: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Look at everything, changing nothing but a temporary file."""
    return [*_machine(), *_packages(), *_home(), *_programs()]


def show(findings: list[Finding], *, as_json: bool) -> int:
    """Print the findings; give the status for the shell: 1 if something is broken."""
    if as_json:
        print(json.dumps({"version": VERSION, "findings": [asdict(f) for f in findings]}, indent=2))
    else:
        table = Table(title=f"alula {VERSION}", title_justify="left", box=None, pad_edge=False)
        for column in ("", "state", "detail", "what to do"):
            table.add_column(column, overflow="fold")
        for finding in findings:
            table.add_row(finding.what, _MARKS[finding.state], escape(finding.detail), escape(finding.remedy))
        out().print(table)
    return int(any(finding.state == "broken" for finding in findings))


def _machine() -> Iterator[Finding]:
    yield Finding("python", "ok", f"{platform.python_version()} ({sys.executable})")
    cores = os.cpu_count()
    machine = f"{platform.system()} {platform.machine()}, {cores} {'core' if cores == 1 else 'cores'}"
    yield Finding("system", "ok", machine)


def _packages() -> Iterator[Finding]:
    """One finding for the core and one for each extra."""
    groups: dict[str, list[str]] = {"": []}
    for text in requires("alula") or []:
        package = _NAME.match(text)
        wanted_by = _EXTRA.search(text)
        if package and package[0] != "alula":
            groups.setdefault(wanted_by[1] if wanted_by else "", []).append(package[0])
    groups.pop("all", None)
    for extra, packages in groups.items():
        yield group(extra, packages)


def group(extra: str, packages: list[str]) -> Finding:
    """Look at the packages of one extra, or of the core if its name is empty."""
    name = f"extra {extra}" if extra else "core"
    absent = [package for package in packages if not _version(package)]
    if not absent:
        return Finding(name, "ok", ", ".join(f"{package} {_version(package)}" for package in packages))
    remedy = f"pip install 'alula[{extra}]'" if extra else "pip install --force-reinstall alula"
    return Finding(name, "missing" if extra else "broken", "without " + ", ".join(absent), remedy)


_NAME = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)""")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _home() -> Iterator[Finding]:
    try:
        settings = Settings.load()
    except AlulaError as error:
        yield Finding("settings", "broken", str(error), "correct the setting named")
        return
    yield Finding("settings", "ok", f"engine {settings.engine}, durability {settings.durability}")
    folder = _nearest_existing(settings.home)
    try:
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free / 1e9
            yield Finding("home", "ok", f"{settings.home} ({free:.0f} GB free)")
    except OSError as error:
        remedy = "set ALULA_HOME to a folder that can be written"
        yield Finding("home", "broken", f"{settings.home}: {error.strerror}", remedy)


def _nearest_existing(path: Path) -> Path:
    return next(p for p in (path, *path.parents) if p.exists())


def _programs() -> Iterator[Finding]:
    path = shutil.which("redis-server") or shutil.which("valkey-server")
    if path:
        yield Finding("redis-server", "ok", path)
    else:
        yield Finding(
            "redis-server", "missing", "only for tests and comparisons", "apt-get install redis-server"
        )
