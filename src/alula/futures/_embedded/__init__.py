"""The embedded engine: real worker processes on this machine, nothing to install or start.

Three kinds of process: the driver, the workers, and one node process that starts, lends and ends
workers. `open_engine` starts them. The node is what takes longest to start, so this module imports nothing
that it can do without, and everything else happens while the node is at it.
"""

import contextlib
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from ..._core._settings import Settings
from ...errors import SettingError
from .._engine import Engine
from .._options import TaskOptions
from ._environments import VISIBLE, checked

__all__ = ["open_engine"]

# The path is that of the driver; it does not go into the environment, which tasks hand on to what they start.
_START = (
    "import gc, sys; gc.disable(); fd, *sys.path = sys.argv[1:]; sys.argv[1:] = []; "
    "from alula.futures._embedded._node_process import main; main(int(fd))"
)

# A task holds one core unless it says otherwise. Libraries that would start a thread for each core of the
# machine in each worker make every one of them many times slower.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def open_engine(
    settings: Settings,
    *,
    resources: Mapping[str, float] | None = None,
    memory: float | None = None,
    labels: Mapping[str, str] | None = None,
    runtime_env: Mapping[str, Any] | None = None,
    namespace: str = "",
    log_to_driver: bool = True,
    logging_level: int | None = None,
) -> Engine:
    """Start a session of this process's own.

    Parameters
    ----------
    settings
        Of which `num_cpus`, `num_gpus`, `object_store_memory`, `timeline` and `home` count here. There is
        nothing to join, so `address` is None or ``"local"``.
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
    logging_level
        Of the logger ``"alula"`` in workers.

    Raises
    ------
    SettingError
        If the machine cannot be as the settings say.
    UnsupportedError, RuntimeEnvSetupError
        If the runtime environment cannot be had.
    ConnectionError
        If the address is ``"auto"``: no other process's session can be joined.
    """
    _check_address(settings.address)
    options = TaskOptions().merged({"resources": resources or {}, "runtime_env": runtime_env or {}})
    env = dict(checked("init()", options.shape.env))
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
    try:
        driver: Any = import_module("._driver", __package__)
        engine: Engine = driver.connect(
            ours,
            node,
            settings,
            resources=options.resources,
            memory=memory,
            labels=labels or {},
            namespace=namespace,
            log_to_driver=log_to_driver,
            logging_level=logging_level,
        )
    except BaseException:
        ours.close()
        node.kill()
        node.wait()
        raise
    return engine


def _check_address(address: str | None) -> None:
    why = "the embedded engine has a session of its own in each program: use engine='ray' to join a cluster"
    if address == "auto":
        raise ConnectionError(f"there is nothing to join: {why}")
    if address not in (None, "local"):
        raise SettingError("address", address, why)


def _raise_descriptor_limit() -> None:
    """Allow as many descriptors as we may have: each large value is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # macOS says "no limit" and means another one
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
