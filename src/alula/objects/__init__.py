"""Objects: datasets and models by name, with versions, and the models that servers load.

It knows how values are kept (kinds) and what names mean. Who computes them, and where, is the business
of the layers to the right.
"""

from ._catalog import Catalog
from ._catalogs import Catalogs, open_catalogs
from ._datasets import Datasets, Head
from ._deployments import TOPIC, Deployment, Deployments
from ._jobs import Jobs
from ._kinds import FUNCTION
from ._lazy import LazyFrame
from ._metadata import Metadata
from ._models import Models
from ._names import Reference, check_name
from ._observing import Mode, Observer, observe_always, observing, tell
from ._shelf import Shelf
from ._sources import Package, Requirement, check_source

__all__ = [
    "FUNCTION",
    "TOPIC",
    "Catalog",
    "Catalogs",
    "Datasets",
    "Deployment",
    "Deployments",
    "Head",
    "Jobs",
    "LazyFrame",
    "Metadata",
    "Mode",
    "Models",
    "Observer",
    "Package",
    "Reference",
    "Requirement",
    "Shelf",
    "check_name",
    "check_source",
    "observe_always",
    "observing",
    "open_catalogs",
    "tell",
]
