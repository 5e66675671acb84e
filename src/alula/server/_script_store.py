"""The words of AI.SCRIPTSTORE and AI.SCRIPTSET. Every check has its place in the order and its own text."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import CommandError, MissingExtraError
from ._models import Backend
from ._scripts import Program, Script, ScriptBackend
from ._store import MissingBackendError, is_device
from ._words import integer, said

__all__ = ["GivenScript", "read_script_set", "read_script_store"]

_NO_SOURCE = "ERR Insufficient arguments, missing script SOURCE"
_NO_ENTRY_POINTS = "ERR Insufficient arguments, missing script entry points"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenScript:
    """What a script is to be; `Script` says what the attributes are."""

    device: bytes
    tag: bytes = b""
    source: bytes
    entry_points: tuple[bytes, ...] = ()

    def load(self, backends: Mapping[str, Backend]) -> Program:
        """Compile the script, on whatever thread; `CommandError` says why that is not possible."""
        backend = backends.get("TORCH")
        if not isinstance(backend, ScriptBackend):
            raise MissingBackendError
        try:
            program = backend.compile(self.source, self.device.decode().upper())
        except MissingExtraError as error:
            raise MissingBackendError from error
        program.check(self.entry_points)
        return program

    def script(self, program: Program) -> Script:
        """Make the script out of what the backend compiled."""
        return Script(
            device=self.device,
            tag=self.tag,
            source=self.source,
            entry_points=self.entry_points,
            program=program,
        )


def read_script_store(words: list[bytes]) -> GivenScript:
    """Read ``AI.SCRIPTSTORE key device [TAG tag] ENTRY_POINTS n name ... SOURCE text``, 8 words or more."""
    at, tag = _tag(words)
    if said(words, at) != b"ENTRY_POINTS":
        raise CommandError(_NO_ENTRY_POINTS)
    count = integer(words[at + 1]) if at + 1 < len(words) else None
    if count is None:
        raise CommandError("ERR Non numeric entry points number provided to AI.SCRIPTSTORE command")
    end = at + 2 + count
    if count < 0 or end > len(words):
        raise CommandError(_NO_ENTRY_POINTS)
    source = _source(words, end)
    _check_device(words[2])
    return GivenScript(device=words[2], tag=tag, source=source, entry_points=tuple(words[at + 2 : end]))


def read_script_set(words: list[bytes]) -> GivenScript:
    """Read ``AI.SCRIPTSET key device [TAG tag] SOURCE text``, five or seven words: deprecated."""
    at, tag = _tag(words)
    source = _source(words, at)
    _check_device(words[2])
    return GivenScript(device=words[2], tag=tag, source=source)


def _tag(words: list[bytes]) -> tuple[int, bytes]:
    if said(words, 3) == b"TAG" and len(words) > 4:
        return 5, words[4]
    return 3, b""


def _source(words: list[bytes], at: int) -> bytes:
    if said(words, at) != b"SOURCE" or at + 1 >= len(words):
        raise CommandError(_NO_SOURCE)
    return words[at + 1]


def _check_device(device: bytes) -> None:
    if not is_device(device):
        raise CommandError("ERR unsupported device")
