"""Reading the tables of a store as Arrow data sets."""

from typing import Any

import pyarrow.dataset as ds

from clinfonce.results._folder import Folder
from clinfonce.results.schema import arrow_schema

_SUFFIX = ".parquet"


def scan(folder: Folder, table: str, *, only: str | None = None) -> Any:
    """A table of the store as a data set; columns that an older store lacks are null.

    Args:
        folder: the store's folder.
        table: trials, epochs or clusterings.
        only: read the file of this key alone.
    """
    names = [n for n in folder.names(table) if n.endswith(_SUFFIX)]
    if only is not None:
        names = [n for n in names if n == only + _SUFFIX]
    paths = [folder.path(f"{table}/{name}") for name in names]
    return ds.FileSystemDataset.from_paths(
        paths,
        schema=arrow_schema(table),
        format=ds.ParquetFileFormat(),
        filesystem=folder.filesystem,
    )


def trial_names(folder: Folder, table: str) -> set[str]:
    """The keys that have a file in a table."""
    return {n.removesuffix(_SUFFIX) for n in folder.names(table) if n.endswith(_SUFFIX)}
