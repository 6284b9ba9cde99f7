"""One trial, from its specification to its rows: cluster, pretrain, probe. No Ray in it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clinfonce import clusterings
from clinfonce.augment import Policy
from clinfonce.clusterings import Clustering
from clinfonce.config import ClusteringSpec, TrialSpec
from clinfonce.data import TEST, TRAIN, VALIDATION, ImageTable, attributes
from clinfonce.errors import InputError
from clinfonce.evaluation import encode, evaluate, knn_accuracy
from clinfonce.rows import (
    Row,
    describe_clustering,
    describe_epochs,
    describe_machine,
    describe_outcome,
    describe_trial,
)
from clinfonce.training.images import ImageSource
from clinfonce.training.loop import Epoch, Pretraining, build_model
from clinfonce.training.sampler import BatchSampler

_BLOCK = 2048  # images whose pixels are in the memory at a time


@dataclass
class TrialResult:
    """The rows of a finished trial, and its encoder.

    Attributes:
        trial: row of the table `trials`.
        epochs: rows of the table `epochs`.
        clustering: row of the table `clusterings`.
        encoder: weights, on the CPU.
    """

    trial: Row
    epochs: list[Row]
    clustering: Row
    encoder: dict[str, Tensor] = field(repr=False)


def build_clustering(spec: ClusteringSpec, table: ImageTable) -> Clustering:
    """Build the clustering of a table's training images that a specification asks for.

    Raises:
        InputError: the table lacks what the clustering needs.
    """
    rows = table.rows(TRAIN)
    match spec.source:
        case "instances":
            return clusterings.from_instances(len(rows))
        case "labels":
            return clusterings.from_labels(_labels(table, rows), names=table.label_names)
        case "attributes":
            values = attributes(table, rows, names=spec.attributes, bins=spec.bins)
            return clusterings.from_attributes(values, names=spec.attributes, top_k=spec.top_k)
        case "column":
            name = str(spec.column)
            values = attributes(table, rows, names=[name], bins=spec.bins)
            return clusterings.from_column(values[name], name=name)
        case "kmeans":
            pixels = table.images[rows].reshape(len(rows), -1).astype(np.float32) / 255
            return clusterings.from_kmeans(pixels, int(spec.n_clusters or 0), seed=spec.seed)


def check_trial(spec: TrialSpec, table: ImageTable) -> Clustering:
    """Find the mistakes in a trial before anything is trained, and return its clustering.

    Raises:
        InputError: an unknown augmentation or encoder, a batch larger than the data, or a
            clustering that nothing can be learnt from.
    """
    Policy.named(spec.augmentation)
    _, channels, height, _ = table.images.shape
    build_model(spec, channels=channels, image_size=height)
    clustering = build_clustering(spec.clustering, table)
    clustering.check_trainable()
    BatchSampler(clustering.ids, spec.sampler.batch_size, spec.sampler.images_per_cluster)
    if spec.device == "cuda" and not torch.cuda.is_available():
        raise InputError("device is cuda, but PyTorch sees no CUDA device here: use cpu or auto")
    return clustering


def run_trial(
    spec: TrialSpec,
    table: ImageTable,
    *,
    experiment: str,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    checkpoint: Path | None = None,
) -> TrialResult:
    """Run one trial. With several workers every one of them calls this, and gets the same rows.

    Args:
        spec: the trial.
        table: images, labels and auxiliary columns.
        experiment: name of the sweep (or of the single experiment) that the trial belongs to.
        on_epoch: is given each epoch as it ends.
        checkpoint: file that the training is saved to after each evaluated epoch and resumed from.

    Raises:
        InputError: the trial does not fit the data.
        TrainingDivergedError: the loss is no longer finite.
    """
    started = time.perf_counter()
    clustering = check_trial(spec, table)
    device = _device(spec)
    _, channels, height, width = table.images.shape
    with _threads(spec.threads):
        training = Pretraining(
            spec,
            ImageSource(table.images, table.rows(TRAIN), device),
            clustering.ids,
            image_shape=(channels, height, width),
            device=device,
            checkpoint=checkpoint,
        )
        for epoch in training.epochs():
            due = epoch.epoch % spec.evaluation.every == 0 or epoch.epoch == spec.epochs
            if due and epoch.val_knn is None:
                epoch.val_knn = _validation_knn(training.encoder, table, spec, device)
                training.save()
            on_epoch(epoch)
        accuracies = _probe(training.encoder, table, spec, device)
    trial = {
        **describe_trial(spec, table, clustering, experiment=experiment),
        **describe_outcome(training.history, status="complete"),
        **accuracies,
        **describe_machine(device),
        "seconds": time.perf_counter() - started,
    }
    weights = {name: w.detach().cpu() for name, w in training.encoder.state_dict().items()}
    return TrialResult(
        trial,
        describe_epochs(training.history, str(trial["trial_id"])),
        describe_clustering(clustering, table),
        weights,
    )


def _probe(
    encoder: nn.Module, table: ImageTable, spec: TrialSpec, device: torch.device
) -> dict[str, float | None]:
    """Every accuracy of the trial; the one place where the test split is used."""
    parts: dict[str, Tensor] = {}
    for name, split in (("train", TRAIN), ("val", VALIDATION), ("test", TEST)):
        rows = table.rows(split)
        parts[f"{name}_x"] = _features(encoder, table, rows, device)
        parts[f"{name}_y"] = torch.from_numpy(_labels(table, rows)).to(device)
    return evaluate(**parts, draws=spec.evaluation.draws, k=spec.evaluation.neighbors)


def _validation_knn(
    encoder: nn.Module, table: ImageTable, spec: TrialSpec, device: torch.device
) -> float:
    train, validation = table.rows(TRAIN), table.rows(VALIDATION)
    accuracies = knn_accuracy(
        _features(encoder, table, train, device),
        torch.from_numpy(_labels(table, train)).to(device),
        _features(encoder, table, validation, device),
        torch.from_numpy(_labels(table, validation)).to(device),
        k=spec.evaluation.neighbors,
        n_classes=len(table.label_names),
    )
    return accuracies[1]


def _features(
    encoder: nn.Module, table: ImageTable, rows: NDArray[np.int64], device: torch.device
) -> Tensor:
    """Features (m, d), block by block, so that the pixels need not fit into the memory."""
    parts = np.array_split(rows, max(1, -(-len(rows) // _BLOCK)))
    images = (torch.from_numpy(table.images[part]) for part in parts)
    return torch.cat([encode(encoder, block, device=device) for block in images])


def _labels(table: ImageTable, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    if table.labels is None:
        raise InputError(f"data set {table.name} has no labels, and this needs them")
    return table.labels[rows]


def _device(spec: TrialSpec) -> torch.device:
    if spec.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(spec.device)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Compute with so many CPU threads: sums are ordered by their number, so bits depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
