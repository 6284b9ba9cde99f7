"""Reading the tables of a store as Arrow data sets, from single files and compacted ones.

A compacted file, `_compacted-<random>.parquet`, holds the rows of many single files. Its footer
lists their keys, and the compacted files that it replaces. So every state that an interrupted
compaction can leave reads the same: a key that also has a single file is read from that one, and a
compacted file that another replaces is not read.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from clinfonce.files import Folder
from clinfonce.results.store.schema import arrow_schema

SUFFIX = ".parquet"
COMPACTED = "_compacted-"

Rows = TypeVar("Rows")

_TRIES = 10

_KEYS, _REPLACES = b"clinfonce.keys", b"clinfonce.replaces"


@dataclass(frozen=True)
class Compacted:
    """A compacted file.

    Attributes:
        name: of the file.
        keys: whose rows it holds.
        replaces: the compacted files that it replaces.
        current: whether its columns are those of this version.
    """

    name: str
    keys: frozenset[str]
    replaces: frozenset[str]
    current: bool


@dataclass(frozen=True)
class Listing:
    """The files of a table that count.

    Attributes:
        single: keys that have a file of their own.
        compacted: compacted files that no other replaces.
        replaced: compacted files that another replaces: to be deleted.
    """

    single: frozenset[str]
    compacted: tuple[Compacted, ...]
    replaced: frozenset[str]

    @property
    def keys(self) -> set[str]:
        """All keys that have rows."""
        return set(self.single).union(*(c.keys for c in self.compacted))


def key_of(table: str) -> str:
    """The column whose value names a table's files."""
    return "clustering_id" if table == "clusterings" else "trial_id"


def listing(folder: Folder, table: str) -> Listing:
    """List the files of a table; reads the footers of compacted files only.

    Listing a folder takes time. A compaction meanwhile could hide rows from it: the new file is
    made where the listing has passed already, and the old one deleted before it gets there. Such a
    new file is met by the next listing, so the files are listed until two agree on compacted ones.
    """
    names = _names(folder, table)
    while True:
        before, names = names, _names(folder, table)
        if _compacted(names) == _compacted(before):
            break
    found = [_footer(folder, table, name) for name in _compacted(names)]
    replaced = frozenset().union(*(c.replaces for c in found))
    single = frozenset(n.removesuffix(SUFFIX) for n in names if not n.startswith(COMPACTED))
    current = tuple(c for c in found if c.name not in replaced)
    return Listing(single, current, replaced & {c.name for c in found})


def patiently(folder: Folder, read: Callable[[], Rows]) -> Rows:
    """Read again if a compaction has taken a listed file away before it was read."""
    for _ in range(_TRIES - 1):
        try:
            return folder.ask(read)
        except FileNotFoundError:
            continue
    return folder.ask(read)


def scan(folder: Folder, table: str) -> Any:
    """A table of the store as a data set; columns that an older store lacks are null."""
    return scan_files(folder, table, listing(folder, table))


def scan_files(folder: Folder, table: str, files: Listing) -> Any:
    """The rows of some files of a table as a data set; single files come before compacted rows."""
    whole, parts = [], []
    for compacted in files.compacted:
        newer = compacted.keys & files.single
        if newer:
            rows = _files(folder, table, [compacted.name]).to_table()
            stale = pc.is_in(rows[key_of(table)], pa.array(sorted(newer)))
            parts.append(ds.dataset(rows.filter(pc.invert(stale))))
        else:
            whole.append(compacted.name)
    whole += [key + SUFFIX for key in sorted(files.single)]
    read = _files(folder, table, whole)
    return ds.dataset([read, *parts]) if parts else read


def rows_of(folder: Folder, table: str, key: str) -> list[dict[str, Any]]:
    """The rows of one key, read from the one file that holds them."""
    files = listing(folder, table)
    holders = [c.name for c in files.compacted if key in c.keys]
    names = [key + SUFFIX] if key in files.single else holders[:1]
    wanted = pc.field(key_of(table)) == key
    rows: list[dict[str, Any]] = _files(folder, table, names).to_table(filter=wanted).to_pylist()
    return rows


def mark_compacted(rows: Any, keys: Sequence[str], replaces: Sequence[str]) -> Any:
    """The rows with the keys and the replaced files noted for the footer."""
    notes = {_KEYS: json.dumps(sorted(keys)), _REPLACES: json.dumps(sorted(replaces))}
    return rows.replace_schema_metadata({**(rows.schema.metadata or {}), **notes})


def _names(folder: Folder, table: str) -> list[str]:
    return [n for n in folder.names(table) if n.endswith(SUFFIX)]


def _compacted(names: Sequence[str]) -> list[str]:
    return [n for n in names if n.startswith(COMPACTED)]


def _files(folder: Folder, table: str, names: Sequence[str]) -> Any:
    return ds.FileSystemDataset.from_paths(
        [folder.path(f"{table}/{name}") for name in names],
        schema=arrow_schema(table),
        format=ds.ParquetFileFormat(),
        filesystem=folder.filesystem,
    )


def _footer(folder: Folder, table: str, name: str) -> Compacted:
    schema = pq.read_schema(folder.path(f"{table}/{name}"), filesystem=folder.filesystem)
    notes = schema.metadata or {}
    return Compacted(
        name,
        frozenset(json.loads(notes.get(_KEYS, b"[]"))),
        frozenset(json.loads(notes.get(_REPLACES, b"[]"))),
        schema.equals(arrow_schema(table)),
    )
