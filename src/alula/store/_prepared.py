"""Prepared statements: compiled once for each kind of database, then handed straight to its driver.

For the few statements that every task passes through: to compile or look up one and to convert what it
is given costs SQLAlchemy several times what the database itself takes. Types are not converted, so the
values must be such as the driver takes as they are.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, CursorResult, Dialect, Insert, Select, Update

__all__ = ["Prepared"]

Values: TypeAlias = Mapping[str, Any]


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

    def __call__(self, connection: Connection, given: Values) -> CursorResult[Any]:
        """Execute it once."""
        form = self._form(connection.dialect)
        return connection.exec_driver_sql(form.text, form.one(given))

    def many(self, connection: Connection, given: Sequence[Values]) -> None:
        """Execute it once for each of some values."""
        form = self._form(connection.dialect)
        connection.exec_driver_sql(form.text, [form.one(values) for values in given])

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
