"""Search expressions: ``metrics.acc > .9 and params.model = "tree"``, read by a grammar and never evaluated.

    either     = both ("or" both)*
    both       = test ("and" test)*
    test       = "not" test | "(" either ")" | field operator value
    field      = "metrics." key | "params." key | "run" | "status" | "seconds"
    operator   = "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "like"
    value      = number | text in quotes | true | false

A key of other characters than letters, digits, ``_ . / -`` stands in backticks. What a run does not have,
passes no test.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from ._ledger import Run

__all__ = ["Expression", "own_facts", "parse"]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))"
    r"|(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<operator>==|!=|<=|>=|=|<|>)"
    r"|(?P<bracket>[()])"
    r"|(?P<word>[A-Za-z_][\w./-]*(?:`[^`]+`)?))"
)
_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "like": lambda a, b: fnmatchcase(a, b.replace("%", "*").replace("_", "?")),
}
_GROUPS: Final = ("metrics.", "params.")
_OWN: Final = ("run", "status", "seconds")
_EXAMPLES: Final = "write it as 'metrics.acc > .9' or 'params.model = \"tree\" and seconds < 60'"

Facts = Mapping[str, Any]
Test = Callable[[Facts], bool]


@dataclass(frozen=True, slots=True)
class Expression:
    """A search expression that was read.

    Attributes
    ----------
    test
        Tells whether a run passes, by what is known of it: ``{"metrics.acc": 0.9, "status": "STOPPED"}``.
    keys
        The keys of metrics and parameters that it names.
    fields
        The same with what they are: ``metrics.KEY``, ``params.KEY``.
    """

    test: Test
    keys: frozenset[str]
    fields: frozenset[str]


def parse(text: str) -> Expression:
    """Read an expression.

    Raises
    ------
    ValueError
        If it cannot be read; quotes what is not understood.
    """
    reader = _Reader(text)
    test = reader.either()
    if reader.rest:
        raise reader.wrong("a connection by 'and' or 'or' is missing")
    return Expression(test, frozenset(reader.keys), frozenset(reader.fields))


def own_facts(run: Run) -> Facts:
    """Give what can be searched of a run itself."""
    ended = {} if run.ended is None else {"seconds": run.ended - run.started}
    return {"run": run.number, "status": run.status, **ended}


class _Reader:
    def __init__(self, text: str) -> None:
        self._text, self.keys, self.fields = text, set[str](), set[str]()
        self.rest = _tokens(text)

    def either(self) -> Test:
        tests = [self._both()]
        while self._took("or"):
            tests.append(self._both())
        return lambda facts: any(test(facts) for test in tests)

    def _both(self) -> Test:
        tests = [self._test()]
        while self._took("and"):
            tests.append(self._test())
        return lambda facts: all(test(facts) for test in tests)

    def _test(self) -> Test:
        if self._took("not"):
            denied = self._test()
            return lambda facts: not denied(facts)
        if self._took("("):
            inner = self.either()
            if not self._took(")"):
                raise self.wrong("a bracket is not closed")
            return inner
        return self._comparison()

    def _comparison(self) -> Test:
        name, compare, value = self._field(), self._operator(), self._value()
        if compare is _OPERATORS["like"] and not isinstance(value, str):
            raise self.wrong("like needs a text")
        return lambda facts: name in facts and _compared(compare, facts[name], value)

    def _field(self) -> str:
        kind, word = self._next()
        name = word.replace("`", "")
        if kind == "word" and name in _OWN:
            return name
        if kind != "word" or not name.startswith(_GROUPS) or name in _GROUPS:
            raise self.wrong(f"{word!r} is none of metrics.KEY, params.KEY, run, status, seconds")
        self.keys.add(name.partition(".")[2])
        self.fields.add(name)
        return name

    def _operator(self) -> Callable[[Any, Any], bool]:
        _, word = self._next()
        if word.lower() not in _OPERATORS:
            raise self.wrong(f"{word!r} is no operator; there are {' '.join(_OPERATORS)}")
        return _OPERATORS[word.lower()]

    def _value(self) -> Any:
        kind, word = self._next()
        match kind:
            case "number":
                return float(word)
            case "text":
                return re.sub(r"\\(.)", r"\1", word[1:-1])
            case "word" if word.lower() in ("true", "false"):
                return word.lower() == "true"
            case _:
                raise self.wrong(f"{word!r} is no value: texts stand in quotes")

    def _took(self, word: str) -> bool:
        is_it = bool(self.rest) and self.rest[0][1].lower() == word and self.rest[0][0] != "text"
        if is_it:
            del self.rest[0]
        return is_it

    def _next(self) -> tuple[str, str]:
        if not self.rest:
            raise self.wrong("it ends too early")
        return self.rest.pop(0)

    def wrong(self, why: str) -> ValueError:
        return ValueError(f"the search {self._text!r} cannot be read: {why}; {_EXAMPLES}")


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"the search {text!r} cannot be read at {text[at:].strip()!r}; {_EXAMPLES}")
        assert match.lastgroup is not None
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _compared(compare: Callable[[Any, Any], bool], there: Any, wanted: Any) -> bool:
    """Compare what are both numbers or both texts; others are different, and neither is larger."""
    numbers = isinstance(there, (int, float)) and isinstance(wanted, (int, float))
    if numbers or type(there) is type(wanted):
        return compare(there, wanted)
    return compare is operator.ne
