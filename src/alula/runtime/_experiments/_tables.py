"""The tables of experiments: a row for each experiment, each run, and each thing that is logged.

What is logged lies in one table under the number of its run's row, so that the one index that serves all
questions, by run and by key, is narrow, and a row costs a commit and one entry in it.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = ["EXPERIMENTS", "LOGGED", "ROWS", "RUNS", "TABLES", "VERSION"]

VERSION: Final = 1
TABLES: Final = MetaData()

EXPERIMENTS: Final = Table(
    "experiments",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("bucket", String(255), nullable=False),
    Column("name", String(1024), nullable=False),
    Column("provider", String(32), nullable=False),
    Column("autotrack", Boolean, nullable=False),
    Column("card", Double, nullable=False),  # when its object among the models was made: tells two apart
    UniqueConstraint("bucket", "name"),
)
RUNS: Final = Table(
    "experiment_runs",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("experiment", ForeignKey("experiments.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("parent", Integer),  # the number of the run inside which it began
    Column("status", String(16), nullable=False),
    Column("started", Double, nullable=False),
    Column("ended", Double),
    Column("error", Text),
    Column("node", String(255), nullable=False),
    Column("userid", String(255), nullable=False),
    UniqueConstraint("experiment", "number"),
)
# SQLite counts only plain integers up by itself.
_Count: Final = BigInteger().with_variant(Integer, "sqlite")
ROWS: Final = Table(
    "experiment_rows",
    TABLES,
    Column("id", _Count, primary_key=True),
    Column("run", ForeignKey("experiment_runs.id", ondelete="CASCADE"), nullable=False),
    Column("step", BigInteger),
    Column("event", String(255), nullable=False),
    Column("key", String(1024), nullable=False),
    Column("value", Text, nullable=False),  # JSON
    Column("number", Double),  # the same, where it is one
    Column("dt", Double, nullable=False),
    Column("node", String(255), nullable=False),
    Column("userid", String(255), nullable=False),
    Column("task", String(255)),
    Column("extra", Text),  # JSON
    Index("experiment_rows_by_key", "run", "key", "event"),
)
Index(
    "experiment_rows_by_task",
    ROWS.c.task,
    sqlite_where=ROWS.c.task.is_not(None),
    postgresql_where=ROWS.c.task.is_not(None),
)

LOGGED: Final = tuple(column.name for column in ROWS.columns if column.name != "id")
"""What is given with each row."""
