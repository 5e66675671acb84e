"""Files and folders, byte for byte; a folder as a zip whose bytes depend on nothing but what is in it."""

import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import fsspec

from ...errors import SealError, StoreUnavailableError
from .._shelf import Raw
from ._kind import Ask, Dumped, How, refuse_appending

__all__ = ["Files", "unzip", "zipped"]

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # as early as a zip can say
_MODE: Final = 0o777


class Files:
    """The kind of a path, or of a file that is open for reading in binary."""

    name = "python.file"
    on_request = False
    checks_itself = False
    options = frozenset({"uri"})

    def accepts(self, value: object) -> bool:
        """Tell whether it is a path or can be read; a text may be anything."""
        return isinstance(value, Path) or hasattr(value, "read")

    def ready(self) -> None:
        """Need nothing."""

    def dump(self, value: Any, how: How) -> Dumped:
        """Read it whole; note its name. With ``uri=`` its bytes go to that address, and their hash stays.

        Raises
        ------
        FileNotFoundError
            If there is no such file or folder.
        TypeError
            If what it reads is text.
        StoreUnavailableError
            If that address cannot be written.
        """
        data, facts = _read(value)
        uri = how.options.get("uri")
        if uri is None:
            return Dumped(Raw((data,)), facts)
        _exchange(uri, data)
        facts |= {"uri": uri, "sha256": sha256(data).hexdigest()}
        return Dumped(Raw((json.dumps(facts).encode(),)), facts)

    def extend(self, facts: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse: who knows what that would make of it."""
        raise refuse_appending(self.name, "file")

    def load(self, parts: Sequence[Any], ask: Ask) -> Any:
        """Give a file that is open for reading in binary; or write it to ``local=`` and give that path.

        A folder is unpacked into ``local``, which is made; a file that is there is replaced.

        Raises
        ------
        SealError
            If what lies at the address that it was put to is something else by now.
        StoreUnavailableError
            If that cannot be read.
        """
        [data] = parts
        if (uri := ask.facts.get("uri")) is not None:
            data = _exchange(uri)
            if sha256(data).hexdigest() != ask.facts["sha256"]:
                raise SealError(uri, "it is not what was put there: its hash is another")
        local = ask.options.get("local")
        if local is None:
            return BytesIO(data)
        path = Path(local).expanduser()
        if ask.facts["folder"]:
            unzip(data, path)
        else:
            path = path / ask.facts["filename"] if path.is_dir() else path
            draft = path.with_name(path.name + ".part")
            draft.write_bytes(data)
            draft.replace(path)  # so that nobody finds half a file
        return path


def _read(value: Any) -> tuple[bytes, dict[str, Any]]:
    """Give the bytes of a file or folder, and what to note of it."""
    if isinstance(value, Path):
        path = value.expanduser().resolve(strict=True)
        folder = path.is_dir()
        data = zipped(path, _below(path)) if folder else path.read_bytes()
        return data, {"filename": path.name, "folder": folder, "bytes": len(data)}
    data = value.read()
    if not isinstance(data, bytes):
        raise TypeError("a file to be kept must be open for reading in binary: open(path, 'rb')")
    name = Path(str(getattr(value, "name", ""))).name
    return data, {"filename": name, "folder": False, "bytes": len(data)}


def _exchange(uri: str, data: bytes | None = None) -> bytes:
    """Write bytes to an address, or read them."""
    try:
        with fsspec.open(uri, "rb" if data is None else "wb") as file:
            if data is not None:
                file.write(data)
                return data
            return bytes(file.read())
    except (OSError, ValueError, ImportError) as error:  # no such protocol, no driver for it
        raise StoreUnavailableError(uri, str(error)) from error


def _below(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def zipped(folder: Path, files: Iterable[Path]) -> bytes:
    """Give a zip of files below a folder; the same files give the same bytes, whenever that is."""
    sink = BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
            entry.external_attr = (path.stat().st_mode & _MODE) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return sink.getvalue()


def unzip(data: bytes | memoryview, folder: Path) -> None:
    """Unpack a zip into a folder, which is made.

    Raises
    ------
    ValueError
        If a name in it leads out of the folder; then nothing was written.
    """
    root = folder.resolve()
    with zipfile.ZipFile(BytesIO(data)) as archive:
        for name in archive.namelist():
            if not (root / name).resolve().is_relative_to(root):
                raise ValueError(f"{name!r} in this archive leads out of {folder}")
        folder.mkdir(parents=True, exist_ok=True)
        for entry in archive.infolist():
            path = Path(archive.extract(entry, root))
            if mode := entry.external_attr >> 16 & _MODE:
                path.chmod(mode | 0o600)
