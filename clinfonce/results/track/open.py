"""Trackers by their names."""

import importlib
import importlib.util
from collections.abc import Mapping
from typing import Protocol

from clinfonce.errors import InputError, unknown_name
from clinfonce.results.track.runs import Run


class Tracker(Protocol):
    """Where runs are written to."""

    def epoch(
        self, trial_id: str, sweep: str, name: str, epoch: int, values: Mapping[str, float]
    ) -> None:
        """A trial that runs has been measured."""

    def trial(self, run: Run) -> bool:
        """Write a trial that has ended, unless it is there; whether it was not."""

    def close(self) -> None:
        """Everything is written."""

    @property
    def where(self) -> str:
        """How to look at it, for people."""


# Name to the module that has a `Tracker`, the package that it needs, and the usual place.
TRACKERS = {
    "mlflow": ("to_mlflow", "mlflow", "sqlite:///mlflow.db"),
    "tensorboard": ("to_tensorboard", "tensorboardX", "runs"),
    "wandb": ("to_wandb", "wandb", "."),
}


def open_tracker(kind: str, place: str | None = None) -> Tracker:
    """A tracker.

    Args:
        kind: of `TRACKERS`.
        place: folder, or for MLflow any address that it takes; None: the usual one.

    Raises:
        InputError: an unknown kind, its package is not installed, or a place that cannot be used.
    """
    if kind not in TRACKERS:
        raise InputError(unknown_name("tracker", kind, TRACKERS))
    module, package, usual = TRACKERS[kind]
    if importlib.util.find_spec(package) is None:
        raise InputError(f"{kind} needs a package: pip install 'clinfonce[{kind}]'")
    made: Tracker = importlib.import_module(f"clinfonce.results.track.{module}").Tracker(
        place or usual
    )
    return made
