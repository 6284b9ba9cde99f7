"""The clustering that a specification asks for, made of a table."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from clinfonce import clusterings
from clinfonce.clusterings import Clustering
from clinfonce.config import ClusteringSpec
from clinfonce.config.clustering import PartSpec
from clinfonce.data import TRAIN, UNLABELLED, ImageTable, attributes
from clinfonce.errors import InputError
from clinfonce.evaluation import encode
from clinfonce.files import File
from clinfonce.models.saved import load_encoder
from clinfonce.training.alternation import Alternation
from clinfonce.training.inputs import moments

T = TypeVar("T")
PretrainedFeatures: TypeAlias = tuple[Any, str | None]  # floats (n, d) of all images; digest
_BLOCK = 1 << 26  # bytes of pixels that are in the memory at a time


def build_clustering(
    spec: ClusteringSpec,
    table: ImageTable,
    pretrained: Callable[[], PretrainedFeatures] | None = None,
) -> Clustering:
    """Build the clustering of a table's training images that a specification asks for.

    Args:
        spec: the specification.
        table: the data set.
        pretrained: gives the features of all images by the encoder that training starts from, for
            k-means of those; None: it starts from random weights.

    Raises:
        InputError: the table lacks what the clustering needs.
    """
    rows = table.rows(TRAIN)
    match spec.source:
        case "instances":
            return clusterings.from_instances(len(rows))
        case "labels":
            return clusterings.from_labels(
                labels_of(table, rows, partly=True), names=table.label_names
            )
        case "attributes":
            values = attributes(table, rows, names=spec.attributes, bins=spec.bins)
            made = clusterings.from_attributes(values, names=spec.attributes, top_k=spec.top_k)
            _check_telling(made, values)
            return made
        case "selected":
            return _selected(spec, table, rows)
        case "column":
            name = str(spec.column)
            values = attributes(table, rows, names=[name], bins=spec.bins)
            return clusterings.from_column(values[name], name=name)
        case "tags":
            tags = _values(table, spec, "tags", rows)
            n_clusters = spec.all_n_clusters[0] if spec.all_n_clusters else None
            return clusterings.from_tags(tags, by=spec.by, n_clusters=n_clusters, seed=spec.seed)
        case "hierarchy":
            paths = _values(table, spec, "hierarchy", rows)
            return clusterings.from_hierarchy(paths, level=_given(spec.level))
        case "crossing":
            parts = {part.name: _part(part, table, rows, pretrained) for part in _given(spec.parts)}
            return clusterings.from_crossing(parts)
        case "synthetic":
            labels = labels_of(table, rows)
            return clusterings.synthetic(
                labels, family=_given(spec.family), level=_given(spec.level), seed=spec.seed
            )
        case "kmeans":
            return _kmeans(spec, table, rows, pretrained)


def _part(
    part: PartSpec,
    table: ImageTable,
    rows: NDArray[np.int64],
    pretrained: Callable[[], PretrainedFeatures] | None,
) -> NDArray[np.int64]:
    """Codes (n,) of a part of a crossing."""
    if part.tag is not None:
        spec = ClusteringSpec(source="tags", column=part.column)
        with_tag = [part.tag in tags for tags in _values(table, spec, "tags", rows)]
        if not any(with_tag):
            raise InputError(f"no training image has the tag {part.tag!r} of {part.column!r}")
        return np.array(with_tag, dtype=np.int64)
    if part.n_clusters is not None:
        values: dict[str, Any] = {"n_clusters": part.n_clusters, "features": part.features}
        spec = ClusteringSpec(source="kmeans", **values)
    elif part.level is not None:
        spec = ClusteringSpec(source="hierarchy", column=part.column, level=part.level)
    else:
        spec = ClusteringSpec(source="column", column=part.column, bins=part.bins or 2)
    return build_clustering(spec, table, pretrained).ids


def _check_telling(made: Clustering, attributes: Mapping[str, NDArray[np.int64]]) -> None:
    """Refuse attributes that would be in the clustering's name and change nothing."""
    for name in cast(list[str], made.provenance["attributes"]):
        if attributes[name].min() == attributes[name].max():
            raise InputError(
                f"attribute {name!r} has the same value in all training images, so it tells none "
                "apart: leave it out, or take a smaller top_k"
            )


def labels_of(
    table: ImageTable, rows: NDArray[np.int64], *, partly: bool = False
) -> NDArray[np.int64]:
    """Labels of some rows.

    Args:
        table: the data set.
        rows: (m,) row numbers.
        partly: whether images may lack one, UNLABELLED.

    Raises:
        InputError: nobody labelled the images, or some of them unless `partly`.
    """
    if table.labels is None:
        raise InputError(f"data set {table.name} has no labels, and this needs them")
    labels: NDArray[np.int64] = table.labels[rows]
    if not partly and (lacking := np.count_nonzero(labels == UNLABELLED)):
        raise InputError(
            f"data set {table.name}: {lacking} of {len(rows)} training images have no label, and "
            "this needs all of them"
        )
    return labels


def labelled_rows(table: ImageTable, split: int) -> NDArray[np.int64]:
    """Row numbers of the images of a split that have a label, ascending.

    Raises:
        InputError: nobody labelled the images.
    """
    rows = table.rows(split)
    known: NDArray[np.int64] = rows[labels_of(table, rows, partly=True) != UNLABELLED]
    return known


def labelled_part(n: int, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Which of n labelled images are looked at, (n,): a random part, at least one."""
    labelled = np.zeros(n, dtype=np.bool_)
    bits = np.random.PCG64(seed).random_raw(n)  # a stream that NumPy never changes
    labelled[np.argsort(bits, kind="stable")[: max(1, round(fraction * n))]] = True
    return labelled


def _given(value: T | None) -> T:
    assert value is not None  # the specification requires it
    return value


def _selected(spec: ClusteringSpec, table: ImageTable, rows: NDArray[np.int64]) -> Clustering:
    """The attributes of most excess information on a random part of the labelled images."""
    labels = labels_of(table, rows, partly=True)
    looked_at = labels != UNLABELLED
    looked_at[looked_at] = labelled_part(int(looked_at.sum()), spec.fraction, spec.seed)
    return clusterings.from_selected_attributes(
        attributes(table, rows, bins=spec.bins),
        labels,
        top_k=_given(spec.top_k),
        labelled=looked_at,
    )


def _values(
    table: ImageTable, spec: ClusteringSpec, kind: str, rows: NDArray[np.int64]
) -> NDArray[np.object_]:
    column = table.column(_given(spec.column))
    if column.kind != kind:
        raise InputError(
            f"clustering.column {column.name!r} holds {column.kind} values, "
            f"and source {spec.source} needs {kind}"
        )
    return column.values[rows]


def _kmeans(
    spec: ClusteringSpec,
    table: ImageTable,
    rows: NDArray[np.int64],
    pretrained: Callable[[], PretrainedFeatures] | None,
) -> Clustering:
    alternation = Alternation.of(spec)
    if alternation is not None:
        return alternation.start(len(rows))
    n_clusters = spec.all_n_clusters[0]
    if spec.features == "pretrained":
        return _kmeans_of_pretrained(spec, rows, pretrained)
    if len(table.images.shape) != 4:
        raise InputError(
            f"clustering.features is {spec.features}, but data set {table.name} has embeddings in "
            "place of images: say pretrained for k-means of those"
        )
    if spec.features == "pixels":
        pixels = table.images[rows].reshape(len(rows), -1).astype(np.float32) / 255
        return clusterings.from_kmeans(pixels, n_clusters, seed=spec.seed)
    file = File.at(spec.features)
    encoder = load_encoder(file)
    _, channels, height, _ = table.images.shape
    if (encoder.channels, encoder.image_size) != (channels, height):
        raise InputError(
            f"{file}: the encoder saw images of {encoder.channels} x {encoder.image_size} x "
            f"{encoder.image_size}, {table.name} has {channels} x {height} x {height}"
        )
    found = clusterings.from_kmeans(
        _features(encoder.network, table, rows), n_clusters, seed=spec.seed
    )
    digest = hashlib.sha256(file.read()).hexdigest()
    provenance = {**found.provenance, "features": spec.features, "features_sha256": digest}
    return Clustering(found.ids, f"k-means {n_clusters} ({Path(file.name).stem})", provenance)


def _kmeans_of_pretrained(
    spec: ClusteringSpec,
    rows: NDArray[np.int64],
    pretrained: Callable[[], PretrainedFeatures] | None,
) -> Clustering:
    """K-means of what the trial's encoder makes of the images before any training."""
    if pretrained is None:
        raise InputError(
            "clustering.features is pretrained, but encoder.weights is random: give weights"
        )
    features, digest = pretrained()
    mean, deviation = (moment.numpy() for moment in moments(features, rows))
    points = np.asarray(features[rows], dtype=np.float32) - mean
    points *= np.where(deviation > 0, 1 / np.maximum(deviation, 1e-30), 0)
    found = clusterings.from_kmeans(points, spec.all_n_clusters[0], seed=spec.seed)
    provenance = {**found.provenance, "features": "pretrained", "features_sha256": digest}
    return Clustering(found.ids, f"{found.name} (pretrained)", provenance)


def _features(encoder: nn.Module, table: ImageTable, rows: NDArray[np.int64]) -> torch.Tensor:
    block = max(1, _BLOCK // table.images[:1].nbytes)
    parts = np.array_split(rows, max(1, -(-len(rows) // block)))
    return torch.cat([encode(encoder, torch.from_numpy(table.images[part])) for part in parts])
