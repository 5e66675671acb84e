"""The text of INFO MODULES: RedisAI's sections and names, which its clients cut at every ``#``."""

import resource
import time
from collections.abc import Iterator, Mapping

from ._client import Services
from ._load_time import LoadTime

__all__ = ["modules_text"]

_HEAD = "module:name=ai,ver=999999,api=1,filters=0,usedby=[],using=[],options=[handle-io-errors]"
_VERSIONS = {"RedisAI_version": "99.99.99", "low_level_API_version": 1, "rdb_version": 4}


def modules_text(services: Services) -> str:
    """Give the sections; for the server's own thread, whose time is among what they tell."""
    sections: dict[str, Mapping[str, object]] = {
        "versions": _VERSIONS,
        "git": {"git_sha": "unknown"},
        "load_time_configs": _settings(services.load_time),
        "backends_info": _backends(services),
        "cpu": dict(_cpu(services)),
    }
    texts = [f"# Modules\r\n{_HEAD}\r\n"]
    for title, lines in sections.items():
        texts.append(f"# ai_{title}\r\n" + "".join(f"ai_{name}:{value}\r\n" for name, value in lines.items()))
    return "\r\n".join(texts)


def _settings(given: LoadTime) -> Mapping[str, object]:
    return {
        "threads_per_queue": given.threads_per_queue,
        "inter_op_parallelism": given.inter_op_parallelism,
        "intra_op_parallelism": given.intra_op_parallelism,
        "model_execution_timeout": round(given.model_execution_timeout * 1000),
        "backend_memory_limit": given.backend_memory_limit,
    }


def _backends(services: Services) -> Mapping[str, object]:
    """Give what backends say of themselves that have been loaded."""
    found: dict[str, object] = {}
    for backend in services.backends.values():
        found |= backend.facts()
    if "onnxruntime_version" in found:
        queues = len(services.devices.threads())
        found["onnxruntime_maximum_run_sessions_number"] = queues * services.load_time.threads_per_queue
    return found


def _cpu(services: Services) -> Iterator[tuple[str, str]]:
    """Give the seconds of processor time, of the process and of every queue's workers."""
    who = {"self": resource.RUSAGE_SELF, "children": resource.RUSAGE_CHILDREN}
    if hasattr(resource, "RUSAGE_THREAD"):  # of Linux
        who["main_thread"] = resource.RUSAGE_THREAD
    for name, number in who.items():
        usage = resource.getrusage(number)
        yield f"{name}_used_cpu_sys", f"{usage.ru_stime:.6f}"
        yield f"{name}_used_cpu_user", f"{usage.ru_utime:.6f}"
    slots = services.load_time.threads_per_queue
    for queue, threads in services.devices.threads().items():
        name = queue.replace(":", "_")
        for slot in range(slots):
            seconds = sum(map(_seconds, threads[slot::slots]))
            yield f"queue_{name}_bthread_n{slot + 1}_used_cpu_total", f"{seconds:.6f}"


def _seconds(thread: int) -> float:
    """Give the processor time of a thread that lives; 0 where the system does not tell."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return 0.0
    return time.clock_gettime(time.pthread_getcpuclockid(thread))
