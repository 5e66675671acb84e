"""What went wrong, as HTTP says it: a status by the class of the error, and a body as in RFC 9457.

A client is told the class and the message, never a traceback and never the text of a Python object. What
nobody foresaw is logged here under a number, and the number is all that goes out.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from .. import errors
from .._core._ids import new_id

__all__ = ["STATUSES", "Refused", "problem_of", "status_of"]

_log = logging.getLogger("alula.web")

STATUSES: Final[Mapping[type[errors.AlulaError], int]] = {
    errors.SettingError: 500,
    errors.MissingExtraError: 501,
    errors.SealError: 500,
    errors.CrashLoopError: 500,
    errors.FutureError: 500,
    errors.TaskError: 422,  # the task was carried out, and its own work raised
    errors.TaskCancelledError: 409,
    errors.GetTimeoutError: 504,
    errors.UnsupportedError: 501,
    errors.TaskUnschedulableError: 503,
    errors.ObjectStoreFullError: 507,
    errors.OutOfDiskError: 507,
    errors.GraphError: 400,
    errors.WorkflowError: 409,
    errors.WorkflowNotFoundError: 404,
    errors.QueueNotFoundError: 404,
    errors.WorkflowExecutionError: 422,
    errors.StoreError: 500,
    errors.StoreUnavailableError: 503,
    errors.NameNotFoundError: 404,
    errors.InvalidNameError: 400,
    errors.KindError: 422,
    errors.RuntimeTaskError: 500,
    errors.TaskNotFoundError: 404,
    errors.ResultExpiredError: 410,
    errors.NotebookError: 422,
    errors.LabelError: 400,
    errors.DeployError: 422,
    errors.CommandError: 400,
}
"""The status of each error of ours; a class that is not here has that of its nearest base."""


class Refused(Exception):
    """A request that is not carried out, and why.

    Attributes
    ----------
    status
        Of the answer.
    detail
        For people.
    error
        The class of the error, for programs; the status in words by default.
    headers
        Of the answer.
    """

    def __init__(
        self, status: int, detail: str, error: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.error, self.headers = status, detail, error, dict(headers or {})


def status_of(error: BaseException) -> int:
    """Give the status for an error: by its class where it is one of ours, and 500 otherwise."""
    return next((STATUSES[cls] for cls in type(error).__mro__ if cls in STATUSES), 500)


def problem_of(error: BaseException, **facts: Any) -> tuple[int, dict[str, Any]]:
    """Give the status and the body of the answer about an error.

    Parameters
    ----------
    facts
        What else the body tells, such as ``task_id``.
    """
    if isinstance(error, Refused):
        return error.status, _body(error.status, error.error, error.detail, facts)
    status = status_of(error)
    if isinstance(error, errors.TaskError):
        status = status_of(error.cause) if isinstance(error.cause, errors.AlulaError) else status
        return status, _body(status, type(error.cause).__name__, _said(error.cause), facts)
    if isinstance(error, errors.AlulaError):
        return status, _body(status, type(error).__name__, str(error), facts)
    number = new_id()
    _log.error("error %s", number, exc_info=error)
    return 500, _body(500, "InternalError", f"nobody foresaw this: see {number} in the log", facts)


def _said(error: BaseException) -> str:
    # A LookupError shows the representation of its key, and people want the text.
    first = error.args[0] if isinstance(error, KeyError) and error.args else None
    return first if isinstance(first, str) else str(error) or type(error).__name__


def _body(status: int, error: str, detail: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    name = error or title.replace(" ", "")
    known = {key: value for key, value in facts.items() if value is not None}
    kind = f"urn:alula:error:{name}"
    return {"type": kind, "title": title, "status": status, "detail": detail, "error": name, **known}
