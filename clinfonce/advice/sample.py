"""The training images that advice looks at, so that a large data set costs no more than a small."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clinfonce.clusterings import from_kmeans
from clinfonce.data import TRAIN, UNLABELLED, Column, ImageTable
from clinfonce.errors import InputError
from clinfonce.trial.clusterings import labelled_part, labels_of

IntArray = NDArray[np.int64]
Points = NDArray[np.float32]

_IMAGES = 50_000  # looked at in all
_LABELLED = 20_000  # of them with a label
_FEWEST_LABELS = 8
_CLUSTERED = 2_000  # that k-means is fitted to; the others join the nearest centre
_SIDE = 8  # pixels of a side that k-means sees
_BLOCK = 1 << 26  # bytes of pixels in the memory at a time


@dataclass(frozen=True)
class Sample:
    """Some training images.

    Attributes:
        rows: (n,) row numbers in the data set, ascending.
        table: columns of these images alone, without their pixels and labels.
        known: (m,) places among the rows of those whose label is looked at.
        labels: (m,) their labels.
        n_images: training images of the data set.
    """

    rows: IntArray
    table: ImageTable
    known: IntArray
    labels: IntArray
    n_images: int

    def known_labels(self, table: ImageTable) -> IntArray:
        """Labels of all images of the data set, UNLABELLED but for those that are looked at."""
        found = np.full(len(table), UNLABELLED, dtype=np.int64)
        found[self.rows[self.known]] = self.labels
        return found


def take_sample(table: ImageTable, fraction: float | None, seed: int) -> Sample:
    """All training images or some, with the labels of a random part of the labelled ones.

    Args:
        table: the data set.
        fraction: which part of the labels; None is a tenth where all images have one, and else all.
        seed: of the parts.

    Raises:
        InputError: no labels, a fraction out of range, or too few labels.
    """
    if fraction is None:
        fraction = 1.0 if table.n_unlabelled else 0.1
    if not 0 < fraction <= 1:
        raise InputError(f"the label fraction must be above 0 and at most 1, got {fraction:g}")
    train = table.rows(TRAIN)
    labels = labels_of(table, train, partly=True)
    labelled = np.flatnonzero(labels != UNLABELLED)
    known = labelled[labelled_part(len(labelled), fraction, seed)]
    if len(known) < _FEWEST_LABELS:
        raise InputError(
            f"a fraction of {fraction:g} is {len(known)} of {len(labelled)} training labels; "
            f"advice needs at least {_FEWEST_LABELS}"
        )
    rng = np.random.default_rng(seed)
    if len(known) > _LABELLED:
        known = np.sort(rng.choice(known, _LABELLED, replace=False))
    places = np.arange(len(train))
    if len(train) > _IMAGES:
        others = rng.choice(np.setdiff1d(places, known), _IMAGES - len(known), replace=False)
        places = np.sort(np.concatenate((known, others)))
    return Sample(
        rows=train[places],
        table=columns_alone(table, train[places]),
        known=np.searchsorted(places, known),
        labels=labels[known],
        n_images=len(train),
    )


def columns_alone(table: ImageTable, rows: IntArray) -> ImageTable:
    """The columns of some images, as a table without pixels and labels of training images."""
    columns: dict[str, Column] = {}
    for name, column in table.columns.items():
        missing = None if column.missing is None else column.missing[rows]
        columns[name] = replace(column, values=column.values[rows], missing=missing)
    nothing = np.zeros((len(rows), 1, 1, 1), dtype=np.uint8)
    split = np.full(len(rows), TRAIN, dtype=np.int8)
    return ImageTable(table.name, nothing, None, (), split, columns)


def small_pixels(table: ImageTable, rows: IntArray) -> Points:
    """Images shrunk to at most 8 pixels a side, float32 (n, d), by means of blocks."""
    n_channels, side = table.images.shape[1], table.images.shape[2]
    step = -(-side // _SIDE)
    kept = side // step * step
    block = max(1, _BLOCK // table.images[:1].nbytes)
    parts = []
    for some in np.array_split(rows, max(1, -(-len(rows) // block))):
        pixels = table.images[some][:, :, :kept, :kept].astype(np.float32) / 255
        shape = (len(some), n_channels, kept // step, step, kept // step, step)
        parts.append(pixels.reshape(shape).mean(axis=(3, 5)).reshape(len(some), -1))
    return np.concatenate(parts)


def cluster_points(points: Points, ks: Mapping[str, int], first: IntArray) -> dict[str, IntArray]:
    """K-means of points (n, d) by name of the K: fitted to some, the others at the nearest centre.

    Args:
        points: of the sampled images.
        ks: name to K.
        first: places among them that are fitted in any case.
    """
    rest = np.setdiff1d(np.arange(len(points)), first)
    rng = np.random.default_rng(0)
    some = np.concatenate((first, rng.permutation(rest)))[:_CLUSTERED]
    found = {}
    for name, k in ks.items():
        ids = from_kmeans(points[some], min(k, len(some)), seed=0).ids
        sums = np.zeros((int(ids.max()) + 1, points.shape[1]), dtype=np.float64)
        np.add.at(sums, ids, points[some])
        centres = sums / np.bincount(ids)[:, None]
        found[name] = _nearest(points, centres.astype(np.float32))
    return found


def _nearest(points: Points, centres: Points) -> IntArray:
    half = 0.5 * np.square(centres).sum(axis=1)
    parts = np.array_split(points, max(1, -(-len(points) // 10_000)))
    ids: IntArray = np.concatenate([np.argmax(p @ centres.T - half, axis=1) for p in parts])
    return ids
