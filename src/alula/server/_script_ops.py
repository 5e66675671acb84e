"""The words of SCRIPTEXECUTE and SCRIPTRUN, as commands of their own and in a DAG.

Every check has its place in the order and its own text, and both are a contract.
"""

from dataclasses import dataclass, field
from typing import Final, Protocol

from ..errors import CommandError
from ._words import integer, said, shown

__all__ = ["Invoke", "LookScript", "execute_end", "read_script_execute", "read_script_run"]


class LookScript(Protocol):
    """What parsing asks about keys of scripts."""

    def script(self, key: bytes) -> None:
        """Raise `CommandError` unless the key holds a script."""
        ...


@dataclass(frozen=True, slots=True)
class Invoke:
    """SCRIPTRUN or SCRIPTEXECUTE: call a function of a script.

    Attributes
    ----------
    script
        Key of the script.
    function
        Name of the function.
    inputs, outputs
        Names of tensors.
    keys, args
        What an entry point is given beside the tensors.
    timeout
        Milliseconds that it may wait in a queue; None is for ever.
    readonly
        Whether it is part of a command that must leave the keyspace as it is.
    """

    script: bytes
    function: bytes
    inputs: tuple[bytes, ...]
    outputs: tuple[bytes, ...]
    keys: tuple[bytes, ...] = ()
    args: tuple[bytes, ...] = ()
    timeout: int | None = None
    readonly: bool = False


_IN_DAG: Final = "ERR TIMEOUT not allowed within a DAG command"


@dataclass(slots=True)
class _Sections:
    """What has been read of a command so far."""

    found: dict[bytes, tuple[bytes, ...]] = field(default_factory=dict)
    timeout: int | None = None

    def invoke(self, words: list[bytes]) -> Invoke:
        of = self.found.get
        return Invoke(
            script=words[1],
            function=words[2],
            inputs=of(b"INPUTS", ()),
            outputs=of(b"OUTPUTS", ()),
            keys=of(b"KEYS", ()),
            args=of(b"ARGS", ()),
            timeout=self.timeout,
        )


# -------------------------------------------------------------------------------- SCRIPTEXECUTE

_COUNTED: Final = {
    b"INPUTS": ("inputs", "inputs"),
    b"OUTPUTS": ("outputs", "outputs"),
    b"ARGS": ("keys", "args"),
}
"""How texts call the count, and how the words: the first one of ARGS is a slip that clients know."""


def read_script_execute(words: list[bytes], look: LookScript, *, in_dag: bool) -> Invoke:
    """Read ``SCRIPTEXECUTE key function [KEYS n key ...] [INPUTS n ...] [ARGS n ...] [OUTPUTS n ...]``.

    The sections stand in any order; ``TIMEOUT ms`` is the last, and not to be had in a DAG.
    """
    if len(words) < 3:
        raise CommandError("ERR wrong number of arguments for 'AI.SCRIPTEXECUTE' command")
    look.script(words[1])
    if not in_dag and said(words, 3) not in (b"KEYS", b"INPUTS"):
        raise CommandError("ERR KEYS or INPUTS scope must be provided first for AI.SCRIPTEXECUTE command")
    sections, at = _Sections(), 3
    while at < len(words):
        at = _section(words, at, sections, in_dag=in_dag)
    return sections.invoke(words)


def _section(words: list[bytes], at: int, sections: _Sections, *, in_dag: bool) -> int:
    """Read one section; give where it ends."""
    keyword = said(words, at)
    if keyword in sections.found:
        raise CommandError(f"ERR Already Encountered {keyword.decode()} scope in AI.SCRIPTEXECUTE command")
    if keyword == b"TIMEOUT":
        sections.timeout = _last_timeout(words, at, in_dag=in_dag)
        return len(words)
    if keyword == b"KEYS":
        end = _keys_end(words, at)
    elif keyword in _COUNTED:
        end = _counted_end(words, at, *_COUNTED[keyword])
    else:
        raise CommandError(f"ERR Invalid AI.SCRIPTEXECUTE command. Unexpected argument: {shown(words[at])}")
    sections.found[keyword] = tuple(words[at + 2 : end])
    return end


def _last_timeout(words: list[bytes], at: int, *, in_dag: bool) -> int:
    if in_dag:
        raise CommandError(_IN_DAG)
    if at + 1 == len(words):
        raise CommandError("ERR No value provided for TIMEOUT in AI.SCRIPTEXECUTE")
    timeout = _timeout(words, at + 1)
    if at + 2 < len(words):
        raise CommandError("ERR Encountered problem parsing AI.SCRIPTEXECUTE")
    return timeout


def _timeout(words: list[bytes], at: int) -> int:
    timeout = integer(words[at]) if at < len(words) else None
    if timeout is None or timeout <= 0:
        raise CommandError("ERR Invalid value for TIMEOUT")
    return timeout


def _keys_end(words: list[bytes], at: int) -> int:
    if at + 2 >= len(words):
        raise CommandError("ERR Missing arguments after KEYS keyword")
    count = integer(words[at + 1])
    if count is None or count <= 0:
        raise CommandError("ERR Invalid or negative value found in number of KEYS")
    if at + 2 + count > len(words):
        raise CommandError(
            "ERR Number of pre declared KEYS to be used in the command "
            "does not match the number of given arguments"
        )
    return at + 2 + count


def _counted_end(words: list[bytes], at: int, counted: str, given: str) -> int:
    if at + 1 == len(words):
        raise CommandError("ERR Invalid arguments provided to AI.SCRIPTEXECUTE")
    count = integer(words[at + 1])
    if count is None or count < 0:
        raise CommandError(f"ERR Invalid argument for {counted} count in AI.SCRIPTEXECUTE")
    if at + 2 + count > len(words):
        raise CommandError(
            f"ERR number of {given} to AI.SCRIPTEXECUTE command does not match the number of given arguments"
        )
    return at + 2 + count


def execute_end(words: list[bytes], at: int) -> int:
    """Skip the counted words of a SCRIPTEXECUTE that begins at `at`, as far as its counts can be followed."""
    i = at + 3
    while said(words, i) in (b"KEYS", b"INPUTS", b"ARGS", b"OUTPUTS") and i + 1 < len(words):
        count = integer(words[i + 1])
        if count is None or count < 0:
            return i
        i += 2 + count
    return i


# ------------------------------------------------------------------------------------ SCRIPTRUN


def read_script_run(words: list[bytes], look: LookScript, *, in_dag: bool) -> Invoke:
    """Read ``SCRIPTRUN key function [TIMEOUT ms] [INPUTS key ... [$ key ...]] [OUTPUTS key ...]``.

    Deprecated. The ``$`` says where a list of tensors begins; the function knows that, too.
    """
    if len(words) < 3:
        raise CommandError("ERR wrong number of arguments for 'AI.SCRIPTRUN' command")
    look.script(words[1])
    sections, at = _Sections(), 3
    while at < len(words):
        match said(words, at):
            case b"TIMEOUT":
                if in_dag:
                    raise CommandError(_IN_DAG)
                if sections.timeout is not None:
                    raise CommandError("ERR Already encountered an TIMEOUT section in SCRIPTRUN")
                sections.timeout = _timeout(words, at + 1)
                at += 2
            case b"INPUTS":
                at = _run_inputs(words, at + 1, sections)
            case b"OUTPUTS":
                at = _run_outputs(words, at + 1, sections)
            case b"$":
                raise CommandError("ERR Encountered a variable size list of tensors outside of input section")
            case _:
                raise CommandError("ERR Unrecongnized parameter to SCRIPTRUN")
    return sections.invoke(words)


def _run_inputs(words: list[bytes], at: int, sections: _Sections) -> int:
    if b"INPUTS" in sections.found:
        raise CommandError("ERR Already encountered an INPUTS section in SCRIPTRUN")
    end = next((i for i in range(at, len(words)) if words[i].upper() == b"OUTPUTS"), len(words))
    given = words[at:end]
    if any(word.upper() == b"INPUTS" for word in given):
        raise CommandError("ERR Already encountered an INPUTS keyword in SCRIPTRUN")
    if given.count(b"$") > 1:
        raise CommandError("ERR Already encountered a variable size list of tensors")
    sections.found[b"INPUTS"] = tuple([word for word in given if word != b"$"])
    return end


def _run_outputs(words: list[bytes], at: int, sections: _Sections) -> int:
    end = next((i for i in range(at, len(words)) if words[i].upper() == b"INPUTS"), len(words))
    given = words[at:end]
    if any(word.upper() == b"OUTPUTS" for word in given) or b"OUTPUTS" in sections.found:
        raise CommandError("ERR Already encountered an OUTPUTS keyword in SCRIPTRUN")
    if b"$" in given:
        raise CommandError("ERR Encountered a variable size list of tensors outside of input section")
    sections.found[b"OUTPUTS"] = tuple(given)
    return end
