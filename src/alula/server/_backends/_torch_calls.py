"""The calls of a script into its server: ``redis.execute``, ``redis.asList``, ``redisAI.model_execute``.

They are operators of PyTorch, registered once for the whole process; whose server a call is for, the
calling thread knows. The compiler is told that they may have any effect, else it would take away those
whose result nobody uses.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from ...errors import CommandError
from .._models import Stop
from .._resp import Reply
from .._scripts import Reach
from ._torch_tensors import Bridge

__all__ = ["Operators"]

_MOST: Final = (
    63  # words behind a command's name: an operator has 64 arguments at most; a list holds any number
)


@dataclass(slots=True)
class _Caller:
    """The script that runs on a thread.

    Attributes
    ----------
    failed
        Why a call of it has failed. Nothing catches an error in TorchScript, so it is why the script did.
    """

    reach: Reach | None
    bridge: Bridge
    readonly: bool
    failed: CommandError | None = None


@dataclass(slots=True)
class Operators:
    """The operators, registered when this is made.

    Parameters
    ----------
    torch
        The package.
    """

    torch: Any
    _running: threading.local = field(default_factory=threading.local)
    _libraries: list[Any] = field(default_factory=list)  # an operator is there as long as its library is

    def __post_init__(self) -> None:
        execute = dict.fromkeys(_overloads(), self._execute)
        self._define("redis", {**execute, "asList(Any value) -> Any[]": list})
        run = "model_execute(str key, Tensor[] inputs, int outputs) -> Tensor[]"
        self._define("redisAI", {run: self._model_execute})

    def _define(self, namespace: str, operators: dict[str, Any]) -> None:
        library = self.torch.library.Library(namespace, "FRAGMENT")
        self._libraries.append(library)
        for schema, implementation in operators.items():
            library.define(schema, alias_analysis="CONSERVATIVE")
            library.impl(schema.partition("(")[0], implementation, "CompositeExplicitAutograd")

    def resolve(self, name: str) -> Any:
        """Give what a name means in a script that it has no definition of; None if nothing."""
        match name:
            case "torch":
                return self.torch
            case "redis" | "redisAI":
                return getattr(self.torch.ops, name)
            case _:
                return None

    @contextmanager
    def caller(self, reach: Reach | None, bridge: Bridge, *, readonly: bool) -> Iterator[None]:
        """Let the calls of this thread go to one server, and let what they fail with come out alone."""
        caller = self._running.caller = _Caller(reach, bridge, readonly)
        try:
            yield
        except Exception:  # PyTorch puts tracebacks of two languages around it
            if caller.failed is not None:
                raise caller.failed from None
            raise
        finally:
            self._running.caller = None

    def _caller(self) -> tuple[_Caller, Reach]:
        caller: _Caller | None = getattr(self._running, "caller", None)
        if caller is None or caller.reach is None:
            raise CommandError("a script can call the server only from where it was called itself")
        return caller, caller.reach

    # ------------------------------------------------------------------------------ the operators

    def _execute(self, *given: Any) -> Any:
        caller, reach = self._caller()
        try:
            return _dynamic(reach.call(list(_words(given)), readonly=caller.readonly))
        except CommandError as error:
            caller.failed = CommandError(f"Redis command returned an error: {error}")
            raise caller.failed from error

    def _model_execute(self, key: str, inputs: Sequence[Any], outputs: int) -> list[Any]:
        caller, reach = self._caller()
        try:
            session = reach.session(key.encode())
            if len(inputs) != len(session.inputs):
                raise CommandError("Number of keys given as INPUTS here does not match model definition")
            if outputs != len(session.outputs):
                raise CommandError("Number of keys given as OUTPUTS here does not match model definition")
            found = session.run([caller.bridge.back(value).host() for value in inputs], Stop())
            return [caller.bridge.there(value.host()) for value in found]
        except CommandError as error:
            caller.failed = error
            raise


def _overloads() -> Iterator[str]:
    """Give one schema for each number of words: a variadic operator would not be told how many there are."""
    for count in range(_MOST + 1):
        more = "".join([f", Any a{i}" for i in range(count)])
        yield f"execute.with{count}(str command{more}) -> Any"


def _words(given: Sequence[Any]) -> Iterator[bytes]:
    """Give a command's words; lists among them are taken apart."""
    for value in given:
        match value:
            case str():
                yield value.encode()
            case bool():
                raise CommandError("Invalid argument")
            case int():
                yield b"%d" % value
            case float():
                yield b"%.17g" % value
            case list() | tuple():
                yield from _words(value)
            case _:
                raise CommandError("Invalid argument")


def _dynamic(reply: Reply) -> Any:
    """Give a reply as a value of a script."""
    match reply:
        case bytes() | memoryview():
            try:
                return bytes(reply).decode()
            except UnicodeDecodeError as error:
                raise CommandError("a script takes only text that is UTF-8") from error
        case CommandError():
            return reply.text
        case list() | tuple():
            values = [_dynamic(each) for each in reply]
            # Lists of a script hold one type; what holds several, or nothing to tell the type by, is a tuple.
            alike = all(isinstance(v, str) for v in values) or all(isinstance(v, int) for v in values)
            return values if values and alike else tuple(values)
        case dict():
            return tuple([_dynamic(each) for pair in reply.items() for each in pair])
        case _:
            return reply
