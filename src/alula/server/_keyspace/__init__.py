"""Where tensors and models live under their keys: the interface, and the one in memory."""

from ._interface import Keyspace, Snapshot, Value, as_model, as_tensor, type_name
from ._memory import MemoryKeyspace

__all__ = ["Keyspace", "MemoryKeyspace", "Snapshot", "Value", "as_model", "as_tensor", "type_name"]
