"""SQL over a result store, read-only: DuckDB over the Parquet files, then locked down."""

import os
import re
from pathlib import Path
from typing import Any

import duckdb

from clinfonce.errors import InputError
from clinfonce.results.sql.attach import attach, quoted
from clinfonce.results.store.store import Store

_VIEWS = Path(__file__).with_name("views.sql")

_TRIES = 10

# DESCRIBE, SHOW, SUMMARIZE, VALUES, FROM and WITH … SELECT parse as SELECT.
_ALLOWED = "one SELECT, WITH, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN statement"
_EXPLAIN = re.compile(r"\s*explain\s+(analyze\s+)?", re.IGNORECASE)


class Results:
    """The tables and views of a store, for SQL. Use `open_results`.

    Tables: trials, epochs, clusterings. Views: best, by_clustering, attributes.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._connection = _connect(store)

    def sql(self, query: str) -> Any:
        """Run one reading statement.

        Returns:
            The rows as a pyarrow.Table.

        Raises:
            InputError: the statement is malformed, is not one that only reads, or reaches beyond
                the result tables.
        """
        statement = _only_reading(self._connection, query)
        for _ in range(_TRIES - 1):
            try:
                return self._fetch(statement)
            except duckdb.Error as error:
                if not _file_vanished(error):
                    raise _input_error(error) from error
            # The store was compacted since its files were listed: list them again.
            self._connection = _connect(self.store)
        return self._fetch(statement)

    def _fetch(self, statement: str) -> Any:
        relation = self._connection.sql(statement)
        return relation.to_arrow_table()


def open_results(path: str | os.PathLike[str] | Store) -> Results:
    """Open a store for SQL; gathers its files first where too many lie loose.

    Args:
        path: the store, or its local folder or URI.

    Raises:
        InputError: there is no store, or it is of a newer version.
    """
    store = path if isinstance(path, Store) else Store.open(path)
    store.gather_loose()
    return Results(store)


def _connect(store: Store) -> Any:
    connection = duckdb.connect(":memory:")
    connection.execute("set timezone = 'UTC'")
    connection.execute("set enable_progress_bar = false")
    connection.execute("set python_enable_replacements = false")  # a name is never a variable
    paths = attach(connection, store.folder)
    connection.execute(_VIEWS.read_text())
    # From here on a query can reach the tables above and nothing else: no file, no network.
    connection.execute(f"set allowed_paths = [{quoted(paths)}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def _only_reading(connection: Any, query: str) -> str:
    """The one statement of a query, if all it can do is read."""
    statements = _parse(connection, query)
    if len(statements) != 1:
        raise InputError(f"the query holds {len(statements)} statements; allowed: {_ALLOWED}")
    kind, text = statements[0]
    if kind == duckdb.StatementType.EXPLAIN:
        # EXPLAIN ANALYZE runs what it explains, so what it explains must only read too.
        _only_reading(connection, _EXPLAIN.sub("", _without_comments(text), count=1))
    elif kind != duckdb.StatementType.SELECT:
        name = str(kind).rsplit(".", maxsplit=1)[-1]
        raise InputError(f"{name} is not allowed here; allowed: {_ALLOWED}")
    return str(text)


def _parse(connection: Any, query: str) -> list[tuple[Any, str]]:
    """The kind and the text of each statement."""
    try:
        return [(s.type, s.query) for s in connection.extract_statements(query)]
    except duckdb.Error as error:
        raise _input_error(error) from error
    except ValueError as error:  # a kind of statement that the Python package does not know
        raise InputError(f"this statement is not allowed here; allowed: {_ALLOWED}") from error


def _without_comments(query: str) -> str:
    return re.sub(r"\A(\s+|--[^\n]*(\n|\Z)|/\*.*?\*/)+", "", query, flags=re.DOTALL)


def _input_error(error: Exception) -> InputError:
    return InputError(str(error).strip().splitlines()[0])


def _file_vanished(error: Exception) -> bool:
    return "No such file" in str(error) or "Path does not exist" in str(error)
