"""Instances: datasets, models and a runtime, on one store and in one bucket; one of them is the default."""

from functools import cached_property, lru_cache
from threading import RLock
from types import TracebackType
from typing import Any, Final, Self

from .._core._settings import Settings
from ..futures import init
from ..objects import Catalog, Datasets, Deployments, Models
from ..store import Store
from ..workflow import default_executor
from ._current import current_task
from ._health import Health, examine
from ._lineage import note_for
from ._logging import Logger, LogStore
from ._notebooks import Notebooks
from ._runtime import Runtime
from ._site import Site
from ._task_id import task_id, task_of_kernel
from ._tasks import Tasks

__all__ = ["Instance", "bucket", "close_default", "default", "health", "instance_of", "setup"]

_ENGINE: Final = ("engine", "address", "num_cpus", "object_store_memory")


class Instance:
    """What `alula` gives as ``datasets``, ``models`` and ``runtime``, for settings or a bucket of one's own.

    Attributes
    ----------
    bucket
        The name space.
    """

    def __init__(self, site: Site, tasks: Tasks, bucket: str) -> None:
        self.bucket = bucket
        self._site, self._tasks = site, tasks

    @property
    def datasets(self) -> Datasets:
        """The datasets."""
        return self._site.catalogs(self.bucket).datasets

    @property
    def models(self) -> Models:
        """The models."""
        return self._site.catalogs(self.bucket).models

    @property
    def deployments(self) -> Deployments:
        """The models that tensor servers on this store load, of all buckets."""
        return self._site.catalogs(self.bucket).deployments

    @property
    def scripts(self) -> Catalog:
        """The scripts: functions and packages."""
        return self._site.catalogs(self.bucket).scripts

    @cached_property
    def jobs(self) -> Notebooks:
        """The notebooks."""
        jobs = self._site.catalogs(self.bucket).jobs
        return Notebooks(jobs, self._tasks.settings(self.bucket), lambda name: self.runtime.job(name))

    @property
    def runtime(self) -> Runtime:
        """The runtime, with nothing required yet."""
        return Runtime(self._site, self._site.catalogs(self.bucket), self._tasks)

    @cached_property
    def logger(self) -> Logger:
        """Writes to the log of the bucket, as ``alula.logger``."""
        return Logger(LogStore(self._site.store, self.bucket), task_id)

    @property
    def store(self) -> Store:
        """The store on which all of it stands."""
        return self._site.store

    def status(self) -> Health:
        """Look whether what the runtime stands on answers: store, artifacts, executors, queue."""
        return examine(self._tasks.settings(self.bucket), lambda: self.runtime.queues())

    def __getitem__(self, bucket: str | None) -> "Instance":
        """Give the same store in another name space; None or ``"default"`` is that of the settings."""
        name = self._site.settings.bucket if bucket in (None, "default") else bucket
        assert name is not None
        return Instance(self._site, self._tasks, name)

    def close(self) -> None:
        """Close the store, for all buckets; what this instance has not finished returns to the queue."""
        self._site.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<alula {self.bucket} in {self._site.settings.home}>"


_default: Instance | None = None
_lock = RLock()


def default() -> Instance:
    """Give the instance of the task whose code asks, else that of this process, made from the settings.

    Raises
    ------
    SettingError
        If a setting cannot be used.
    """
    global _default
    if (task := current_task()) is not None:
        return task.instance
    with _lock:
        if _default is None:
            _default = _made(Site(Settings.load(), default_executor))
            if (notebook := task_of_kernel()) is not None:
                note_for(notebook, _default.store)
        return _default


def close_default() -> None:
    """Close the instance of this process; the next use makes another, from the settings of then."""
    global _default
    with _lock:
        instance, _default = _default, None
    if instance is not None:
        instance.close()


def setup(**settings: Any) -> Instance:
    """Make an instance of its own, with a store and an executor of its own.

    Parameters
    ----------
    settings
        Any of `Settings`; what is not given comes from the environment, the files and the defaults.
        Those of the engine start the engine of this process, which all instances share.

    Raises
    ------
    SettingError
        If there is no such setting, or its value cannot be used.
    RuntimeError
        If this process has an engine with other settings.
    """
    loaded = Settings.load(**settings)
    given = {name: settings[name] for name in _ENGINE if settings.get(name) is not None}
    if given:
        init(**given, ignore_reinit_error=True)
    return _made(Site(loaded))


@lru_cache(maxsize=8)
def instance_of(settings: Settings) -> Instance:
    """Give the instance of some settings that the tasks of this process share."""
    return _made(Site(settings))


def health() -> Health:
    """Look whether what the default instance stands on answers; also ``alula.status``."""
    return default().status()


def bucket(name: str | None = None) -> Instance:
    """Give the default instance in another name space; None is that of the settings."""
    return default()[name]


def _made(site: Site) -> Instance:
    return Instance(site, Tasks(site), site.settings.bucket)
