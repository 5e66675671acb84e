"""``alula doctor``: what is installed, what is missing, and how to get it."""

import json
import os
import platform
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from rich.markup import escape
from rich.table import Table

from .._core._settings import Settings
from .._core._version import VERSION
from ..errors import AlulaError
from ..objects import open_catalogs
from ..store import ExecutorInfo, Executors
from ._terminal import out

__all__ = ["Finding", "examine", "group", "show"]

_PATIENCE: Final = 3.0  # seconds for a service to answer
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
    return [*_machine(), *_packages(), *_home(), *_services(), *_programs()]


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


def _services() -> Iterator[Finding]:
    """Look whether what the settings name answers, where it has been used already or lies elsewhere."""
    try:
        settings = Settings.load()
    except AlulaError:
        return  # said already
    if settings.engine == "ray" and settings.address is not None and ":" in settings.address:
        yield _engine(settings.address)
    kind, _, path = settings.store.partition(":///")
    if kind.startswith("sqlite") and not Path(path).exists():
        yield Finding("store", "ok", f"{settings.store} (made at the first use)")
        return
    try:
        with open_catalogs(settings) as catalogs:
            yield Finding("store", "ok", _unnamed(settings.store))
            yield Finding("artifacts", "ok", settings.artifacts)
            yield _executors(Executors(catalogs.store).alive())
    except (AlulaError, OSError) as error:
        remedy = (
            "start what is to answer there, or unset ALULA_STORE and ALULA_ARTIFACTS to use files in the home"
        )
        yield Finding("store", "broken", str(error), remedy)


def _engine(address: str) -> Finding:
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=_PATIENCE):
            return Finding("engine", "ok", f"Ray at {address}")
    except OSError as error:
        remedy = "start Ray there (ray start --head), or unset ALULA_ADDRESS to have one here"
        return Finding("engine", "broken", f"nothing answers at {address}: {error}", remedy)


def _executors(alive: Sequence[ExecutorInfo]) -> Finding:
    claiming = [info for info in alive if info.claims]
    if claiming:
        each = ", ".join(f"{info.name} ({', '.join(info.labels)})" for info in claiming)
        return Finding("executors", "ok", each)
    said = "nobody takes work from the queue: tasks run in the process that submits them"
    return Finding("executors", "missing", said, "alula up, or alula worker")


def _unnamed(url: str) -> str:
    """Leave the password out of a URL."""
    return re.sub(r"(://[^:/@]*:)[^@]*@", r"\1***@", url)


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
