"""The engine of the process that started a session, which is called the driver."""

import os
import socket
import subprocess
from collections.abc import Mapping

from ..._core._runtime import runtime_folder
from ..._core._settings import Settings
from ._console import Console
from ._engine import Embedded
from ._machine import Machine, survey
from ._tally import Tally
from ._wire import Descriptor, Message

__all__ = ["Driver", "connect"]


class Driver(Embedded):
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


def connect(
    control: socket.socket,
    node: subprocess.Popen[bytes],
    settings: Settings,
    *,
    resources: Mapping[str, float],
    memory: float | None,
    labels: Mapping[str, str],
    namespace: str,
    log_to_driver: bool,
    logging_level: int | None,
) -> Driver:
    """Begin the session of a node process that is being started, at the other end of `control`.

    Raises
    ------
    SettingError
        If the machine cannot be as the settings say.
    """
    machine = survey(settings, os.urandom(28).hex(), resources=resources, labels=labels, memory=memory)
    session = os.urandom(4)
    engine = Driver(control, machine, namespace, session, node, timeline=settings.timeline)
    tally, folder = Tally(), settings.home / "spill" / os.urandom(8).hex()
    engine.use_memory(tally, tally.open(), folder)
    config = {
        "machine": machine.facts(),
        "namespace": namespace,
        "pid": os.getpid(),
        "session": session,
        "log_to_driver": log_to_driver,
        "logging_level": logging_level,
        "timeline": settings.timeline,
        "window": str(runtime_folder() / "sessions" / f"{os.getpid()}-{session.hex()}"),
        "spill": str(folder),
    }
    with engine.lock:
        engine.tell_node(("config", config), (tally.descriptor,))
    engine.loop.start()
    return engine
