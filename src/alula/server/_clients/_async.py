"""A client of a tensor server, for coroutines: `Client`, with ``await`` in front of what asks the server."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from numpy.typing import ArrayLike, NDArray

from . import _requests as requests
from ._arrays import Word
from ._connect import AsyncCommands, checked, connect_async
from ._dags import DagWords, RunStatus
from ._requests import Key, Request
from ._waiting import Waiting

__all__ = ["AsyncClient", "AsyncDag", "AsyncRun"]

_T = TypeVar("_T")


class AsyncClient:
    """Speaks to a tensor server in arrays, through redis.asyncio; for one event loop.

    Errors of the server are redis-py's `ResponseError`, with the server's text.

    Parameters
    ----------
    server
        The address, ``redis://user:password@host:port``; or a client of redis.asyncio, which the caller
        closes and which must not decode replies.

    Attributes
    ----------
    redis
        The client of redis.asyncio, for all other commands.

    Raises
    ------
    MissingExtraError
        If redis-py is not installed.
    ValueError
        If `server` is no address, or a client that decodes replies.

    Examples
    --------
    >>> async with AsyncClient("redis://localhost:6379") as client:  # doctest: +SKIP
    ...     await client.tensorset("x", np.ones((1, 4), "f4"))
    ...     await client.modelexecute("net", ["x"], ["y"])
    ...     print(await client.tensorget("y"))
    """

    def __init__(self, server: str | AsyncCommands = "redis://127.0.0.1:6379") -> None:
        self._own = isinstance(server, str)
        self.redis: AsyncCommands = connect_async(server) if isinstance(server, str) else checked(server)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """As `Client.close`."""
        if self._own:
            await self.redis.aclose()

    # ------------------------------------------------------------------------------------ tensors

    async def tensorset(self, key: Key, value: ArrayLike) -> None:
        """As `Client.tensorset`."""
        await _ask(self.redis, requests.tensorset(key, value))

    async def tensorget(self, key: Key) -> NDArray[Any]:
        """As `Client.tensorget`."""
        return await _ask(self.redis, requests.tensorget(key))

    # ------------------------------------------------------------------------- models and scripts

    async def modelstore(
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
        """As `Client.modelstore`."""
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
        await _ask(self.redis, request)

    async def modelget(self, key: Key) -> dict[str, Any]:
        """As `Client.modelget`."""
        return await _ask(self.redis, requests.modelget(key))

    async def modelexecute(
        self,
        key: Key,
        inputs: Sequence[Key],
        outputs: Sequence[Key],
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # the server keeps it
    ) -> None:
        """As `Client.modelexecute`."""
        await _ask(self.redis, requests.modelexecute(key, inputs, outputs, timeout))

    async def models(self) -> dict[str, str]:
        """As `Client.models`."""
        return await _ask(self.redis, requests.scan("AI._MODELSCAN"))

    async def scriptstore(
        self, key: Key, device: str, source: str, *, entry_points: Sequence[str], tag: Key = ""
    ) -> None:
        """As `Client.scriptstore`."""
        await _ask(self.redis, requests.scriptstore(key, device, source, entry_points, tag))

    async def scriptget(self, key: Key) -> dict[str, Any]:
        """As `Client.scriptget`."""
        return await _ask(self.redis, requests.scriptget(key))

    async def scriptexecute(
        self,
        key: Key,
        function: str,
        inputs: Sequence[Key] = (),
        outputs: Sequence[Key] = (),
        *,
        keys: Sequence[Key] = (),
        args: Sequence[Word] = (),
        timeout: float | None = None,  # noqa: ASYNC109  # the server keeps it
    ) -> None:
        """As `Client.scriptexecute`."""
        request = requests.scriptexecute(key, function, inputs, outputs, keys, args, timeout)
        await _ask(self.redis, request)

    async def scripts(self) -> dict[str, str]:
        """As `Client.scripts`."""
        return await _ask(self.redis, requests.scan("AI._SCRIPTSCAN"))

    async def delete(self, key: Key) -> None:
        """As `Client.delete`."""
        await _ask(self.redis, requests.delete("DEL", key))

    # ------------------------------------------------------------------------------- the server

    async def info(self, key: Key, *, reset: bool = False) -> dict[str, Any]:
        """As `Client.info`."""
        found = await _ask(self.redis, requests.info(key))
        if reset:
            await _ask(self.redis, requests.reset(key))
        return found

    async def config(self, name: str, *values: Word) -> Any:
        """As `Client.config`."""
        if values:
            return await _ask(self.redis, requests.config_set(name, *values))
        return await _ask(self.redis, requests.config_get(name))

    def dag(
        self,
        *,
        load: Sequence[Key] = (),
        persist: Sequence[Key] = (),
        routing: Key | None = None,
        timeout: float | None = None,
        readonly: bool = False,
    ) -> "AsyncDag":
        """As `Client.dag`."""
        return AsyncDag(load, persist, routing, timeout, readonly, redis=self.redis)


@dataclass(slots=True, eq=False)
class AsyncDag(DagWords):
    """A DAG command of a client; its ``str()`` is what is sent.

    Attributes
    ----------
    redis
        Where it is sent.
    """

    redis: AsyncCommands = field(kw_only=True, repr=False)

    async def execute(self) -> list[NDArray[Any]]:
        """As `Dag.execute`."""
        return await _ask(self.redis, self._request())

    async def submit(self, *, keep: float | None = None) -> "AsyncRun":
        """As `Dag.submit`."""
        return AsyncRun(await _ask(self.redis, self._submission(keep)), self)


class AsyncRun:
    """A DAG that runs in the background.

    Attributes
    ----------
    id
        By which the server knows it; sorts by age.
    """

    def __init__(self, number: str, dag: AsyncDag) -> None:
        self.id = number
        self._dag = dag

    async def status(self) -> RunStatus:
        """As `Run.status`."""
        return RunStatus.of(await _send(self._dag.redis, "AI.DAGSTATUS", self.id, "NOREPLIES"))

    async def result(
        self,
        timeout: float | None = None,  # noqa: ASYNC109  # the server keeps it
    ) -> list[NDArray[Any]]:
        """As `Run.result`."""
        redis = self._dag.redis
        waiting = Waiting(self.id, redis, timeout)
        while (replies := waiting.hear(await _send(redis, *waiting.question()))) is None:
            pass
        return self._dag._read(replies)

    async def cancel(self) -> bool:
        """As `Run.cancel`."""
        return bool(await _send(self._dag.redis, "AI.DAGCANCEL", self.id))

    def __repr__(self) -> str:
        return f"<AsyncRun {self.id}>"


async def _ask(redis: AsyncCommands, request: Request[_T]) -> _T:
    return request.read(await _send(redis, *request.words))


async def _send(redis: AsyncCommands, *words: Word) -> Any:
    return await redis.execute_command(*words)
