"""The store: what survives the process.

Metadata and records in a database (`Store`), large values by their content (`Artifacts`), and who is
there to do durable work (`Executors`). It knows neither objects nor workflows: those bring their own
tables, and a fence that says who may write.
"""

from ._artifacts import Artifacts
from ._executors import ExecutorInfo, Executors, Lease
from ._lent import Isolation
from ._metadata import Store
from ._prepared import Prepared
from ._writer import Fence

__all__ = ["Artifacts", "ExecutorInfo", "Executors", "Fence", "Isolation", "Lease", "Prepared", "Store"]
