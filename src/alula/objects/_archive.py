"""Archives: one version of one object as one file, to be carried to another store.

It is a zip of the parts as they lie in the store and a manifest of what is known of them, signed with the
key of the store. Code runs nowhere because it lay in a file: what is a pickle, a script or a notebook is
taken only if the file was signed with the importing store's own key, or its user answers for it.
"""

import hmac
import json
import os
import secrets
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

from .._core._seal import is_pickle
from ..errors import SealError
from ._metadata import Metadata

__all__ = ["Archive"]

_FORMAT: Final = 1
_CODE: Final = ("scripts/", "jobs/")
_BROKEN: Final = (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True)
class Archive:
    """One version of an object.

    Attributes
    ----------
    metadata
        What was known of it where it comes from.
    parts
        The signed bytes, in order.
    """

    metadata: Metadata
    parts: Sequence[bytes]

    def write(self, path: Path, key: bytes) -> Path:
        """Write the file, whole or not at all."""
        text = json.dumps(self._manifest()).encode()
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with zipfile.ZipFile(draft, "w") as archive:
                archive.writestr("manifest.json", text)
                archive.writestr("manifest.mac", _mac(text, key))
                for n, part in enumerate(self.parts):
                    archive.writestr(f"parts/{n}", part)
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        return path

    @classmethod
    def read(cls, path: Path, key: bytes, *, trust: bool) -> Self:
        """Read a file, and check it; `Catalog.from_archive` says what it raises."""
        what = f"the archive {path}"
        try:
            with zipfile.ZipFile(path) as archive:
                text = archive.read("manifest.json")
                signed = hmac.compare_digest(archive.read("manifest.mac"), _mac(text, key).encode())
                manifest = json.loads(text)
                if manifest["format"] != _FORMAT:
                    raise SealError(what, f"it has the format {manifest['format']}: upgrade alula")
                parts = [archive.read(f"parts/{n}") for n in range(len(manifest["parts"]))]
                metadata = _metadata(manifest)
        except _BROKEN as error:
            raise SealError(what, f"it is damaged, or no archive ({error})") from error
        if [sha256(part).hexdigest() for part in parts] != manifest["parts"]:
            raise SealError(what, "a part of it is damaged")
        code = metadata.prefix in _CODE or any(is_pickle(part, what) for part in parts)
        if code and not signed and not trust:
            why = "it holds code that another key has signed; with trust=True you answer for whoever made it"
            raise SealError(what, why)
        return cls(metadata, parts)

    def _manifest(self) -> Mapping[str, Any]:
        parts = [sha256(part).hexdigest() for part in self.parts]
        return {"format": _FORMAT, "metadata": self.metadata.to_dict(), "parts": parts}


def _mac(text: bytes, key: bytes) -> str:
    return hmac.digest(key, b"alula archive\0" + text, "sha256").hex()


def _metadata(manifest: Mapping[str, Any]) -> Metadata:
    facts = manifest["metadata"]
    fields = ("name", "bucket", "prefix", "kind", "version", "size", "kind_meta", "attributes")
    return Metadata(
        **{name: facts[name] for name in fields},
        tags=tuple(facts["tags"]),
        created=datetime.fromisoformat(facts["created"]),
        modified=datetime.fromisoformat(facts["modified"]),
    )
