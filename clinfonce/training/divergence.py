"""Whether the loss is still a number."""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from clinfonce.errors import RunError

if TYPE_CHECKING:
    from clinfonce.config import TrialSpec

# Steps whose losses a GPU may owe before it is made to wait for them.
_UNSEEN = 16


class TrainingDivergedError(RunError):
    """The loss is no longer a finite number."""


class LossWatch:
    """Looks at the losses of the latest steps: on a GPU now and then, looking makes it wait.

    Args:
        spec: of the trial.
        device: where it trains.

    Attributes:
        last_good: words on the last checkpoint.
    """

    def __init__(self, spec: "TrialSpec", device: torch.device) -> None:
        self._spec, self._every = spec, 1 if device.type == "cpu" else _UNSEEN
        self._unseen: list[Tensor] = []
        self.last_good = "no checkpoint was saved before"

    def note(self, loss: Tensor, step: int, epoch: int) -> None:
        """Take note of the loss of a step (0, 1, …) of an epoch (0, 1, …), and look if due."""
        self._unseen.append(loss.detach())
        if len(self._unseen) == self._every:
            self.look(step + 1, epoch)

    def look(self, end: int, epoch: int) -> None:
        """Raise TrainingDivergedError if a loss of the latest steps before `end` is not finite."""
        losses, self._unseen = [float(loss) for loss in self._unseen], []
        for step, loss in enumerate(losses, end - len(losses)):
            if not math.isfinite(loss):
                raise TrainingDivergedError(self._said(step, epoch, loss))

    def _said(self, step: int, epoch: int, loss: float) -> str:
        return (
            f"the loss is {loss} at step {step} (epoch {epoch + 1}); {self.last_good}; "
            f"lower optimizer.learning_rate ({self._spec.optimizer.learning_rate}) or raise "
            f"objective.temperature ({self._spec.objective.temperature})"
        )
