"""Trials as TensorBoard's event files: a folder a trial, RUNS/SWEEP/TRIAL."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clinfonce.errors import InputError
from clinfonce.results.track.runs import Run

_DONE = "complete"  # a file beside the events of a trial that has ended


class Tracker:
    """Event files, written with tensorboardX."""

    def __init__(self, place: str) -> None:
        self._folder = Path(place)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{place}: {error.strerror}") from None
        self._open: dict[str, Any] = {}

    @property
    def where(self) -> str:
        """How to look at it."""
        return f"tensorboard --logdir {self._folder}"

    def epoch(
        self, trial_id: str, sweep: str, name: str, epoch: int, values: Mapping[str, float]
    ) -> None:
        """Append what a running trial was measured at."""
        if trial_id not in self._open:
            self._open[trial_id] = _writer(self._folder_of(sweep, name, trial_id))
        for column, value in values.items():
            self._open[trial_id].add_scalar(column, value, epoch)
        self._open[trial_id].flush()

    def trial(self, run: Run) -> bool:
        """Write a trial whole, in place of what was written while it ran."""
        folder = self._folder_of(run.sweep, run.name, run.trial_id)
        if (folder / _DONE).exists():
            return False
        if (writer := self._open.pop(run.trial_id, None)) is not None:
            writer.close()
        shutil.rmtree(folder, ignore_errors=True)
        writer = _writer(folder)
        for column, curve in run.curves.items():
            for epoch, value in curve:
                writer.add_scalar(column, value, epoch)
        last = max((epoch for curve in run.curves.values() for epoch, _ in curve), default=0)
        for column, value in run.measures.items():
            writer.add_scalar(f"end/{column}", value, last)
        for part in _hyper_parameters(run):
            writer.file_writer.add_summary(part)
        for name, text in run.tags.items():
            writer.add_text(name, text)
        writer.close()
        (folder / _DONE).touch()
        return True

    def close(self) -> None:
        """Close what is still open."""
        for writer in self._open.values():
            writer.close()
        self._open.clear()

    def _folder_of(self, sweep: str, name: str, trial_id: str) -> Path:
        words = "".join(c if c.isalnum() or c in "-_.()," else "-" for c in name)[:80]
        return self._folder / sweep / f"{words}-{trial_id}"


def _writer(folder: Path) -> Any:
    from tensorboardX import SummaryWriter

    return SummaryWriter(str(folder))


def _hyper_parameters(run: Run) -> Any:
    from tensorboardX.summary import hparams

    return hparams(dict(run.parameters), {f"end/{name}": v for name, v in run.measures.items()})
