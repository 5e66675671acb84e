"""Clients of a tensor server: Redis' own, spoken to in arrays. They need no other part of the server."""

from ._async import AsyncClient, AsyncDag, AsyncRun
from ._dags import DagWords, RunStatus
from ._figures import Figures, Inspector, ModelFigures, SlowCommand, Spread
from ._sync import Client, Dag, Run

__all__ = [
    "AsyncClient",
    "AsyncDag",
    "AsyncRun",
    "Client",
    "Dag",
    "DagWords",
    "Figures",
    "Inspector",
    "ModelFigures",
    "Run",
    "RunStatus",
    "SlowCommand",
    "Spread",
]
