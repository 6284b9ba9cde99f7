"""Gathering many small files into few large ones, safely while trials are being written.

A compaction writes the new file whole, then deletes what it holds; readers meet both states and
every state between (see `_scan`). Trials being written are not touched: the files of an epoch table
are gathered only once their trial has ended. On a disk a lock keeps writers, who share it, from
those who gather or remove; it dies with its process. In an object store the caller must see to it
that one process alone gathers or removes, and that no finished trial is written again meanwhile.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pyarrow.compute as pc

from clinfonce.files import Folder
from clinfonce.results.store.inspection import COMPACTED, MANY_ROWS, SUFFIX, key_of
from clinfonce.results.store.parquet import parquet_bytes
from clinfonce.results.store.scan import Listing, listing, mark_compacted, scan_files
from clinfonce.results.store.schema import TABLES
from clinfonce.results.store.scores import old_scores

# Compacted files are gathered again once there are this many, so that rows are copied rarely.
_MOST_COMPACTED = 16
_ORDER = {"epochs": ("epoch",), "scores": ("target", "split", "probe", "labels", "measure")}


@contextmanager
def exclusive(folder: Folder, *, wait: bool) -> Iterator[bool]:
    """Hold the store's lock alone; yields whether it was got. Always, in an object store."""
    with _locked(folder, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)) as got:
        yield got


@contextmanager
def shared(folder: Folder) -> Iterator[None]:
    """Hold the store's lock together with other writers."""
    with _locked(folder, fcntl.LOCK_SH):
        yield


@contextmanager
def _locked(folder: Folder, how: int) -> Iterator[bool]:
    if folder.local is None:
        yield True
        return
    folder.check_there()
    lock = folder.local / ".lock"
    with folder.ask(lambda: lock.open("a")) as file:
        try:
            fcntl.flock(file, how)
        except BlockingIOError:
            yield False
            return
        yield True  # closing the file gives the lock back


def compact(folder: Folder, *, everything: bool) -> None:
    """Gather the single files of every table; the caller holds the lock.

    Args:
        folder: the store's folder.
        everything: gather compacted files too, to one file a table.
    """
    _move_scores(folder)
    ended = listing(folder, "trials").keys
    for table in TABLES:
        files = listing(folder, table)
        _delete(folder, table, files.replaced)
        single = files.single & ended if table in MANY_ROWS else files.single
        all_of_them = everything or len(files.compacted) >= _MOST_COMPACTED
        # A key must not end up in two compacted files.
        old = tuple(c for c in files.compacted if all_of_them or c.keys & single)
        if len(single) + len(old) > 1:
            _gather(folder, table, Listing(frozenset(single), old))


def _move_scores(folder: Folder) -> None:
    """Give the trials of older versions the scores that they held themselves.

    Read again before their columns are deleted they are the same, so this may stop anywhere.
    """
    files = listing(folder, "scores")
    if (old := old_scores(folder, files)) is not None:
        keys = listing(folder, "trials").keys - files.keys
        _write(folder, "scores", old, keys, [])


def drop(folder: Folder, table: str, keys: set[str]) -> None:
    """Remove the rows of keys, from single files and compacted ones; the caller holds the lock."""
    files = listing(folder, table)
    for compacted in files.compacted:
        left = compacted.keys - compacted.hidden - keys
        if not left:
            _delete(folder, table, {compacted.name})
        elif compacted.keys & keys:
            rows = scan_files(folder, table, Listing(frozenset(), (compacted,)))
            kept = rows.to_table(filter=pc.field(key_of(table)).isin(sorted(left)))
            _write(folder, table, kept, left, [compacted.name])
    # A compacted row hides behind its single file, so the single files go last.
    _delete(folder, table, {key + SUFFIX for key in keys & files.single})


def _gather(folder: Folder, table: str, files: Listing) -> None:
    rows = scan_files(folder, table, files).to_table()
    _write(folder, table, rows, files.keys, [c.name for c in files.compacted])
    _delete(folder, table, {key + SUFFIX for key in files.single})


def _write(
    folder: Folder, table: str, rows: Any, keys: set[str] | frozenset[str], replaces: list[str]
) -> None:
    """Write the rows of keys as one compacted file, then delete the files that it replaces."""
    order = [(name, "ascending") for name in (key_of(table), *_ORDER.get(table, ()))]
    rows = mark_compacted(rows.sort_by(order), sorted(keys), replaces)
    name = f"{table}/{COMPACTED}{uuid4().hex}"
    folder.write(name + SUFFIX, parquet_bytes(rows, small=False, name=name))
    _delete(folder, table, set(replaces))


def _delete(folder: Folder, table: str, names: set[str] | frozenset[str]) -> None:
    for name in sorted(names):
        folder.remove(f"{table}/{name}")
