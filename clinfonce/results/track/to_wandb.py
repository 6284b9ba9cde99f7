"""Trials as offline runs of Weights & Biases, for `wandb sync`: nothing leaves by itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clinfonce.errors import InputError
from clinfonce.results.track.runs import Run

_EXIT = {"complete": 0, "stopped": 0, "failed": 1}


class Tracker:
    """Offline runs, written with W&B's own client."""

    def __init__(self, place: str) -> None:
        self._folder = Path(place)
        if not self._folder.is_dir():
            raise InputError(f"{place}: no such folder")
        self._runs: dict[str, Any] = {}
        self._logged: dict[str, set[tuple[str, int]]] = {}
        self._written: set[str] = set()

    @property
    def where(self) -> str:
        """How to look at it."""
        return f"wandb sync {self._folder / 'wandb'}/offline-run-*"

    def epoch(
        self, trial_id: str, sweep: str, name: str, epoch: int, values: Mapping[str, float]
    ) -> None:
        """Log what a running trial was measured at."""
        self._run(trial_id, sweep, name).log({"epoch": epoch, **values})
        self._logged.setdefault(trial_id, set()).update((c, epoch) for c in values)

    def trial(self, run: Run) -> bool:
        """Log a trial that has ended."""
        if run.trial_id in self._written or self._marker(run.trial_id).exists():
            return False
        there = self._run(run.trial_id, run.sweep, run.name)
        known = self._logged.pop(run.trial_id, set())
        by_epoch: dict[int, dict[str, float]] = {}
        for column, curve in run.curves.items():
            for epoch, value in curve:
                if (column, epoch) not in known:
                    by_epoch.setdefault(epoch, {"epoch": epoch})[column] = value
        for _, values in sorted(by_epoch.items()):
            there.log(values)
        there.config.update(dict(run.parameters) | dict(run.tags), allow_val_change=True)
        there.summary.update({f"end/{name}": value for name, value in run.measures.items()})
        there.finish(exit_code=_EXIT[run.status])
        del self._runs[run.trial_id]
        self._written.add(run.trial_id)
        return True

    def close(self) -> None:
        """End the runs of trials that have not ended; they go on in others of the same id."""
        import wandb

        for run in self._runs.values():
            run.finish(exit_code=1)
        self._runs.clear()
        wandb.teardown()  # waits until all is on the disk
        for trial_id in self._written:
            self._marker(trial_id).touch()
        self._written.clear()

    def _marker(self, trial_id: str) -> Path:
        return self._folder / "wandb" / f".{trial_id}.complete"

    def _run(self, trial_id: str, sweep: str, name: str) -> Any:
        if trial_id not in self._runs:
            import wandb

            quiet = wandb.Settings(
                silent=True, console="off", disable_git=True, x_disable_stats=True,
                x_disable_meta=True, save_code=False, disable_code=True,
            )  # fmt: skip
            run = wandb.init(
                project=sweep, id=trial_id, name=name, group=sweep, dir=str(self._folder),
                mode="offline", resume="allow", reinit="create_new", settings=quiet,
            )  # fmt: skip
            run.define_metric("*", step_metric="epoch")
            self._runs[trial_id] = run
        return self._runs[trial_id]
