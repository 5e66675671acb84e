"""The embedded engine: real worker processes on this machine, nothing to install or start.

Three kinds of process: the driver, the workers, and one node process that starts, lends and ends
workers. `open_engine` starts them.
"""

import contextlib
import os
import resource
import secrets
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from ..._core._runtime import runtime_folder
from ..._core._settings import Settings
from .._options import TaskOptions
from ._console import Console
from ._engine import Embedded
from ._environments import VISIBLE, checked
from ._machine import Machine, survey
from ._tally import Tally
from ._wire import Descriptor, Message

__all__ = ["open_engine"]

# The path is that of the driver; it does not go into the environment, which tasks hand on to what they start.
_START = (
    "import sys; fd, *sys.path = sys.argv[1:]; sys.argv[1:] = []; "
    "from alula.futures._embedded._node_process import main; main(int(fd))"
)

# A task holds one core unless it says otherwise. Libraries that would start a thread for each core of the
# machine in each worker make every one of them many times slower.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class _Driver(Embedded):
    """The engine of the process that started it all."""

    def __init__(
        self,
        control: socket.socket,
        machine: Machine,
        namespace: str,
        session: bytes,
        node: subprocess.Popen[bytes],
        *,
        timeline: bool,
    ) -> None:
        super().__init__(control, machine, namespace=namespace, maker=session + bytes(4))
        self._node = node
        self._console = Console(self.loop, session)
        if timeline:
            self.record()

    def _on_order(self, message: Message, fds: list[Descriptor]) -> None:
        if message[0] == "output":
            self._console.listen(message[1], fds)
        else:
            super()._on_order(message, fds)

    def close(self) -> None:
        """End the session: the node ends all workers when it loses us."""
        super().close()
        try:
            self._node.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._node.kill()
            self._node.wait()
        self._console.close()


def open_engine(
    settings: Settings,
    *,
    resources: Mapping[str, float] | None = None,
    memory: float | None = None,
    labels: Mapping[str, str] | None = None,
    runtime_env: Mapping[str, Any] | None = None,
    namespace: str = "",
    log_to_driver: bool = True,
) -> Embedded:
    """Start a session of this process's own.

    Parameters
    ----------
    settings
        Of which `num_cpus`, `num_gpus`, `object_store_memory`, `timeline` and `home` count here.
    resources
        Further amounts by name.
    memory
        Bytes that tasks may reserve together; None is what the large values leave.
    labels
        Of this machine.
    runtime_env
        Of every worker, as of `TaskOptions`.
    namespace
        Of the names of actors.
    log_to_driver
        Whether this process shows what workers write; otherwise nobody does.

    Raises
    ------
    SettingError
        If the machine cannot be as the settings say.
    UnsupportedError, RuntimeEnvSetupError
        If the runtime environment cannot be had.
    """
    options = TaskOptions().merged({"resources": resources or {}, "runtime_env": runtime_env or {}})
    env = dict(checked("init()", options.shape.env))
    machine = survey(
        settings,
        secrets.token_hex(28),
        resources=options.resources,
        labels=labels or {},
        memory=memory,
    )
    _raise_descriptor_limit()
    ours, theirs = socket.socketpair()
    path = [*filter(None, [env.get("working_dir")]), *[folder or os.getcwd() for folder in sys.path]]
    with theirs:
        node = subprocess.Popen(
            [sys.executable, "-c", _START, str(theirs.fileno()), *path],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us alone
            cwd=env.get("working_dir"),
            # Nobody sees a GPU but those who hold it.
            env=_ONE_THREAD | os.environ | {VISIBLE: ""} | dict(env.get("env_vars", ())),
        )
    session = secrets.token_bytes(4)
    engine = _Driver(ours, machine, namespace, session, node, timeline=settings.timeline)
    tally, folder = Tally(), settings.home / "spill" / secrets.token_hex(8)
    engine.use_memory(tally, tally.open(), folder)
    config = {
        "machine": machine.facts(),
        "namespace": namespace,
        "pid": os.getpid(),
        "session": session,
        "log_to_driver": log_to_driver,
        "timeline": settings.timeline,
        "window": str(runtime_folder() / "sessions" / f"{os.getpid()}-{session.hex()}"),
        "spill": str(folder),
    }
    with engine.lock:
        engine.tell_node(("config", config), (tally.descriptor,))
    engine.loop.start()
    return engine


def _raise_descriptor_limit() -> None:
    """Allow as many descriptors as we may have: each large value is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # macOS says "no limit" and means another one
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
