"""Where values live under their keys: the interface, the plain values, and the keyspace in memory."""

from ._durable import DurableKeyspace
from ._entries import Fsync
from ._interface import (
    UNDONE,
    Keyspace,
    Listener,
    Loader,
    Snapshot,
    Value,
    as_model,
    as_tensor,
    encoding_of,
    event_of,
    type_name,
)
from ._kept import kept, revived
from ._memory import MemoryKeyspace
from ._values import HashValue, ListValue, as_hash, as_list, as_string

__all__ = [
    "UNDONE",
    "DurableKeyspace",
    "Fsync",
    "HashValue",
    "Keyspace",
    "ListValue",
    "Listener",
    "Loader",
    "MemoryKeyspace",
    "Snapshot",
    "Value",
    "as_hash",
    "as_list",
    "as_model",
    "as_string",
    "as_tensor",
    "encoding_of",
    "event_of",
    "kept",
    "revived",
    "type_name",
]
