"""Stored models, and what a backend has to give for them."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, Protocol, TypeAlias

from ._counts import Counts
from ._resident import Value
from ._tensors import Tensor

__all__ = ["Backend", "Model", "Pace", "Session", "Stop"]


class Stop:
    """Says to a run, once and for all, that nobody wants its outputs any more; used from any thread."""

    __slots__ = ("_asked", "_lock", "_then")

    def __init__(self) -> None:
        self._asked = False
        self._then: Callable[[], None] = _nothing
        self._lock = Lock()

    @property
    def asked(self) -> bool:
        """Whether the run should end."""
        return self._asked

    def ask(self) -> None:
        """Ask the run to end; what it has told to `watch` is called."""
        with self._lock:
            self._asked = True
            self._then()

    def watch(self, then: Callable[[], None]) -> None:
        """Call `then` when the run should end, at once if it should already; for one run at a time.

        It may be called again, and must not block or raise.
        """
        with self._lock:
            self._then = then
            if self._asked:
                then()


def _nothing() -> None:
    pass


class Session(Protocol):
    """A loaded model, ready to run; the runs of one session may overlap.

    A session whose outputs may stay on a device also has an attribute ``home``: anything hashable that
    says which backend and which memory. What its runs give may then be `Resident` there, and what they
    take may be a `Resident` whose home is equal.
    """

    @property
    def steady(self) -> bool:
        """Whether the time of a run depends on the shapes of its inputs alone, not on what is in them."""
        ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in their order."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs, in their order."""
        ...

    def run(self, inputs: Sequence[Tensor], stop: Stop | None = None) -> tuple[Value, ...]:
        """Compute the outputs; called from any thread, and lets other threads go on meanwhile.

        Parameters
        ----------
        inputs
            One for each of `inputs`; or, if the session says that it has a `home`, a `Resident` of that
            home in place of any of them.
        stop
            Asked when nobody wants the outputs any more. Who can end early then does, by raising whatever
            it likes; who cannot need not look. None for a run that is known to be quick, as past ones were.

        Raises
        ------
        CommandError
            If the inputs do not fit or the model fails, in the backend's own words on one line.
        """
        ...


class Backend(Protocol):
    """What loads and runs the models of one framework."""

    def open(self) -> None:
        """Import the framework, unless that has been done; from any thread.

        Raises
        ------
        MissingExtraError
            If it is not installed.
        """
        ...

    def facts(self) -> Mapping[str, str]:
        """Give what INFO says of the framework: nothing before it was imported."""
        ...

    def load(self, blob: bytes, device: str) -> Session:
        """Make a model ready on a device; called from any thread but the server's own.

        Parameters
        ----------
        blob
            The model's file.
        device
            Such as ``CPU`` or ``GPU:1``, upper case.

        Raises
        ------
        CommandError
            If the blob cannot be loaded, in the backend's own words.
        MissingExtraError
            If the framework is not installed.
        """
        ...


HOP: Final = 60e-6
"""Seconds that it takes to hand work to another thread and to hear of its end."""

_LONG: Final = 20e-3
"""Seconds that no quick run takes, even where the machine gives another thread a turn meanwhile."""

_RUNS: Final = 4
"""How many runs on the server's own thread are remembered."""

_AWAY: Final = 1024
"""Runs on other threads after which another try is made at the latest."""

_SHAPES: Final = 16
"""Different shapes of inputs of which is remembered how fast a model was."""

_Shapes: TypeAlias = tuple[tuple[int, ...], ...]


class Pace:
    """Whether a model is so fast that handing it to another thread would take longer than running it.

    What counts is how long runs on the server's own thread take, on inputs of the same shapes: the fastest of
    the last ones, since a busy machine may hold up any of them. Of a run on another thread only the
    processor's time is known, for it waits for its turn at the interpreter as well; if that is little, the
    next run is tried here, and if that was in vain, because the model waits for something else, the next try
    comes four times as late. So a model that is slow, or now and then, does not hold up the server for long.
    Asked and told on the server's thread.

    Parameters
    ----------
    steady
        Whether past runs say anything about the next one; if not, none is expected to be fast.
    """

    __slots__ = ("_asked", "_by_shapes", "_steady")

    def __init__(self, *, steady: bool = True) -> None:
        self._steady = steady
        self._by_shapes: dict[_Shapes, _Runs] = {}
        self._asked: _Runs | None = None

    def quick(self, inputs: Sequence[Value]) -> bool:
        """Tell whether a run on these inputs is expected to take less than `HOP`."""
        self._asked = runs = self._by_shapes.get(tuple([tensor.shape for tensor in inputs]))
        return runs is not None and runs.quick

    def note(self, seconds: float) -> None:
        """Take down how long the run took that was asked for last, on the server's own thread."""
        if self._asked is not None:
            self._asked.note(seconds)

    def note_elsewhere(self, inputs: Sequence[Value], processor: float) -> None:
        """Take down how much of the processor's time a run on another thread took, in seconds."""
        if not self._steady:
            return
        shapes = tuple([tensor.shape for tensor in inputs])
        runs = self._by_shapes.get(shapes)
        if runs is None:
            if len(self._by_shapes) == _SHAPES:
                self._by_shapes.clear()  # simpler than to find the oldest, and what is in use comes back
            runs = self._by_shapes[shapes] = _Runs()
        runs.note_elsewhere(processor)


class _Runs:
    """Runs of one model on inputs of the same shapes."""

    __slots__ = ("_last", "_left", "_pause", "quick")

    def __init__(self) -> None:
        self.quick = False  # or to be tried as if it were
        self._last: deque[float] = deque(maxlen=_RUNS)
        self._pause = 1  # runs elsewhere before the next try
        self._left = 2  # of those; the first run of its kind warms up, and tells nothing

    def note(self, seconds: float) -> None:
        self._last.append(seconds)
        if seconds > _LONG:
            self._leave(max(self._pause, _AWAY // 32))
        elif min(self._last) < HOP:
            self._pause = 1
        elif len(self._last) in (1, _RUNS):  # the first try, or all that are remembered
            self._leave(self._pause)

    def note_elsewhere(self, processor: float) -> None:
        self._left -= 1
        self.quick = self._left <= 0 and processor < HOP

    def _leave(self, pause: int) -> None:
        self._last.clear()
        self.quick, self._left, self._pause = False, pause, min(4 * pause, _AWAY)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """A model under a key, as AI.MODELSTORE gave it, and loaded.

    Attributes
    ----------
    backend
        ``ONNX``, upper case.
    device
        As the client wrote it; every device that differs in upper case has its own queue.
    tag
        Any bytes of the client's, a version for instance; empty if there was none.
    batchsize
        Requests are put together up to so many rows; 0 is not at all.
    minbatchsize
        Fewer rows wait for more; 0 is for nothing.
    minbatchtimeout
        Milliseconds after which they wait no longer; 0 is for ever.
    blob
        The model's file, byte for byte.
    session
        What the backend made of it.
    pace
        How fast it was until now.
    counts
        What AI.INFO says of it.
    """

    backend: str
    device: bytes
    tag: bytes = b""
    batchsize: int = 0
    minbatchsize: int = 0
    minbatchtimeout: int = 0
    blob: bytes
    session: Session
    pace: Pace = field(default_factory=Pace)
    counts: Counts = field(default_factory=Counts)

    @property
    def queue(self) -> str:
        """The device by which it runs, upper case."""
        return self.device.decode(errors="replace").upper()
