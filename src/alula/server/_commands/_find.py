"""Which words of a command that runs models are keys.

The commands' own parsers find them: while they read, they ask about every key that they meet. Of a
command that is wrong, the keys in front of what is wrong are found, and so all that it takes to say
what is.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from ...errors import CommandError
from .._dag import FAMILIES, Dag, is_volatile, parse
from .._ops import Get, Op, Run, Set, read_execute, read_run
from .._script_ops import Invoke, read_script_execute, read_script_run
from .._words import integer, said

__all__ = ["keys_of_dag", "keys_of_execute", "keys_of_run", "keys_of_script_execute", "keys_of_script_run"]


@dataclass(slots=True)
class _Recorder:
    """Answers that all is well, and keeps what was asked about."""

    keys: dict[bytes, None] = field(default_factory=dict)

    def tensor(self, key: bytes) -> None:
        self.keys[key] = None

    def counts(self, key: bytes) -> None:
        self.keys[key] = None

    def script(self, key: bytes) -> None:
        self.keys[key] = None


def keys_of_execute(words: list[bytes]) -> list[bytes]:
    """Give the keys of AI.MODELEXECUTE: model, inputs, outputs."""
    recorder = _Recorder()
    with suppress(CommandError):
        return list(_names(read_execute(words, recorder, in_dag=False)))
    return list(recorder.keys)


def keys_of_run(words: list[bytes]) -> list[bytes]:
    """Give the keys of AI.MODELRUN: model, inputs, outputs."""
    recorder = _Recorder()
    with suppress(CommandError):
        return list(_names(read_run(words, recorder, in_dag=False)))
    return list(recorder.keys)


def keys_of_script_execute(words: list[bytes]) -> list[bytes]:
    """Give the keys of AI.SCRIPTEXECUTE: script, KEYS, inputs, outputs."""
    recorder = _Recorder()
    with suppress(CommandError):
        return list(_names(read_script_execute(words, recorder, in_dag=False)))
    return list(recorder.keys)


def keys_of_script_run(words: list[bytes]) -> list[bytes]:
    """Give the keys of AI.SCRIPTRUN: script, inputs, outputs."""
    recorder = _Recorder()
    with suppress(CommandError):
        return list(_names(read_script_run(words, recorder, in_dag=False)))
    return list(recorder.keys)


def keys_of_dag(words: list[bytes]) -> list[bytes]:
    """Give the keys of a DAG: those of its sections, its models, and its plain names if they are keys."""
    recorder = _Recorder()
    dag = Dag()
    with suppress(CommandError):
        dag = parse(words, FAMILIES[words[0].upper()], recorder)
    keys = dict.fromkeys([*dag.loads, *dag.persists, *_routing(words)]) | recorder.keys
    if dag.inline:
        keys |= {name: None for part in dag.parts for name in _names(part.op) if not is_volatile(name)}
    return list(keys)


_SECTIONS: Final = {b"LOAD": 2, b"PERSIST": 2, b"TIMEOUT": 2, b"KEEP": 2, b"NOID": 1}


def _routing(words: list[bytes]) -> list[bytes]:
    """Give the value of the section ROUTING, which is a hint where the keys are."""
    at = 1
    while (word := said(words, at)) in _SECTIONS and at + 1 < len(words):
        keys = integer(words[at + 1]) if word in (b"LOAD", b"PERSIST") else 0
        at += _SECTIONS[word] + max(0, keys or 0)
    return words[at + 1 : at + 2] if said(words, at) == b"ROUTING" else []


def _names(op: Op) -> tuple[bytes, ...]:
    """Give the names in an operation, in the order of its words."""
    if isinstance(op, Run):
        return (op.model, *op.inputs, *op.outputs)
    if isinstance(op, Invoke):
        return (op.script, *op.keys, *op.inputs, *op.outputs)
    assert isinstance(op, Set | Get)
    return (op.key,)
