"""All catalogs of one store, opened together from settings."""

import time
from types import TracebackType
from typing import Final, Self

from .._core._settings import Settings
from ..store import Artifacts, Store
from ._catalog import Catalog
from ._datasets import Datasets
from ._deployments import Deployments
from ._jobs import Jobs
from ._models import Models
from ._shelf import Shelf

__all__ = ["Catalogs", "open_catalogs"]


_NOWHERE: Final = "0" * 64  # the digest of nothing


class Catalogs:
    """The catalogs of one bucket, and the deployments, which are of no bucket.

    Attributes
    ----------
    bucket
        The name space.
    datasets, models, scripts, jobs
        A catalog each.
    deployments
        What tensor servers on this store load.
    store
        What they stand on.
    """

    def __init__(self, shelf: Shelf, bucket: str, *, default: str, owner: bool) -> None:
        self.bucket, self.store = bucket, shelf.store
        self.datasets = Datasets(shelf, prefix="data/", bucket=bucket)
        self.models = Models(shelf, prefix="models/", bucket=bucket)
        self.scripts = Catalog(shelf, prefix="scripts/", bucket=bucket)
        self.jobs = Jobs(shelf, prefix="jobs/", bucket=bucket)
        self.deployments = Deployments(shelf)
        self._shelf, self._default, self._owner = shelf, default, owner

    def __getitem__(self, bucket: str | None) -> "Catalogs":
        """Give the same store in another name space; None or ``"default"`` is that of the settings."""
        name = self._default if bucket in (None, "default") else bucket
        assert name is not None
        return Catalogs(self._shelf, name, default=self._default, owner=False)

    def probe(self) -> None:
        """Ask the place of the artifacts for one that is not there.

        Raises
        ------
        StoreUnavailableError
            If it does not answer.
        """
        self._shelf.artifacts.exists(_NOWHERE)

    def sweep(self, older_than: float = 24 * 3600.0) -> int:
        """Remove the bytes that processes have left which died between writing them and mentioning them.

        Parameters
        ----------
        older_than
            Seconds; what is younger may be about to be mentioned by a process that lives.

        Returns
        -------
        int
            How many artifacts were removed, in all buckets.

        Raises
        ------
        StoreUnavailableError
            If they cannot be listed or removed.
        """
        return self._shelf.sweep_unmentioned(time.time() - older_than)

    def close(self) -> None:
        """Close the store, if it was opened for these catalogs."""
        if self._owner:
            self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_catalogs(settings: Settings, *, store: Store | None = None) -> Catalogs:
    """Open the catalogs that the settings name; whoever opened them closes them.

    Parameters
    ----------
    store
        A store that this process has open already; it stays open when the catalogs are closed.

    Raises
    ------
    StoreUnavailableError
        If the store or the place of artifacts cannot be opened.
    SettingError
        If the signing key cannot be read or made.
    """
    key = settings.signing_key()
    # A folder of their own: what no object mentions is removed, whatever workflows may mention.
    artifacts = Artifacts.open(f"{settings.artifacts.rstrip('/')}/objects", durability=settings.durability)
    opened = store or Store.open(settings.store, durability=settings.durability)
    shelf = Shelf(opened, artifacts, key, settings.pickles, settings.sources)
    return Catalogs(shelf, settings.bucket, default=settings.bucket, owner=store is None)
