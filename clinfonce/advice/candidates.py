"""The clusterings that a data set's table and pixels offer, made without labels."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clinfonce.advice.sample import IntArray, Points, Sample, cluster_points, small_pixels
from clinfonce.config import ClusteringSpec
from clinfonce.data import ImageTable
from clinfonce.information import entropy
from clinfonce.information.cautions import Caution
from clinfonce.trial.clusterings import build_clustering
from clinfonce.trial.parts import Features, Part, clustering_of, parts_of

_TOP_KS = (2, 3, 4, 6, 8, 12, 16, 24, 32)


@dataclass(frozen=True)
class Offer:
    """What clusterings can be made of.

    Attributes:
        parts: by name.
        ids: name to the clusters (n,) of the sampled images.
        labels: columns off which the label can be read, as a whole or at a level, and which
            nobody asked for.
    """

    parts: Mapping[str, Part]
    ids: Mapping[str, IntArray]
    labels: frozenset[str] = frozenset()


def offer_of(
    table: ImageTable,
    sample: Sample,
    include: Collection[str],
    features: Points | None,
    warned: tuple[Caution, ...],
) -> Offer:
    """The parts of a data set that part the sampled images.

    Args:
        table: the data set.
        sample: of its training images.
        include: columns that are offered although they are no information.
        features: of the sampled images, which k-means is of; None: of their pixels.
        warned: what to know of the columns.
    """
    kind: Features = "pixels" if features is None else "pretrained"
    parts = {p.name: p for p in parts_of(table, include=include, features=kind, warned=warned)}
    ks = {name: p.spec.n_clusters for name, p in parts.items() if p.spec.n_clusters is not None}
    ids = {
        name: ids_of(clustering_of([part]), sample)
        for name, part in parts.items()
        if name not in ks
    }
    if ks:
        points = small_pixels(table, sample.rows) if features is None else features
        ids |= cluster_points(points, ks, sample.known)
    telling = {name: found for name, found in ids.items() if found.min() < found.max()}
    labels = {caution.column for caution in warned if caution.why == "label"} - {*include}
    kept = {name: parts[name] for name in parts if name in telling}
    return Offer(kept, telling, frozenset(labels))


def ids_of(clustering: Mapping[str, Any], sample: Sample) -> IntArray:
    """Clusters (n,) of the sampled images, by their columns."""
    spec = ClusteringSpec.model_validate(dict(clustering))
    return build_clustering(spec, sample.table).ids


def whole_columns(offer: Offer, table: ImageTable) -> Iterator[dict[str, Any]]:
    """The top-k attributes by entropy, all of them, and tags taken together."""
    bits = {
        str(part.spec.column): entropy(offer.ids[name])
        for name, part in offer.parts.items()
        if clustering_of([part])["source"] == "attributes"
    }
    ranked = sorted(bits, key=lambda name: (-bits[name], name))
    for k in (*(k for k in _TOP_KS if k < len(ranked)), len(ranked)):
        if k > 1:
            yield {"source": "attributes", "attributes": ranked[:k]}
    tags = {part.spec.column for part in offer.parts.values() if part.spec.tag is not None}
    for name in (name for name in table.columns if name in tags):
        for by in ("set", "commonest"):
            yield {"source": "tags", "column": name, "by": by}


def parts_named(offer: Offer, names: Sequence[str]) -> list[Part]:
    """Parts by their names."""
    return [offer.parts[name] for name in names]
