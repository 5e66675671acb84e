"""Packages of scripts: each installed once on a machine, in a folder that is named after its content.

An installation becomes visible whole, by a rename, and only one process makes it at a time. So it does not
matter where one dies: what it leaves behind is under another name, and the next one removes that.
"""

import fcntl
import json
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from importlib import import_module, invalidate_caches
from importlib.metadata import PackageNotFoundError, distribution
from io import BytesIO
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Final, Protocol, runtime_checkable

from .._core._gates import gate
from .._core._settings import Settings
from ..errors import InstallError

__all__ = ["Elsewhere", "Source", "import_script", "installed"]

_PIP: Final = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")
_TOLD: Final = 2000  # characters of what pip says that are told on


@runtime_checkable
class Source(Protocol):
    """A package with its code."""

    @property
    def digest(self) -> str:
        """SHA-256 of the archive."""
        ...

    @property
    def archive(self) -> bytes:
        """A zip of its files."""
        ...

    @property
    def module(self) -> str:
        """The top-level module to import."""
        ...

    @property
    def root(self) -> str:
        """The folder in the archive that has the module; empty for its top."""
        ...

    @property
    def project(self) -> bool:
        """Whether pip can install it."""
        ...


@runtime_checkable
class Elsewhere(Protocol):
    """A package whose code has to be fetched."""

    @property
    def spec(self) -> str:
        """As it was put."""
        ...

    @property
    def module(self) -> str:
        """The top-level module to import."""
        ...

    @property
    def pip(self) -> str:
        """Where it is, in the words of pip."""
        ...


_lock = RLock()
_imported: dict[str, Path] = {}  # by module, the folder that it was imported from


def import_script(script: Source | Elsewhere, settings: Settings) -> ModuleType:
    """Install a package unless that has been done, and import its module.

    Where another version of it was imported in this process, that makes room.

    Raises
    ------
    InstallError
        If pip cannot install it; says what pip said.
    """
    folder = installed(script, settings)
    with _lock:
        if _imported.get(script.module, folder) != folder:
            _forget(_imported.pop(script.module))
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
            invalidate_caches()
        module = import_module(script.module)
        _imported[script.module] = folder
    return module


def installed(script: Source | Elsewhere, settings: Settings) -> Path:
    """Give the folder in which a package is installed, ready to be imported from.

    Raises
    ------
    InstallError
        As `import_script`.
    """
    environments = settings.home / "env"
    folder = environments / _key(script)
    root = folder / script.root if isinstance(script, Source) and not script.project else folder
    if folder.is_dir():
        return root
    environments.mkdir(parents=True, exist_ok=True)
    with _alone(environments / f".{folder.name}.lock"):
        if not folder.is_dir():
            making = environments / f".{folder.name}.making"
            shutil.rmtree(making, ignore_errors=True)  # of one who died
            making.mkdir()
            _install(script, making)
            gate("environment.made")
            making.rename(folder)
    return root


def _key(script: Source | Elsewhere) -> str:
    content = script.digest if isinstance(script, Source) else script.spec
    text = f"{content} {sys.implementation.cache_tag} {sys.platform}"
    return sha256(text.encode()).hexdigest()[:32]


def _install(script: Source | Elsewhere, target: Path) -> None:
    if isinstance(script, Elsewhere):
        _pip_install(script.pip, target, (), script.module)
        return
    if not script.project:
        _unpack(script.archive, target)
        return
    source = target / ".source"
    _unpack(script.archive, source)
    here = ("--no-build-isolation",) if _can_build(source) else ()
    _pip_install(str(source), target, here, script.module)
    shutil.rmtree(source)


def _unpack(archive: bytes, target: Path) -> None:
    with zipfile.ZipFile(BytesIO(archive)) as packed:
        packed.extractall(target)


def _can_build(source: Path) -> bool:
    """Tell whether what builds a project is installed here, so that nothing need be fetched for it."""
    wanted = ["setuptools"]
    with suppress(FileNotFoundError):
        declared = tomllib.loads((source / "pyproject.toml").read_text())
        wanted = declared.get("build-system", {}).get("requires", wanted)
    return all(_is_there(requirement) for requirement in wanted)


def _is_there(requirement: str) -> bool:
    name = requirement
    for mark in "<>=!~;[ @":
        name = name.partition(mark)[0]
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _pip_install(what: str, target: Path, how: Sequence[str], module: str) -> None:
    """Install a package, and what it needs beyond what is installed already."""
    _pip("install", "--no-deps", *how, "--target", str(target), what, module=module)
    if any(_needs(metadata) for metadata in target.glob("*.dist-info/METADATA")):
        told = _pip("install", "--dry-run", "--report", "-", *how, what, module=module)
        found = [each["metadata"] for each in json.loads(told)["install"]]
        lacking = [f"{each['name']}=={each['version']}" for each in found if not _is_in(target, each["name"])]
        if lacking:
            _pip("install", "--no-deps", "--target", str(target), *lacking, module=module)


def _needs(metadata: Path) -> bool:
    lines = metadata.read_text(errors="replace").splitlines()
    return any(line.startswith("Requires-Dist:") and "extra ==" not in line for line in lines)


def _is_in(target: Path, name: str) -> bool:
    known = {path.name.partition("-")[0].lower().replace("_", "-") for path in target.glob("*.dist-info")}
    return name.lower().replace("_", "-") in known


def _pip(*words: str, module: str) -> str:
    done = subprocess.run([*_PIP, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InstallError(module, (done.stderr or done.stdout).strip()[-_TOLD:])
    return done.stdout


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time in, on this machine; its death lets the next one in."""
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _forget(folder: Path) -> None:
    """Let another version of what was imported from a folder be imported."""
    sys.path[:] = [each for each in sys.path if each != str(folder)]
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file is not None and Path(file).is_relative_to(folder):
            del sys.modules[name]
