"""Where values live under their keys: the interface, the plain values, and the keyspace in memory."""

from ._durable import DurableKeyspace
from ._entries import Fsync, kept_rows
from ._image import MAGIC, head_of, pack, unpack
from ._interface import (
    UNDONE,
    Keyspace,
    Listener,
    Loader,
    Snapshot,
    Value,
    as_model,
    as_script,
    as_tensor,
    encoding_of,
    event_of,
    type_name,
)
from ._kept import copied, kept, revived, unloaded
from ._memory import MemoryKeyspace
from ._values import HashValue, ListValue, SetValue, as_hash, as_list, as_set, as_string

__all__ = [
    "MAGIC",
    "UNDONE",
    "DurableKeyspace",
    "Fsync",
    "HashValue",
    "Keyspace",
    "ListValue",
    "Listener",
    "Loader",
    "MemoryKeyspace",
    "SetValue",
    "Snapshot",
    "Value",
    "as_hash",
    "as_list",
    "as_model",
    "as_script",
    "as_set",
    "as_string",
    "as_tensor",
    "copied",
    "encoding_of",
    "event_of",
    "head_of",
    "kept",
    "kept_rows",
    "pack",
    "revived",
    "type_name",
    "unloaded",
    "unpack",
]
