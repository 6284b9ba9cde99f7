"""How long trials take on this machine, found out by a very short one."""

import os
import tempfile
import time

import numpy as np
from numpy.typing import NDArray

from clinfonce.config import TrialSpec
from clinfonce.data import SPLIT_NAMES, TRAIN, ImageTable
from clinfonce.features import FeatureCache
from clinfonce.files import Folder
from clinfonce.setup.budget import Pace
from clinfonce.trial.run import find_device, run_trial
from clinfonce.trial.start import NOTHING, Start, WeightsReader, frozen_features, needs_features

_IMAGES = 512  # of a split, in the rehearsal
_FEATURES = 24  # images whose features are made
_EPOCHS = 2


def rehearse(trial: TrialSpec, table: ImageTable) -> Pace:
    """Time a trial of a few images and epochs, and work out what whole ones take.

    Raises:
        InputError: the trial does not fit the data.
    """
    small = _part(table, _IMAGES)
    spec = trial.model_copy(
        update={
            "epochs": _EPOCHS,
            "evaluation": trial.evaluation.model_copy(update={"every": _EPOCHS}),
            "sampler": trial.sampler.model_copy(
                update={"batch_size": min(trial.sampler.batch_size, len(small.rows(TRAIN)) // 2)}
            ),
        }
    )
    with tempfile.TemporaryDirectory(prefix="clinfonce-") as scratch:
        home = Folder.at(scratch)
        reader = WeightsReader(home, small)
        settled = reader.settle(spec)
        start = Start(reader.by_digest, FeatureCache(home)) if needs_features(settled) else NOTHING
        once = _time_of_features(settled, table, start)
        if needs_features(settled):
            frozen_features(settled, small, start, find_device(settled))
        began = time.monotonic()
        row = run_trial(settled, small, experiment="rehearsal", start=start).trial
        whole, trained = time.monotonic() - began, float(row["train_seconds"])
    larger = len(table.rows(TRAIN)) / len(small.rows(TRAIN))
    beside = (whole - trained) * len(table) / len(small)
    at_once = 1 if find_device(trial).type == "cuda" else _cpus()
    return Pace(trained / _EPOCHS * larger, beside, once, at_once)


def _time_of_features(spec: TrialSpec, table: ImageTable, start: Start) -> float:
    """Seconds for the features of all images, on all CPUs or a GPU."""
    if not needs_features(spec) or spec.encoder.takes_embeddings:
        return 0.0
    few = _part(table, _FEATURES // len(SPLIT_NAMES), least_per_class=1)
    began = time.monotonic()
    frozen_features(spec, few, start, find_device(spec))
    seconds = time.monotonic() - began
    at_once = 1 if find_device(spec).type == "cuda" else _cpus()
    return seconds * len(table) / len(few) / at_once


def _cpus() -> int:
    return len(os.sched_getaffinity(0))


def _part(table: ImageTable, n: int, least_per_class: int = 2) -> ImageTable:
    """A data set of some images of each split, all classes among those that train."""
    rows = np.concatenate(
        [_rows(table, split, n, least_per_class) for split in range(len(SPLIT_NAMES))]
    )
    if len(rows) == len(table) or table.labels is None:
        return table
    return ImageTable(
        table.name,
        np.ascontiguousarray(table.images[rows]),
        table.labels[rows],
        table.label_names,
        table.split[rows],
    )


def _rows(table: ImageTable, split: int, n: int, least: int) -> NDArray[np.int64]:
    """Rows of a split, some of each class first."""
    rows = np.random.default_rng(0).permutation(table.rows(split))
    if len(rows) <= n or table.labels is None:
        return np.sort(rows)
    labels = table.labels[rows]
    seen = np.zeros(len(table.label_names) + 1, dtype=np.int64)
    place = np.empty(len(rows), dtype=np.int64)  # how many of the class came before
    for i, label in enumerate(labels):
        place[i] = seen[label]
        seen[label] += 1
    first = np.flatnonzero((place < least) & (labels >= 0))
    others = np.setdiff1d(np.arange(len(rows)), first)[: max(0, n - len(first))]
    return np.sort(rows[np.concatenate([first, others])])
