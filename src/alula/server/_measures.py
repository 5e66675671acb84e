"""Numbers of the server as Prometheus reads them: of each model, and of the whole.

They are counted in plain lists, for an operation must not wait for a lock; what Prometheus wants to
see is made of them when it asks.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Final

from ..errors import MissingExtraError
from ._resp import Reply
from ._stats import Kind

__all__ = ["Measures", "render"]

_SECONDS: Final = tuple([round(step * 10.0**power, 7) for power in range(-5, 1) for step in (1, 2.5, 5)])
_ROWS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
_MOST: Final = 1000
_OTHERS: Final = ("(others)", "MODEL")


class _Histogram:
    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def pairs(self) -> Iterator[tuple[bytes, int]]:
        for bound, count in zip([*map(str, self.bounds), "inf"], self.counts, strict=True):
            if count:
                yield bound.encode(), count

    def buckets(self) -> list[tuple[str, float]]:
        names = [*map(str, self.bounds), "+Inf"]
        return list(zip(names, map(float, accumulate(list(self.counts))), strict=True))


class _Model:
    __slots__ = ("batch", "calls", "errors", "queue", "run")

    def __init__(self) -> None:
        self.calls = self.errors = 0
        self.queue, self.run, self.batch = _Histogram(_SECONDS), _Histogram(_SECONDS), _Histogram(_ROWS)


class Measures:
    """Counts what the devices tell; a listener of `Stats`.

    The most active 1,000 keys are not sought out: the first 1,000 are told apart, all others counted as one.

    Attributes
    ----------
    since
        When the counting began, UNIX time in seconds.
    """

    def __init__(self, since: float = 0.0) -> None:
        self.since = since
        self._models: dict[tuple[str, str], _Model] = {}

    def __call__(
        self, key: bytes, kind: Kind, queued: float, ran: float, samples: int, batch: int, failed: bool
    ) -> None:
        """Count an operation that has run."""
        name = (key.decode(errors="replace"), kind)
        model = self._models.get(name)
        if model is None:
            if len(self._models) >= _MOST:
                name = _OTHERS
            model = self._models.setdefault(name, _Model())
        model.calls += 1
        model.errors += failed
        model.queue.add(queued)
        model.run.add(ran)
        model.batch.add(batch)

    def items(self) -> list[tuple[tuple[str, str], Any]]:
        """Give what was counted, by key and kind; from any thread."""
        return list(self._models.items())

    def told(self, key: bytes, kind: Kind) -> list[Reply]:
        """Give what AI.INFO says of a key: each histogram behind its name, as pairs of a bound and a count.

        The last bound is ``inf``; a count is of that bin alone. Bins in which nothing fell are left away.
        """
        model = self._models.get((key.decode(errors="replace"), kind))
        fields: list[Reply] = [b"since", round(self.since)]
        for name in _HISTOGRAMS:
            pairs = [] if model is None else getattr(model, name).pairs()
            fields += [name.encode(), [each for pair in pairs for each in pair]]
        return fields


_GAUGES: Final = {
    "up": "1 while there is a server; 0 when it has crashed so often that it is not started again.",
    "connected_clients": "Clients that are connected now.",
    "keys": "Keys that there are.",
    "value_bytes": "Bytes that values hold.",
    "uptime_seconds": "Seconds since the start.",
}
_HISTOGRAMS: Final = {
    "queue": ("alula_model_queue_seconds", "Seconds from when inputs were there to when the run began."),
    "run": ("alula_model_run_seconds", "Seconds of the backend's call; of a batch, those of the whole."),
    "batch": ("alula_model_batch_size", "Operations that ran in the same call."),
}


def render(measures: Measures, gauges: dict[str, float], commands: int | None = None) -> bytes:
    """Write everything in the text form of Prometheus.

    Parameters
    ----------
    measures
        Of models and scripts.
    gauges
        Of the whole: ``up``, ``connected_clients``, ``keys``, ``value_bytes``, ``uptime_seconds``, as far as
        known.
    commands
        How many have been carried out; None if nobody knows.

    Raises
    ------
    MissingExtraError
        If prometheus-client is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
    except ImportError as error:
        raise MissingExtraError("prometheus-client", "serve", "--metrics-port") from error
    labels, models = ["key", "kind"], measures.items()

    def families() -> Iterator[Any]:
        for name, value in gauges.items():
            yield GaugeMetricFamily(f"alula_{name}", _GAUGES[name], value=value)
        if commands is not None:
            yield CounterMetricFamily(
                "alula_commands", "Commands that have been carried out.", value=commands
            )
        calls = CounterMetricFamily("alula_model_calls", "Runs that have ended.", labels=labels)
        errors = CounterMetricFamily("alula_model_errors", "Those of them that failed.", labels=labels)
        for key, model in models:
            calls.add_metric(key, model.calls)
            errors.add_metric(key, model.errors)
        yield from (calls, errors)
        for attribute, (title, text) in _HISTOGRAMS.items():
            family = HistogramMetricFamily(title, text, labels=labels)
            for key, model in models:
                histogram = getattr(model, attribute)
                family.add_metric(key, histogram.buckets(), histogram.total)
            yield family

    class Collector:
        def collect(self) -> Iterable[Any]:
            return families()

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector())
    return bytes(generate_latest(registry))
