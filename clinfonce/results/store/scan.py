"""Reading the tables of a store as Arrow data sets, from single files and compacted ones.

A compacted file, `_compacted-<random>.parquet`, holds the rows of many single files. Its footer
lists their keys, and the compacted files that it replaces. So every state that an interrupted
compaction can leave reads the same: a key that also has a single file is read from that one, and a
compacted file that another replaces is not read.
"""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from clinfonce.files import Folder, Stamp
from clinfonce.results.store.inspection import (
    COMPACTED,
    KEYS,
    REPLACES,
    SUFFIX,
    Compacted,
    RowFile,
    inspect,
    key_of,
)
from clinfonce.results.store.schema import arrow_schema

Rows = TypeVar("Rows")

_PARQUET = ds.ParquetFileFormat(
    default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True)
)
_TRIES = 10
_READERS = 16  # of files in an object store at a time


@dataclass(frozen=True)
class Listing:
    """The files of a table that count.

    Attributes:
        single: keys that have a file of their own.
        compacted: compacted files that no other replaces.
        replaced: compacted files that another replaces: to be deleted.
        strangers: files that are not ours, such as copies: they count for nothing.
    """

    single: frozenset[str]
    compacted: tuple[Compacted, ...]
    replaced: frozenset[str] = frozenset()
    strangers: frozenset[str] = frozenset()

    @property
    def keys(self) -> set[str]:
        """All keys that have rows."""
        return set(self.single).union(*(c.keys - c.hidden for c in self.compacted))


def listing(folder: Folder, table: str) -> Listing:
    """List the files of a table, each looked into once.

    Listing a folder takes time. A compaction meanwhile could hide rows from it: the new file is
    made where the listing has passed already, and the old one deleted before it gets there. Such a
    new file is met by the next listing, so the files are listed until two agree on compacted ones.

    Raises:
        FileNotFoundError: a file is gone since.
        StorageError: a file is damaged; it is named.
    """
    files = _names(folder, table)
    while True:
        before, files = files, _names(folder, table)
        if _compacted(files) == _compacted(before):
            break
    found = dict(zip(files, _inspected(folder, table, files), strict=True))
    compacted = [kind for kind in found.values() if isinstance(kind, Compacted)]
    replaced = frozenset[str]().union(*(c.replaces for c in compacted))
    single = frozenset(kind for kind in found.values() if isinstance(kind, str))
    return Listing(
        single,
        _one_for_each_key([c for c in compacted if c.name not in replaced], single),
        replaced & {c.name for c in compacted},
        frozenset(name for name, kind in found.items() if kind is None),
    )


def _inspected(folder: Folder, table: str, files: dict[str, Stamp]) -> list[Any]:
    rows = [RowFile(folder, folder.place, table, name, stamp) for name, stamp in files.items()]
    if folder.local is not None:
        return [inspect(file) for file in rows]
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(inspect, rows))


def _one_for_each_key(
    compacted: Sequence[Compacted], single: frozenset[str]
) -> tuple[Compacted, ...]:
    """The files with the keys hidden that are read from another one.

    A single file comes first. Of compacted ones that share keys, as where a copy of the store was
    laid over it, the larger does.
    """
    taken, found = set(single), []
    for file in sorted(compacted, key=lambda file: (-len(file.keys), file.name)):
        found.append(replace(file, hidden=file.keys & taken))
        taken |= file.keys
    return tuple(found)


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


def scan_files(folder: Folder, table: str, files: Listing, schema: Any = None) -> Any:
    """The rows of some files of a table as a data set; single files come before compacted rows.

    Args:
        folder: the store's folder.
        table: the table.
        files: which.
        schema: columns that are read; None: those of the table.
    """
    schema = arrow_schema(table) if schema is None else schema
    whole, parts = [], []
    for compacted in files.compacted:
        if compacted.hidden:
            rows = _files(folder, table, [compacted.name], schema).to_table()
            stale = pc.is_in(rows[key_of(table)], pa.array(sorted(compacted.hidden)))
            parts.append(ds.dataset(rows.filter(pc.invert(stale))))
        else:
            whole.append(compacted.name)
    whole += [key + SUFFIX for key in sorted(files.single)]
    read = _files(folder, table, whole, schema)
    return ds.dataset([read, *parts]) if parts else read


def rows_of(folder: Folder, table: str, key: str) -> list[dict[str, Any]]:
    """The rows of one key, read from the one file that holds them."""
    files = listing(folder, table)
    holders = [c.name for c in files.compacted if key in c.keys - c.hidden]
    names = [key + SUFFIX] if key in files.single else holders[:1]
    wanted = pc.field(key_of(table)) == key
    rows: list[dict[str, Any]] = (
        _files(folder, table, names, arrow_schema(table)).to_table(filter=wanted).to_pylist()
    )
    return rows


def mark_compacted(rows: Any, keys: Sequence[str], replaces: Sequence[str]) -> Any:
    """The rows with the keys and the replaced files noted for the footer."""
    notes = {KEYS: json.dumps(sorted(keys)), REPLACES: json.dumps(sorted(replaces))}
    return rows.replace_schema_metadata({**(rows.schema.metadata or {}), **notes})


def _names(folder: Folder, table: str) -> dict[str, Stamp]:
    return {name: s for name, s in folder.stamps(table).items() if name.endswith(SUFFIX)}


def _compacted(names: Sequence[str] | dict[str, Stamp]) -> list[str]:
    return [n for n in names if n.startswith(COMPACTED)]


def _files(folder: Folder, table: str, names: Sequence[str], schema: Any) -> Any:
    return ds.FileSystemDataset.from_paths(
        [folder.path(f"{table}/{name}") for name in names],
        schema=schema,
        format=_PARQUET,
        filesystem=folder.filesystem,
    )
