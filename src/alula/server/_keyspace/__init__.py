"""Where values live under their keys: the interface, the plain values, and the keyspace in memory."""

from ._interface import Keyspace, Listener, Snapshot, Value, as_model, as_tensor, event_of, type_name
from ._memory import MemoryKeyspace
from ._values import HashValue, ListValue, as_hash, as_list, as_string

__all__ = [
    "HashValue",
    "Keyspace",
    "ListValue",
    "Listener",
    "MemoryKeyspace",
    "Snapshot",
    "Value",
    "as_hash",
    "as_list",
    "as_model",
    "as_string",
    "as_tensor",
    "event_of",
    "type_name",
]
