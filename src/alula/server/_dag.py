"""The grammar of the DAG commands: sections, then operations, in either of two spellings.

*Scoped* (RedisAI's): a ``|>`` before every operation; all names belong to the command, and LOAD and
PERSIST connect them with the keyspace. *Inline* (the founding proposal's): ``=>`` between operations;
``~x~`` belongs to the command, and every other name is a key. The word behind the sections tells which.

Here words become operations. What their names mean is left to `_planner`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import prod
from typing import Final, assert_never

from ..errors import CommandError
from ._ops import Get, Look, Op, Run, Set, read_execute, read_get, read_run, read_set
from ._script_ops import Invoke, execute_end, read_script_execute, read_script_run
from ._tensors import DTYPES, Tensor
from ._words import integer, milliseconds, said, shown

__all__ = ["FAMILIES", "Dag", "Family", "Part", "is_volatile", "parse"]

PIPE, ARROW = b"|>", b"=>"
KEEP: Final = 60_000  # milliseconds for which the end of a run in the background is remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What tells the DAG commands apart.

    Attributes
    ----------
    name
        In full, as error texts spell it.
    execute
        DAGEXECUTE takes the EXECUTE forms, needs a section, and knows the scoped spelling only; DAGRUN
        takes the deprecated RUN forms there, and knows both spellings.
    readonly
        Whether it must leave the keyspace as it is.
    background
        DAGRUNASYNC, whose client does not wait, has two sections more and takes both forms everywhere.
    """

    name: str
    execute: bool
    readonly: bool
    background: bool = False

    def check_length(self, words: list[bytes]) -> None:
        """Refuse a command that is too short to be one."""
        if self.execute and len(words) < 6:
            raise CommandError(f"ERR missing arguments for '{self.name}' command")
        if len(words) < 3:
            raise CommandError(f"ERR wrong number of arguments for '{self.name}' command")


FAMILIES: Final = {
    b"AI.DAGRUN": Family(name="AI.DAGRUN", execute=False, readonly=False),
    b"AI.DAGRUN_RO": Family(name="AI.DAGRUN_RO", execute=False, readonly=True),
    b"AI.DAGRUNRO": Family(name="AI.DAGRUNRO", execute=False, readonly=True),
    b"AI.DAGRUNASYNC": Family(name="AI.DAGRUNASYNC", execute=False, readonly=False, background=True),
    b"AI.DAGEXECUTE": Family(name="AI.DAGEXECUTE", execute=True, readonly=False),
    b"AI.DAGEXECUTE_RO": Family(name="AI.DAGEXECUTE_RO", execute=True, readonly=True),
}
"""The commands, by their names in upper case."""


@dataclass(frozen=True, slots=True)
class Part:
    """One operation, and where its words stand in the command."""

    op: Op
    start: int
    stop: int


@dataclass(slots=True)
class Dag:
    """A command, parsed.

    Attributes
    ----------
    loads, persists
        Keys of the sections LOAD and PERSIST.
    timeout
        Milliseconds that it may wait in queues; None is for ever.
    noid, keep
        Whether nothing is to be remembered of a run in the background, and if it is, for how many
        milliseconds after the end; 0 is for ever.
    inline
        Which of the two spellings, and so what a plain name means.
    parts
        The operations in listing order.
    tensors
        What its TENSORSETs hold, in listing order.
    """

    loads: list[bytes] = field(default_factory=list)
    persists: dict[bytes, None] = field(default_factory=dict)
    timeout: int | None = None
    noid: bool = False
    keep: int = KEEP
    inline: bool = False
    parts: list[Part] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)


def is_volatile(name: bytes) -> bool:
    """Tell whether a name has wings: ``~x~`` lives as long as the command."""
    return len(name) > 2 and name.startswith(b"~") and name.endswith(b"~")


def parse(words: list[bytes], family: Family, look: Look) -> Dag:
    """Read a whole DAG command.

    Raises
    ------
    CommandError
        At the first thing that is wrong, in the documented order: length; sections and separators
        from left to right; then every operation's own words.
    """
    family.check_length(words)
    dag = Dag()
    at, seen = _sections(words, dag, family, look)
    dag.inline = _is_inline(words, at, family)
    spans = _spans(words, at, dag.inline)
    if family.execute and not seen & {b"LOAD", b"PERSIST", b"ROUTING"}:
        raise CommandError(
            "ERR AI.DAGEXECUTE and AI.DAGEXECUTE_RO commands must contain at least one out of "
            "ROUTING, LOAD, PERSIST keywords"
        )
    if not spans:
        raise CommandError("ERR DAG is empty")
    for start, stop in spans:
        dag.parts.append(Part(_operation(words[start:stop], family, dag, look), start, stop))
    return dag


def _unexpected(word: bytes) -> CommandError:
    return CommandError(f"ERR Invalid DAG command. Unexpected argument:  {shown(word)}")


# ------------------------------------------------------------------------------------- sections


def _sections(words: list[bytes], dag: Dag, family: Family, look: Look) -> tuple[int, set[bytes]]:
    """Read the sections; give where they end, and which there were."""
    at, seen = 1, set[bytes]()
    sections = _SECTIONS | _BACKGROUND if family.background else _SECTIONS
    while (word := said(words, at)) in sections and word not in seen:
        seen.add(word)
        at = sections[word](words, at, dag, family, look)
    return at, seen


def _load(words: list[bytes], at: int, dag: Dag, family: Family, look: Look) -> int:
    stop = _count(words, at, "LOAD")
    for i in range(at + 2, stop):
        if i == len(words):
            raise CommandError(
                "ERR number of keys to LOAD into DAG does not match the number of given arguments"
            )
        _check_key(words[i])
        look.tensor(words[i])
        dag.loads.append(words[i])
    return stop


def _persist(words: list[bytes], at: int, dag: Dag, family: Family, look: Look) -> int:
    if family.readonly:
        raise CommandError("ERR PERSIST cannot be specified in a read-only DAG")
    stop = _count(words, at, "PERSIST")
    for i in range(at + 2, stop):
        if i == len(words):
            raise CommandError(
                "ERR number of keys to PERSIST after DAG execution "
                "does not match the number of given arguments"
            )
        _check_key(words[i])
        if words[i] in dag.persists:
            raise CommandError("ERR PERSIST keys must be unique")
        dag.persists[words[i]] = None
    return stop


def _count(words: list[bytes], at: int, section: str) -> int:
    """Read the number behind LOAD or PERSIST; give where the keys should end."""
    if at + 2 >= len(words):
        raise CommandError(f"ERR missing arguments after {section} keyword in DAG command")
    count = integer(words[at + 1])
    if count is None or count < 1:
        raise CommandError(f"ERR invalid or negative value found in number of keys to {section}")
    return at + 2 + count


def _check_key(word: bytes) -> None:
    if is_volatile(word):
        raise CommandError("ERR a volatile key cannot be loaded or persisted")


def _routing(words: list[bytes], at: int, dag: Dag, family: Family, look: Look) -> int:
    if at + 1 == len(words):
        raise CommandError("ERR Missing ROUTING value")
    return at + 2  # a hint for servers that share a keyspace between them; here there is one


def _timeout(words: list[bytes], at: int, dag: Dag, family: Family, look: Look) -> int:
    dag.timeout = milliseconds(words, at) or None
    return at + 2


def _noid(words: list[bytes], at: int, dag: Dag, family: Family, look: Look) -> int:
    dag.noid = True
    return at + 1


def _keep(words: list[bytes], at: int, dag: Dag, family: Family, look: Look) -> int:
    dag.keep = milliseconds(words, at)
    return at + 2


_Section = Callable[[list[bytes], int, Dag, Family, Look], int]
_SECTIONS: Final[dict[bytes, _Section]] = {
    b"LOAD": _load,
    b"PERSIST": _persist,
    b"ROUTING": _routing,
    b"TIMEOUT": _timeout,
}
_BACKGROUND: Final[dict[bytes, _Section]] = {b"NOID": _noid, b"KEEP": _keep}


# ----------------------------------------------------------------------------------- separators


def _is_inline(words: list[bytes], at: int, family: Family) -> bool:
    if at == len(words) or words[at] == PIPE:
        return False
    if not family.execute and (words[at] == ARROW or _name(words[at]) in _OPERATIONS):
        return True
    raise _unexpected(words[at])


def _name(word: bytes) -> bytes:
    """Give an operation's name in upper case without ``AI.``, which may be left out."""
    return word.upper().removeprefix(b"AI.")


def _spans(words: list[bytes], at: int, inline: bool) -> list[tuple[int, int]]:
    """Find where every operation begins and ends: by its own shape, so that no payload is cut."""
    separators = (PIPE, ARROW) if inline else (PIPE,)
    spans: list[tuple[int, int]] = []
    begun = inline and words[at] != ARROW  # only there may the first one lack a separator
    while at < len(words):
        if not begun:
            separators = (words[at],)  # the first one met fixes the spelling
            at += 1
            if at == len(words):
                raise _unexpected(words[at - 1])
        stop = _end(words, at, separators)
        spans.append((at, stop))
        at, begun = stop, False
    return spans


def _end(words: list[bytes], at: int, separators: tuple[bytes, ...]) -> int:
    """Find the end of the operation that begins at `at`, whatever else may be wrong with it."""
    behind = _next(words, at, separators)
    match _name(words[at]):
        case b"TENSORSET" if behind - at >= 4:
            return _next(words, _payload_end(words, at + 3, behind), separators)
        case b"MODELEXECUTE":
            return _next(words, _counted_end(words, at), separators)
        case b"SCRIPTEXECUTE":
            return _next(words, execute_end(words, at), separators)
        case _:
            return behind


def _next(words: list[bytes], at: int, separators: tuple[bytes, ...]) -> int:
    return next((i for i in range(at, len(words)) if words[i] in separators), len(words))


def _payload_end(words: list[bytes], at: int, behind: int) -> int:
    """Skip what may be any bytes in a TENSORSET whose dimensions begin at `at`."""
    i = next((i for i in range(at, behind) if words[i].upper() in (b"BLOB", b"VALUES")), behind)
    if said(words, i) == b"BLOB":
        return i + 2
    if said(words, i) == b"VALUES" and DTYPES.get(words[at - 1].upper()) == DTYPES[b"STRING"]:
        shape = [integer(word) for word in words[at:i]]
        return i + 1 + prod([length if length and length > 0 else 0 for length in shape[:64]])
    return i


def _counted_end(words: list[bytes], at: int) -> int:
    """Skip the names of a MODELEXECUTE, if its counts can be followed."""
    i = at + 2
    for keyword in (b"INPUTS", b"OUTPUTS"):
        count = integer(words[i + 1]) if said(words, i) == keyword and i + 1 < len(words) else None
        if count is None or count < 0:
            return at
        i += 2 + count
    return i


# ----------------------------------------------------------------------------------- operations


def _operation(words: list[bytes], family: Family, dag: Dag, look: Look) -> Op:
    name = _name(words[0]) if words else b""
    if not (dag.inline or family.background) and (refused := _FORMS[family.execute].get(name)):
        raise CommandError(refused)
    if name == b"SCRIPTEXECUTE" and family.execute and family.readonly:
        raise CommandError("ERR AI.SCRIPTEXECUTE command cannot be specified in a read-only DAG")
    read = _OPERATIONS.get(name)
    if read is None:
        raise CommandError("Unsupported command within DAG")
    op = read(words, dag, look)
    if family.readonly and dag.inline and not all(map(is_volatile, _written(op))):
        raise CommandError("ERR a non volatile key cannot be written in a read-only DAG")
    return replace(op, readonly=True) if family.readonly and isinstance(op, Invoke) else op


def _set(words: list[bytes], dag: Dag, look: Look) -> Op:
    if len(words) < 4:
        raise CommandError("wrong number of arguments for 'AI.TENSORSET' command")
    op = read_set(words)
    dag.tensors.append(op.layout.read(words[op.start :]))
    return op


def _get(words: list[bytes], dag: Dag, look: Look) -> Op:
    if not 2 <= len(words) <= 4:
        raise CommandError("wrong number of arguments for 'AI.TENSORGET' command")
    return read_get(words)


_OPERATIONS: Final[dict[bytes, Callable[[list[bytes], Dag, Look], Op]]] = {
    b"TENSORSET": _set,
    b"TENSORGET": _get,
    b"MODELRUN": lambda words, dag, look: read_run(words, look, in_dag=True),
    b"MODELEXECUTE": lambda words, dag, look: read_execute(words, look, in_dag=True),
    b"SCRIPTRUN": lambda words, dag, look: read_script_run(words, look, in_dag=True),
    b"SCRIPTEXECUTE": lambda words, dag, look: read_script_execute(words, look, in_dag=True),
}

_FORMS: Final = {
    True: {
        b"MODELRUN": "Deprecated AI.MODELRUN cannot be used in AI.DAGEXECUTE command",
        b"SCRIPTRUN": "Deprecated AI.SCRIPTRUN cannot be used in AI.DAGEXECUTE command",
    },
    False: {
        b"MODELEXECUTE": "AI.MODELEXECUTE cannot be used in a deprecated AI.DAGRUN command",
        b"SCRIPTEXECUTE": "AI.SCRIPTEXECUTE cannot be used in a deprecated AI.DAGRUN command",
    },
}
"""What the scoped spelling refuses: by whether the family executes, then by operation."""


def _written(op: Op) -> tuple[bytes, ...]:
    """Give the names that an operation binds."""
    match op:
        case Set():
            return (op.key,)
        case Run() | Invoke():
            return op.outputs
        case Get():
            return ()
        case _:
            assert_never(op)
