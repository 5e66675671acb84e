"""The first face: `remote`, `get`, `put`, `wait`, in the words that Ray gave them.

Actors are in `_actors`, graphs of both in `_graphs`. Written once over `Engine`, so that every engine
behaves the same here.
"""

import inspect
import logging
from collections.abc import Callable, Hashable, Mapping
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any, Final, Generic, NoReturn, ParamSpec, TypeVar, overload

from ..errors import FutureError
from ..graph import Node
from . import _session
from ._actors import ActorClass
from ._engine import Waitable
from ._nodes import check_single
from ._options import ActorOptions, TaskOptions, check_early, key_of, session_options
from ._refs import ObjectRef, returned
from ._remote import ActorType, Check, Function, returns
from ._streams import ObjectRefGenerator

__all__ = [
    "RemoteFunction",
    "available_resources",
    "cancel",
    "cluster_resources",
    "get",
    "init",
    "is_initialized",
    "nodes",
    "put",
    "remote",
    "shutdown",
    "timeline",
    "wait",
]

P = ParamSpec("P")
T = TypeVar("T")
W = TypeVar("W", bound=Waitable)


# --------------------------------------------------------------------------------------- the session


def init(
    address: str | None = None,
    *,
    engine: str | None = None,
    num_cpus: int | None = None,
    num_gpus: int | None = None,
    memory: float | None = None,
    resources: Mapping[str, float] | None = None,
    labels: Mapping[str, str] | None = None,
    runtime_env: Mapping[str, Any] | None = None,
    object_store_memory: int | None = None,
    namespace: str | None = None,
    log_to_driver: bool = True,
    logging_level: int | str | None = None,
    timeline: bool | None = None,
    ignore_reinit_error: bool = False,
) -> None:
    """Start or join an engine; any other call does it with the defaults.

    In the workers of the embedded engine, libraries that bring threads of their own (BLAS, OpenMP) use one,
    unless variables such as ``OMP_NUM_THREADS`` are set here.

    Parameters
    ----------
    address
        Of a running engine; None starts one.
    engine
        ``"embedded"`` (processes on this machine) or ``"ray"``.
    num_cpus
        Cores that tasks may hold together; all of the machine's by default.
    num_gpus
        GPUs that tasks may hold together; by default those that ``CUDA_VISIBLE_DEVICES`` names, or all that
        are found. A task sees those it holds, and none otherwise.
    memory
        Bytes that tasks may reserve together; by default what large values leave of the machine's memory.
    resources
        Further named amounts that tasks may ask for.
    labels
        Of this machine, for ``label_selector``; ``"ray.io/node-id"`` and the kind of its GPUs are added.
    runtime_env
        Of every task and actor, as of `TaskOptions`; the variables are set before Python starts.
    object_store_memory
        Bytes of shared memory for large values.
    namespace
        In which the names of actors are unique.
    log_to_driver
        Whether this process shows what tasks and actors write to their standard output and error, each line
        after the name of its task or class, as in ``(train pid=71) epoch 3``. With False it is lost.
    logging_level
        Of the logger ``"alula"``, here and in workers: a number, or a name such as ``"DEBUG"``. None leaves
        it as it is. On Ray it is that of Ray's own loggers too, which else tell errors alone.
    timeline
        Whether `timeline` is to know every task and its way, and not only which longer ones ran where; False
        by default. It halves the rate of the smallest tasks.
    ignore_reinit_error
        Whether a second call is fine, as long as it asks for the same.

    Raises
    ------
    RuntimeError
        If there is an engine already.
    SettingError
        If a setting cannot be used.
    TypeError, ValueError
        If anything else is of the wrong type, or out of range.
    ConnectionError
        If there is no engine at the address.
    """
    options = session_options(
        {
            "resources": resources,
            "memory": memory,
            "labels": labels,
            "runtime_env": runtime_env,
            "namespace": namespace,
            "log_to_driver": None if log_to_driver is True else log_to_driver,
            "logging_level": logging_level,
        }
    )
    given = {
        "address": address,
        "engine": engine,
        "num_cpus": num_cpus,
        "num_gpus": num_gpus,
        "object_store_memory": object_store_memory,
        "timeline": timeline,
    }
    _session.start(
        again=ignore_reinit_error,
        options=options,
        **{name: value for name, value in given.items() if value is not None},
    )
    if "logging_level" in options:
        logging.getLogger("alula").setLevel(options["logging_level"])


def shutdown() -> None:
    """End what `init` started; may be called again. References and handles become invalid."""
    _session.stop()


def is_initialized() -> bool:
    """Tell whether an engine is running."""
    return _session.current_or_none() is not None


def nodes() -> list[Mapping[str, Any]]:
    """Describe the machines: ``NodeID``, ``Alive``, ``Resources``, ``Labels``, its name and address."""
    return list(_session.current().cluster().nodes)


def cluster_resources() -> dict[str, float]:
    """Give all resources by name: ``"CPU"`` in cores, ``"GPU"`` if there are any, ``"memory"`` in bytes."""
    return dict(_session.current().cluster().total)


def available_resources() -> dict[str, float]:
    """Give the resources that nobody holds now."""
    return dict(_session.current().cluster().available)


def timeline(filename: str | PathLike[str] | None = None) -> list[dict[str, Any]] | None:
    """Tell what ran where and when, for https://ui.perfetto.dev or ``chrome://tracing``.

    Each process has a row with the tasks and calls that it ran lately, at most 10,000, if they took a
    millisecond or more. If `init` was given ``timeline=True``, the shorter ones are there as well, and
    the way of each task and call: waiting for inputs, queued, being sent or waiting for its turn, with an
    arrow from where it was submitted to where it ran. A process that was killed takes what it knew with it.

    Parameters
    ----------
    filename
        JSON file to write; None gives the events instead.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    events = _session.current().timeline()
    if filename is None:
        return events
    import json  # here, as in all that an engine loads: its start is short

    Path(filename).write_text(json.dumps(events), "utf-8")
    return None


# ------------------------------------------------------------------------------------------- values


def put(value: T) -> ObjectRef[T]:
    """Keep a copy of a value and give its reference.

    Large numpy arrays go into shared memory once and are read in place, read-only, by every task.

    Raises
    ------
    TypeError
        If the value is a reference, or cannot be pickled.
    """
    if isinstance(value, ObjectRef):
        raise TypeError("put() of an ObjectRef: it has a reference already; wrap it in a list to pass it on")
    return _session.current().put(value)


@overload
def get(refs: ObjectRef[T], *, timeout: float | None = None) -> T: ...
@overload
def get(refs: list[ObjectRef[T]], *, timeout: float | None = None) -> list[T]: ...
def get(refs: Any, *, timeout: float | None = None) -> Any:
    """Give the value of a reference, or of each of a list, waiting for them.

    Parameters
    ----------
    refs
        One reference, or a list; duplicates are allowed, and the order is kept.
    timeout
        Seconds; 0 only looks, None and negative numbers wait for ever.

    Raises
    ------
    TaskError
        If the task raised; also an instance of the class that it raised.
    GetTimeoutError
        If a value was not there in time.
    ValueError
        If given anything but references: the references of an `ObjectRefGenerator` are what `next` gives.
    TypeError
        If `timeout` is no number.
    """
    limit = None if timeout is None or _seconds(timeout) < 0 else timeout
    try:
        if isinstance(refs, ObjectRef):
            return refs.engine.get((refs,), limit)[0]
        _only_refs("get() takes an ObjectRef or", refs, ValueError)
        return _session.current().get(refs, limit) if refs else []
    except FutureError as error:  # what lies between here and where it was found helps nobody
        raise error.with_traceback(None) from error.__cause__


def wait(
    refs: list[W],
    *,
    num_returns: int = 1,
    timeout: float | None = None,
    fetch_local: bool = True,
) -> tuple[list[W], list[W]]:
    """Wait until some of the references have settled; failed ones count.

    Parameters
    ----------
    refs
        A list without duplicates. A stream in it counts as settled when its next reference is there, or
        its end.
    num_returns
        How many to wait for; at most so many are in the first list, even if more have settled.
    timeout
        Seconds; 0 only looks, None waits for ever.
    fetch_local
        Whether a value that lies on another machine has to be fetched to this one before it counts; with
        False it counts as soon as it exists. Of no effect on one machine.

    Returns
    -------
    tuple of two lists
        Those that have settled and the others, each in the order given.

    Raises
    ------
    TypeError
        If `refs` is not a list of references.
    ValueError
        For duplicates, a negative timeout, or a `num_returns` below 1 or above the length.
    """
    _only_refs("wait() takes", refs, TypeError, (ObjectRef, ObjectRefGenerator))
    if not refs:
        return [], []
    if len(set(refs)) != len(refs):
        raise ValueError("wait() takes each reference once")
    _check_count(num_returns, len(refs))
    if timeout is not None and _seconds(timeout) < 0:
        raise ValueError(f"timeout must be 0 or more, not {timeout}")
    return _session.current().wait(refs, num_returns, timeout, fetch_local)


def cancel(ref: Waitable, *, force: bool = False, recursive: bool = True) -> None:
    """Ask the task behind a reference to end; `get` on it then raises `TaskCancelledError`.

    A task that has not started never runs. A running one is interrupted with `KeyboardInterrupt`, or its
    process is killed if `force`. One that has finished keeps its value. Of a stream the task that yields
    is meant, also an actor's; what it has yielded stays, and the error comes after that.

    Raises
    ------
    TypeError
        If given anything but a reference or a stream.
    """
    if isinstance(ref, ObjectRefGenerator):
        ref = ref.completed()
    if not isinstance(ref, ObjectRef):
        raise TypeError(f"cancel() takes an ObjectRef, not {type(ref).__name__}")
    ref.engine.cancel(ref, force=force, recursive=recursive)


def _seconds(timeout: Any) -> float:
    if not isinstance(timeout, Real):
        raise TypeError(f"timeout must be a number of seconds, or None, not {timeout!r}")
    if timeout != timeout:
        raise ValueError("timeout must be a number of seconds, or None, not nan")
    return float(timeout)


def _check_count(num_returns: Any, most: int) -> None:
    if not isinstance(num_returns, Integral):
        raise TypeError(f"num_returns must be a whole number, not {num_returns!r}")
    if not 1 <= int(num_returns) <= most:
        raise ValueError(f"num_returns must be from 1 to {most}, not {num_returns}")


def _only_refs(takes: str, refs: Any, error: type[Exception], kind: Any = ObjectRef) -> None:
    if not isinstance(refs, list):
        raise error(f"{takes} a list of ObjectRefs, not {_kind(refs)}")
    for i, ref in enumerate(refs):
        if not isinstance(ref, kind):
            raise error(f"{takes} a list of ObjectRefs; item {i} is {_kind(ref)}")


def _kind(value: Any) -> str:
    if isinstance(value, ObjectRef):
        return "an ObjectRef on its own: put it in a list"
    if isinstance(value, ObjectRefGenerator):
        return "an ObjectRefGenerator: take its references, as in [get(ref) for ref in stream]"
    if isinstance(value, Node):
        return "a node of a graph: node.execute() gives a reference"
    return type(value).__name__


# -------------------------------------------------------------------------------------------- tasks


_VARIANTS: Final = 16  # of a function, that are kept with it


class RemoteFunction(Generic[P, T]):
    """A function that runs in a worker process: call it with ``.remote()``."""

    def __init__(self, function: Function) -> None:
        # Nothing here may ask for the function itself: in a worker that would unpickle it, and a
        # recursive one contains this very object.
        self._function = function
        self._check: Check | None = None  # of the function, once it is called
        self._variants: dict[Hashable, RemoteFunction[P, T]] = {}  # loops ask for the same again
        self.__name__: str = function.name.rpartition(".")[2]

    @property
    def function(self) -> Function:
        """The function and its options, as engines take it."""
        return self._function

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: the function runs elsewhere."""
        raise TypeError(f"{self.__name__} is a remote function: call {self.__name__}.remote(...) instead")

    def remote(self, *args: Any, **kwargs: Any) -> ObjectRef[T]:
        """Start the task; give its reference at once.

        Returns
        -------
        ObjectRef
            With ``num_returns=n`` a list of n references, and with 0 None; of a generator function an
            `ObjectRefGenerator`.

        Raises
        ------
        TypeError
            If the arguments do not fit the function, or cannot be pickled.
        """
        function = self._function
        check = self._check
        if check is None:
            check = self._check = function.check
        check(args, kwargs)
        refs = _session.current().submit(function, args, kwargs, function.options)
        ref: ObjectRef[T] = refs[0] if len(refs) == 1 else returned(refs)
        return ref

    def options(self, **options: Any) -> "RemoteFunction[P, T]":
        """Give the same function with some options replaced; see `TaskOptions`."""
        key = key_of(options)
        made = None if key is None else self._variants.get(key)
        if made is None:
            made = RemoteFunction(self._function.with_options(options))
            if key is not None and len(self._variants) < _VARIANTS:
                self._variants[key] = made
        return made

    def bind(self, *args: Any, **kwargs: Any) -> Node[T]:
        """Make a node of a graph: a call that has not happened yet.

        Raises
        ------
        TypeError
            If the arguments do not fit the function, or it gives a stream: a node has one value.
        ValueError
            If it has several values.
        """
        self._function.check(args, kwargs)
        check_single(self.__name__, self._function.options)
        return Node(self._function, args, kwargs, self._function.options.metadata)

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteFunction, (self._function,)

    def __repr__(self) -> str:
        return f"<remote function {self._function.name}>"


@overload
def remote(target: type, /) -> "ActorClass": ...  # type: ignore[overload-overlap]  # a class is a callable too
@overload
def remote(target: Callable[P, T], /) -> RemoteFunction[P, T]: ...
@overload
def remote(**options: Any) -> Callable[[Any], Any]: ...
def remote(*targets: Any, **options: Any) -> Any:
    """Make a function or a class remote: ``@remote``, ``@remote(num_cpus=2)`` or ``remote(f)``.

    Raises
    ------
    ValueError
        If an option is unknown or out of range.
    TypeError
        If an option is of the wrong type, or the target neither a function nor a class.
    """
    if not targets:
        if not options:
            raise TypeError("use @remote without parentheses, or with options")
        check_early(options)  # here, where the mistake stands, although only the target tells which kind
        return lambda target: _made(target, options)
    if options or len(targets) > 1:
        raise TypeError("use @remote on a function or class, or @remote(option=...) with keywords only")
    return _made(targets[0], {})


def _made(target: Any, options: Mapping[str, Any]) -> Any:
    made: Any
    if inspect.isclass(target):
        made = ActorClass(ActorType(target, ActorOptions().merged(options)))
    elif callable(target) and hasattr(target, "__qualname__"):
        made = RemoteFunction(Function(target, TaskOptions(num_returns=returns(target)).merged(options)))
        made.__wrapped__ = target
    else:
        raise TypeError(f"@remote takes a function or a class, not {type(target).__name__}")
    made.__doc__ = target.__doc__
    made.__module__ = target.__module__
    return made
