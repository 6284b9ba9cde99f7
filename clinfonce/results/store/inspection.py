"""Whether a file among the rows is one of ours, and as it was written.

A file is looked into once: its digest is checked, and that it was written under its name, so that
neither a damaged file nor somebody's copy counts. Files of versions without digests are read.
"""

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clinfonce.errors import StorageError
from clinfonce.files import Folder, Stamp
from clinfonce.results.store.rows import is_key
from clinfonce.results.store.schema import arrow_schema
from clinfonce.seal import read_seal

SUFFIX = ".parquet"
COMPACTED = "_compacted-"

MANY_ROWS = ("scores", "epochs")  # tables with many rows of a trial, or none

KEYS, REPLACES = b"clinfonce.keys", b"clinfonce.replaces"

_COMPACTED_NAME = re.compile(f"{COMPACTED}[0-9a-f]{{32}}")


@dataclass(frozen=True)
class Compacted:
    """A compacted file.

    Attributes:
        name: of the file.
        keys: whose rows it holds.
        replaces: the compacted files that it replaces.
        current: whether its columns are those of this version.
        hidden: those of its keys whose rows are read from another file.
    """

    name: str
    keys: frozenset[str]
    replaces: frozenset[str]
    current: bool
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True)
class RowFile:
    """A file in the folder of a table, at some time.

    Attributes:
        folder: of the store.
        place: of the store.
        table: to which it seems to belong.
        name: of the file.
        stamp: changes when the file does.
    """

    folder: Folder = field(compare=False)
    place: str
    table: str
    name: str
    stamp: Stamp

    @property
    def written_as(self) -> str:
        """What a file of this name is sealed as."""
        return f"{self.table}/{self.name.removesuffix(SUFFIX)}"


def key_of(table: str) -> str:
    """The column whose value names a table's files."""
    return "clustering_id" if table == "clusterings" else "trial_id"


@lru_cache(maxsize=1 << 16)
def inspect(file: RowFile) -> Compacted | str | None:
    """The key whose rows a file holds, or what a compacted file holds; None: it is not ours.

    Raises:
        FileNotFoundError: it is gone.
        StorageError: it is damaged, or cannot be read.
    """
    stem = file.name.removesuffix(SUFFIX)
    compacted = _COMPACTED_NAME.fullmatch(stem) is not None
    if not compacted and not is_key(stem):
        return None
    content = file.folder.read(f"{file.table}/{file.name}")
    seal = read_seal(content)
    if seal is not None and not seal.intact:
        raise _damaged(file, "its content is not what was written")
    if seal is not None and seal.name != file.written_as:
        return None
    if seal is None and not _holds_rows(file, content):
        return None
    return _read_footer(file, content) if compacted else stem


def _read_footer(file: RowFile, content: bytes) -> Compacted:
    schema = pq.read_schema(pa.BufferReader(content))
    return Compacted(
        file.name,
        _noted(file, schema, KEYS),
        _noted(file, schema, REPLACES),
        schema.equals(arrow_schema(file.table)),
    )


def _noted(file: RowFile, schema: Any, note: bytes) -> frozenset[str]:
    try:
        return frozenset(map(str, json.loads((schema.metadata or {})[note])))
    except (KeyError, ValueError, TypeError, RecursionError):
        raise _damaged(file, "it does not say what it holds") from None


def _holds_rows(file: RowFile, content: bytes) -> bool:
    """Whether a file without a digest holds rows of the table under the key that it is named by."""
    try:
        rows = pq.ParquetFile(pa.BufferReader(content)).read()
    except (pa.ArrowException, OSError):
        raise _damaged(file, "it is cut short, or no Parquet file") from None
    stem, key = file.name.removesuffix(SUFFIX), key_of(file.table)
    wanted = {stem}
    if stem.startswith(COMPACTED):
        wanted = set(_noted(file, rows.schema, KEYS))
    elif file.table not in MANY_ROWS and rows.num_rows != 1:
        return False
    return (
        _fits(rows, file.table)
        and key in rows.column_names
        and set(rows.column(key).to_pylist()) <= wanted
    )


def _fits(rows: Any, table: str) -> bool:
    """Whether the columns that it shares with the schema are of its types."""
    try:
        for column in arrow_schema(table):
            for number in rows.schema.get_all_field_indices(column.name):
                rows.column(number).cast(column.type)
    except pa.ArrowException:
        return False
    return len(set(rows.column_names)) == len(rows.column_names)


def _damaged(file: RowFile, why: str) -> StorageError:
    place = f"{file.place.split('?')[0].rstrip('/')}/{file.table}/{file.name}"
    what_to_do = {
        "trials": "remove it, and the same sweep runs the trial again",
        "clusterings": "remove it and run its sweep with --fresh",
    }
    of_a_trial = "remove it and that of its trial, and the same sweep runs the trial again"
    doing = what_to_do.get(file.table, of_a_trial)
    return StorageError(f"{place} is damaged: {why}. Restore it, or {doing}")
