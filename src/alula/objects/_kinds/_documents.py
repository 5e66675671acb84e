"""Documents, and tables that lie elsewhere: JSON in the store, a frame when it is read."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .._shelf import Raw
from ._kind import Ask, Dumped, How, refuse_appending
from ._parquet import arrow, narrow
from ._plain import is_json

__all__ = ["Csv", "Documents"]


class Documents:
    """The kind of a list of dicts, or one: JSON, each a row of the frame that reading gives."""

    name = "pandas.rawdict"
    on_request = True
    checks_itself = False
    options = frozenset({"as_raw"})

    def accepts(self, value: object) -> bool:
        """Tell whether it is a dict, or a list of dicts."""
        rows = value if isinstance(value, list) else [value]
        return all(isinstance(row, dict) for row in rows)

    def ready(self) -> None:
        """Import pandas."""
        arrow()

    def dump(self, value: Any, how: How) -> Dumped:
        """Write JSON; note how many there are.

        Raises
        ------
        TypeError
            If something in a document is no JSON.
        """
        rows = value if isinstance(value, list) else [value]
        if not is_json(rows):
            raise TypeError("documents are dicts of texts, numbers, lists and dicts: JSON, and these are not")
        return Dumped(Raw((json.dumps(rows).encode(),)), {"rows": len(rows)})

    def extend(self, facts: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add up the documents."""
        return {"rows": facts["rows"] + more["rows"]}

    def load(self, parts: Sequence[Any], ask: Ask) -> Any:
        """Give a frame of a row each; with ``force_python=`` the documents."""
        import pandas

        rows = [row for part in parts for row in json.loads(bytes(part))]
        return rows if ask.options.get("force_python") else pandas.json_normalize(rows)


class Csv:
    """The kind of a CSV file that stays where it is: only its address is kept."""

    name = "pandas.csv"
    on_request = True
    checks_itself = False
    options = frozenset({"csv"})

    def accepts(self, value: object) -> bool:
        """Tell whether it is an address."""
        return isinstance(value, (str, Path))

    def ready(self) -> None:
        """Import pandas."""
        arrow()

    def dump(self, value: Any, how: How) -> Dumped:
        """Keep a path made absolute, or a URL, with the options for ``pandas.read_csv`` in ``csv=``.

        Raises
        ------
        FileNotFoundError
            If there is no such file; URLs are not asked for.
        TypeError
            If an option is no JSON.
        """
        options = dict(how.options.get("csv") or {})
        if not is_json(options):
            raise TypeError("csv= takes options that are JSON")
        uri = str(value)
        if "://" not in uri:
            uri = str(Path(uri).expanduser().resolve(strict=True))
        facts = {"uri": uri, "csv": options}
        return Dumped(Raw((json.dumps(facts).encode(),)), facts)

    def extend(self, facts: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse: the file is not ours."""
        raise refuse_appending(self.name, "address")

    def load(self, parts: Sequence[Any], ask: Ask) -> Any:
        """Read the file as it is now."""
        import pandas

        return narrow(pandas.read_csv(ask.facts["uri"], **ask.facts["csv"]), ask)

    def chunks(self, parts: Sequence[Any], ask: Ask, size: int) -> Iterator[Any]:
        """Read the file piece by piece."""
        import pandas

        first, stop = ask.rows or (0, None)
        options = {**ask.facts["csv"], "chunksize": size}
        if ask.rows is not None:
            options |= {"skiprows": range(1, first + 1), "nrows": None if stop is None else stop - first}
        with pandas.read_csv(ask.facts["uri"], **options) as pieces:
            yield from pieces
