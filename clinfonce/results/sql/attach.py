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


def attach(connection: Any, folder: Folder) -> list[str]:
    """Make trials, epochs and clusterings of a folder views of a connection.

    Returns:
        The paths of the files that the connection must be allowed to read.
    """
    paths: list[str] = []
    for table in TABLES:
        direct, rest = patiently(folder, partial(_parts, folder, table))
        if not direct:
            connection.register(table, rest)
            continue
        paths += direct
        parts = [f"select * from read_parquet([{quoted(direct)}])"]
        if rest is not None:
            loose = f"_loose_{table}"  # of a name that no query should need
            connection.register(loose, rest)
            parts.append(f"select * from {loose}")
        connection.execute(f"create view {table} as {' union all by name '.join(parts)}")
    return paths


def quoted(paths: Sequence[str]) -> str:
    """String literals of SQL, joined by commas."""
    return ", ".join("'" + path.replace("'", "''") + "'" for path in paths)


def _parts(folder: Folder, table: str) -> tuple[list[str], Any]:
    """Paths of files for DuckDB itself, and all other rows as a data set; None where none are."""
    files = listing(folder, table)
    direct = [c for c in files.compacted if c.current and not c.hidden and folder.local]
    others = tuple(c for c in files.compacted if c not in direct)
    rest = None
    if files.single or others or not direct:
        rest = scan_files(folder, table, Listing(files.single, others))
    return [folder.path(f"{table}/{c.name}") for c in direct], rest
