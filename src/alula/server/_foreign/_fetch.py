"""Values out of a Redis, as of one moment; models and scripts are loaded once for each time they are stored.

Of a model that is loaded only the head is fetched: it holds a digest, so it tells whether the model under
the key is still the one that was loaded.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from ...errors import CommandError
from ...graph import Done, Failed
from .._forms import ModelForm, ScriptForm
from .._keyspace import MAGIC, Loader, Value, head_of, revived, unloaded, unpack
from .._workers import Workers
from ._link import Link, LostError
from ._pool import Pool
from ._replies import Answer
from ._survey import is_image
from ._view import OTHER, Found

__all__ = ["Fetcher"]

_Then: TypeAlias = Callable[[Found | CommandError], None]
_Again: TypeAlias = Callable[[], None]

_TENSOR: Final = MAGIC + b"T"
_MOST: Final = 1024  # models and scripts that stay loaded, though nobody may know their keys any more


class Fetcher:
    """Reads keys.

    Parameters
    ----------
    pool
        The links.
    loaders
        Threads that load models.
    load
        Makes a model or a script ready.
    """

    def __init__(self, pool: Pool, loaders: Workers, load: Loader) -> None:
        self._pool, self._loaders, self._load = pool, loaders, load
        self._loaded: dict[bytes, tuple[bytes, Value]] = {}  # by key: its head, and what was made of it
        self._loading: dict[bytes, list[Callable[[Value], None]]] = {}  # by head
        self._wanted: list[tuple[Sequence[bytes], _Then]] = []  # asked for in this turn
        self._moment = False  # somebody has asked for more than one key as of one moment

    def fetch(self, keys: Sequence[bytes], then: _Then, *, moment: bool = True) -> None:
        """Give the values of some keys; or the error.

        What is asked for in one turn of the loop is asked for at once.

        Parameters
        ----------
        keys, then
            What is asked for, and who.
        moment
            Whether all are to be as of one moment; if not, they are read in order.
        """
        if not keys:
            then({})
            return
        self._wanted.append((keys, then))
        self._moment = self._moment or (moment and len(keys) > 1)
        if len(self._wanted) == 1:
            asyncio.get_running_loop().call_soon(self._ask)

    def _ask(self) -> None:
        """Send what was asked for in this turn."""
        wanted, self._wanted = self._wanted, []
        asked = {key: self._asked(key) for keys, _ in wanted for key in keys}
        commands, ended = list(asked.values()), partial(self._told, wanted, list(asked))
        if self._moment:
            self._moment = False
            commands = [(b"MULTI",), *commands, (b"EXEC",)]
            ended = partial(self._executed, ended)
        self._pool.shared().send_all(commands, ended)

    def _executed(
        self, then: Callable[[list[Answer] | CommandError], None], answers: list[Answer] | LostError
    ) -> None:
        """Take the answers out of a transaction."""
        if isinstance(answers, LostError):
            then(answers)
        elif isinstance(answers[-1], list):
            then(answers[-1])
        else:
            errors = [answer for answer in answers if isinstance(answer, CommandError)]
            then(errors[0] if errors else CommandError("ERR the keyspace has answered nothing"))

    def _told(
        self,
        wanted: list[tuple[Sequence[bytes], _Then]],
        asked: list[bytes],
        answers: list[Answer] | CommandError,
    ) -> None:
        """Give everybody what he has asked for."""
        if isinstance(answers, CommandError):
            full = answers.text.startswith("OOM")
            for keys, then in wanted:
                if full:
                    self._pool.take(partial(self._fetch_watched, keys, then))
                else:
                    then(answers)
            return
        by_key = dict(zip(asked, answers, strict=True))
        for keys, then in wanted:
            self._answered(keys, then, partial(self.fetch, keys, then), [by_key[key] for key in keys])

    def _fetch_watched(self, keys: Sequence[bytes], then: _Then, link: Link) -> None:
        """Fetch what nobody changes meanwhile: a Redis without room queues nothing in a transaction."""
        again = partial(self.fetch, keys, then)

        def ended(answers: list[Answer] | LostError) -> None:
            self._pool.give(link)
            if isinstance(answers, list) and answers[-1] is None:
                again()
            else:
                self._answered(keys, then, again, answers[1:-2] if isinstance(answers, list) else answers)

        asked = [self._asked(key) for key in keys]
        link.send_all([(b"WATCH", *keys), *asked, (b"MULTI",), (b"EXEC",)], ended)

    def watch(self, link: Link, keys: Sequence[bytes], then: _Then) -> None:
        """Watch some keys on a link, and give their values, which are good if nobody changes one."""
        again = partial(self.watch, link, keys, then)

        def ended(answers: list[Answer] | LostError) -> None:
            self._answered(keys, then, again, answers if isinstance(answers, LostError) else answers[1:])

        if keys:
            link.send_all([(b"WATCH", *keys), *[self._asked(key) for key in keys]], ended)
        else:
            then({})

    def keep(self, key: bytes, image: bytes, value: Value) -> None:
        """Take note of a model or script that was loaded before it was stored."""
        self._loaded.pop(key, None)
        self._loaded[key] = (head_of(image), value)
        if len(self._loaded) > _MOST:
            del self._loaded[next(iter(self._loaded))]

    def _asked(self, key: bytes) -> tuple[bytes, ...]:
        loaded = self._loaded.get(key)
        return (b"GET", key) if loaded is None else (b"GETRANGE", key, b"0", b"%d" % (len(loaded[0]) - 1))

    def _answered(
        self, keys: Sequence[bytes], then: _Then, again: _Again, answers: list[Answer] | LostError
    ) -> None:
        if isinstance(answers, LostError):
            then(answers)
            return
        found, forms, stale = Found(), dict[bytes, bytes](), False
        for key, answer in zip(keys, answers, strict=True):
            loaded = self._loaded.get(key)
            if isinstance(answer, CommandError) and not answer.text.startswith("WRONGTYPE"):
                then(answer)
                return
            if loaded is not None and answer == loaded[0]:
                found[key] = loaded[1]
            elif loaded is not None:
                del self._loaded[key]
                stale = True
            elif isinstance(answer, bytes) and is_image(answer) and not answer.startswith(_TENSOR):
                forms[key] = answer
            else:
                found[key] = answer
        if stale:
            again()
        else:
            self._read(found, forms, then)

    def _read(self, found: Found, forms: dict[bytes, bytes], then: _Then) -> None:
        """Make values of what was fetched, and then load what has to be loaded."""
        try:
            for key, answer in found.items():
                if isinstance(answer, bytes) and is_image(answer):
                    found[key] = unpack(answer)
                elif isinstance(answer, CommandError):
                    found[key] = OTHER
            images = {key: (image, unpack(image)) for key, image in forms.items()}
        except CommandError as error:
            then(error)
            return
        if not images:
            then(found)
        for key, (image, form) in images.items():
            assert isinstance(form, ModelForm | ScriptForm)

            def ready(value: Value, key: bytes = key, image: bytes = image) -> None:
                found[key] = value
                self.keep(key, image, value)
                if found.keys() >= images.keys():
                    then(found)

            self._make(head_of(image), form, ready)

    def _make(self, head: bytes, form: ModelForm | ScriptForm, ready: Callable[[Value], None]) -> None:
        """Load a model in another thread; whoever wants the same one meanwhile waits for this."""
        waiting = self._loading.get(head)
        if waiting is not None:
            waiting.append(ready)
            return
        waiting = self._loading[head] = [ready]

        def ended(outcome: Done[Any] | Failed) -> None:
            del self._loading[head]
            value = outcome.value if isinstance(outcome, Done) else _unloaded(form, outcome.error)
            for each in waiting:
                each(value)

        self._loaders.submit(partial(revived, form, self._load), ended)

    # ------------------------------------------------------------------------------- all of them

    def scan(self, then: Callable[[list[tuple[bytes, Value]] | CommandError], None]) -> None:
        """Give all models and scripts, without their files; not as of one moment."""
        _Scan(self._pool.shared(), then).go(b"0")


def _unloaded(form: ModelForm | ScriptForm, error: BaseException) -> Value:
    told = error if isinstance(error, CommandError) else CommandError(f"ERR {error}")
    return unloaded(form, told)


class _Scan:
    """Goes through all keys, and looks at what each string begins with."""

    def __init__(self, link: Link, then: Callable[[list[tuple[bytes, Value]] | CommandError], None]) -> None:
        self._link, self._then = link, then
        self._found: dict[bytes, Value] = {}

    def go(self, cursor: bytes) -> None:
        """Ask for the next keys."""
        self._link.send_all([(b"SCAN", cursor, b"COUNT", b"1000", b"TYPE", b"string")], self._listed)

    def _listed(self, answers: list[Answer] | LostError) -> None:
        answer = answers if isinstance(answers, LostError) else answers[0]
        if isinstance(answer, CommandError):
            self._then(answer)
            return
        assert isinstance(answer, list)
        cursor, keys = answer
        assert isinstance(cursor, bytes)
        assert isinstance(keys, list)
        names = [key for key in keys if isinstance(key, bytes)]
        if names:
            asked = [(b"GETRANGE", key, b"0", b"%d" % (_HEAD - 1)) for key in names]
            self._link.send_all(asked, partial(self._looked, cursor, names))
        else:
            self._next(cursor)

    def _looked(self, cursor: bytes, keys: list[bytes], answers: list[Answer] | LostError) -> None:
        if isinstance(answers, LostError):
            self._then(answers)
            return
        try:
            for key, front in zip(keys, answers, strict=True):
                if isinstance(front, bytes) and is_image(front) and not front.startswith(_TENSOR):
                    form = unpack(head_of(front))
                    assert isinstance(form, ModelForm | ScriptForm)
                    self._found[key] = _unloaded(form, CommandError("ERR this was not fetched"))
        except CommandError as error:
            self._then(error)
            return
        self._next(cursor)

    def _next(self, cursor: bytes) -> None:
        if cursor == b"0":
            self._then(list(self._found.items()))
        else:
            self.go(cursor)


_HEAD: Final = 1 << 16  # bytes that a head has at most, as far as a scan goes
