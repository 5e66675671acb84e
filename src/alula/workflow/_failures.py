"""What the records say of attempts that have failed.

Each is noted when it happens, whatever becomes of it: another attempt may follow, somebody may catch the
error, or nobody may ever read the value. The row of a task has the last one.
"""

from typing import Any

from sqlalchemy import Row

from ..futures import unpack_error
from ._rows import options_of
from ._vault import Stored, Vault

__all__ = ["error_of", "failed_in"]


def error_of(vault: Vault, row: Row[Any]) -> BaseException | None:
    """Give the error of the last attempt of a task that has failed, if one has."""
    return None if row.error is None else unpack_error(vault.unseal(Stored("", row.error), "a stored error"))


def failed_in(vault: Vault, row: Row[Any], began: float | None) -> bool:
    """Tell whether a task without a result has failed for good in the run that began then and goes on.

    One whose retries are decided by a function of the user's counts as tried again.
    """
    if row.error is None or began is None or row.ended is None or row.ended < began:
        return False
    _, retry, _, _ = options_of(vault, row)
    error = error_of(vault, row)
    return not retry.asks and error is not None and not retry.allows(error, row.attempts or 1)
