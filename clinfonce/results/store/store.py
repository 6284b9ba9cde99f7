"""The result store: one immutable Parquet file per trial and table, written whole or not at all.

    results/
      store.json                       what this folder is
      clusterings/<clustering_id>.parquet
      epochs/<trial_id>.parquet
      factors/<trial_id>.parquet
      scores/<trial_id>.parquet
      trials/<trial_id>.parquet        written last: it says that the trial is done

Many processes and machines may write at once, since no two write the same file. A trial that was
interrupted leaves at most files of epochs and scores, which the next attempt replaces. Once there
are many files they are gathered into few, `_compacted-….parquet` beside them.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow.compute as pc

from clinfonce.errors import InputError, StorageError
from clinfonce.files import Folder
from clinfonce.results.store.compaction import compact, drop, exclusive, shared
from clinfonce.results.store.inspection import SUFFIX
from clinfonce.results.store.parquet import parquet_bytes
from clinfonce.results.store.rows import check_key, to_table
from clinfonce.results.store.scan import listing, patiently, rows_of, scan
from clinfonce.results.store.schema import SCHEMA_VERSION, TABLES
from clinfonce.results.store.scores import by_trial, named, parted, scan_scores

Row = Mapping[str, Any]

_MARKER = "store.json"
_FORMAT = "clinfonce-results"
# All that a store may hold beside its marker, whoever writes it.
_PARTS = {*TABLES, "encoders", "checkpoints", "sweeps", "logs", "report.html", ".lock"}

# More trials than this in a file each are gathered into one, on the next write or query.
_MOST_SINGLE = 64


class Store:
    """The rows of all trials below one folder. Use `Store.create` or `Store.open`."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._clusterings: set[str] = set()  # keys known to be there; they are never removed
        self._is_current = False  # whether its marker is known to be of this version

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> "Store":
        """Open the store at a path, and make it if there is none.

        Args:
            path: a local folder, or a URI such as s3://bucket/folder.

        Raises:
            InputError: the folder holds something else or a store of a newer version, or cannot
                be written.
        """
        folder = Folder.at(path)
        is_new = not folder.has(_MARKER)
        if is_new and not all(map(_may_be_ours, folder.entries())):
            raise InputError(
                f"{os.fspath(path)!r} holds something else than results (no {_MARKER}); "
                "give an empty or a new folder with --results"
            )
        try:
            if is_new:
                folder.make()
                folder.write(_MARKER, _marker())
            else:
                folder.check_writable()
        except StorageError as error:
            raise InputError(f"cannot write results to {os.fspath(path)!r}: {error}") from error
        store = cls.open(path)
        for table in TABLES:
            folder.clean(table)
        return store

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "Store":
        """Open the store at a path.

        Raises:
            InputError: there is none, or it is of a newer version.
        """
        folder = Folder.at(path)
        if not folder.has(_MARKER):
            raise InputError(
                f"no results in {os.fspath(path)!r}: run `clinfonce sweep` first, "
                "or name the folder of the results with --results"
            )
        _version(folder.read(_MARKER), os.fspath(path))
        return cls(folder)

    def write_trial(
        self,
        trial: Row,
        epochs: Sequence[Row],
        clustering: Row | None,
        scores: Sequence[Row] | None = None,
        *,
        factors: Sequence[Row] = (),
    ) -> None:
        """Write a finished trial: complete, stopped or failed.

        Args:
            trial: the row of `trials`; absent keys are null.
            epochs: the rows of `epochs`.
            clustering: the row of `clusterings`; None where the trial never had one.
            scores: the rows of `scores`, perhaps without their trial; None: those that the row
                names, such as test_linear_top1_5.
            factors: the rows of `factors`, perhaps without their trial.

        Raises:
            ValueError: unknown or missing column, key that is no file name, stranger's epochs.
            TypeError: a value is not of the column's type.
        """
        trial_id = check_key("trial_id", trial["trial_id"])
        if strangers := {e["trial_id"] for e in epochs} - {trial_id}:
            raise ValueError(f"epochs of {sorted(strangers)} given with trial {trial_id}")
        columns, measured = parted(trial)
        measured = measured if scores is None else [dict(score) for score in scores]
        tables = {
            "epochs": to_table("epochs", epochs),
            "scores": to_table("scores", [{**score, "trial_id": trial_id} for score in measured]),
        }
        if factors:
            rows = [{**factor, "trial_id": trial_id} for factor in factors]
            tables["factors"] = to_table("factors", rows)
        tables["trials"] = to_table("trials", [columns])
        self.check_there()
        with shared(self.folder):
            self._keep_older_versions_out()
            if clustering is not None:
                self._write_clustering(clustering)
            for table, rows in tables.items():  # trials last
                self._write(f"{table}/{trial_id}", rows)
        self.gather_loose()

    def check_there(self) -> None:
        """Find out whether the store is still there.

        Raises:
            StorageError: somebody has deleted or moved it.
        """
        if not self.folder.has(_MARKER):
            raise StorageError(
                f"the results in {self.folder.place.split('?')[0]} are gone: they were deleted or "
                "moved while this ran. Bring them back, or begin anew with the same command"
            )

    def gather_loose(self) -> None:
        """Gather files into one a table where so many lie loose that reading them takes seconds.

        Does nothing in an object store, in a folder that may not be written, or while another
        process writes.
        """
        place = self.folder.local
        if place is None or len(self.folder.names("trials")) <= _MOST_SINGLE:
            return
        if os.access(place, os.W_OK):
            self._compact(everything=False, wait=False)

    def compact(self) -> None:
        """Gather all files into one a table; safe while others write and read.

        On a disk this also happens by itself now and then. In an object store it does not: there
        one process alone may call it.
        """
        self._compact(everything=True, wait=True)

    def finished(self) -> dict[str, dict[str, Any]]:
        """The rows of all trials that have ended, by trial_id, in order of their keys.

        Each has its measures by name, such as test_linear_top1_5; those of single groups are
        left out.
        """
        rows = patiently(self.folder, lambda: scan(self.folder, "trials").to_table().to_pylist())
        whole = pc.field("group").is_null()
        scores = by_trial(
            patiently(
                self.folder, lambda: scan_scores(self.folder).to_table(filter=whole).to_pylist()
            )
        )
        ordered = sorted(rows, key=lambda row: str(row["trial_id"]))
        return {row["trial_id"]: named(row, scores.get(row["trial_id"], ())) for row in ordered}

    def epochs_of(self, trial_id: str) -> list[dict[str, Any]]:
        """The rows of `epochs` of one trial, in order; none if it is unknown."""
        rows = patiently(self.folder, lambda: rows_of(self.folder, "epochs", trial_id))
        return sorted(rows, key=lambda row: int(row["epoch"]))

    def accuracies(self) -> dict[str, dict[int, float]]:
        """Validation kNN accuracies measured during training: trial_id → epoch → accuracy."""
        wanted = ["trial_id", "epoch", "val_knn"]
        rows = patiently(
            self.folder, lambda: scan(self.folder, "epochs").to_table(wanted).to_pylist()
        )
        reached: dict[str, dict[int, float]] = {}
        for row in rows:
            if row["val_knn"] is not None:
                reached.setdefault(row["trial_id"], {})[row["epoch"]] = row["val_knn"]
        return reached

    def trial_ids(self) -> set[str]:
        """The keys of all trials that have ended; reads no trial."""
        return patiently(self.folder, lambda: listing(self.folder, "trials").keys)

    def strangers(self) -> list[str]:
        """The paths of Parquet files among the rows that count for nothing, such as copies."""
        found = [
            f"{self.folder.path(table)}/{name}"
            for table in TABLES
            for name in patiently(self.folder, partial(listing, self.folder, table)).strangers
        ]
        return sorted(found)

    def remove(self, trial_ids: Iterable[str]) -> None:
        """Remove trials and their epochs, so that they run again; unknown ones are passed over."""
        keys = {check_key("trial_id", trial_id) for trial_id in trial_ids}
        with exclusive(self.folder, wait=True):
            # Trials first: no done trial lacks any.
            for table in ("trials", "scores", "factors", "epochs"):
                drop(self.folder, table, keys)

    def _compact(self, *, everything: bool, wait: bool) -> None:
        with exclusive(self.folder, wait=wait) as got:
            if got:
                self._keep_older_versions_out()
                compact(self.folder, everything=everything)

    def _keep_older_versions_out(self) -> None:
        """Mark an older store as one of this version, as what is written from here on is."""
        if self._is_current:
            return
        if _version(self.folder.read(_MARKER), self.folder.place) < SCHEMA_VERSION:
            self.folder.write(_MARKER, _marker())
        self._is_current = True

    def _write_clustering(self, clustering: Row) -> None:
        key = check_key("clustering_id", clustering["clustering_id"])
        rows = to_table("clusterings", [clustering])
        if key not in self._clusterings:
            self._clusterings |= listing(self.folder, "clusterings").keys
        if key not in self._clusterings:
            self._write(f"clusterings/{key}", rows)
            self._clusterings.add(key)

    def _write(self, name: str, rows: Any) -> None:
        self.folder.write(f"{name}{SUFFIX}", parquet_bytes(rows, name=name))


def _may_be_ours(name: str) -> bool:
    """Whether something may be what is left of a store whose marker was deleted."""
    return name in _PARTS or name.startswith(".tmp-")


def _marker() -> bytes:
    return (json.dumps({"format": _FORMAT, "version": SCHEMA_VERSION}) + "\n").encode()


def _version(content: bytes, path: str) -> int:
    """The version of a store by what its marker holds.

    Raises:
        InputError: it is damaged, of something else, or of a newer version.
    """
    try:
        marker = json.loads(content)
        name, version = marker["format"], int(marker["version"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise InputError(f"{path}/{_MARKER} is damaged: {content[:80]!r}") from error
    if name != _FORMAT:
        raise InputError(f"{path}/{_MARKER}: format {name!r} is not {_FORMAT!r}")
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{path!r} holds results of version {version}; this clinfonce reads up to "
            f"{SCHEMA_VERSION}: install a newer one"
        )
    return version
