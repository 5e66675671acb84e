"""The table of all commands."""

from collections.abc import Mapping
from typing import Final

from . import (
    _admin,
    _background,
    _clients,
    _connection,
    _describe,
    _hashes,
    _info,
    _keys,
    _lists,
    _models,
    _persistence,
    _runs,
    _scripts,
    _sections,
    _strings,
    _subscriptions,
    _tensors,
    _times,
    _transactions,
)
from ._table import Command

__all__ = ["TABLE"]

TABLE: Final[Mapping[bytes, Command]] = _describe.table(
    *_connection.COMMANDS,
    *_clients.COMMANDS,
    *_subscriptions.COMMANDS,
    *_admin.COMMANDS,
    *_sections.COMMANDS,
    *_keys.COMMANDS,
    *_times.COMMANDS,
    *_strings.COMMANDS,
    *_lists.COMMANDS,
    *_hashes.COMMANDS,
    *_tensors.COMMANDS,
    *_models.COMMANDS,
    *_scripts.COMMANDS,
    *_info.COMMANDS,
    *_runs.COMMANDS,
    *_persistence.COMMANDS,
    *_background.COMMANDS,
    *_transactions.COMMANDS,
)
"""Every command by its name in upper case."""
