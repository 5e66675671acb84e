"""Rows of workflows that were never submitted, for those who look at rows and nothing else."""

from sqlalchemy import Connection, insert

from alula.workflow._journal import PYTHON
from alula.workflow._tables import WORKFLOWS


def put_waiting(connection: Connection, workflow_id: str, **facts: object) -> int:
    """Write a workflow that waits for an executor, unless the facts say otherwise; give its number."""
    row = {
        "id": workflow_id,
        "status": "PENDING",
        "entry": "k",
        "labels": "default",
        "metadata": "{}",
        "shape": "",
        "python": PYTHON,
        "requeue": True,
        "created": 0.0,
        "attempt": 0,
        **facts,
    }
    made = connection.execute(insert(WORKFLOWS).values(**row))
    assert made.inserted_primary_key is not None
    return int(made.inserted_primary_key[0])
