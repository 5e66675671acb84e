"""The tables of logs: a row for each record, and one for each bucket that says what is kept."""

from typing import Final

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, String, Table, Text

__all__ = ["COLUMNS", "KEEPING", "LOGS", "TABLES", "VERSION"]

VERSION: Final = 1
TABLES: Final = MetaData()

LOGS: Final = Table(
    "logs",
    TABLES,
    # SQLite counts only plain integers up by itself.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("bucket", String(255), nullable=False),
    Column("level", String(16), nullable=False),
    Column("levelno", Integer, nullable=False),
    Column("logger", String(255), nullable=False),
    Column("msg", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("hostname", String(255), nullable=False),
    Column("created", Double, nullable=False),
    Column("userid", String(255), nullable=False),
    Column("task", String(255)),
    Column("size", Integer, nullable=False),  # characters of `msg` and `text`
    Index("logs_by_bucket", "bucket", "id"),
    sqlite_autoincrement=True,  # or who follows would miss what comes after `reset`
)
Index(
    "logs_by_task",
    LOGS.c.task,
    sqlite_where=LOGS.c.task.is_not(None),
    postgresql_where=LOGS.c.task.is_not(None),
)
KEEPING: Final = Table(
    "log_keeping",
    TABLES,
    Column("bucket", String(255), primary_key=True),
    Column("size", BigInteger, nullable=False),  # characters
    Column("age", Double),  # seconds
    Column("masks", Text, nullable=False),  # JSON: regular expressions
)
COLUMNS: Final = tuple(column.name for column in LOGS.columns if column.name != "id")
"""What is given with each row."""
