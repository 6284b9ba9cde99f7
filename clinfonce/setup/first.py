"""The first sweep of a data set: its encoder, how that is trained, what is compared, searched."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from clinfonce.config import EMBEDDINGS, PRETRAINED, RANDOM, DataSpec, TrialSpec
from clinfonce.data import TRAIN, UNLABELLED, ImageTable
from clinfonce.errors import InputError
from clinfonce.models.at_hand import encoders_at_hand
from clinfonce.setup.budget import Budget, Pace, plan
from clinfonce.setup.columns import Candidates, candidates
from clinfonce.setup.rehearsal import rehearse

_BATCHES = (256, 128, 64, 32, 16, 8, 4)
_SMALLEST = 4  # batches of an epoch
_FEW = 5  # labels a class, where the classes have so many
_FIXED = 2  # instances and labels; the encoder as it is costs next to nothing
_TINY = 12  # pixels a side: of a drawing or a digit, no photo

# Epochs below which a trial says little, and beyond which it hardly gains, by regime.
_EPOCHS = {"adapter": (8, 20), "scratch": (20, 200), "fine-tuning": (5, 30)}


@dataclass(frozen=True)
class Wishes:
    """What the user says beside the data.

    Attributes:
        name: of the sweep.
        minutes: that it may take.
        encoder: name; None takes what is at hand.
        weights: pretrained or a file; None: pretrained where they are at hand.
    """

    name: str
    minutes: float
    encoder: str | None = None
    weights: str | None = None


@dataclass(frozen=True)
class First:
    """A sweep, and why it is as it is.

    Attributes:
        name: of the sweep.
        data: which data set.
        table: the same.
        trial: what all trials have in common, as fields of a specification.
        encoder_reason: why this encoder.
        metric: column that chooses.
        columns: what is searched.
        budget: how much of it.
        minutes: that it was planned for.
        pace: of this machine.
        regime: how its encoder is trained.
        others: encoders at hand that were not taken.
    """

    name: str
    data: DataSpec
    table: ImageTable
    trial: dict[str, Any]
    encoder_reason: str
    metric: str
    columns: Candidates
    budget: Budget
    minutes: float
    pace: Pace
    regime: str
    others: tuple[str, ...] = field(default=())


def first_sweep(data: DataSpec, table: ImageTable, wishes: Wishes) -> First:
    """Plan a sweep for a data set, by what is at hand and what there is time for.

    Raises:
        InputError: nothing that would say how good an encoder is, nothing to compare, or an
            encoder that does not fit.
    """
    if table.labels is None and table.targets:
        raise InputError(
            f"{data.name}: no label of kind class among its targets, which init plans for; "
            "sweeps/your-own.yaml is a file to begin with, and metric names a target"
        )
    if table.labels is None:
        raise InputError(
            f"{data.name}: no labels, and without any nothing says how good an encoder is; a "
            "handful of each class is enough: a column 'label', or --columns label=NAME"
        )
    encoder, reason, others = _encoder(table, wishes)
    trial = _trial(table, encoder)
    spec = TrialSpec.model_validate(trial)
    columns = candidates(table, pretrained=spec.encoder.is_pretrained)
    pace = rehearse(spec, table)
    wanted, most = _EPOCHS[spec.regime]
    budget = plan(
        pace,
        wishes.minutes,
        fixed=_FIXED,
        searches=bool(columns.columns),
        wanted=wanted,
        most=most,
    )
    trial = trial | {"epochs": budget.epochs, "evaluation": {"every": max(1, budget.epochs // 8)}}
    return First(
        wishes.name, data, table, trial, reason, _metric(table), columns, budget, wishes.minutes,
        pace, spec.regime, others,
    )  # fmt: skip


def _encoder(table: ImageTable, wishes: Wishes) -> tuple[dict[str, Any], str, tuple[str, ...]]:
    """Fields of the encoder, why it is that one, and which others are at hand."""
    if not table.has_images:
        return {"name": EMBEDDINGS}, "the embeddings as they are; an adapter learns on them", ()
    if wishes.encoder is not None or wishes.weights is not None:
        return _given(wishes)
    at_hand = encoders_at_hand()
    if at_hand:
        frozen = {"name": at_hand[0], "weights": "pretrained", "train": "none"}
        reason = "its weights are on this machine; kept as they are, an adapter learns on them"
        return frozen, reason, tuple(at_hand[1:])
    if torch.cuda.is_available():
        return {"name": "resnet18"}, "from scratch: no pretrained weights are at hand", ()
    small = {"name": "small_cnn", "width": 16}
    return small, "small and from scratch: no pretrained weights and no GPU are at hand", ()


def _given(wishes: Wishes) -> tuple[dict[str, Any], str, tuple[str, ...]]:
    if wishes.encoder is None:
        raise InputError(f"--weights {wishes.weights} are of some encoder: name it with --encoder")
    usual = PRETRAINED if wishes.encoder.startswith("timm:") else RANDOM
    weights = wishes.weights or usual
    if weights == RANDOM:
        return {"name": wishes.encoder}, "as asked for, from scratch", ()
    frozen = {"name": wishes.encoder, "weights": weights, "train": "none"}
    return frozen, "as asked for; kept as it is, an adapter learns on its features", ()


def _trial(table: ImageTable, encoder: dict[str, Any]) -> dict[str, Any]:
    n = len(table.rows(TRAIN))
    batch = next((b for b in _BATCHES if b * _SMALLEST <= n), 2)
    frozen = encoder.get("train") == "none" or encoder["name"] == EMBEDDINGS
    trial: dict[str, Any] = {"encoder": encoder}
    if not frozen:
        trial = {"augmentation": _augmentation(table)} | trial
    return trial | {
        "objective": {"temperature": 0.1 if frozen else 0.2},
        "sampler": {"batch_size": batch},
        "optimizer": {"learning_rate": 0.003},
    }


def _augmentation(table: ImageTable) -> Any:
    if table.images.shape[-1] <= _TINY:
        return "digits"
    if _is_grey(table):
        return {"policy": "simclr", "saturation": 0.0, "hue": 0.0, "grey": 0.0}
    return "simclr"


def _is_grey(table: ImageTable) -> bool:
    """Whether the images have no colours, judged by some."""
    if table.images.shape[1] != 3:
        return True
    rows = table.rows(TRAIN)
    some = table.images[rows[:: max(1, len(rows) // 64)]].astype(np.int16)
    return bool(abs(some - some[:, :1]).max() <= 2)


def _metric(table: ImageTable) -> str:
    """What chooses: few labels where all classes have them, as labels are what is scarce."""
    labels = table.labels[table.rows(TRAIN)] if table.labels is not None else np.array([])
    sizes = np.bincount(labels[labels != UNLABELLED])
    return "val_linear_top1_5" if sizes.min(initial=_FEW) >= _FEW else "val_linear_top1_all"
