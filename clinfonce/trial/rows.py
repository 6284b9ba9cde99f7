"""The rows of the result tables that a trial leaves behind, however it ends."""

import contextlib
import functools
import json
import platform
import resource
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clinfonce import __version__
from clinfonce.clusterings import Clustering, SoftClustering
from clinfonce.config import TrialSpec, canonical, trial_id
from clinfonce.data import TRAIN, UNLABELLED, ImageTable
from clinfonce.information import (
    PairWeights,
    conditional_information,
    measure,
    pair_information,
    weighted_information,
)
from clinfonce.information.cautions import partition_caution
from clinfonce.models.operations import forward_operations
from clinfonce.training.loop import Epoch
from clinfonce.training.model import build_model

Row = dict[str, Any]

_MOST_PAIRED = 10_000  # images whose weights are compared pair by pair

FROZEN = "frozen"  # source and objective of a trial that trains nothing


def describe_trial(
    spec: TrialSpec, table: ImageTable, clustering: Clustering | None, *, experiment: str
) -> Row:
    """The part of a trial's row that stands before it runs."""
    source = spec.source if spec.epochs else FROZEN
    return {
        "trial_id": trial_id(experiment, spec, table.fingerprint),
        "sweep": experiment,
        "clustering_id": clustering.clustering_id if clustering else None,
        "clustering": clustering.name if clustering else source,
        "source": source,
        "attributes": clustering.provenance.get("attributes") if clustering else None,
        **(_describe_training(spec) if spec.epochs else {"objective": FROZEN}),
        "encoder": spec.encoder.name,
        "regime": spec.regime,
        "weights": spec.encoder.weights,
        "weights_sha256": spec.encoder.weights_sha256,
        "seed": spec.seed,
        "epochs": spec.epochs,
        "workers": spec.workers,
        "data": table.name,
        "data_fingerprint": table.fingerprint,
        "target": first_target(table),
        "spec": json.dumps(canonical(spec), sort_keys=True),
        "clinfonce_version": __version__,
        "torch_version": str(torch.__version__),  # who reads its own class loads PyTorch
        "python_version": platform.python_version(),
        "finished_at": datetime.now(UTC),
    }


def first_target(table: ImageTable) -> str | None:
    """The target that a measure is of which names none; None where there is none."""
    classes = [name for name, target in table.targets.items() if target.kind == "class"]
    return next(iter(classes or table.targets), None)


def _describe_training(spec: TrialSpec) -> Row:
    return {
        "granularity": spec.clustering.granularity,
        "objective": spec.objective.name,
        "form": spec.objective.form,
        "temperature": spec.objective.temperature,
        "sampler": _sampler(spec),
        "images_per_cluster": spec.sampler.images_per_cluster,
        "batch_size": spec.sampler.batch_size,
    }


def _sampler(spec: TrialSpec) -> str:
    similarity = next((t.similarity for t in spec.terms), spec.similarity)
    if similarity is not None and similarity.suppresses and similarity.suppress.by == "condition":
        return "conditions"
    return "uniform" if spec.sampler.images_per_cluster is None else "clusters"


def describe_outcome(history: Sequence[Epoch], *, status: str, error: str | None = None) -> Row:
    """The part of a trial's row that its epochs decide, however it ended."""
    train_seconds = sum(epoch.seconds for epoch in history)
    images = sum(epoch.images for epoch in history)
    data_seconds = sum(epoch.data_seconds for epoch in history)
    return {
        "status": status,
        "error": error,
        "epochs_run": len(history),
        "world_size": min((epoch.world_size for epoch in history), default=None),
        "loss": history[-1].loss if history else None,
        "val_knn": next((e.val_knn for e in reversed(history) if e.val_knn is not None), None),
        "train_seconds": train_seconds,
        "images_per_second": images / train_seconds if train_seconds else None,
        "data_wait_share": data_seconds / train_seconds if train_seconds else None,
    }


def describe_cost(spec: TrialSpec, input_shape: tuple[int, ...], history: Sequence[Epoch]) -> Row:
    """The part of a trial's row that says what pretraining computed, whatever the machine."""
    images = sum(epoch.images for epoch in history)
    if not images:
        return {"train_operations": 0}
    network = TrialSpec(encoder=spec.encoder, adapter=spec.adapter)
    forward = _forward_operations(network, input_shape)
    # Two views of every image, forward, and backward to the inputs and to the weights.
    return {"train_operations": 2 * 3 * forward * images}


@functools.lru_cache(maxsize=64)
def _forward_operations(spec: TrialSpec, input_shape: tuple[int, ...]) -> int:
    """Of the network that is trained, for one image or its features."""
    network = build_model(spec, input_shape=input_shape).encoder
    if (size := spec.encoder.image_size) is not None and len(input_shape) == 3:
        input_shape = (input_shape[0], size, size)
    return forward_operations(network, input_shape)


def describe_epochs(history: Sequence[Epoch], identity: str) -> list[Row]:
    """The rows of the table `epochs`."""
    rows = [{"trial_id": identity, **asdict(epoch)} for epoch in history]
    for row in rows:
        del row["images"], row["data_seconds"]
    return rows


def describe_clustering(clustering: Clustering, table: ImageTable) -> Row:
    """The row of the table `clusterings`: the clustering and what it says of the labels."""
    row: Row = {
        "clustering_id": clustering.clustering_id,
        "name": clustering.name,
        "source": clustering.provenance["source"],
        "provenance": json.dumps(dict(clustering.provenance), sort_keys=True),
        "data": table.name,
        "data_fingerprint": table.fingerprint,
        "n_images": len(clustering.ids),
        **(_sizes(clustering, table) if clustering.is_partition else {}),
    }
    if table.labels is not None:
        labels = table.labels[table.rows(TRAIN)]
        known = labels != UNLABELLED
        row |= {"n_labelled": int(known.sum()), **measure_pairs(clustering, labels, known)}
        if clustering.is_partition:
            row |= asdict(measure(clustering.ids[known], labels[known]))
    return row


def _sizes(clustering: Clustering, table: ImageTable) -> Row:
    sizes = np.sort(clustering.sizes)
    return {
        "n_clusters": clustering.n_clusters,
        "size_min": int(sizes[0]),
        "size_median": float(np.median(sizes)),
        "size_max": int(sizes[-1]),
        "n_singletons": clustering.n_singletons,
        "caution": _caution(clustering, table),
    }


def measure_pairs(
    clustering: Clustering, labels: NDArray[np.int64], known: NDArray[np.bool_]
) -> Row:
    """What positive pairs say of the labels (n,), of images whose label is known.

    Of many images a random part is looked at where weights have to be compared pair by pair.
    """
    weights = clustering.weights if isinstance(clustering, SoftClustering) else None
    if int(known.sum()) < 2 or (weights is None and not clustering.is_partition):
        return {}
    if weights is not None and int(known.sum()) > _MOST_PAIRED:
        some = np.flatnonzero(known)
        known = np.zeros_like(known)
        known[np.sort(np.random.default_rng(0).permutation(some)[:_MOST_PAIRED])] = True
    found = pair_information(clustering.ids, labels, weights, known=known)
    row: Row = (
        {} if weights is None else _measure_weights(clustering.ids[known], labels[known], weights)
    )
    row |= {
        "i_pairs": found.i_pairs,
        "i_pairs_chance": found.i_pairs_chance,
        "pairs_equal": found.equal,
        "pairs_equal_chance": found.equal_chance,
    }
    if isinstance(clustering, SoftClustering) and clustering.conditions is not None:
        clusters = clustering.clusters
        if clusters is not None:
            given = conditional_information(clusters, labels, clustering.conditions, known=known)
            row |= {
                "i_zt_given_c": given.i_zt_given_c,
                "i_zt_given_c_chance": given.i_zt_given_c_chance,
            }
    return row


def _measure_weights(
    profiles: NDArray[np.int64], labels: NDArray[np.int64], weights: PairWeights
) -> Row:
    """What weights say of the labels, in the columns that clusterings have for it."""
    found = weighted_information(profiles, labels, weights)
    names = ("h_z", "h_t", "i_zt", "i_zt_chance", "i_zt_excess", "h_z_given_t")
    return {name: getattr(found, name) for name in names}


def _caution(clustering: Clustering, table: ImageTable) -> str | None:
    """Why auxiliary information is none; what stands for nothing or for the label is meant so."""
    if clustering.provenance["source"] in ("instances", "labels", "synthetic", "kmeans"):
        return None
    labels = None if table.labels is None else table.labels[table.rows(TRAIN)]
    return partition_caution(clustering.ids, labels)


def forget_peak_memory(device: torch.device) -> None:
    """Let `describe_machine` measure from here on, in a process that had other trials before.

    Where a system has no way to, the peak stays that of the whole process.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak of the resident memory


def describe_machine(device: torch.device) -> Row:
    """The part of a trial's row that says what it ran on and how much memory it took."""
    if device.type == "cuda":
        name, peak = torch.cuda.get_device_name(device), torch.cuda.max_memory_allocated(device)
    else:
        name = platform.processor() or platform.machine()
        unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes on macOS, else KiB
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {"device": name, "host": platform.node(), "peak_memory_mb": peak / 2**20}
