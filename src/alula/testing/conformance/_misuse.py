"""Calls that nobody can mean: each is refused where it stands, by a class of error and a word that names it.

The rows are code as people write it, with the names of `alula` and those that the fixture `names` gives.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import numpy as np
import pytest

from ... import futures
from ...errors import ActorAlreadyExistsError, GetTimeoutError, TaskError, UnsupportedError
from ...graph import InputNode
from .._turnstile import Turnstile
from ._actors import Counter
from ._part import LIMIT, Part
from ._values import echo, hold

__all__ = ["Misuse"]

_Row: TypeAlias = tuple[str, type[Exception], str]


@futures.remote
def pair(first: int, *, second: int = 0) -> tuple[int, int]:
    """Give both."""
    return first, second


@futures.remote
def count(most: int) -> Iterator[int]:
    """Yield numbers."""
    yield from range(most)


_SESSIONS: Final[list[_Row]] = [
    ("init()", RuntimeError, "initialised already"),
    ("init(num_cpus=99, ignore_reinit_error=True)", RuntimeError, "num_cpus=.*99"),
    ("init(num_cpu=1)", TypeError, "num_cpu"),
    ("init(resources=['gpu'])", TypeError, "resources"),
    ("init(resources={'disk': -1})", ValueError, r"resources\['disk'\]"),
    ("init(resources={'CPU': 1})", ValueError, "num_cpus"),
    ("init(labels={'zone': 1})", TypeError, "labels"),
    ("init(memory=-1)", ValueError, "memory"),
    ("init(namespace=1)", TypeError, "namespace"),
    ("init(runtime_env=1)", TypeError, "runtime_env"),
    ("init(logging_level='LOUD')", ValueError, "logging_level.*DEBUG"),
    ("init(log_to_driver='no')", TypeError, "log_to_driver"),
    ("timeline('/nowhere/trace.json')", OSError, "/nowhere"),
]
_TASKS: Final[list[_Row]] = [
    ("remote()", TypeError, "without parentheses"),
    ("remote(1)", TypeError, "not int"),
    ("remote(pair)", TypeError, "not RemoteFunction"),
    ("remote(print, num_cpus=1)", TypeError, "keywords only"),
    ("remote(num_cpu=1)", ValueError, "'num_cpu'; did you mean 'num_cpus'"),
    ("remote(max_restarts=1)(lambda: 1)", ValueError, "'max_restarts'"),
    ("remote(num_cpus=-1)", ValueError, "num_cpus"),
    ("remote(num_cpus='1')", TypeError, "num_cpus"),
    ("remote(max_retries=-2)", ValueError, "max_retries"),
    ("remote(retry_exceptions=[1])", TypeError, "retry_exceptions"),
    ("remote(resources={'GPU': 1})", ValueError, "num_gpus"),
    ("remote(num_gpus=1.5)", ValueError, "num_gpus"),
    ("remote(num_returns='many')", ValueError, "num_returns"),
    ("remote(scheduling_strategy='NEAR')", ValueError, "scheduling_strategy"),
    ("remote(placement_group=None)", UnsupportedError, "placement_group"),
    ("pair(1)", TypeError, r"pair\.remote"),
    ("pair.remote()", TypeError, "pair.*'first'"),
    ("pair.remote(1, 2)", TypeError, "pair.*too many"),
    ("pair.remote(1, third=3)", TypeError, "pair.*'third'"),
    ("pair.remote(lock)", TypeError, "argument 1.*lock"),
    ("pair.remote([{'a': lock}])", TypeError, r"argument 1\[0\]\['a'\]"),
    ("pair.remote(stream)", TypeError, "argument 1.*references"),
    ("pair.options(num_cpu=1)", ValueError, "'num_cpu'; did you mean 'num_cpus'"),
    ("pair.options(max_calls=1)", ValueError, "max_calls"),
    ("remote(lambda: lock).remote()", TypeError, "lambda"),
    ("remote(lambda: huge.sum()).remote()", ValueError, "120 MB large.*put"),
    ("get(remote(lambda: [lock][0]()).remote())", TypeError, "lambda"),
]
_VALUES: Final[list[_Row]] = [
    ("put(ref)", TypeError, "wrap it in a list"),
    ("put(lock)", TypeError, "lock"),
    ("put(stream)", TypeError, "references"),
    ("get(1)", ValueError, "not int"),
    ("get((ref,))", ValueError, "not tuple"),
    ("get({ref})", ValueError, "not set"),
    ("get(stream)", ValueError, "stream"),
    ("get(actor)", ValueError, "ActorHandle"),
    ("get(pair.bind(1))", ValueError, r"node\.execute"),
    ("get([ref, 1])", ValueError, "item 1 is int"),
    ("get([[ref]])", ValueError, "item 0 is list"),
    ("get(ref, 1)", TypeError, "positional"),
    ("get(ref, timeout='1')", TypeError, "timeout.*'1'"),
    ("get(ref, timeout=float('nan'))", ValueError, "timeout.*nan"),
    ("get(late, timeout=0)", GetTimeoutError, "not ready"),
    ("get([ref, late], timeout=0)", TimeoutError, "1 of 2"),
    ("wait(ref)", TypeError, "put it in a list"),
    ("wait((ref,))", TypeError, "not tuple"),
    ("wait([1])", TypeError, "item 0 is int"),
    ("wait([ref, late, ref])", ValueError, "once"),
    ("wait([stream, stream])", ValueError, "once"),
    ("wait([ref], num_returns=0)", ValueError, "num_returns.*1 to 1"),
    ("wait([ref], num_returns=2)", ValueError, "num_returns.*1 to 1"),
    ("wait([ref], num_returns=1.0)", TypeError, "num_returns.*1.0"),
    ("wait([late], timeout=-1)", ValueError, "timeout.*-1"),
    ("wait([late], timeout='1')", TypeError, "timeout.*'1'"),
    ("wait([late], timeout=float('nan'))", ValueError, "timeout.*nan"),
    ("cancel(1)", TypeError, "not int"),
    ("cancel([ref])", TypeError, "not list"),
    ("cancel(actor)", TypeError, "not ActorHandle"),
    ("list(progress(1))", TypeError, "not int"),
    ("list(progress([1]))", TypeError, "not int"),
]
_ACTORS: Final[list[_Row]] = [
    ("Counter()", TypeError, r"Tally\.remote"),
    ("Counter.remote(1, 2)", TypeError, "Tally.*too many"),
    ("Counter.remote(lock)", TypeError, "argument 1.*lock"),
    ("Counter.options(max_restart=1)", ValueError, "'max_restarts'"),
    ("Counter.options(max_restarts=-2)", ValueError, "max_restarts"),
    ("Counter.options(max_concurrency=0)", ValueError, "max_concurrency"),
    ("Counter.options(get_if_exists=True)", ValueError, "name="),
    ("Counter.options(lifetime='long')", ValueError, "lifetime"),
    ("[actor, Counter.options(name='kept').remote()]", ActorAlreadyExistsError, "'kept'.*get_if_exists"),
    ("actor.ad", AttributeError, "did you mean 'add'"),
    ("actor.add()", TypeError, r"add\.remote"),
    ("actor.spoil.remote()", TypeError, "Tally.spoil.*'amount'"),
    ("actor.add.remote(1, 2)", TypeError, "Tally.add.*too many"),
    ("actor.add.remote(by=2)", TypeError, "Tally.add.*'by'"),
    ("actor.add.remote(lock)", TypeError, "argument 1.*lock"),
    ("actor.add.options(num_cpus=1)", ValueError, "'num_cpus'"),
    ("actor.add.options(concurrency_group='io')", ValueError, "'io'"),
    ("cancel(actor.hold.remote(turnstile), force=True)", ValueError, r"force.*kill\(\)"),
    ("method()", TypeError, "one option"),
    ("method(retries=1)", ValueError, "'retries'"),
    ("kill(1)", ValueError, "not int"),
    ("kill(Counter)", ValueError, "not ActorClass"),
    ("get_actor('nobody')", ValueError, "'nobody'"),
    ("get_actor('')", ValueError, "''"),
    ("get_actor('kept', 'elsewhere')", ValueError, "'kept'"),
    ("exit_actor()", TypeError, "runs in none"),
    ("get_runtime_context().current_actor", RuntimeError, "no current actor"),
]
_GRAPHS: Final[list[_Row]] = [
    ("pair.bind()", TypeError, "pair.*'first'"),
    ("pair.options(num_returns=2).bind(1)", ValueError, "num_returns=2"),
    ("count.bind(1)", TypeError, "stream"),
    ("get(pair.bind(InputNode()[1]).execute(1))", LookupError, "input"),
    ("Counter.bind(1, 2)", TypeError, "Tally.*too many"),
    ("Counter.bind().add.bind(by=1)", TypeError, "Tally.add.*'by'"),
    ("actor.add.bind(by=1)", TypeError, "Tally.add.*'by'"),
    ("actor.pair.bind()", ValueError, "num_returns=2"),
]
_ROWS: Final = [*_SESSIONS, *_TASKS, *_VALUES, *_ACTORS, *_GRAPHS]


class Misuse(Part):
    """Bad input, row by row."""

    @pytest.fixture
    def code(self) -> str:
        """Give code that uses all names, unless it is a row."""
        return "actor huge late ref stream"

    @pytest.fixture
    def names(self, turnstile: Turnstile, code: str) -> dict[str, Any]:
        """Give what the code talks about, beside what every program has."""
        made: dict[str, Callable[[], Any]] = {
            "actor": Counter.options(name="kept", get_if_exists=True).remote,
            "huge": lambda: np.zeros(120_000_000, np.uint8),
            "late": lambda: hold.options(num_cpus=0).remote(turnstile),
            "ref": lambda: futures.put(1),
            "stream": lambda: count.remote(1),
        }
        return {
            **{name: getattr(futures, name) for name in futures.__all__},
            **{name: make() for name, make in made.items() if name in code},
            "Counter": Counter,
            "InputNode": InputNode,
            "count": count,
            "lock": threading.Lock(),
            "pair": pair,
            "turnstile": turnstile,
        }

    @pytest.mark.parametrize(("code", "error", "words"), _ROWS, ids=[row[0] for row in _ROWS])
    def test_what_cannot_be_meant_is_refused_by_name(
        self, names: dict[str, Any], code: str, error: type[Exception], words: str
    ) -> None:
        with pytest.raises(error, match=words) as caught:
            eval(code, names)
        assert not isinstance(caught.value, TaskError) or code.startswith("get("), "here, and not in a task"
        assert futures.get(echo.remote(1), timeout=LIMIT) == 1, "and all goes on"

    def test_arguments_of_a_method_are_checked_where_only_the_handle_is_known(self) -> None:
        ask = futures.remote(lambda actor: futures.get(actor.add.remote(by=2)))
        with pytest.raises(TypeError, match="'by'"):
            futures.get(ask.remote(Counter.remote()), timeout=LIMIT)

    def test_a_function_that_captures_much_is_warned_of(self) -> None:
        much = b"x" * 12_000_000
        with pytest.warns(RuntimeWarning, match="12 MB large.*put") as caught:
            ref = futures.remote(lambda: len(much)).remote()
        assert caught[0].filename == __file__, "where the call stands"
        assert futures.get(ref, timeout=LIMIT) == len(much)

    def test_what_is_odd_and_fine(self, names: dict[str, Any]) -> None:
        ref, late = names["ref"], names["late"]
        assert futures.get([]) == []
        assert futures.wait([]) == ([], [])
        assert futures.get([ref, ref]) == [1, 1]
        assert futures.get(ref, timeout=-1) == 1
        assert futures.wait([late, ref], num_returns=2, timeout=0) == ([ref], [late])
        some: dict[str, Any] = {"timeout": np.float32(0.5), "num_returns": np.int64(1)}
        assert futures.wait([ref], **some) == ([ref], [])
