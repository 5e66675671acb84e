"""Prepared statements: compiled once for each kind of database, then handed straight to its driver.

For the few statements that every task passes through: to look up one, to convert what it is given and to
wrap what it gives costs SQLAlchemy ten times what the database itself takes. Types are not converted, so
the values must be such as the driver takes as they are. Errors are those that SQLAlchemy would raise.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

from sqlalchemy import Connection, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError

__all__ = ["EXPLAIN", "Prepared", "say"]

Values: TypeAlias = Mapping[str, Any]

EXPLAIN: Final = "alula_explain"
"""The execution option that holds what to call with an error of the driver: gives the store's, or None."""


class Cursor(Protocol):
    """What a driver gives for a statement: as PEP 249 has it."""

    rowcount: int

    def fetchone(self) -> tuple[Any, ...] | None:
        """Give the first row, or the next."""
        ...

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Give all rows that are left."""
        ...


def say(connection: Connection, text: str, *values: Any, many: bool = False) -> Cursor:
    """Hand a statement to the driver; `many` takes it once for each of some values."""
    driver: Any = connection.connection.driver_connection
    try:
        cursor = driver.cursor()
        (cursor.executemany if many else cursor.execute)(text, *values)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _explained(connection, text, error) from error
    said: Cursor = cursor
    return said


def _explained(connection: Connection, text: str, error: Any) -> BaseException:
    dialect = connection.dialect
    if dialect.is_disconnect(error, connection.connection.dbapi_connection, None):
        connection.invalidate(error)
    known: BaseException | None = connection.get_execution_options()[EXPLAIN](error)
    return known or DBAPIError.instance(text, None, error, dialect.loaded_dbapi.Error, dialect=dialect)


class Prepared:
    """A statement whose parameters are given by name."""

    def __init__(self, statement: Insert | Select[Any] | Update, *columns: str) -> None:
        """Prepare a statement.

        Parameters
        ----------
        statement
            With `bindparam` for what its conditions are given.
        columns
            What an insert or update sets.
        """
        self._statement, self._columns = statement, columns
        self._forms: dict[str, _Form] = {}

    def __call__(self, connection: Connection, given: Values) -> Cursor:
        """Execute it once."""
        form = self._form(connection.dialect)
        return say(connection, form.text, form.one(given))

    def many(self, connection: Connection, given: Sequence[Values]) -> None:
        """Execute it once for each of some values."""
        form = self._form(connection.dialect)
        say(connection, form.text, [form.one(values) for values in given], many=True)

    def _form(self, dialect: Dialect) -> "_Form":
        form = self._forms.get(dialect.name)
        if form is None:
            form = self._forms[dialect.name] = _Form(self._statement, self._columns, dialect)
        return form


class _Form:
    """A statement as one database has it."""

    def __init__(
        self, statement: Insert | Select[Any] | Update, columns: Sequence[str], dialect: Dialect
    ) -> None:
        compiled: Any = statement.compile(dialect=dialect, column_keys=list(columns) or None)
        self.text = str(compiled)
        self._order: Sequence[str] | None = compiled.positiontup
        # What the statement itself says; what must be given stands here as None.
        self._said = {name: value for name, value in compiled.params.items() if value is not None}

    def one(self, given: Values) -> Any:
        """Give the values as the driver takes them: in order, or by name."""
        if self._order is None:
            return {**self._said, **given}
        if not self._said:
            return tuple([given[name] for name in self._order])
        values = {**self._said, **given}
        return tuple([values[name] for name in self._order])
