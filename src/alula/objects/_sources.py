"""Where packages come from, and what a script that is one looks like when it is read."""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from ..errors import SourceRefusedError

__all__ = ["Package", "Requirement", "check_source", "is_source", "pinned"]

_SCHEME: Final = re.compile(r"(pkg|pypi|git\+https|git\+ssh|hg\+\w+|svn\+\w+|bzr\+\w+)://")
_PINNED: Final = re.compile(r"pypi://[\w.-]+(\[[\w,. -]*\])?==[\w.!+-]+")
_COMMIT: Final = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_PATIENCE: Final = 60.0  # seconds for a repository to answer
_GIT: Final = re.compile(r"git\+(https|ssh)://[^\s@]+(@[^\s@/]+)?/[^\s@]+@[^\s@]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package with its code.

    Attributes
    ----------
    digest
        SHA-256 of the archive: the same code has the same, so an installation can be kept under it.
    archive
        A zip of its files.
    module
        The top-level module to import.
    root
        The folder in the archive that has the module; empty for its top.
    project
        Whether it has a ``pyproject.toml`` or ``setup.py``, by which pip can install it with what it needs.
    """

    digest: str
    archive: bytes
    module: str
    root: str = ""
    project: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A package that is elsewhere, and whose code is fetched where it is run.

    Attributes
    ----------
    spec
        As it was put: ``pypi://name==1.2`` or ``git+https://host/path@revision``; of git, with the commit
        for which the revision stood then.
    module
        The top-level module to import.
    """

    spec: str
    module: str

    @property
    def pip(self) -> str:
        """The same in the words of pip."""
        return self.spec.removeprefix("pypi://")


def pinned(spec: str) -> str:
    """Give an address with the commit for which its revision stands now; one of no git as it is.

    Raises
    ------
    ValueError
        If the repository cannot be asked, or has no such branch, tag or commit.
    """
    if not spec.startswith("git+"):
        return spec
    repository, _, revision = spec.rpartition("@")
    revision, mark, fragment = revision.partition("#")
    if _COMMIT.fullmatch(revision):
        return spec
    return f"{repository}@{_commit(repository.removeprefix('git+'), revision)}{mark}{fragment}"


def _commit(url: str, revision: str) -> str:
    # No question on the terminal: who has no access is told so.
    asked = ["git", "ls-remote", "--exit-code", url, revision, f"{revision}^{{}}"]
    quiet = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            asked, capture_output=True, text=True, check=False, env=quiet, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ValueError(f"git cannot be asked which commit {revision!r} of {url} is: {error}") from error
    told = [line.partition("\t") for line in done.stdout.splitlines()]
    found = {name: commit for commit, _, name in told}
    # What a tag with a message stands for is told beside it.
    for name in (f"refs/tags/{revision}^{{}}", f"refs/tags/{revision}", f"refs/heads/{revision}", revision):
        if name in found:
            return found[name]
    said = done.stderr.strip() or "it has no such branch or tag"
    raise ValueError(f"git does not say which commit {revision!r} of {url} is: {said}")


def is_source(value: object) -> bool:
    """Tell whether a value is the address of a package."""
    return isinstance(value, str) and _SCHEME.match(value) is not None


def check_source(spec: str, allowed: Sequence[str]) -> None:
    """Check that a package may be had from where it says; ``pkg://`` is the machine's own.

    Parameters
    ----------
    allowed
        Patterns as in a shell, each of whole addresses; those of the setting ``sources``.

    Raises
    ------
    ValueError
        If it does not say which version, or by means that Alula does not have.
    SourceRefusedError
        If no pattern allows it.
    """
    scheme = spec.partition("://")[0]
    if scheme == "pkg":
        return
    if scheme not in ("pypi", "git+https", "git+ssh"):
        raise ValueError(f"{spec}: packages come by pkg://, pypi:// and git+https://, not by {scheme}://")
    if not (_PINNED if scheme == "pypi" else _GIT).fullmatch(spec):
        form = "pypi://name==1.2" if scheme == "pypi" else "git+https://host/path@revision"
        raise ValueError(f"{spec}: say which version, as in {form}")
    if not any(fnmatchcase(spec, pattern) for pattern in allowed):
        raise SourceRefusedError(spec, allowed)
