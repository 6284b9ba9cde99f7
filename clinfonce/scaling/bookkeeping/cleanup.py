"""What the trials of a sweep leave in its store beside their rows, and how it goes."""

from collections.abc import Iterable

from clinfonce.models.saved import encoder_file
from clinfonce.results.store.store import Store
from clinfonce.training.checkpoint import checkpoint_file, checkpoints_of
from clinfonce.trial.rows import Row


def forget(store: Store, sweep: str, trial_ids: Iterable[str]) -> None:
    """Remove trials of a sweep with all that they left."""
    keys = list(trial_ids)
    store.remove(keys)
    for key in keys:
        encoder_file(store.folder, key).remove()
        checkpoint_file(store.folder, sweep, key).remove()


def forget_sweep(store: Store, sweep: str) -> None:
    """Remove all trials of a sweep, and what those that have not ended would resume from."""
    forget(store, sweep, [i for i, row in store.finished().items() if row["sweep"] == sweep])
    for checkpoint in checkpoints_of(store.folder, sweep):
        checkpoint.remove()


def remove_checkpoints_of_stopped(store: Store, sweep: str, rows: Iterable[Row]) -> None:
    """Nobody resumes those trials; a failed one's may be looked into."""
    there = checkpoints_of(store.folder, sweep)
    for row in rows:
        checkpoint = checkpoint_file(store.folder, sweep, row["trial_id"])
        if row["status"] == "stopped" and checkpoint in there:
            checkpoint.remove()
