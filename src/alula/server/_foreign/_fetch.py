"""Values out of a Redis, as of one moment; models and scripts are loaded once for each time they are stored.

Of a model that is loaded only the head is fetched: it holds a digest, so it tells whether the model under
the key is still the one that was loaded.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from ...errors import CommandError
from ...graph import Done, Failed
from .._forms import ModelForm, ScriptForm
from .._keyspace import MAGIC, Loader, Value, head_of, revived, unloaded, unpack
from .._tensors import DTYPES, Tensor
from .._workers import Workers
from ._link import Link, LostError
from ._pool import Pool
from ._replies import Answer
from ._view import OTHER

__all__ = ["Fetcher", "Found", "is_image"]

Found: TypeAlias = dict[bytes, object]
"""What was fetched: None is under no key, `OTHER` stands for a value of Redis' own."""

_Then: TypeAlias = Callable[[Found | CommandError], None]
_Again: TypeAlias = Callable[[], None]

_MOST: Final = 1024  # models and scripts that stay loaded, though nobody may know their keys any more
_PROBE: Final = b"%d" % len(MAGIC)  # the last byte to look at: the letter behind the magic


def is_image(data: bytes) -> bool:
    """Tell whether a string of Redis' is a tensor, a model or a script of ours."""
    return data.startswith(MAGIC)


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

    def fetch(self, keys: Sequence[bytes], then: _Then) -> None:
        """Give the values of some keys, all as of one moment; or the error."""
        again = partial(self.fetch, keys, then)
        if not keys:
            then({})
            return
        asked = [self._asked(key) for key in keys]
        link = self._pool.shared()
        if len(asked) == 1:
            link.send_all(asked, partial(self._answered, keys, then, again))
        else:
            link.send_all([(b"MULTI",), *asked, (b"EXEC",)], partial(self._executed, keys, then, again))

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

    def _executed(
        self, keys: Sequence[bytes], then: _Then, again: _Again, answers: list[Answer] | LostError
    ) -> None:
        """Take the answers out of a transaction."""
        if isinstance(answers, LostError):
            then(answers)
        elif isinstance(answers[-1], list):
            self._answered(keys, then, again, answers[-1])
        else:
            errors = [answer for answer in answers if isinstance(answer, CommandError)]
            then(errors[0] if errors else CommandError("ERR the keyspace has answered nothing"))

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
            elif isinstance(answer, bytes) and is_image(answer) and answer[len(MAGIC)] != ord("T"):
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

    # -------------------------------------------------------------------------------------- types

    def probe(self, link: Link, keys: Sequence[bytes], then: _Then) -> None:
        """Watch keys on a link, and give a value of the right type for each; what is in it means nothing."""

        def ended(answers: list[Answer] | LostError) -> None:
            errors = (
                [each for each in answers if isinstance(each, CommandError)]
                if isinstance(answers, list)
                else [answers]
            )
            if errors and not errors[0].text.startswith("WRONGTYPE"):
                then(errors[0])
                return
            assert isinstance(answers, list)
            kinds, fronts = answers[1::2], answers[2::2]
            then({key: _stub(kind, front) for key, kind, front in zip(keys, kinds, fronts, strict=True)})

        asked = [words for key in keys for words in ((b"TYPE", key), (b"GETRANGE", key, b"0", _PROBE))]
        link.send_all([(b"WATCH", *keys), *asked], ended)


def _unloaded(form: ModelForm | ScriptForm, error: BaseException) -> Value:
    told = error if isinstance(error, CommandError) else CommandError(f"ERR {error}")
    return unloaded(form, told)


_EMPTY: Final = ModelForm(backend="ONNX", device=b"CPU", blob=b"")
_STUBS: Final[dict[bytes, Value]] = {
    b"T": Tensor(DTYPES[b"INT8"], (0,), b""),
    b"M": unloaded(_EMPTY, CommandError("ERR this model was not fetched")),
    b"S": unloaded(ScriptForm(device=b"CPU", source=b""), CommandError("ERR this script was not fetched")),
}


def _stub(kind: Answer, front: Answer) -> object:
    if kind == "none":
        return None
    if isinstance(front, bytes):
        return _STUBS.get(front[len(MAGIC) :], OTHER) if is_image(front) else b""
    return OTHER


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
                if isinstance(front, bytes) and is_image(front) and front[len(MAGIC)] != ord("T"):
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
