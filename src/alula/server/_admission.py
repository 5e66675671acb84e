"""Who may connect: what a client is told that may not, before its connection is closed."""

import logging
from typing import Final

from ._config import Config

__all__ = ["refusal"]

_log = logging.getLogger("alula.server")

_FULL: Final = b"-ERR max number of clients reached\r\n"
_PROTECTED: Final = (
    b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set "
    b"for the default user. In this mode connections are only accepted from the loopback interface. If you "
    b"want to connect from external computers to Redis you may adopt one of the following solutions: "
    b"1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback "
    b"interface by connecting to Redis from the same host the server is running, however MAKE SURE Redis is "
    b"not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. "
    b"2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and "
    b"setting the protected mode option to 'no', and then restarting the server. "
    b"3) If you started the server manually just for testing, restart it with the '--protected-mode no' "
    b"option. 4) Setup a an authentication password for the default user. "
    b"NOTE: You only need to do one of the above things in order for the server to start accepting "
    b"connections from the outside.\r\n"
)


def refusal(config: Config, connected: int, peer: object) -> bytes | None:
    """Give what a client is told that has just connected and may not stay; None if it may.

    Parameters
    ----------
    connected
        How many others are connected now.
    peer
        Its address, as a socket names it; a text, or nothing, for a socket file of this machine.
    """
    if connected >= config.maxclients:
        return _refused(_FULL, "there are as many as may be", peer)
    if config.protected_mode and not config.requirepass and not _is_local(peer):
        return _refused(_PROTECTED, "protected mode", peer)
    return None


def _refused(text: bytes, why: str, peer: object) -> bytes:
    host = peer[0] if isinstance(peer, tuple) else ""
    _log.warning(
        "a client was refused: %s", why, extra={"event": "refused client", "why": why, "client": host}
    )
    return text


def _is_local(peer: object) -> bool:
    if not isinstance(peer, tuple):
        return True
    host = str(peer[0]).removeprefix("::ffff:")
    return host.startswith("127.") or host == "::1"
