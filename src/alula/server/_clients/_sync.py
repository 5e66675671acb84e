"""A client of a tensor server, for code that waits."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from numpy.typing import ArrayLike, NDArray

from . import _requests as requests
from ._arrays import Word
from ._connect import Commands, checked, connect
from ._dags import DagWords, RunStatus
from ._requests import Key, Request
from ._waiting import Waiting

__all__ = ["Client", "Dag", "Run"]

_T = TypeVar("_T")


class Client:
    """Speaks to a tensor server in arrays, through redis-py; safe to use from several threads.

    Errors of the server are redis-py's `ResponseError`, with the server's text.

    Parameters
    ----------
    server
        The address, ``redis://user:password@host:port``; or a client of redis-py, which the caller closes
        and which must not decode replies.

    Attributes
    ----------
    redis
        The client of redis-py, for all other commands.

    Raises
    ------
    MissingExtraError
        If redis-py is not installed.
    ValueError
        If `server` is no address, or a client that decodes replies.

    Examples
    --------
    >>> with Client("redis://localhost:6379") as client:  # doctest: +SKIP
    ...     client.tensorset("x", np.ones((1, 4), "f4"))
    ...     client.modelexecute("net", ["x"], ["y"])
    ...     print(client.tensorget("y"))
    """

    def __init__(self, server: str | Commands = "redis://127.0.0.1:6379") -> None:
        self._own = isinstance(server, str)
        self.redis: Commands = connect(server) if isinstance(server, str) else checked(server)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, unless they are somebody else's."""
        if self._own:
            self.redis.close()

    # ------------------------------------------------------------------------------------ tensors

    def tensorset(self, key: Key, value: ArrayLike) -> None:
        """Store an array under a key.

        Raises
        ------
        TypeError
            If no tensor has such elements.
        """
        _ask(self.redis, requests.tensorset(key, value))

    def tensorget(self, key: Key) -> NDArray[Any]:
        """Give the array under a key: read-only, over the very bytes that came. Strings are byte strings."""
        return _ask(self.redis, requests.tensorget(key))

    # ------------------------------------------------------------------------- models and scripts

    def modelstore(
        self,
        key: Key,
        backend: str,
        device: str,
        blob: bytes,
        *,
        tag: Key = "",
        batchsize: int = 0,
        minbatchsize: int = 0,
        minbatchtimeout: float = 0.0,
        inputs: Sequence[str] = (),
        outputs: Sequence[str] = (),
    ) -> None:
        """Store a model, in place of the one that is under the key.

        Parameters
        ----------
        key
            Where it is stored.
        backend
            ``ONNX`` or ``TORCH``.
        device
            ``CPU``, ``GPU``, or one of them with a number: ``GPU:1``.
        blob
            The model's file.
        tag
            Anything; a version, for instance.
        batchsize
            Rows that runs are put together to; 0 runs each by itself.
        minbatchsize, minbatchtimeout
            Rows to wait for, and for how many seconds at most; 0 does not wait, or for ever.
        inputs, outputs
            Names of a model of TensorFlow; of others they stand in the file.
        """
        request = requests.modelstore(
            key,
            backend,
            device,
            blob,
            tag=tag,
            batchsize=batchsize,
            minbatchsize=minbatchsize,
            minbatchtimeout=minbatchtimeout,
            inputs=inputs,
            outputs=outputs,
        )
        _ask(self.redis, request)

    def modelget(self, key: Key) -> dict[str, Any]:
        """Give what is known of a model: backend, device, tag, names, batching, and its file as ``blob``."""
        return _ask(self.redis, requests.modelget(key))

    def modelexecute(
        self, key: Key, inputs: Sequence[Key], outputs: Sequence[Key], *, timeout: float | None = None
    ) -> None:
        """Run a model on tensors under keys, and store what it gives under others.

        Parameters
        ----------
        key
            Of the model.
        inputs, outputs
            Keys of tensors, in the order of the model's own inputs and outputs.
        timeout
            Seconds that the run may wait for its turn; None is for ever.

        Raises
        ------
        TimeoutError
            If it waited for longer; nothing is stored.
        """
        _ask(self.redis, requests.modelexecute(key, inputs, outputs, timeout))

    def models(self) -> dict[str, str]:
        """Give the tags of all models, by key."""
        return _ask(self.redis, requests.scan("AI._MODELSCAN"))

    def scriptstore(
        self, key: Key, device: str, source: str, *, entry_points: Sequence[str], tag: Key = ""
    ) -> None:
        """Store a TorchScript script, in place of the one that is under the key.

        Parameters
        ----------
        key, device, tag
            As of `modelstore`.
        source
            The text.
        entry_points
            Functions of it that take ``(tensors: List[Tensor], keys: List[str], args: List[str])``.
        """
        _ask(self.redis, requests.scriptstore(key, device, source, entry_points, tag))

    def scriptget(self, key: Key) -> dict[str, Any]:
        """Give what is known of a script: device, tag, entry_points, source."""
        return _ask(self.redis, requests.scriptget(key))

    def scriptexecute(
        self,
        key: Key,
        function: str,
        inputs: Sequence[Key] = (),
        outputs: Sequence[Key] = (),
        *,
        keys: Sequence[Key] = (),
        args: Sequence[Word] = (),
        timeout: float | None = None,
    ) -> None:
        """Run a function of a script on tensors under keys, and store what it gives.

        Parameters
        ----------
        key, function
            Of the script, and in it.
        inputs, outputs
            Keys of tensors.
        keys, args
            What the function gets as its second and third argument.
        timeout
            Seconds that the run may wait for its turn; None is for ever.

        Raises
        ------
        TimeoutError
            If it waited for longer; nothing is stored.
        """
        request = requests.scriptexecute(key, function, inputs, outputs, keys, args, timeout)
        _ask(self.redis, request)

    def scripts(self) -> dict[str, str]:
        """Give the tags of all scripts, by key."""
        return _ask(self.redis, requests.scan("AI._SCRIPTSCAN"))

    def delete(self, key: Key) -> None:
        """Remove what is under a key, if anything is: a tensor, a model, a script."""
        _ask(self.redis, requests.delete("DEL", key))

    # ------------------------------------------------------------------------------- the server

    def info(self, key: Key, *, reset: bool = False) -> dict[str, Any]:
        """Give how often a model or script has run, for how many microseconds, and how often it failed.

        Parameters
        ----------
        key
            Of the model or script.
        reset
            Whether to count from 0 again afterwards.
        """
        found = _ask(self.redis, requests.info(key))
        if reset:
            _ask(self.redis, requests.reset(key))
        return found

    def config(self, name: str, *values: Word) -> Any:
        """Give a setting of AI.CONFIG; with values, change it.

        Examples
        --------
        >>> client.config("MODEL_CHUNK_SIZE")  # doctest: +SKIP
        535822336
        """
        if values:
            return _ask(self.redis, requests.config_set(name, *values))
        return _ask(self.redis, requests.config_get(name))

    def dag(
        self,
        *,
        load: Sequence[Key] = (),
        persist: Sequence[Key] = (),
        routing: Key | None = None,
        timeout: float | None = None,
        readonly: bool = False,
    ) -> "Dag":
        """Begin a DAG command, which operations are put into and which then is executed or submitted.

        See `DagWords` for what the arguments mean and what can be put in.

        Examples
        --------
        >>> dag = client.dag().tensorset("~x~", image)  # doctest: +SKIP
        >>> dag.modelexecute("net", ["~x~"], ["~y~"]).tensorget("~y~")  # doctest: +SKIP
        >>> (scores,) = dag.execute()  # doctest: +SKIP
        """
        return Dag(load, persist, routing, timeout, readonly, redis=self.redis)


@dataclass(slots=True, eq=False)
class Dag(DagWords):
    """A DAG command of a client; its ``str()`` is what is sent.

    Attributes
    ----------
    redis
        Where it is sent.
    """

    redis: Commands = field(kw_only=True, repr=False)

    def execute(self) -> list[NDArray[Any]]:
        """Send it, and give the array of each `tensorget`, in their order.

        Raises
        ------
        redis.ResponseError
            If the command is wrong; or of the first operation that failed, which a note names. Then
            nothing is stored.
        TimeoutError
            If it waited for longer than its timeout; nothing is stored.
        """
        return _ask(self.redis, self._request())

    def submit(self, *, keep: float | None = None) -> "Run":
        """Send it as a run in the background, which does not need this client any more.

        Parameters
        ----------
        keep
            Seconds for which the server remembers the run once it has ended; None is a minute.

        Raises
        ------
        redis.ResponseError
            If the command is wrong; nothing runs then.
        """
        return Run(_ask(self.redis, self._submission(keep)), self)


class Run:
    """A DAG that runs in the background.

    Attributes
    ----------
    id
        By which the server knows it; sorts by age.
    """

    def __init__(self, number: str, dag: Dag) -> None:
        self.id = number
        self._dag = dag

    def status(self) -> RunStatus:
        """Ask how far it is.

        Raises
        ------
        redis.ResponseError
            If the server does not remember it.
        """
        return RunStatus.of(_send(self._dag.redis, "AI.DAGSTATUS", self.id, "NOREPLIES"))

    def result(self, timeout: float | None = None) -> list[NDArray[Any]]:
        """Wait for its end, and give what `Dag.execute` gives.

        Parameters
        ----------
        timeout
            Seconds to wait; None is for ever.

        Raises
        ------
        TimeoutError
            If it has not ended by then, and goes on; or if it waited for longer than its own timeout.
        TaskCancelledError
            If it was cancelled.
        redis.ResponseError
            Of the first operation that failed; or if the server does not remember the run.
        """
        redis = self._dag.redis
        waiting = Waiting(self.id, redis, timeout)
        while (replies := waiting.hear(_send(redis, *waiting.question()))) is None:
            pass
        return self._dag._read(replies)

    def cancel(self) -> bool:
        """Stop it: no further operation starts, and nothing is stored.

        Returns
        -------
        bool
            Whether it had not ended yet.

        Raises
        ------
        redis.ResponseError
            If the server does not remember it.
        """
        return bool(_send(self._dag.redis, "AI.DAGCANCEL", self.id))

    def __repr__(self) -> str:
        return f"<Run {self.id}>"


def _ask(redis: Commands, request: Request[_T]) -> _T:
    return request.read(_send(redis, *request.words))


def _send(redis: Commands, *words: Word) -> Any:
    return redis.execute_command(*words)
