"""The plan cache: a command that looks like an earlier one is not parsed again.

Two commands look alike if they differ in payloads only. Which words those are is known once one of
them has been parsed; so the cache keeps, per number of words, the few ways in which payloads have
been spread over commands of that length, and compares all the other words at once. That is sound
because no payload is ever taken for syntax; one that could be (a separator among numbers) is no
payload that can be read, and then the command is parsed after all, to say what is wrong with it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from ..errors import CommandError
from ._dag import FAMILIES, parse
from ._keyspace import Keyspace, Snapshot, as_model, as_script, as_tensor
from ._models import Model
from ._ops import Look, read_execute, read_run
from ._plan import Plan
from ._planner import plan_dag, plan_run
from ._script_ops import read_script_execute, read_script_run
from ._scripts import Script
from ._tensors import Tensor

__all__ = ["Bound", "Plans", "Stored"]

_MAX_PLANS: Final = 1024
_MAX_WORDS: Final = 512
_MAX_BYTES: Final = 16 << 10  # of the words of one command, payloads apart
_MAX_WAYS: Final = 16

_Spans: TypeAlias = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """Answers what parsing asks about keys out of a keyspace."""

    keyspace: Keyspace

    def tensor(self, key: bytes) -> None:
        """Raise unless the key holds a tensor."""
        as_tensor(self.keyspace.read(key))

    def counts(self, key: bytes) -> tuple[int, int]:
        """Give how many inputs and outputs the model under a key has; raise if there is none."""
        return _counts(as_model(self.keyspace.read(key)))

    def script(self, key: bytes) -> None:
        """Raise unless the key holds a script."""
        as_script(self.keyspace.read(key))


def _counts(model: Model) -> tuple[int, int]:
    return len(model.session.inputs), len(model.session.outputs)


@dataclass(frozen=True, slots=True)
class Bound:
    """A plan with all that one run of it needs: the payloads' tensors, and what the keys held."""

    plan: Plan
    tensors: list[Tensor]
    home: Snapshot


@dataclass(slots=True)
class Plans:
    """Makes and keeps the plans of commands that run models."""

    _ways: dict[int, dict[_Spans, dict[tuple[bytes, ...], Plan]]] = field(default_factory=dict)
    _size: int = 0

    def bind(self, words: list[bytes], keyspace: Keyspace) -> Bound:
        """Give the plan of a command, with what it reads of a keyspace as of now.

        Raises
        ------
        CommandError
            If anything is wrong with the command; nothing has run.
        """
        for spans, plans in self._ways.get(len(words), {}).items():
            plan = plans.get(_rest(words, spans))
            if plan is not None and (bound := self._fit(plan, words, keyspace)) is not None:
                return bound
        plan, tensors = _PARSERS[words[0].upper()](words, Stored(keyspace))
        self._keep(plan, words)
        return Bound(plan, tensors, keyspace.snapshot(plan.keys, plan.stores))

    @staticmethod
    def _fit(plan: Plan, words: list[bytes], keyspace: Keyspace) -> Bound | None:
        """Bind a known plan, unless something does not fit: then parsing says what, in due order."""
        home = keyspace.snapshot(plan.keys, plan.stores)
        for key, counts in plan.models:
            model = home.values.get(key)
            if not isinstance(model, Model) or _counts(model) != counts:
                return None
        for key in plan.scripts:
            if not isinstance(home.values.get(key), Script):
                return None
        for key in plan.loads:
            if not isinstance(home.values.get(key), Tensor):
                return None
        try:
            return Bound(plan, [payload.read(words) for payload in plan.payloads], home)
        except CommandError:
            return None

    def _keep(self, plan: Plan, words: list[bytes]) -> None:
        spans = tuple([(payload.start, payload.stop) for payload in plan.payloads])
        rest = _rest(words, spans)
        if len(rest) > _MAX_WORDS or sum(map(len, rest)) > _MAX_BYTES:
            return
        ways = self._ways.setdefault(len(words), {})
        if self._size == _MAX_PLANS or (spans not in ways and len(ways) == _MAX_WAYS):
            self._ways.clear()  # simpler than to find the oldest, and as good: what is in use comes back
            self._size = 0
            ways = self._ways.setdefault(len(words), {})
        plans = ways.setdefault(spans, {})
        self._size += rest not in plans
        plans[rest] = plan


def _rest(words: list[bytes], spans: _Spans) -> tuple[bytes, ...]:
    """Give the words that are not payload."""
    rest: list[bytes] = []
    at = 0
    for start, stop in spans:
        rest += words[at:start]
        at = stop
    return (*rest, *words[at:])


_Parser: TypeAlias = Callable[[list[bytes], Look], tuple[Plan, list[Tensor]]]


def _dag(words: list[bytes], look: Look) -> tuple[Plan, list[Tensor]]:
    dag = parse(words, FAMILIES[words[0].upper()], look)
    return plan_dag(dag, look), dag.tensors


def _execute(words: list[bytes], look: Look) -> tuple[Plan, list[Tensor]]:
    return plan_run(read_execute(words, look, in_dag=False), look), []


def _run(words: list[bytes], look: Look) -> tuple[Plan, list[Tensor]]:
    return plan_run(read_run(words, look, in_dag=False), look), []


def _script_execute(words: list[bytes], look: Look) -> tuple[Plan, list[Tensor]]:
    return plan_run(read_script_execute(words, look, in_dag=False), look), []


def _script_run(words: list[bytes], look: Look) -> tuple[Plan, list[Tensor]]:
    return plan_run(read_script_run(words, look, in_dag=False), look), []


_PARSERS: Final[dict[bytes, _Parser]] = {
    b"AI.MODELEXECUTE": _execute,
    b"AI.MODELRUN": _run,
    b"AI.SCRIPTEXECUTE": _script_execute,
    b"AI.SCRIPTRUN": _script_run,
    **dict.fromkeys(FAMILIES, _dag),
}
