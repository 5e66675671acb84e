"""Kernels: each runs one notebook, and the next one is made ready while that goes on.

One thread of a worker has an event loop, in which everything is done that concerns kernels. A kernel is
handed out once and then ended, so that no notebook sees what another has left behind.
"""

import asyncio
import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from concurrent.futures import Future  # noqa: TC003  # beside the others, for readers
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Thread
from typing import Any, Final, TypeVar

from ..._core._extras import imported
from ._forked import Nursery, Process

__all__ = ["Kernel", "KernelFailedError", "Kernels", "kernels"]

T = TypeVar("T")

_LONGEST: Final = 80  # characters of a folder in which sockets have names that the kernel of a host takes
_ASKED: Final = 1.0  # seconds after which to look whether a kernel that does not answer is alive
_LATE: Final = 0.1  # seconds after which to ask again, where only the answer to everybody is missing
_LEFT: Final = 5.0  # seconds that a kernel has to end by itself
_TAIL: Final = 2000  # characters of what a kernel said before it died


class KernelFailedError(Exception):
    """A kernel cannot be had, or has not come up; says what to do."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel that is ready for its first cell.

    Attributes
    ----------
    name
        Of its specification.
    manager, client
        Jupyter's own, for the event loop of `Kernels`.
    language
        What it says of its language, as notebooks note it.
    process
        That runs it.
    folder
        Of its own, with its sockets.
    """

    name: str
    manager: Any
    client: Any
    language: dict[str, Any]
    process: Process
    folder: Path


class Kernels:
    """The kernels of one process; safe to use from any thread."""

    def __init__(self) -> None:
        self._nursery = Nursery()
        self._loop = asyncio.new_event_loop()
        self._spare: asyncio.Task[Kernel] | None = None
        self._spare_name = ""
        self._ending: set[asyncio.Task[None]] = set()
        Thread(target=self._loop.run_forever, name="alula-kernels", daemon=True).start()
        atexit.register(self.close)

    def open(self) -> None:
        """Begin to make ready what the first kernel needs, without waiting for it."""
        self._nursery.open()

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Begin a coroutine in the event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, function: Callable[[], object]) -> None:
        """Have a function called in the event loop, soon."""
        self._loop.call_soon_threadsafe(function)

    async def take(self, name: str, patience: float) -> Kernel:
        """Give a kernel that has never run anything, and begin to make the next one ready.

        Parameters
        ----------
        name
            Of its specification: ``"python3"``.
        patience
            Seconds in which it has to come up.

        Raises
        ------
        KernelFailedError
            If there is none of that name, or it has not come up.
        MissingExtraError
            If jupyter_client is not installed.
        """
        spare, self._spare = self._spare, None
        kernel: Kernel | None = None
        if spare is not None and self._spare_name == name:
            with suppress(KernelFailedError):
                kernel = await spare
        elif spare is not None:
            spare.add_done_callback(self._discard)
        if kernel is None or kernel.process.poll() is not None:
            kernel = await self._made(name, patience)
        self._spare_name = name
        self._spare = self._loop.create_task(self._made(name, patience))
        self._spare.add_done_callback(lambda task: task.exception())  # told to whoever takes it, if anybody
        return kernel

    def _discard(self, spare: asyncio.Task[Kernel]) -> None:
        if not spare.cancelled() and spare.exception() is None:
            self.leave(spare.result())

    def leave(self, kernel: Kernel) -> None:
        """End a kernel that has done its work, by its own exit handlers; called in the event loop."""
        task = self._loop.create_task(self._end(kernel))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def close(self) -> None:
        """End all kernels; those that are ending have a moment for it."""
        atexit.unregister(self.close)
        with suppress(TimeoutError):
            self.start(self._all_ended()).result(_LEFT)
        self._nursery.close()
        self._loop.call_soon_threadsafe(self._loop.stop)

    # ------------------------------------------------------------------------------------- inside

    async def _all_ended(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.cancel()
            with suppress(asyncio.CancelledError, KernelFailedError):
                kernel = await spare
                kernel.process.kill()  # it has run nothing that could want to say good-bye
                self.leave(kernel)
        if self._ending:
            await asyncio.wait(self._ending)

    async def _made(self, name: str, patience: float) -> Kernel:
        folder = Path(tempfile.mkdtemp(prefix="alula-kernel-", dir=_room()))
        manager: Any = None
        try:
            manager = self._manager(name, folder)
            await self._launch(manager, folder)
            process: Process = manager.provisioner.process
            try:
                client, language = await asyncio.wait_for(_ready(manager, process), patience)
            except BaseException as error:
                process.kill()
                if isinstance(error, (TimeoutError, KernelFailedError)):
                    why = _said(folder / "log") or f"it has not answered within {patience:g} s"
                    raise KernelFailedError(f"the kernel {name!r} has not come up: {why}") from error
                raise
        except BaseException:
            if manager is not None:
                await manager.cleanup_resources()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return Kernel(name, manager, client, language, process, folder)

    def _manager(self, name: str, folder: Path) -> Any:
        jupyter = _jupyter()
        manager = jupyter.AsyncKernelManager(kernel_name=name, connection_file=str(folder / "kernel.json"))
        manager.shutdown_wait_time = _LEFT
        try:
            spec = manager.kernel_spec
        except jupyter.kernelspec.NoSuchKernel as error:
            raise KernelFailedError(_missing(name, jupyter)) from error
        if "ipykernel_launcher" in spec.argv:  # the others need not know of sockets in a folder
            manager.transport, manager.ip = "ipc", str(folder / "k")
        return manager

    async def _launch(self, manager: Any, folder: Path) -> None:
        provisioning = _jupyter().provisioning
        manager.kernel_id = folder.name
        manager.provisioner = _provisioner(provisioning, self._nursery, folder)(
            kernel_id=folder.name, kernel_spec=manager.kernel_spec, parent=manager
        )
        options = ["--HistoryManager.hist_file=:memory:"] if manager.ipykernel else []
        env = {name: value for name, value in os.environ.items() if not name.startswith("JPY_")}
        try:
            await manager.start_kernel(extra_arguments=options, cwd=tempfile.gettempdir(), env=env)
        except OSError as error:
            raise KernelFailedError(f"no process can be started for a kernel: {error}") from error

    async def _end(self, kernel: Kernel) -> None:
        kernel.client.stop_channels()
        try:
            await kernel.manager.shutdown_kernel(now=kernel.process.poll() is not None)
        finally:
            kernel.process.kill()
            await kernel.manager.cleanup_resources()
            shutil.rmtree(kernel.folder, ignore_errors=True)


@lru_cache(maxsize=1)
def kernels() -> Kernels:
    """Give the kernels of this process, made at the first call."""
    return Kernels()


os.register_at_fork(after_in_child=kernels.cache_clear)  # the thread of the loop is not in the fork


async def _ready(manager: Any, process: Process) -> tuple[Any, dict[str, Any]]:
    """Give a client of a kernel that answers, and what the kernel says of its language."""
    client = manager.client()
    client.start_channels()
    client.allow_stdin = False
    try:
        return client, await _greeted(client, process)
    except BaseException:
        client.stop_channels()
        raise


async def _greeted(client: Any, process: Process) -> dict[str, Any]:
    language: dict[str, Any] | None = None
    while True:
        client.kernel_info()
        if language is None:
            answer = await _answer(client.get_shell_msg, _ASKED)
            if answer is not None:
                language = answer["content"].get("language_info", {})
            elif process.poll() is not None:
                raise KernelFailedError
        # What a kernel tells everybody is lost until it has heard that we listen; so ask until it is not.
        elif await _answer(client.get_iopub_msg, _LATE) is not None:
            return language


async def _answer(get: Callable[..., Any], patience: float) -> Any:
    try:
        return await get(timeout=patience)
    except Exception as error:  # queue.Empty, in the words of Jupyter
        if type(error).__name__ != "Empty":
            raise
        return None


def _provisioner(provisioning: Any, nursery: Nursery, folder: Path) -> Any:
    """Make the class by which Jupyter starts a kernel in the nursery."""

    class Provisioner(provisioning.LocalProvisioner):  # type: ignore[misc]  # it has no types
        async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
            spawn = asyncio.to_thread(nursery.spawn, cmd, options["env"], str(options["cwd"]), str(folder))
            self.process = await spawn
            self.pid = self.pgid = self.process.pid
            return self.connection_info

    return Provisioner


def _room() -> str:
    folder = tempfile.gettempdir()
    return folder if len(folder) <= _LONGEST else "/tmp"


def _said(log: Path) -> str:
    return log.read_text(errors="replace")[-_TAIL:].strip() if log.exists() else ""


def _missing(name: str, jupyter: Any) -> str:
    """Say that there is no such kernel, which there are, and how to get it."""
    known = ", ".join(sorted(jupyter.kernelspec.KernelSpecManager().find_kernel_specs())) or "none"
    how = (
        "pip install 'alula[lab]'"
        if name == "python3"
        else f"pip install ipykernel && python -m ipykernel install --user --name {name!r}"
    )
    return f"the kernel {name!r} is not installed; there are {known}; for a Python kernel: {how}"


def _jupyter() -> Any:
    return imported("jupyter_client", "lab", "running a notebook")
