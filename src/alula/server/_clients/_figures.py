"""What a server says of itself, as somebody who watches over it wants to see it: gathered in one look.

Nothing here is needed to use a server. A look costs it a few commands, and one or two more for each model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ._arrays import fields_of
from ._connect import Pipelining, reached
from ._dags import RunStatus

__all__ = ["Figures", "Inspector", "ModelFigures", "SlowCommand", "Spread"]

_PATIENCE: Final = 2.0  # seconds for an answer, after which a server that does not give one is shown as such
_UNFINISHED: Final = ("running", "queued")


@dataclass(frozen=True, slots=True)
class Spread:
    """How some numbers are spread: how many lie in each bin.

    Attributes
    ----------
    bins
        The upper bound of each bin in which any lie, in order, and how many do. The last may be
        infinite.
    """

    bins: tuple[tuple[float, int], ...] = ()

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return sum(count for _, count in self.bins)

    def quantile(self, share: float) -> float | None:
        """Give the bound below which a share of the numbers lies, 0.5 for the median; None without numbers.

        It is right to the width of a bin: the bins of times are at 1, 2.5 and 5 times each power of ten.
        """
        seen, wanted = 0, share * self.count
        for bound, count in self.bins:
            seen += count
            if seen >= wanted:
                return bound
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFigures:
    """What is known of a model or script.

    Attributes
    ----------
    key, kind, backend, device, tag
        Which it is, and where it runs.
    calls, errors, samples
        Runs since it was stored, those that failed, and rows of the others; -1 of a script.
    seconds
        That the backend took for those that succeeded.
    queue, run, batch
        Seconds in the queue, seconds of a run, and operations in a run; counted since `since`.
    since
        When the server began to count these, UNIX time in seconds: at the first look, or with
        ``--metrics-port`` at its start. None if it cannot.
    """

    key: str
    kind: Literal["MODEL", "SCRIPT"]
    backend: str
    device: str
    tag: str
    calls: int
    errors: int
    samples: int
    seconds: float
    queue: Spread = Spread()
    run: Spread = Spread()
    batch: Spread = Spread()
    since: float | None = None


@dataclass(frozen=True, slots=True)
class SlowCommand:
    """A command that took long.

    Attributes
    ----------
    at, seconds
        When it ended (UNIX time), and how long it took.
    words
        What it was, cut where it is long.
    client
        The address of whoever sent it.
    """

    at: float
    seconds: float
    words: tuple[str, ...]
    client: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A server at one moment.

    Attributes
    ----------
    version, uptime, clients, memory, keys, commands
        The version of Redis that it speaks, seconds since its start, connections, bytes in use, keys,
        commands carried out.
    waiting
        Operations that wait for others to run with them.
    models
        By key; no more than were asked for.
    total
        How many models and scripts there are.
    runs
        In the background and not ended, the oldest first; no more than were asked for.
    unfinished
        How many of those there are.
    slow
        The slowest commands' log, the newest first.
    """

    version: str
    uptime: float
    clients: int
    memory: int
    keys: int
    commands: int
    waiting: int
    models: tuple[ModelFigures, ...]
    total: int
    runs: tuple[RunStatus, ...]
    unfinished: int
    slow: tuple[SlowCommand, ...]


class Inspector:
    """Looks at a server that is anywhere, our own or what else speaks its commands.

    Parameters
    ----------
    url
        ``redis://user:password@host:port``.
    timeout
        Seconds for each answer.
    """

    def __init__(self, url: str, *, timeout: float = _PATIENCE) -> None:
        self._url, self._timeout = url, timeout

    @property
    def address(self) -> str:
        """Where the server is, without any password."""
        return self._url.rpartition("@")[2].removeprefix("redis://")

    def figures(self, *, models: int = 100, runs: int = 50, slow: int = 20) -> Figures:
        """Look at the server.

        Parameters
        ----------
        models, runs, slow
            How many to tell of at most.

        Raises
        ------
        StoreUnavailableError
            If it cannot be reached, does not answer in time, or asks for another password.
        SettingError
            If the URL is none.
        MissingExtraError
            If redis-py is not installed.
        """
        with reached(self._url, timeout=self._timeout) as redis:
            return _look(redis, models, runs, slow)

    def cancel(self, run: str) -> bool:
        """Stop a run in the background; tell whether it had not ended, or is not known any more.

        Raises
        ------
        StoreUnavailableError, SettingError, MissingExtraError
            As `figures`.
        """
        with reached(self._url, timeout=self._timeout) as redis:
            [reply] = _at_once(redis, [["AI.DAGCANCEL", run]])
            return bool(reply == 1)


def _look(redis: Pipelining, models: int, runs: int, slow: int) -> Figures:
    asked: list[list[Any]] = [["AI._MODELSCAN"], ["AI._SCRIPTSCAN"], ["SLOWLOG", "GET", slow]]
    states: list[list[Any]] = [["AI.DAGLIST", "STATE", state] for state in _UNFINISHED]
    info, modelled, scripted, slowly, *listed = _at_once(redis, [["INFO"], *asked, *states])
    if isinstance(info, Exception):
        raise info
    keys = sorted([bytes(key) for key, _ in (*_rows(modelled), *_rows(scripted))])
    ids = sorted(bytes(number) for rows in listed for number, _ in _rows(rows))
    told = _at_once(redis, [["AI.DAGSTATUS", number, "NOREPLIES"] for number in ids[:runs]])
    keyspace = info.get("db0", {})
    return Figures(
        version=str(info.get("redis_version", "")),
        uptime=float(info.get("uptime_in_seconds", 0)),
        clients=int(info.get("connected_clients", 0)),
        memory=int(info.get("used_memory", 0)),
        keys=int(keyspace.get("keys", 0)),
        commands=int(info.get("total_commands_processed", 0)),
        waiting=int(info.get("operations_waiting_for_a_batch", 0)),
        models=tuple(_models(redis, keys[:models])),
        total=len(keys),
        runs=tuple(RunStatus.of(each) for each in told if not isinstance(each, Exception)),
        unfinished=max(len(ids), int(info.get("asynchronous_unfinished", 0))),
        slow=tuple(map(_slow, _rows(slowly))),
    )


def _models(redis: Pipelining, keys: Sequence[bytes]) -> list[ModelFigures]:
    words = [["AI.INFO", key, *more] for key in keys for more in ((), ("HISTOGRAMS",))]
    replies = _at_once(redis, words)
    return [
        _model(counts, bins)
        for counts, bins in zip(replies[::2], replies[1::2], strict=True)
        if not isinstance(counts, Exception)  # it was removed meanwhile
    ]


def _model(counts: Any, bins: Any) -> ModelFigures:
    known = fields_of(counts)
    # Whoever does not know the word answers with the counts once more.
    spread = {} if isinstance(bins, Exception) else fields_of(bins)
    since = spread.get("since")
    return ModelFigures(
        key=_text(known["key"]),
        kind="SCRIPT" if _text(known["type"]) == "SCRIPT" else "MODEL",
        backend=_text(known["backend"]),
        device=_text(known["device"]),
        tag=_text(known["tag"]),
        calls=int(known["calls"]),
        errors=int(known["errors"]),
        samples=int(known["samples"]),
        seconds=int(known["duration"]) / 1e6,
        queue=_spread(spread.get("queue", ())),
        run=_spread(spread.get("run", ())),
        batch=_spread(spread.get("batch", ())),
        since=None if since is None else float(since),
    )


def _spread(flat: Sequence[Any]) -> Spread:
    return Spread(
        tuple((float(bound), int(count)) for bound, count in zip(flat[::2], flat[1::2], strict=True))
    )


def _slow(entry: Any) -> SlowCommand:
    _, at, microseconds, words, client, *_ = entry
    return SlowCommand(float(at), int(microseconds) / 1e6, tuple(map(_text, words)), _text(client))


def _rows(reply: Any) -> Sequence[Any]:
    """Give a list, or none where the server does not know the command."""
    return [] if isinstance(reply, Exception) else list(reply)


def _at_once(redis: Pipelining, commands: Sequence[Sequence[Any]]) -> list[Any]:
    """Send commands together; an error is the reply of its own command."""
    if not commands:
        return []
    pipeline = redis.pipeline(transaction=False)
    for words in commands:
        pipeline.execute_command(*words)
    return pipeline.execute(raise_on_error=False)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
