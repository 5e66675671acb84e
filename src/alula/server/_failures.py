"""Whatever a command fails with, as the error line that its client gets."""

import logging

from ..errors import CommandError, TaskCancelledError

__all__ = ["as_error"]

_log = logging.getLogger("alula.server")


def as_error(error: BaseException) -> CommandError:
    """Give the error line for whatever a run failed with; what is not for clients goes to the log."""
    if isinstance(error, CommandError):
        return CommandError(error.text)  # without its traceback, which holds tensors
    if isinstance(error, TaskCancelledError):
        return CommandError("ERR the command was cancelled")  # nobody is there to read it
    _log.error("a command failed unexpectedly", exc_info=error)
    return CommandError(f"ERR {type(error).__name__}: {error}")
