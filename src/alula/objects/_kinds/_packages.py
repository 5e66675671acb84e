"""Packages as scripts: their source as one archive, or where it can be had, as one line."""

import ast
import tarfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from .._shelf import Raw
from .._sources import Package, Requirement, check_source, is_source, pinned
from ._files import unzip, zipped
from ._kind import Ask, Dumped, How, refuse_appending

__all__ = ["Packages", "Requirements"]

_LEFT_OUT: Final = frozenset(
    {".git", ".hg", ".svn", ".tox", ".venv", "__pycache__", "build", "dist", "node_modules", "venv"}
)
_PROJECT: Final = ("pyproject.toml", "setup.py")


class _Sources:
    """What the kinds of packages have in common."""

    name: str
    on_request = False
    checks_itself = False
    options: frozenset[str] = frozenset()

    def ready(self) -> None:
        """Need nothing."""

    def extend(self, facts: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse: a package is put whole."""
        raise refuse_appending(self.name, "package")


class Packages(_Sources):
    """The kind of ``pkg://path``: a folder, its ``setup.py`` or ``pyproject.toml``, or a source archive."""

    name = "python.package"

    def accepts(self, value: object) -> bool:
        """Tell whether it is such an address."""
        return is_source(value) and str(value).startswith("pkg://")

    def dump(self, value: Any, how: How) -> Dumped:
        """Make an archive of the source; note its digest, the module, and where in it that is.

        Raises
        ------
        FileNotFoundError
            If there is nothing at that path.
        ValueError
            If it has no top-level module named as the script, or one that is no Python.
        """
        path = Path(value.removeprefix("pkg://")).expanduser()
        if not path.exists():
            raise FileNotFoundError(f"there is nothing at {path.absolute()}, which {value} names")
        module = _module(how.name)
        if path.name in _PROJECT:
            path = path.parent
        if path.is_dir():
            return _packed(path.resolve(), module, str(value))
        with TemporaryDirectory() as folder:
            return _packed(_unpacked(path, Path(folder)), module, str(value))

    def load(self, parts: Sequence[Any], ask: Ask) -> Any:
        """Give a `Package`."""
        [archive] = parts
        facts = {key: ask.facts[key] for key in ("digest", "module", "root", "project")}
        return Package(archive=bytes(archive), **facts)


class Requirements(_Sources):
    """The kind of ``pypi://name==version`` and ``git+https://...@revision``: nothing but that line."""

    name = "pipsrc.package"

    def accepts(self, value: object) -> bool:
        """Tell whether it is such an address."""
        return is_source(value) and not str(value).startswith("pkg://")

    def dump(self, value: Any, how: How) -> Dumped:
        """Check that it may come from there, and take the line; a revision of git as the commit that it is.

        Raises
        ------
        SourceRefusedError
            If the setting ``sources`` does not allow it.
        ValueError
            If it does not say which version, or git does not say which commit that is.
        """
        check_source(value, how.sources)
        exact = pinned(value)
        facts = {"spec": exact, "module": _module(how.name)}
        return Dumped(Raw((exact.encode(),)), facts if exact == value else {**facts, "asked": value})

    def load(self, parts: Sequence[Any], ask: Ask) -> Any:
        """Give a `Requirement`."""
        [spec] = parts
        return Requirement(spec=bytes(spec).decode(), module=ask.facts["module"])


def _module(name: str) -> str:
    return name.rpartition("/")[2].replace("-", "_")


def _packed(folder: Path, module: str, source: str) -> Dumped:
    if (folder / "__init__.py").exists() and folder.name == module:  # the package itself, not its project
        return _dumped(folder.parent, _sources(folder), module, root="", project=False, source=source)
    for root in ("", "src"):
        if _code(folder / root, module) is not None:
            project = any((folder / name).exists() for name in _PROJECT)
            return _dumped(folder, _sources(folder), module, root=root, project=project, source=source)
    there = sorted(_top_level(folder)) or ["none"]
    raise ValueError(
        f"{source} has no top-level module {module!r}, as the script is named; it has {', '.join(there)}"
    )


def _dumped(
    folder: Path, files: Iterable[Path], module: str, *, root: str, project: bool, source: str
) -> Dumped:
    code = _code(folder / root, module)
    assert code is not None
    try:
        ast.parse(code.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"{source}: {code.name} cannot be parsed: {error}") from error
    archive = zipped(folder, files)
    digest = sha256(archive).hexdigest()
    facts = {"digest": digest, "module": module, "root": root, "project": project, "source": source}
    return Dumped(Raw((archive,)), facts)


def _code(folder: Path, module: str) -> Path | None:
    """Give the file with the code of a top-level module, if there is one."""
    places = (folder / module / "__init__.py", folder / f"{module}.py")
    return next((path for path in places if path.is_file()), None)


def _top_level(folder: Path) -> set[str]:
    found = {path.parent.name for root in ("", "src") for path in (folder / root).glob("*/__init__.py")}
    plain = {path.stem for root in ("", "src") for path in (folder / root).glob("*.py")}
    return found | (plain - {"setup"})


def _sources(folder: Path) -> Iterable[Path]:
    """Give the files of a project, without what its tools have made."""
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        made = any(part in _LEFT_OUT or part.endswith((".egg-info", ".pyc")) for part in parts)
        if path.is_file() and not made and path.resolve().is_relative_to(folder):
            yield path


def _unpacked(archive: Path, folder: Path) -> Path:
    """Unpack a source archive; give the folder of the project in it."""
    try:
        if archive.suffix == ".zip":
            unzip(archive.read_bytes(), folder)
        else:
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
    except (tarfile.TarError, zipfile.BadZipFile) as error:
        raise ValueError(f"{archive} is no source archive: {error}") from error
    inside = [*folder.iterdir()]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
