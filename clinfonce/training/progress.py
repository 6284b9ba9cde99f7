"""How far a training is, and what its epochs measured."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from clinfonce.training.objectives import Measured


@dataclass
class Epoch:
    """What one epoch of pretraining measured; means are over its steps.

    Attributes:
        epoch: 1 … epochs.
        step: optimiser steps since the start of the training.
        loss: mean objective.
        learning_rate: of the last step.
        anchors_without_positive: share of the anchors that were left out of the loss; None for
            an objective without positives.
        positives_per_anchor: mean number of positives, the anchor's own other view among them, or
            None.
        seconds: wall time.
        data_seconds: that of it in which the step waited for images.
        images: seen, each in two views.
        val_knn: kNN accuracy on the validation split, where the caller measured it.
        world_size: workers that shared its last batch.
        val_online: the same of the probe that learns beside the encoder.
    """

    epoch: int
    step: int
    loss: float
    learning_rate: float
    anchors_without_positive: float | None
    positives_per_anchor: float | None
    seconds: float
    images: int
    data_seconds: float = 0.0
    val_knn: float | None = None
    world_size: int = 1
    val_online: float | None = None


@dataclass
class Sums:
    """Running sums of an epoch, kept in checkpoints so that a resumed epoch reports the same.

    `totals`, float64 (4,) on the device, is of loss, anchors, anchors without positive and
    positives per anchor; it is read when the epoch ends, so that no step waits for a GPU.
    """

    totals: Tensor = field(default_factory=lambda: torch.zeros(4, dtype=torch.float64))
    has_positives: bool = False
    steps: int = 0
    images: int = 0
    seconds: float = 0.0
    data_seconds: float = 0.0

    def add(self, measured: Measured, images: int) -> None:
        """Count a step that saw so many images."""
        values = [value.detach().double() for value in measured if value is not None]
        self.has_positives = len(values) == len(measured)
        self.totals = self.totals.to(values[0].device)
        self.totals[: len(values)] += torch.stack(values)
        self.steps += 1
        self.images += images

    def means(self) -> tuple[float, float | None, float | None]:
        """Loss, share of anchors without positive, positives per anchor."""
        loss, anchors, alone, positives = self.totals.tolist()
        if not self.has_positives:
            return loss / self.steps, None, None
        return loss / self.steps, alone / (anchors + alone), positives / self.steps


@dataclass
class Position:
    """Where the training stands: the next step to take."""

    epoch: int = 0
    step_of_epoch: int = 0
    step: int = 0
    sums: Sums = field(default_factory=Sums)
