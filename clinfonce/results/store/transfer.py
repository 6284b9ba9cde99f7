"""Rows from one store to another."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from clinfonce.files import Folder
from clinfonce.results.store.scan import patiently, scan
from clinfonce.results.store.scores import by_trial, scan_scores
from clinfonce.results.store.store import Store


def take_sweep(target: Store, source: Store, sweep: str) -> None:
    """Make a store's rows of a sweep those of another store; rows of other sweeps stay.

    Args:
        target: the store that is changed.
        source: the store that is read.
        sweep: the name of the sweep.
    """
    there, here = _trials(source, sweep), _trials(target, sweep)
    target.remove(key for key, row in here.items() if there.get(key) != row)
    new = {key: row for key, row in there.items() if here.get(key) != row}
    epochs = by_trial(_rows(source, "epochs", "trial_id", list(new)))
    scores = by_trial(_rows(source, "scores", "trial_id", list(new)))
    needed = {row["clustering_id"] for row in new.values()} - {None}
    clusterings = {
        row["clustering_id"]: row
        for row in _rows(source, "clusterings", "clustering_id", list(needed))
    }
    for key, row in new.items():
        clustering = clusterings.get(row["clustering_id"])
        target.write_trial(row, epochs.get(key, []), clustering, scores.get(key, []))


def _trials(store: Store, sweep: str) -> dict[str, dict[str, Any]]:
    return {key: row for key, row in store.finished().items() if row["sweep"] == sweep}


def _rows(store: Store, table: str, column: str, keys: list[str]) -> list[dict[str, Any]]:
    wanted = pc.field(column).isin(pa.array(keys, pa.string()))
    rows: list[dict[str, Any]] = patiently(
        store.folder, lambda: _scan(store.folder, table).to_table(filter=wanted).to_pylist()
    )
    return rows


def _scan(folder: Folder, table: str) -> Any:
    return scan_scores(folder) if table == "scores" else scan(folder, table)
