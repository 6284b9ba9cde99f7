"""SQL over a result store, read-only: DuckDB over the Parquet files, then locked down."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from clinfonce.results.sql.attach import attach, quoted
from clinfonce.results.sql.columns import trials_with_accuracies
from clinfonce.results.sql.interruption import Interruptible
from clinfonce.results.sql.plain import fetch
from clinfonce.results.sql.statement import input_error, only_reading
from clinfonce.results.store.store import Store

_VIEWS = Path(__file__).with_name("views.sql")

_TRIES = 10
_RESULT = 4  # a result may take that part of what a query may

_SETTINGS = (
    "timezone = 'UTC'",
    "python_enable_replacements = false",  # a name is never a variable
    "memory_limit = '25%'",
    # Without a folder for what does not fit into the memory, SQL cannot read one either.
    "temp_directory = ''",
)


class Results:
    """The tables and views of a store, for SQL. Use `open_results`.

    Tables: trials, scores, epochs, clusterings. Views: counted, best, by_clustering, by_target,
    attributes.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._connection = _connect(store)
        self._runs = Interruptible()

    def sql(self, query: str) -> Any:
        """Run one reading statement; Ctrl-C ends it.

        A query may use a quarter of the memory there is and no disk; its result a sixteenth.

        Returns:
            The rows as a pyarrow.Table. Columns of one name are told apart by numbers (name,
            name_1). What Arrow or Python has no value for is text in DuckDB's words: intervals,
            infinite dates, integers of more than 38 digits; shorter ones are decimals.

        Raises:
            InputError: the statement is malformed, is not one that only reads, reaches beyond the
                result tables, or needs too much memory.
        """
        statement = only_reading(self._connection, query)
        tries = _TRIES
        while True:
            try:
                return self._runs.run(lambda: self._fetch(statement), self._stop)
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                tries -= 1
                broken = isinstance(error, duckdb.InternalException | duckdb.FatalException)
                if broken or _file_vanished(error):
                    # DuckDB has met a fault of its own and answers nothing any more, or the store
                    # was compacted since its files were listed.
                    self._connection = _connect(self.store)
                if broken or not tries or not _file_vanished(error):
                    raise input_error(error) from error

    @property
    def is_busy(self) -> bool:
        """Whether a query still runs that Ctrl-C was to end, in a step that cannot be stopped."""
        return self._runs.is_busy

    def _fetch(self, statement: str) -> Any:
        limit = "select parse_formatted_bytes(current_setting('memory_limit'))"
        ((memory,),) = self._connection.sql(limit).fetchall()
        return fetch(self._connection, statement, memory // _RESULT)

    def _stop(self) -> None:
        self._connection.interrupt()


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
    for setting in _SETTINGS:
        connection.execute(f"set {setting}")
    with suppress(duckdb.InvalidInputException):  # a notebook without what would draw it
        connection.execute("set enable_progress_bar = false")
    paths = attach(connection, store.folder)
    connection.execute(f"create view trials as {trials_with_accuracies()}")
    connection.execute(_VIEWS.read_text())
    # From here on a query can reach the tables above and nothing else: no file, no network.
    connection.execute(f"set allowed_paths = [{quoted(paths)}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def _file_vanished(error: Exception) -> bool:
    return "No such file" in str(error) or "Path does not exist" in str(error)
