"""Artifacts: large values by the hash of their content, in a folder or in any storage fsspec knows.

A digest, once given, stands for whole bytes for ever: they are written aside and renamed, so that a
crash leaves nothing half under a name that records mention. Who may read or forge them is the
business of the seal around the bytes.
"""

import mmap
import os
import re
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any, Final

import fsspec

from .._core._gates import gate
from .._core._seal import Sealed
from .._core._settings import Durability
from ..errors import AlulaError, ArtifactNotFoundError, MissingExtraError, StoreUnavailableError

__all__ = ["Artifacts"]

_DIGEST = re.compile("[0-9a-f]{64}")
_LOCAL: Final = ("file", "local")  # protocols of folders
_ABANDONED: Final = 24 * 3600.0  # seconds after which an unfinished file is a dead process's


class Artifacts(ABC):
    """Bytes by their digest; safe to use from any thread and process.

    Attributes
    ----------
    maps
        Whether `get` costs nothing until the bytes are looked at.
    """

    maps: bool = False

    @classmethod
    def open(cls, url: str, *, durability: Durability = "normal") -> "Artifacts":
        """Open a place for artifacts, making it if it is not there.

        Parameters
        ----------
        url
            A folder, or a URL that fsspec knows: ``s3://bucket/path``.
        durability
            In a folder, ``"full"`` forces each artifact to the disk; ``"normal"`` leaves that to the
            system. Other storage keeps what it acknowledged.

        Raises
        ------
        StoreUnavailableError
            If it cannot be opened; says why.
        """
        protocol, found, path = url.partition("://")
        if not found or protocol in _LOCAL:
            return _Folder(Path(path if found else url).expanduser().absolute(), durability)
        return _Remote(url)

    @staticmethod
    def shared(url: str) -> bool:
        """Tell whether other machines can reach that place."""
        protocol, found, _ = url.partition("://")
        return bool(found) and protocol.rpartition("::")[2] not in (*_LOCAL, "memory")

    @abstractmethod
    def put(self, sealed: Sealed) -> str:
        """Keep the bytes; give their digest. To put the same again changes nothing but their age.

        Raises
        ------
        StoreUnavailableError
            If they cannot be written: disk full, no permission. Nothing is left under the digest.
        """

    @abstractmethod
    def get(self, digest: str, *, writable: bool = False) -> memoryview:
        """Give the bytes; in a folder they are mapped, not read.

        Parameters
        ----------
        writable
            Whether the caller may change what it gets. Nobody else ever sees that: pages are copied
            as they are written to.

        Raises
        ------
        ArtifactNotFoundError
            If there are none under that digest.
        StoreUnavailableError
            If they cannot be read.
        """

    @abstractmethod
    def exists(self, digest: str) -> bool:
        """Tell whether there are bytes under that digest."""

    @abstractmethod
    def delete(self, digest: str) -> None:
        """Remove the bytes, if there are any; who has got them before may go on reading."""

    @abstractmethod
    def list(self, before: float | None = None) -> Iterator[str]:
        """Give the digests of what is there, or of what was last put before a time in UNIX seconds."""

    @abstractmethod
    def delete_old(self, digest: str, before: float) -> bool:
        """Remove the bytes if they were last put before a time in UNIX seconds; tell whether they were."""


def _place(digest: str) -> str:
    """Give the relative path of a digest; 256 folders keep each of them short."""
    if not _DIGEST.fullmatch(digest):
        raise ArtifactNotFoundError(digest)
    return f"{digest[:2]}/{digest[2:]}"


class _Folder(Artifacts):
    maps = True

    def __init__(self, root: Path, durability: Durability) -> None:
        self._root, self._drafts = root, root / "drafts"
        self._full = durability == "full"
        with self._translated():
            self._drafts.mkdir(parents=True, exist_ok=True)
            self._sweep()

    def put(self, sealed: Sealed) -> str:
        path = self._root / _place(sealed.digest)
        with self._translated():
            if not (_same(path, sealed) and _renewed(path)):
                self._write(path, sealed)
        return sealed.digest

    def get(self, digest: str, *, writable: bool = False) -> memoryview:
        access = mmap.ACCESS_COPY if writable else mmap.ACCESS_READ
        path = self._root / _place(digest)
        with self._translated():
            try:
                with path.open("rb") as file:
                    if not os.fstat(file.fileno()).st_size:  # loss of power: it has a name, not yet bytes
                        raise ArtifactNotFoundError(digest)
                    return memoryview(mmap.mmap(file.fileno(), 0, access=access))
            except FileNotFoundError as error:
                raise ArtifactNotFoundError(digest) from error

    def exists(self, digest: str) -> bool:
        return (self._root / _place(digest)).exists()

    def delete(self, digest: str) -> None:
        with self._translated():
            (self._root / _place(digest)).unlink(missing_ok=True)

    def list(self, before: float | None = None) -> Iterator[str]:
        with self._translated():
            for path in self._root.glob("[0-9a-f][0-9a-f]/*"):
                digest = path.parent.name + path.name
                if _DIGEST.fullmatch(digest) and (before is None or _is_older(path, before)):
                    yield digest

    def delete_old(self, digest: str, before: float) -> bool:
        path = self._root / _place(digest)
        with self._translated():
            old = _is_older(path, before)
            if old:
                path.unlink(missing_ok=True)
            return old

    def _write(self, path: Path, sealed: Sealed) -> None:
        draft = self._drafts / secrets.token_hex(8)
        try:
            with draft.open("xb", buffering=0) as file:
                _write_all(file, sealed)
                if self._full:
                    os.fsync(file.fileno())
            gate("artifacts.written")
            path.parent.mkdir(exist_ok=True)
            draft.rename(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        if self._full:
            for folder in (path.parent, self._root):
                _sync(folder)

    def _sweep(self) -> None:
        """Remove what processes that died while writing have left."""
        for draft in self._drafts.iterdir():
            with suppress(FileNotFoundError):  # finished, or swept by another process
                if time.time() - draft.stat().st_mtime > _ABANDONED:
                    draft.unlink()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = str(error.filename or self._root)
            raise StoreUnavailableError(where, error.strerror or str(error)) from error


def _same(path: Path, sealed: Sealed) -> bool:
    """Tell whether these very bytes lie there already.

    The same content may lie there damaged by a loss of power, or signed with another key; then it is
    to be written again, or nobody could ever read what was put.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            return size == sealed.size and file.read(len(sealed.head)) == sealed.head
    except FileNotFoundError:
        return False


def _renewed(path: Path) -> bool:
    """Note that a file was put again; False if it was removed meanwhile."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _is_older(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:
        return False


def _write_all(file: FileIO, sealed: Sealed) -> None:
    for part in (sealed.head, *sealed.content):
        rest = memoryview(part)
        while rest:  # one write takes 2 GiB at most
            rest = rest[file.write(rest) :]


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Remote(Artifacts):
    """Storage behind fsspec. It keeps an object whole or not at all, as object stores do."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._reach()
        with self._translated():  # so that a place that is wrong is named before anything depends on it
            self._look()

    def put(self, sealed: Sealed) -> str:
        with self._translated():
            self._here().pipe_file(self._path(sealed.digest), bytes(sealed))
        return sealed.digest

    def get(self, digest: str, *, writable: bool = False) -> memoryview:
        with self._translated():
            try:
                data: bytes = self._here().cat_file(self._path(digest))
            except FileNotFoundError as error:
                self._look()  # nothing is found in a place that is gone, either
                raise ArtifactNotFoundError(digest) from error
        return memoryview(bytearray(data) if writable else data)

    def exists(self, digest: str) -> bool:
        with self._translated():
            try:
                self._here().info(self._path(digest))  # where `exists` takes every error for a no
            except FileNotFoundError:
                return False
            return True

    def delete(self, digest: str) -> None:
        with self._translated(), suppress(FileNotFoundError):
            self._here().rm_file(self._path(digest))

    def list(self, before: float | None = None) -> Iterator[str]:
        with self._translated():
            found: list[str] = self._here().find(self._root)
        for path in found:
            digest = path[-65:].replace("/", "")
            if path == self._path_or_none(digest) and (before is None or self._is_older(path, before)):
                yield digest

    def delete_old(self, digest: str, before: float) -> bool:
        old = self._is_older(self._path(digest), before)
        if old:
            self.delete(digest)
        return old

    def _is_older(self, path: str, before: float) -> bool:
        with self._translated():
            try:
                return bool(self._here().modified(path).timestamp() < before)
            except FileNotFoundError:
                return False

    def _path_or_none(self, digest: str) -> str | None:
        return self._path(digest) if _DIGEST.fullmatch(digest) else None

    def _path(self, digest: str) -> str:
        return f"{self._root}/{_place(digest)}"

    def _reach(self) -> None:
        """Make a driver of our own: those that fsspec keeps were made in another environment, or process."""
        self._process = os.getpid()
        try:
            self._system, self._root = fsspec.core.url_to_fs(
                self._url, skip_instance_cache=True, use_listings_cache=False
            )
        except ImportError as error:
            if self._url.startswith("s3://"):
                raise MissingExtraError("s3fs", "s3", "storage on S3") from error
            raise StoreUnavailableError(self._url, str(error)) from error
        except ValueError as error:  # no such protocol
            raise StoreUnavailableError(self._url, str(error)) from error

    def _here(self) -> Any:
        """Give the driver: a forked child has a new one, for the threads of the old are its parent's."""
        if self._process != os.getpid():
            self._reach()
        return self._system

    def _look(self) -> None:
        """Look whether the place is there; only a bucket has to be there before anything is written."""
        if self._url.startswith("s3://"):
            bucket = self._root.partition("/")[0]
            try:
                self._here().call_s3("head_bucket", Bucket=bucket)
            except FileNotFoundError as error:
                why = f"there is no bucket {bucket!r}: make it, or correct ALULA_ARTIFACTS"
                raise StoreUnavailableError(self._url, why) from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except AlulaError:
            raise
        except Exception as error:  # a driver's: each has its own kinds, and here is where all end
            raise StoreUnavailableError(self._url, _said(error)) from error


def _said(error: Exception) -> str:
    """Give the words of a driver's error, and what to do where that is known."""
    said = str(error) or type(error).__name__
    if isinstance(error, PermissionError) or type(error).__name__ == "NoCredentialsError":
        return f"it does not let this user in: check AWS_ACCESS_KEY_ID and the like ({said})"
    if type(error).__name__ in ("EndpointConnectionError", "ConnectTimeoutError"):
        return f"nobody answers there: check AWS_ENDPOINT_URL and the network ({said})"
    return said
