"""Keys with their values, out of one keyspace and into another, or into a file of commands."""

from ._moves import Moved, export_keys, import_keys

__all__ = ["Moved", "export_keys", "import_keys"]
