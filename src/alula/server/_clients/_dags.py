"""A DAG command that is put together operation by operation; what it says is what it sends."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from numpy.typing import ArrayLike, NDArray

from .._picture import picture, plan
from ._arrays import Word, array_of, fields_of, tensor_words
from ._requests import Key, Request, execute_words, milliseconds, script_words

__all__ = ["DagWords", "RunStatus"]

_BLOBS: Final = (memoryview, bytes, bytearray)
_PLAIN: Final = frozenset(range(33, 127)) - frozenset(b"\"'\\")


@dataclass(slots=True)
class DagWords:
    """Operations that are sent as one command: checked whole before anything runs, stored all or not at all.

    With `load` or `persist` the names in it are local, and those lists are its only ties to the keyspace.
    Without them plain names are keys, read as of now and stored at the end, and names with wings,
    ``~x~``, live as long as the command.

    Attributes
    ----------
    load, persist
        Keys to take in, and names to store; see above.
    routing
        A hint for clusters; a server by itself takes no notice.
    timeout
        Seconds that it may wait in queues; None is for ever.
    readonly
        Whether nothing may be stored; such a command also runs on a replica.
    """

    load: Sequence[Key] = ()
    persist: Sequence[Key] = ()
    routing: Key | None = None
    timeout: float | None = None
    readonly: bool = False
    _ops: list[list[Word]] = field(default_factory=list)

    def tensorset(self, name: Key, value: ArrayLike) -> Self:
        """Bind a name to an array.

        Raises
        ------
        TypeError
            If no tensor has such elements.
        """
        return self._add(tensor_words(name, value))

    def tensorget(self, name: Key) -> Self:
        """Give the array under a name: one more result."""
        return self._add(["AI.TENSORGET", name, "META", "BLOB"])

    def modelexecute(self, key: Key, inputs: Iterable[Key], outputs: Iterable[Key]) -> Self:
        """Run a model on names, and bind names to what it gives."""
        return self._add(execute_words(key, list(inputs), list(outputs)))

    def scriptexecute(
        self,
        key: Key,
        function: str,
        inputs: Iterable[Key] = (),
        outputs: Iterable[Key] = (),
        *,
        keys: Iterable[Key] = (),
        args: Iterable[Word] = (),
    ) -> Self:
        """Run a function of a script on names, and bind names to what it gives."""
        return self._add(script_words(key, function, list(inputs), list(outputs), list(keys), list(args)))

    @property
    def words(self) -> list[Word]:
        """The command, as it is sent."""
        name = "AI.DAGEXECUTE" if self._scoped else "AI.DAGRUN"
        return [f"{name}_RO" if self.readonly else name, *self._body()]

    def plan(self) -> dict[str, Any]:
        """Say what the command would do, as data fit for JSON; nothing is sent. See `alula.server.plan`.

        Raises
        ------
        CommandError
            If the command is not correct; with the reply that a server would give.
        """
        return plan(*self._given())

    def picture(self) -> str:
        """Draw the values of the command, and how they are made of each other; nothing is sent.

        Returns
        -------
        str
            SVG.

        Raises
        ------
        CommandError
            If the command is not correct; with the reply that a server would give.
        """
        return picture(*self._given())

    def _given(self) -> list[bytes]:
        return [_as_bytes(word) for word in self.words]

    def __str__(self) -> str:
        return " ".join(map(_shown, self.words))

    @property
    def _scoped(self) -> bool:
        return bool(self.load or self.persist)

    def _add(self, words: list[Word]) -> Self:
        self._ops.append(words)
        return self

    def _body(self) -> list[Word]:
        words: list[Word] = []
        for name, keys in (("LOAD", self.load), ("PERSIST", self.persist)):
            if keys:
                words += [name, len(keys), *keys]
        words += [] if self.routing is None else ["ROUTING", self.routing]
        words += [] if self.timeout is None else ["TIMEOUT", milliseconds(self.timeout)]
        mark = "|>" if self._scoped else "=>"
        for number, op in enumerate(self._ops):
            if self._scoped or number:
                words.append(mark)
            words += op
        return words

    def _request(self) -> Request[list[NDArray[Any]]]:
        return Request(self.words, self._read)

    def _submission(self, keep: float | None) -> Request[str]:
        begin: list[Word] = ["AI.DAGRUNASYNC"]
        begin += [] if keep is None else ["KEEP", round(keep * 1000)]
        return Request([*begin, *self._body()], _text)

    def _read(self, reply: Any) -> list[NDArray[Any]]:
        """Give the arrays in a reply; the first operation that failed raises its error."""
        if reply in (b"TIMEDOUT", "TIMEDOUT"):
            raise TimeoutError("the command waited in the server's queues for longer than its timeout")
        for item, op in zip(reply, [*self._ops, None], strict=False):
            if isinstance(item, Exception):
                item.add_note("in the operation " + " ".join(map(_shown, op)) if op else "when it was stored")
                raise item
        gets = zip(reply, self._ops, strict=False)
        return [array_of(item) for item, op in gets if op[0] == "AI.TENSORGET"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """How far a run in the background is.

    Attributes
    ----------
    id
        Of the run.
    state
        ``queued``, ``running``, ``done``, ``failed``, ``timedout`` or ``cancelled``.
    ops, completed
        How many operations it has, and how many have ended well.
    opstates
        Of each operation: ``waiting``, ``running``, ``ok``, ``error`` or ``skipped``.
    queued, run
        Seconds until its first operation began, and from then on.
    persisted
        Keys that it has stored.
    """

    id: str
    state: str
    ops: int
    completed: int
    opstates: tuple[str, ...]
    queued: float
    run: float
    persisted: tuple[str, ...]

    @classmethod
    def of(cls, reply: Any) -> Self:
        """Read a reply of AI.DAGSTATUS."""
        fields = fields_of(reply)
        return cls(
            id=_text(fields["id"]),
            state=_text(fields["state"]),
            ops=fields["ops"],
            completed=fields["completed"],
            opstates=tuple(map(_text, fields["opstates"])),
            queued=fields["queued_ms"] / 1000,
            run=fields["run_ms"] / 1000,
            persisted=tuple(map(_text, fields["persisted"])),
        )


def _as_bytes(word: Word) -> bytes:
    return str(word).encode() if isinstance(word, str | int) else bytes(word)


def _shown(word: Word) -> str:
    """Give a word as a shell of Redis takes it; a payload by its size alone."""
    if isinstance(word, memoryview) or (isinstance(word, _BLOBS) and len(word) > 64):
        return f"<{len(word)} bytes>"
    data = _as_bytes(word)
    if data and set(data) <= _PLAIN:
        return data.decode()
    return '"' + "".join(_escaped(byte) for byte in data) + '"'


def _escaped(byte: int) -> str:
    if byte == 32 or byte in _PLAIN:
        return chr(byte)
    return f"\\{chr(byte)}" if byte in b'"\\' else f"\\x{byte:02x}"


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
