"""The load of the machine, measured every few seconds while a run is active: processor, memory, disk, GPUs.

What cannot be measured here, a frequency in a container, a GPU that is not there, is left away.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from threading import Event, Thread
from typing import Any, Final

from ..._core._extras import imported
from ...errors import suggest

__all__ = ["MEASURES", "Profiler", "measure"]


class Profiler:
    """Measures in a thread of its own, from `start` to `stop`; safe to start twice.

    Attributes
    ----------
    interval
        Seconds from one measurement to the next. There is one at the beginning and one at the end besides.
    """

    def __init__(self, log: Callable[[Mapping[str, Any]], None], interval: float = 10.0) -> None:
        """Make one.

        Parameters
        ----------
        log
            Is given what was measured, by key; raises `ValueError` when no run is active.

        Raises
        ------
        MissingExtraError
            If psutil is not installed: it is the extra ``profile``.
        """
        _psutil()
        self.interval = interval
        self._log, self._metrics = log, tuple(MEASURES)
        self._end: Event | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is measured: some of cpu, memory, disk, network, process, gpu; all by default.

        Raises
        ------
        ValueError
            When set to something else.
        """
        return self._metrics

    @metrics.setter
    def metrics(self, names: list[str] | tuple[str, ...]) -> None:
        for name in names:
            if name not in MEASURES:
                raise ValueError(f"nothing called {name!r} is measured; {suggest(name, MEASURES)}")
        self._metrics = tuple(names)

    def start(self) -> None:
        """Begin to measure."""
        if self._end is None:
            self._end = Event()
            self.note()
            thread = Thread(target=self._run, args=(self._end,), name="alula-profiler", daemon=True)
            thread.start()

    def stop(self) -> None:
        """Measure a last time, and end."""
        if self._end is not None:
            self._end.set()
            self._end = None
            self.note()

    def note(self) -> None:
        """Measure now, and log it; when the run has ended meanwhile, nothing happens."""
        with suppress(ValueError):  # no active run
            self._log({"profile_dt": datetime.now(UTC).isoformat(), **measure(self._metrics)})

    def _run(self, end: Event) -> None:
        while not end.wait(self.interval):
            self.note()


def measure(names: tuple[str, ...]) -> dict[str, Any]:
    """Give what is measured now, by key; of what cannot be measured there is nothing."""
    found: dict[str, Any] = {}
    for name in names:
        found.update(MEASURES[name]())
    return found


def _psutil() -> Any:
    return imported("psutil", "profile", "measuring the machine")


def _cpu() -> Iterator[tuple[str, Any]]:
    psutil = _psutil()
    yield "cpu_load", psutil.cpu_percent(percpu=True)
    yield "cpu_count", psutil.cpu_count()
    with suppress(OSError, NotImplementedError, AttributeError):  # containers, and some processors
        frequencies = psutil.cpu_freq(percpu=True)
        if frequencies:
            yield "cpu_freq", [each.current for each in frequencies]
    with suppress(OSError):
        yield "cpu_avg", list(os.getloadavg())


def _memory() -> Iterator[tuple[str, Any]]:
    memory = _psutil().virtual_memory()
    yield "memory_load", memory.percent
    yield "memory_total", memory.total


def _disk() -> Iterator[tuple[str, Any]]:
    disk = _psutil().disk_usage(os.getcwd())
    yield "disk_use", disk.percent
    yield "disk_total", disk.total


def _network() -> Iterator[tuple[str, Any]]:
    psutil = _psutil()
    with suppress(OSError, RuntimeError):  # no /proc/net
        counters = psutil.net_io_counters()
        if counters is not None:
            yield "network_sent", counters.bytes_sent
            yield "network_received", counters.bytes_recv


def _process() -> Iterator[tuple[str, Any]]:
    process = _PROCESS.setdefault(os.getpid(), _psutil().Process())  # kept: its use is since the last look
    yield "process_cpu", process.cpu_percent()
    yield "process_memory", process.memory_info().rss


_PROCESS: dict[int, Any] = {}


def _gpus() -> Iterator[tuple[str, Any]]:
    """Give facts of each GPU of NVIDIA, as lists in the order of their numbers."""
    try:
        import pynvml
    except ImportError:
        return
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver, no GPU
        return
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        for key, ask in _OF_GPU.items():
            with suppress(pynvml.NVMLError):  # some do not tell their power, or anything when they are shared
                if handles:
                    yield key, [ask(pynvml, handle) for handle in handles]
    finally:
        pynvml.nvmlShutdown()


_OF_GPU: Final[Mapping[str, Callable[[Any, Any], float]]] = {
    "gpu_load": lambda nvml, gpu: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu,  # per cent
    "gpu_memory_used": lambda nvml, gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).used,  # bytes
    "gpu_memory_total": lambda nvml, gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).total,
    "gpu_power": lambda nvml, gpu: nvml.nvmlDeviceGetPowerUsage(gpu) / 1000,  # watts
    "gpu_temperature": lambda nvml, gpu: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU),  # °C
}


def _listed(give: Callable[[], Iterator[tuple[str, Any]]]) -> dict[str, Any]:
    return dict(give())


MEASURES: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "cpu": partial(_listed, _cpu),
    "memory": partial(_listed, _memory),
    "disk": partial(_listed, _disk),
    "network": partial(_listed, _network),
    "process": partial(_listed, _process),
    "gpu": partial(_listed, _gpus),
}
"""What can be measured, by name."""
