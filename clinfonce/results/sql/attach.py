"""The tables of a store, made visible to a DuckDB connection.

DuckDB reads compacted files by itself, several times as fast as through Arrow. The few files that
no compaction has gathered yet, or that an older version wrote, come as an Arrow data set, which
knows what to do with missing columns and with rows that were written again.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from clinfonce.files import Folder
from clinfonce.results.store.scan import Listing, listing, patiently, scan_files
from clinfonce.results.store.schema import TABLES
from clinfonce.results.store.scores import old_scores

STORED = {"trials": "_trials"}


def attach(connection: Any, folder: Folder) -> list[str]:
    """Make the tables of a folder views of a connection, but `trials` under the name _trials.

    So the view `trials` can have accuracies too.

    Returns:
        The paths of the files that the connection must be allowed to read.
    """
    paths: list[str] = []
    for table in TABLES:
        name = STORED.get(table, table)
        direct, others = patiently(folder, partial(_parts, folder, table))
        if not direct and len(others) == 1:
            connection.register(name, others[0])
            continue
        paths += direct
        parts = [f"select * from read_parquet([{quoted(direct)}])"] if direct else []
        for number, rest in enumerate(others):
            loose = f"_loose_{number}_{table}"  # of a name that no query should need
            connection.register(loose, rest)
            parts.append(f"select * from {loose}")
        connection.execute(f"create view {name} as {' union all by name '.join(parts)}")
    return paths


def quoted(paths: Sequence[str]) -> str:
    """String literals of SQL, joined by commas."""
    return ", ".join("'" + path.replace("'", "''") + "'" for path in paths)


def _parts(folder: Folder, table: str) -> tuple[list[str], list[Any]]:
    """Paths of files for DuckDB itself, and all other rows as data sets."""
    files = listing(folder, table)
    direct = [c for c in files.compacted if c.current and not c.hidden and folder.local]
    others = tuple(c for c in files.compacted if c not in direct)
    rest = []
    if files.single or others or not direct:
        rest.append(scan_files(folder, table, Listing(files.single, others)))
    if table == "scores" and (old := old_scores(folder, files)) is not None:
        rest.append(old)
    return [folder.path(f"{table}/{c.name}") for c in direct], rest
