"""The table of all commands."""

from collections.abc import Mapping
from typing import Final

from . import (
    _admin,
    _background,
    _clients,
    _connection,
    _describe,
    _floats,
    _hashes,
    _info,
    _keys,
    _list_edits,
    _lists,
    _models,
    _persistence,
    _runs,
    _scans,
    _scripts,
    _sections,
    _sets,
    _strings,
    _subscriptions,
    _substrings,
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
    *_scans.COMMANDS,
    *_times.COMMANDS,
    *_strings.COMMANDS,
    *_substrings.COMMANDS,
    *_floats.COMMANDS,
    *_lists.COMMANDS,
    *_list_edits.COMMANDS,
    *_hashes.COMMANDS,
    *_sets.COMMANDS,
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
