"""A tracker that is told of a sweep while it runs, beside what is shown."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from clinfonce.results.sql.query import open_results
from clinfonce.results.store.store import Store
from clinfonce.results.track.open import Tracker
from clinfonce.results.track.runs import runs_of

Row = Mapping[str, Any]


class Shown(Protocol):
    """What is shown while a sweep runs."""

    def say(self, text: str) -> None:
        """Something worth a line."""

    def start(self, total: int) -> None:
        """The sweep begins."""

    def epoch(
        self, trial_id: str, name: str, epoch: int, epochs: int, accuracy: float | None
    ) -> None:
        """A running trial has a new validation accuracy."""

    def trial(self, row: Row, *, earlier: bool) -> None:
        """A trial has ended, perhaps in an earlier run of the sweep."""


class Live:
    """Passes on what a sweep says, to be shown and to a tracker.

    A tracker that fails ends no sweep: it is told once, and what it lacks is written afterwards.

    Args:
        shown: what else is told.
        tracker: told of every epoch that is measured and of every trial that ends.
        store: that the trials' rows are in.
        sweep: its name.
    """

    def __init__(self, shown: Shown, tracker: Tracker, store: Store, sweep: str) -> None:
        self._shown, self._tracker, self._store, self._sweep = shown, tracker, store, sweep
        self._works = True

    def say(self, text: str) -> None:
        """Something worth a line."""
        self._shown.say(text)

    def start(self, total: int) -> None:
        """The sweep begins."""
        self._shown.start(total)

    def epoch(
        self, trial_id: str, name: str, epoch: int, epochs: int, accuracy: float | None
    ) -> None:
        """A running trial has a new validation accuracy."""
        self._shown.epoch(trial_id, name, epoch, epochs, accuracy)
        values = {} if accuracy is None else {"val_knn": accuracy}
        self._try(lambda: self._tracker.epoch(trial_id, self._sweep, name, epoch, values))

    def trial(self, row: Row, *, earlier: bool) -> None:
        """A trial has ended, perhaps in an earlier run of the sweep."""
        self._shown.trial(row, earlier=earlier)
        self._try(lambda: self._write(row["trial_id"]))

    def close(self) -> None:
        """The sweep has ended."""
        self._try(self._tracker.close)

    def _write(self, trial_id: str) -> None:
        for run in runs_of(open_results(self._store), trial=trial_id):
            self._tracker.trial(run)

    def _try(self, write: Callable[[], object]) -> None:
        if not self._works:
            return
        try:
            write()
        except Exception as error:  # of any client and any server: none ends the sweep
            self._works = False
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            self.say(f"Tracking ends here ({reason}); clinfonce track writes the rest afterwards")
