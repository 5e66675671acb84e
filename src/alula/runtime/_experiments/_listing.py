"""Which experiments there are in a bucket, and how many runs they have; nothing is made by looking."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, select

from ._board import Board
from ._experiment import CARDS, existing
from ._recorder import Place
from ._tables import EXPERIMENTS, RUNS, TABLES, VERSION

__all__ = ["ExperimentInfo", "Experiments"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentInfo:
    """An experiment in a list.

    Attributes
    ----------
    name, provider, created
        Which it is, how it keeps what is logged, and since when it is there.
    runs, going, failed
        How many runs there are, how many of them have not ended, and how many have failed.
    latest
        When the last of them began, UNIX time in seconds; None if there are none.
    """

    name: str
    provider: str
    created: datetime
    runs: int = 0
    going: int = 0
    failed: int = 0
    latest: float | None = None


class Experiments:
    """The experiments of one bucket, for people who look at them."""

    def __init__(self, place: Place) -> None:
        """Make it; people get it as ``runtime.experiments``."""
        self._place, self._models = place, place.catalogs.models

    def list(
        self, pattern: str | None = None, *, after: str | None = None, limit: int = 50
    ) -> list[ExperimentInfo]:
        """Give experiments, by name.

        Parameters
        ----------
        pattern
            As in a shell: ``iris*``.
        after
            The name of one: only those that come after it.
        limit
            How many at most.
        """
        start = None if after is None else CARDS + after
        cards = self._models.page(CARDS + (pattern or "*"), after=start, limit=limit)
        names = [card.name.removeprefix(CARDS) for card in cards]
        counted = self._counted(names)
        return [
            ExperimentInfo(name=name, created=card.created, **counted.get(name, {"provider": "default"}))
            for name, card in zip(names, cards, strict=True)
        ]

    def board(self, name: str) -> Board:
        """Open an experiment for looking at it.

        Raises
        ------
        NameNotFoundError
            If there is none of that name; says which is nearest.
        """
        found = existing(self._place, name)
        return Board(found.name, found.provider, found.number, self._place.catalogs.store)

    def _counted(self, names: Sequence[str]) -> Mapping[str, dict[str, Any]]:
        store = self._place.catalogs.store
        store.ensure("experiments", VERSION, TABLES)
        is_going, has_failed = (
            func.sum(case((RUNS.c.status == s, 1), else_=0)) for s in ("STARTED", "FAILED")
        )
        counts = func.count(RUNS.c.id), is_going, has_failed, func.max(RUNS.c.started)
        asked = select(EXPERIMENTS.c.name, EXPERIMENTS.c.provider, *counts)
        asked = asked.join_from(EXPERIMENTS, RUNS, RUNS.c.experiment == EXPERIMENTS.c.id, isouter=True)
        mine = EXPERIMENTS.c.bucket == self._place.catalogs.bucket, EXPERIMENTS.c.name.in_(names)
        by = EXPERIMENTS.c.name, EXPERIMENTS.c.provider
        with store.reading() as connection:
            return {
                name: {"provider": provider, "runs": runs, "going": going, "failed": failed, "latest": latest}
                for name, provider, runs, going, failed, latest in connection.execute(
                    asked.where(*mine).group_by(*by)
                )
            }
