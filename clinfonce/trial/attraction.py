"""What attracts in a trial, and what is worked against: made of its specification and a table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clinfonce.clusterings import Clustering, SoftClustering, from_hierarchy
from clinfonce.config import ClusteringSpec, SimilaritySpec, TermSpec, TrialSpec
from clinfonce.data import TRAIN, ImageTable
from clinfonce.errors import InputError
from clinfonce.information import PairWeights
from clinfonce.similarity import (
    Similarity,
    check_contrast,
    combine,
    contrast_left,
    equal,
)
from clinfonce.training.sampler import build_sampler
from clinfonce.training.sources import Known, Source
from clinfonce.trial.clusterings import PretrainedFeatures, build_clustering
from clinfonce.trial.columns import Resolved, resolve

_NAMES_SHOWN = 6
_LOOKED_AT = 4096  # images of the first epoch, of which it is measured what they meet

Pretrained = Callable[[], PretrainedFeatures] | None


@dataclass(frozen=True, eq=False)
class Attraction:
    """What attracts in a trial.

    Attributes:
        clustering: under which its rows stand; it draws the batches.
        sources: what the objective sees; () where it sees the clustering alone.
    """

    clustering: Clustering
    sources: tuple[Source, ...] = ()


def build_attraction(
    spec: TrialSpec, table: ImageTable, pretrained: Pretrained = None
) -> Attraction:
    """Build what a trial asks for, of a table's training images.

    Args:
        spec: the trial.
        table: the data set.
        pretrained: as in `build_clustering`.

    Raises:
        InputError: the table lacks what is needed.
    """
    if spec.terms:
        return _of_terms(spec, table, pretrained)
    if spec.similarity is None and spec.objective.name != "multilevel_cl_infonce":
        return Attraction(build_clustering(spec.clustering, table, pretrained))
    term = TermSpec.model_construct(  # with a memory, which only a trial's own objective has
        clustering=spec.clustering, similarity=spec.similarity, objective=spec.objective
    )
    clustering, source = _of_term(term, spec, table, pretrained)
    return Attraction(clustering, (source,))


def check_attraction(spec: TrialSpec, attraction: Attraction) -> None:
    """Refuse what leaves an image nothing to be contrasted with, or nothing that attracts it.

    Raises:
        InputError: it says how little is left.
    """
    for number, source in enumerate(attraction.sources):
        if source.similarity is None or not source.projects:
            continue
        sampler = build_sampler(spec, np.asarray(attraction.clustering.ids), attraction.sources)
        batches = sampler.batches(0)[: max(1, _LOOKED_AT // spec.sampler.batch_size)]
        left = contrast_left(batches, source.similarity, source.condition)
        where = f"terms.{number}: " if spec.terms else ""
        if source.condition is not None:
            check_contrast(left)
        if left.negatives <= 0:
            raise InputError(
                f"{where}all images of a batch are alike, so there is nothing to tell apart: take "
                "other columns or smaller bandwidths"
            )
        if left.positives <= 0 and not source.instances:
            raise InputError(
                f"{where}no image meets another that it is like in its batch, so nothing attracts: "
                "take fewer columns, larger bandwidths, or sampler.images_per_cluster"
            )


def _of_terms(spec: TrialSpec, table: ImageTable, pretrained: Pretrained) -> Attraction:
    found = [_of_term(term, spec, table, pretrained) for term in spec.terms]
    parts: list[Any] = [
        {
            "weight": term.weight,
            "objective": (term.objective or spec.objective).name,
            **clustering.provenance,
        }
        for term, (clustering, _) in zip(spec.terms, found, strict=True)
    ]
    words = [
        clustering.name if term.weight == 1 else f"{term.weight:g} {clustering.name}"
        for term, (clustering, _) in zip(spec.terms, found, strict=True)
    ]
    first = found[0][0]
    clustering = SoftClustering(first.ids, " + ".join(words), {"source": "terms", "terms": parts})
    return Attraction(clustering, tuple(source for _, source in found))


def _of_term(
    term: TermSpec, spec: TrialSpec, table: ImageTable, pretrained: Pretrained
) -> tuple[Clustering, Source]:
    """What a term attracts by, and under which name."""
    objective = term.objective or spec.objective
    plain = build_clustering(term.clustering, table, pretrained)
    source = Source(objective, term.head or spec.head, torch.tensor(plain.ids), term.weight)
    if objective.name == "multilevel_cl_infonce":
        levels = _levels(term.clustering, table)
        provenance = {**plain.provenance, "levels": len(levels)}
        name = f"{plain.name}, all levels"
        return SoftClustering(plain.ids, name, provenance), replace(source, levels=levels)
    if term.similarity is None:
        return plain, source
    return _of_similarity(term.similarity, source, plain, table)


def _levels(spec: ClusteringSpec, table: ImageTable) -> torch.Tensor:
    """Clusters (l, n) of the levels of a hierarchy, from the root down."""
    paths = table.column(str(spec.column)).values[table.rows(TRAIN)]
    ids = [from_hierarchy(paths, level=level).ids for level in range(1, (spec.level or 0) + 1)]
    if not ids:
        raise InputError(f"clustering.level is {spec.level}: all levels are those from 1 on")
    return torch.tensor(np.stack(ids))


def _of_similarity(
    spec: SimilaritySpec, source: Source, plain: Clustering, table: ImageTable
) -> tuple[Clustering, Source]:
    columns = resolve(spec, table, table.rows(TRAIN))
    attracting = [column for column in columns if column.spec.role == "attract"]
    suppressed = [column for column in columns if column.spec.role == "suppress"]
    if source.objective.name in ("attribute_prediction", "fino"):
        source = replace(source, predicted=_known(attracting))
    elif attracting:
        source = replace(source, similarity=_combined(attracting, spec))
    if suppressed:
        source = _suppress(source, suppressed, spec)
    clustering = _describe(spec, attracting, suppressed, source, plain)
    return clustering, replace(source, clusters=torch.tensor(clustering.ids))


def _combined(columns: Sequence[Resolved], spec: SimilaritySpec) -> Similarity:
    weights = {column.name: column.spec.weight for column in columns}
    return combine(
        {column.name: column.compared(spec.bandwidth) for column in columns},
        by=spec.by,
        weights=weights if spec.by == "sum" else None,
    )


def _suppress(source: Source, columns: Sequence[Resolved], spec: SimilaritySpec) -> Source:
    """Work against columns: hide them from an adversary, or contrast within them."""
    if spec.suppress.by == "adversary" or source.objective.name == "fino":
        return replace(source, hidden=_known(columns), suppress=spec.suppress)
    compared = {column.name: column.compared() for column in columns}
    exact = {n: c for n, c in compared.items() if c.kernel.exact and not c.average}
    similarity = source.similarity or combine({"clusters": equal(source.clusters.numpy())})
    alone = similarity.partition and similarity.n_profiles == len(similarity.profiles)
    return replace(
        source,
        similarity=similarity,
        instances=source.similarity is None and alone,
        condition=combine(compared),
        groups=combine(exact).profiles.numpy() if exact else None,
        suppress=spec.suppress,
    )


def _known(columns: Sequence[Resolved]) -> dict[str, Known]:
    return {name: known for column in columns for name, known in column.known().items()}


def _describe(
    spec: SimilaritySpec,
    attracting: Sequence[Resolved],
    suppressed: Sequence[Resolved],
    source: Source,
    plain: Clustering,
) -> Clustering:
    """The name, key and ids that stand for what attracts."""
    provenance: dict[str, Any] = dict(plain.provenance)
    name, ids, is_partition = plain.name, np.asarray(plain.ids), True
    weights: PairWeights | None = None
    if attracting:
        sign = " × " if spec.by == "product" else " + "
        width = "" if spec.bandwidth == 1 else f"; bandwidth {spec.bandwidth:.3g}"
        name = f"similarity({_listed([c.name for c in attracting], sign)}{width})"
        provenance = {
            "source": "similarity",
            "by": spec.by,
            "bandwidth": spec.bandwidth,
            "columns": {column.name: column.provenance for column in attracting},
        }
        alike = source.similarity or _combined(attracting, spec)
        ids, is_partition = alike.profiles.numpy(), alike.partition
        if is_partition and not suppressed:
            return Clustering(ids, name, provenance)
        weights = alike.array
    if not suppressed:
        return SoftClustering(ids, name, provenance, weights) if attracting else plain
    way = "within" if source.condition is not None else "against"
    provenance["suppress"] = {
        **spec.suppress.model_dump(mode="json"),
        "columns": {column.name: column.provenance for column in suppressed},
    }
    name = f"{name} {way} {_listed([c.name for c in suppressed], ', ')}"
    clusters = ids if is_partition else None
    if source.condition is None:
        return SoftClustering(ids, name, provenance, weights or _same, clusters=clusters)
    pairs = _Pairs(ids, source.condition.profiles.numpy(), weights, source.condition)
    groups = source.groups if source.condition.partition else None
    return SoftClustering(pairs.ids, name, provenance, pairs, conditions=groups, clusters=clusters)


def _same(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[Any]:
    """The weights of a partition."""
    equal_ids: NDArray[Any] = rows[:, None] == columns
    return equal_ids


class _Pairs:
    """Weights a = k c between joint ids of what attracts and what is to agree."""

    def __init__(
        self,
        alike: NDArray[Any],
        groups: NDArray[Any],
        weights: PairWeights | None,
        condition: Similarity,
    ) -> None:
        both = np.stack([alike, groups])
        _, first, ids = np.unique(both, axis=1, return_index=True, return_inverse=True)
        rank = np.argsort(np.argsort(first))  # in order of first appearance
        self.ids: NDArray[np.int64] = rank[ids.reshape(-1)]
        self._alike, self._groups = both[:, np.sort(first)]
        self._weights, self._condition = weights or _same, condition

    def __call__(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[Any]:
        alike = self._weights(self._alike[rows], self._alike[columns])
        product: NDArray[Any] = alike * self._condition.array(
            self._groups[rows], self._groups[columns]
        )
        return product


def _listed(names: Sequence[str], sign: str) -> str:
    shown = sign.join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{len(names)} columns: {shown}{sign}…"


def roles_of(provenance: Mapping[str, Any]) -> dict[str, str]:
    """The role of each column that has one, by a clustering's provenance."""
    attract = dict.fromkeys(provenance.get("columns", ()), "attract")
    suppress = provenance.get("suppress", {}).get("columns", ())
    return attract | dict.fromkeys(suppress, "suppress")
