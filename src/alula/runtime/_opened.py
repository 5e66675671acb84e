"""Where a body stands: its task, the attempt that it is, the objects, and who it is for its own code."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final

from .._core._settings import Settings
from ..errors import (
    ResultExpiredError,
    TaskCancelledError,
    WorkflowCancellationError,
    WorkflowExecutionError,
    WorkflowNotFoundError,
    WorkflowOutputNotReady,
)
from ..graph import Name
from ..objects import FUNCTION, Catalog, Catalogs, Metadata, open_catalogs, tell
from ..store import Store
from ..workflow import read_output
from ._around import AROUND
from ._attempts import Attempt, Attempts, Ending
from ._cache import Cache, key_of
from ._chunks import call_in_chunks, in_chunks
from ._current import TaskContext, bound
from ._data import Kept, Previous, check_data
from ._experiments import Place, current_experiment
from ._inputs import Input, as_rows, as_target, read_input
from ._orders import Order
from ._progress import Reporter
from ._script_calls import call_script, function_of

__all__ = ["At", "Model", "catalogs_of", "opened"]


_KEPT: Final = 8  # models in a worker, the last that were asked
_LARGE: Final = 1 << 26  # bytes of a model that is read anew each time
_WARM: Final[OrderedDict[Hashable, Any]] = OrderedDict()


@dataclass(frozen=True, slots=True)
class Model:
    """A model, the metadata of the very version that was read, and what a function model may ask for."""

    estimator: Any
    metadata: Metadata
    offered: Callable[[], Mapping[str, Any]] = dict

    def call(self, action: str, X: Input, Y: Input, options: Mapping[str, Any]) -> Any:
        """Call a method; if the estimator has none of that name, that is its own `AttributeError`."""
        if self.metadata.kind == FUNCTION:
            return self._call_function(action, X, Y, options)
        if in_chunks(X.value) or in_chunks(Y.value):
            return call_in_chunks(self.estimator, action, X.value, Y.value, options)
        method = getattr(self.estimator, action)
        target = () if Y.value is None else (as_target(Y.value),)
        return method(as_rows(X.value, self.estimator), *target, **options)

    def _call_function(self, action: str, X: Input, Y: Input, options: Mapping[str, Any]) -> Any:
        """Call a function or class that stands for a model, which is told by `method` what is wanted."""
        data = X.value if Y.value is None else (X.value, Y.value)
        entry = function_of(self.estimator, self.metadata.name, action)
        facts: dict[str, Any] = {"method": action, "meta": self.metadata, "offered": self.offered()}
        return call_script(entry, (data,), options, **facts)


@dataclass(frozen=True, slots=True)
class At:
    """Where a body stands.

    Attributes
    ----------
    order
        What it was told.
    attempt
        That it is.
    catalogs
        The objects.
    context
        The task, as its own code sees it.
    """

    order: Order
    attempt: Attempt
    catalogs: Catalogs
    context: TaskContext

    def model(self) -> Model:
        """Read the model of the order; `NameNotFoundError` if it is gone."""
        metadata = self.catalogs.models.resolve(self.order.name)
        # By its number: another version may have come since.
        loaded = self.catalogs.models.load(metadata.name, version=metadata.version)
        return Model(loaded, metadata, self.offered)

    def warm_model(self) -> Model:
        """Read the model of a task that only asks it, unless an earlier task here has."""
        models = self.catalogs.models
        metadata = models.resolve(self.order.name)
        key = (self.order.settings, metadata.name, metadata.created, metadata.version)
        if key in _WARM:
            tell("read", metadata)
            _WARM.move_to_end(key)
        elif metadata.size > _LARGE:
            return self.model()
        else:
            _WARM[key] = models.load(metadata.name, version=metadata.version)
        if len(_WARM) > _KEPT:
            _WARM.popitem(last=False)
        return Model(_WARM[key], metadata, self.offered)

    def read(self, data: Any, model: Model, linked: str) -> Input:
        """Read data; ``"*"`` is what the model's attributes have under `linked`."""
        if isinstance(data, Previous):
            data = self._forwarded()
        known = model.metadata.attributes.get("dataset", {})
        return read_input(data, self.catalogs.datasets, known.get(linked))

    def cached(self, compute: Callable[[], Any], *parts: Any) -> Any:
        """Compute a value, unless its task may do with what another one has computed from the same parts."""
        if not self.order.cached:
            return compute()
        key = key_of(self.order.action, self.order.kwargs, *parts)
        store = self.catalogs.store
        return Cache(store).take(key, self.order.task, partial(_read, store, self.order.settings), compute)

    def offered(self) -> dict[str, Any]:
        """Give what a script gets if it names it: nothing is read that it does not."""
        place = Place(self.catalogs, str(self.order.settings.home), lambda: self.order.task)
        found: dict[str, Any] = {"om": self.context.instance, "tracking": current_experiment(place)}
        if self.order.previous is not None:
            found["previous"] = self.context.previous
        if self.order.results is not None:
            found["results"] = self.context.results
        return found

    def _forwarded(self) -> Any:
        """Give as data what the task before has given: values, or the dataset that it has made.

        Raises
        ------
        TypeError
            If it is neither.
        """
        several = self.order.results is not None
        data = self.context.results if several else self.context.previous
        if isinstance(data, Metadata):
            if data.prefix != self.catalogs.datasets.prefix:
                raise TypeError(f"the task before gave {data}, which is no dataset: give this one its data")
            return data
        check_data(data)
        return data

    def made(self, catalog: Catalog, name: str) -> Metadata | None:
        """Give the version that an earlier attempt has stored, if it got so far."""
        if self.attempt.number == 1 or not catalog.exists(name):
            return None
        # The first: later versions that were put by hand may have inherited the attribute.
        versions = catalog.versions(name)
        found = next((v for v in versions if v.attributes.get("task_id") == self.order.task), None)
        if found is not None:
            self.context.notes["made"] = found
        return found


@contextmanager
def opened(order: Order, *data: Any, soon: bool = False) -> Iterator[At]:
    """Give a body where it stands, and note while inside that this process runs it.

    Parameters
    ----------
    data
        What stands beside the order, to be shown as the first arguments of the task.
    soon
        Whether the body stores nothing, so that one which ends within a moment need not be said to run.
    """
    catalogs = catalogs_of(order.settings)
    report = Reporter(catalogs.store, order.task)
    last: list[Ending] = []
    with Attempts(catalogs.store).running(order.task, last, soon=soon) as attempt, ExitStack() as around:
        context = TaskContext(
            attempt=attempt.number,
            executor=attempt.executor,
            args=(*map(_shown, data), *order.args),
            kwargs=order.kwargs,
            order=order,
            objects=catalogs,
            _last=last,
            _read=partial(_read, catalogs.store, order.settings),
            _report=report,
        )
        around.enter_context(bound(context))
        around.callback(report.flush)
        for entry in AROUND:
            around.enter_context(entry(context))
        yield At(order, attempt, catalogs, context)


def _read(store: Store, settings: Settings, task: str) -> Any:
    """Read what another task gave, its error if it has failed; `ResultExpiredError` if it was forgotten.

    Who is told to read it may be told so a moment before this process can see that it has ended.
    """
    try:
        return read_output(store, settings, task, waits=True)
    except WorkflowExecutionError as error:
        return error.__cause__
    except WorkflowCancellationError:
        return TaskCancelledError(task)
    except (WorkflowNotFoundError, WorkflowOutputNotReady) as error:
        raise ResultExpiredError(task) from error


def _shown(data: Any) -> Any:
    return data.name if isinstance(data, (Name, Kept)) else data


@lru_cache(maxsize=8)
def catalogs_of(settings: Settings) -> Catalogs:
    """Open the catalogs once in the life of a worker."""
    return open_catalogs(settings)
