"""The same programs on a Ray cluster: an adapter, with no scheduling of its own.

`open_engine` starts Ray on this machine or joins a cluster. The adapter translates, and each translation
stands in one place: calls in `_engine`, references in `_refs`, errors in `_errors`, what runs inside
Ray's workers in `_worker`. A program outside of the cluster has an agent on it (`_client`, `_agent`). Ray is
the extra ``ray`` and is imported nowhere else.

The workers of a cluster must be able to import Alula: it is installed on each machine, or travels with the
program, by ``init(runtime_env={"py_modules": [alula]})``.

Both engines pass one suite. Where Ray gives less, and people may notice:

- `cancel` interrupts a task between two lines of Python; a call that stays in the system, such as
  `time.sleep`, ends first.
- A stream yields references of tasks that have ended: Ray may free the result of one that still runs before
  anybody has it, and `get` then raises `ReferenceCountingAssertionError`.
- A call that was cancelled while it waited for its turn in an actor that runs one at a time gives
  `TaskCancelledError`, and runs all the same.
- `kill` is on its way when it returns: a call of an idle actor may still be answered.
- An actor whose ``__init__`` raised tells so in the text of its errors, which have no ``__cause__`` of the
  user's.
- A program that joins by ``ray://`` waits for an answer with each call, also with ``.remote()``, and two
  `get` of one value are two copies; see `_client`.
- The name of a dead actor's type stays in Ray's own table until the cluster ends: some kilobytes each.
"""

import logging
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..._core._settings import Settings
from ...errors import MissingExtraError, SettingError

try:
    import ray
    from ray.util import client
except ImportError as error:
    raise MissingExtraError("ray", "ray", "the engine 'ray'") from error

from .._engine import Engine
from ._client import ClientEngine, check_client
from ._engine import RayEngine
from ._worker import with_level

__all__ = ["open_engine"]

_CLIENT = "ray://"

# What is said where Ray's server for clients could not begin the process that is this client's alone. It
# forks amid threads, on a port that was free a moment before: now and then that fails, and not again.
_NOT_BEGUN = ("Starting Ray client server failed", "Proxy failed to Connect to backend", "psutil.")
_TRIES = 3


def open_engine(
    settings: Settings,
    *,
    resources: Mapping[str, float] | None = None,
    memory: float | None = None,
    labels: Mapping[str, str] | None = None,
    runtime_env: Mapping[str, Any] | None = None,
    namespace: str | None = None,
    log_to_driver: bool = True,
    logging_level: int | None = None,
) -> Engine:
    """Start Ray on this machine, or join it where it runs.

    Parameters
    ----------
    settings
        `address` None or ``"local"`` starts a Ray of this process's own, ended by `Engine.close`;
        ``"auto"`` and ``"host:port"`` join a cluster, which stays up, from one of its machines, and
        ``"ray://host:port"`` from anywhere. `num_cpus`, `num_gpus` and `object_store_memory` are for a Ray
        that is started.
    resources, memory, labels
        Further amounts by name, bytes that tasks may reserve, and labels of this machine: likewise.
    runtime_env
        Of all tasks and actors of this program, anything of Ray's.
    namespace
        Of the names of actors; None is one that nobody else has.
    log_to_driver
        Whether this process shows what workers write.
    logging_level
        Of the logger ``"alula"`` in workers, and of Ray's own loggers; these tell errors alone by default.

    Returns
    -------
    Engine
        If this process runs Ray already, the engine uses that and leaves it running when closed.

    Raises
    ------
    SettingError
        If a setting cannot be honoured: amounts for a Ray that runs already, or an address of no use.
    ConnectionError
        If there is no cluster at the address, or it refuses.
    MissingExtraError
        If Ray's client cannot run here.
    """
    env = dict(runtime_env) if runtime_env else None
    if logging_level is not None:
        env = with_level(env or {}, logging_level)
    # Workers' output reaches this terminal as usual; Ray's banners, which are warnings, do not.
    level = logging.ERROR if logging_level is None else logging_level
    options = {
        "namespace": namespace,
        "log_to_driver": log_to_driver,
        "runtime_env": env,
        "logging_level": level,
    }
    given = {
        "num_cpus": settings.num_cpus,
        "num_gpus": settings.num_gpus,
        "resources": dict(resources) if resources else None,
        "_memory": None if memory is None else int(memory),
        "labels": dict(labels) if labels else None,
        "object_store_memory": settings.object_store_memory,
    }
    if ray.is_initialized():
        wanted = {
            **given,
            "address": settings.address,
            "log_to_driver": None if log_to_driver else False,
            "logging_level": logging_level,
            "runtime_env": env,
        }
        if namespace != ray.get_runtime_context().namespace:
            wanted["namespace"] = namespace
        _refuse(wanted, "Ray runs in this process already")
        return _joined(started=False)
    if settings.address in (None, "local"):
        _start(address="local", include_dashboard=False, **options, **given)
    else:
        _refuse(given, "the cluster that is joined has its own")
        _join(str(settings.address), options)
    return _joined(started=True)


def _joined(*, started: bool) -> Engine:
    if not client.ray.is_connected():
        return RayEngine(started=started)
    engine = ClientEngine(started=started)
    engine.meet()
    return engine


def _refuse(given: Mapping[str, Any], why: str) -> None:
    for name, value in given.items():
        if value is not None:
            raise SettingError(name.lstrip("_"), value, why)


def _join(address: str, options: Mapping[str, Any]) -> None:
    if address != "auto":
        _knock(address)
    for left in reversed(range(_TRIES)):
        try:
            return _start(address=address, **options)
        except (ConnectionError, RuntimeError) as error:  # Ray raises either, depending on what is missing
            if left and any(said in str(error) for said in _NOT_BEGUN):
                continue
            *_, why = f"{error}\n{error.__cause__ or ''}".strip().splitlines()
            raise ConnectionError(f"no Ray cluster can be joined at {address!r}: {why.strip()}") from error


def _knock(address: str) -> None:
    """See that somebody listens: Ray itself would try for more than five minutes."""
    if address.startswith(_CLIENT):
        check_client()
    host, _, port = address.removeprefix(_CLIENT).rpartition(":")
    if "//" in host or not host or not port.isdigit():
        why = (
            "it must be 'auto' or 'host:port' of the head, in a program that runs on a machine of the "
            "cluster, or 'ray://host:port' of its server for clients"
        )
        raise SettingError("address", address, why)
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(f"nobody listens at {address!r}: {error}") from error


def _start(**options: Any) -> None:
    with _without_telemetry():
        try:
            ray.init(**options)
        except BaseException:  # half of Ray may be up
            ray.shutdown()
            raise


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Ray asks this variable when it starts its processes, and they inherit it."""
    name = "RAY_USAGE_STATS_ENABLED"
    before = os.environ.get(name)
    os.environ[name] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
