"""One trial, from its specification to its rows: cluster, pretrain, probe. No Ray in it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clinfonce.augment import Policy
from clinfonce.clusterings import Clustering
from clinfonce.config import TrialSpec
from clinfonce.data import TEST, TRAIN, VALIDATION, ImageTable, attributes
from clinfonce.errors import InputError
from clinfonce.evaluation import encode, evaluate, knn_accuracy
from clinfonce.files import File
from clinfonce.training.images import ImageSource
from clinfonce.training.loop import Epoch, Pretraining, build_model
from clinfonce.training.sampler import BatchSampler
from clinfonce.trial.clusterings import build_clustering, labelled_rows, labels_of
from clinfonce.trial.rows import (
    Row,
    describe_clustering,
    describe_cost,
    describe_epochs,
    describe_machine,
    describe_outcome,
    describe_trial,
    forget_peak_memory,
)

_BLOCK = 1 << 26  # bytes of pixels that are in the memory at a time


@dataclass
class TrialResult:
    """The rows of a finished trial, and its encoder.

    Attributes:
        trial: row of the table `trials`.
        epochs: rows of the table `epochs`.
        clustering: row of the table `clusterings`.
        encoder: weights, on the CPU.
        encoder_description: how to build the network that they are of.
    """

    trial: Row
    epochs: list[Row]
    clustering: Row
    encoder: dict[str, Tensor] = field(repr=False)
    encoder_description: dict[str, Any]


def check_trial(spec: TrialSpec, table: ImageTable) -> Clustering:
    """Find the mistakes in a trial before anything is trained, and return its clustering.

    The device is none of them: who checks may be another machine than the one that trains.

    Raises:
        InputError: an unknown augmentation or encoder, a batch larger than the data or smaller
            than the workers, more prototypes than images, or a clustering that nothing can be
            learnt from.
    """
    Policy.named(spec.augmentation)
    _, channels, height, _ = table.images.shape
    with _threads(spec.threads):
        clustering = build_clustering(spec.clustering, table)
    if not spec.clustering.alternates:  # else it starts with instances
        clustering.check_trainable()
    build_model(
        spec, channels=channels, image_size=height, n_clusters=len(np.unique(clustering.ids))
    )
    sampler = spec.sampler
    BatchSampler(clustering.ids, sampler.batch_size, sampler.images_per_cluster).check_workers(
        spec.workers
    )
    if (most := max(spec.objective.prototypes or (0,))) > len(clustering.ids):
        raise InputError(
            f"objective.prototypes asks for {most}, but there are {len(clustering.ids)} training "
            "images: choose at most as many"
        )
    return clustering


def find_device(spec: TrialSpec) -> torch.device:
    """The device of this machine that a trial computes on.

    Raises:
        InputError: there is none.
    """
    if spec.device == "cuda" and not torch.cuda.is_available():
        raise InputError("device is cuda, but PyTorch sees no CUDA device here: use cpu or auto")
    if spec.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(spec.device)


def run_trial(
    spec: TrialSpec,
    table: ImageTable,
    *,
    experiment: str,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    checkpoint: Path | File | None = None,
) -> TrialResult:
    """Run one trial. With several workers every one of them calls this, and gets the same rows.

    Args:
        spec: the trial.
        table: images, labels and auxiliary columns.
        experiment: name of the sweep (or of the single experiment) that the trial belongs to.
        on_epoch: is given each epoch as it ends.
        checkpoint: file that the training is saved to after each evaluated epoch and resumed from.

    Raises:
        InputError: the trial does not fit the data or the machine.
        TrainingDivergedError: the loss is no longer finite.
    """
    started = time.perf_counter()
    device = find_device(spec)
    clustering = check_trial(spec, table)
    forget_peak_memory(device)
    _, channels, height, width = table.images.shape
    with _threads(spec.threads):
        training = Pretraining(
            spec,
            ImageSource(table.images, table.rows(TRAIN), device),
            clustering.ids,
            image_shape=(channels, height, width),
            device=device,
            checkpoint=checkpoint,
            attributes=_shared_attributes(spec, table, clustering),
            labels=labels_of(table, table.rows(TRAIN), partly=True),
        )
        earlier = training.seconds  # of a run that was interrupted
        for epoch in training.epochs():
            due = epoch.epoch % spec.evaluation.every == 0 or epoch.epoch == spec.epochs
            if due and epoch.val_knn is None:
                epoch.val_knn, epoch.val_online = _validate(training, table, device)
                training.save()
            on_epoch(epoch)
        accuracies = _probe(training.encoder, table, spec, device)
    clustering = training.clustering or clustering
    trial = {
        **describe_trial(spec, table, clustering, experiment=experiment),
        **describe_outcome(training.history, status="complete"),
        **describe_cost(spec, table, training.history),
        **accuracies,
        **describe_machine(device),
        "seconds": earlier + time.perf_counter() - started,
    }
    weights = {name: w.detach().cpu() for name, w in training.encoder.state_dict().items()}
    return TrialResult(
        trial,
        describe_epochs(training.history, str(trial["trial_id"])),
        describe_clustering(clustering, table),
        weights,
        spec.encoder.description(channels=channels, image_size=height),
    )


def _shared_attributes(
    spec: TrialSpec, table: ImageTable, clustering: Clustering
) -> NDArray[np.float32] | None:
    """A column for each value of each attribute of the clustering, float32 (n, m), 1 where it is.

    So two images share as many columns as they agree in attributes.
    """
    if spec.objective.name != "soft_cl_infonce":
        return None
    names = cast(list[str], clustering.provenance["attributes"])
    values = attributes(table, table.rows(TRAIN), names=names, bins=spec.clustering.bins)
    columns = []
    for name in names:
        kinds, codes = np.unique(values[name], return_inverse=True)
        columns.append(np.eye(len(kinds), dtype=np.float32)[codes])
    return np.concatenate(columns, axis=1)


def _probe(
    encoder: nn.Module, table: ImageTable, spec: TrialSpec, device: torch.device
) -> dict[str, float | None]:
    """Every accuracy of the trial; the one place where the test split is used."""
    parts: list[Tensor] = []
    for split in (TRAIN, VALIDATION, TEST):
        rows = labelled_rows(table, split)
        parts.append(_features(encoder, table, rows, device))
        parts.append(torch.from_numpy(labels_of(table, rows)).to(device))
    return evaluate(*parts, draws=spec.evaluation.draws, k=spec.evaluation.neighbors)


def _validate(
    training: Pretraining, table: ImageTable, device: torch.device
) -> tuple[float, float | None]:
    """Accuracy on the validation split of kNN and of the probe that learns beside the encoder."""
    parts: list[Tensor] = []
    for split in (TRAIN, VALIDATION):
        rows = labelled_rows(table, split)
        parts.append(_features(training.encoder, table, rows, device))
        parts.append(torch.from_numpy(labels_of(table, rows)).to(device))
    k, n_classes = training.spec.evaluation.neighbors, len(table.label_names)
    knn = knn_accuracy(*parts, k=k, n_classes=n_classes)[1]
    return knn, None if training.probe is None else training.probe.accuracy(*parts[2:])


def _features(
    encoder: nn.Module, table: ImageTable, rows: NDArray[np.int64], device: torch.device
) -> Tensor:
    """Features (m, d), block by block, so that the pixels need not fit into the memory."""
    block = max(1, _BLOCK // table.images[:1].nbytes)
    parts = np.array_split(rows, max(1, -(-len(rows) // block)))
    images = (torch.from_numpy(table.images[part]) for part in parts)
    return torch.cat([encode(encoder, block, device=device) for block in images])


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Compute with so many CPU threads: sums are ordered by their number, so bits depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
