"""What trials in a store reached on clusterings that advice lists."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from clinfonce.config import ClusteringSpec
from clinfonce.data import ImageTable
from clinfonce.results.sql.query import Results
from clinfonce.trial.parts import build_trainable

METRIC = "test_linear_top1_5"
_LEAST_GAP = 0.01  # of accuracy between instances and labels, below which a share says nothing


@dataclass(frozen=True)
class Measured:
    """What trials of a clustering reached, in the setting that most trials of the data have.

    Attributes:
        accuracy: mean over them.
        above_instances: points of accuracy above instances, from -1 to 1; None where instances
            were not trained on in the setting.
        gain: share of the way from instances to labels; None where one was not trained on.
        trials: how many.
    """

    accuracy: float
    above_instances: float | None
    gain: float | None
    trials: int


class Trials:
    """The complete trials of a data set in a regime, in the setting that most of them have.

    Args:
        results: an open store.
        table: the data set.
        regime: of the trials.
    """

    def __init__(self, results: Results, table: ImageTable, regime: str) -> None:
        self._table = table
        rows = results.sql(
            "select t.clustering_id, t.source, t.spec, t.encoder, t.epochs, t.batch_size, "
            f"t.images_per_cluster, {METRIC} as accuracy from counted t "
            f"where status = 'complete' and data_fingerprint = '{table.fingerprint}' "
            f"and coalesce(regime, 'scratch') = '{regime}' and isfinite({METRIC}) "
            "and objective = 'cl_infonce'"
        ).to_pylist()
        settings = Counter((r["encoder"], r["epochs"], r["batch_size"]) for r in rows)
        common = settings.most_common(1)[0][0] if settings else None
        rows = [r for r in rows if (r["encoder"], r["epochs"], r["batch_size"]) == common]
        self._by_id, self._by_spec = defaultdict(list), defaultdict(list)
        ends = defaultdict(list)
        for row in rows:
            self._by_id[row["clustering_id"]].append(row["accuracy"])
            self._by_spec[_key(json.loads(row["spec"])["clustering"])].append(row["accuracy"])
            ends[row["source"]].append(row["accuracy"])
        self._low, self._high = (
            fmean(ends[source]) if ends[source] else None for source in ("instances", "labels")
        )

    def of(self, clustering: Mapping[str, Any]) -> Measured | None:
        """What trials of a clustering, or of another of the same partition, reached."""
        values = self._by_spec.get(_key(clustering), [])
        if not values and self._by_id and not _clusters_points(clustering):
            built = build_trainable(clustering, self._table)
            values = [] if built is None else self._by_id.get(built.clustering_id, [])
        if not values:
            return None
        accuracy = fmean(values)
        above = None if self._low is None else accuracy - self._low
        gap = None if self._low is None or self._high is None else self._high - self._low
        gain = above / gap if above is not None and gap is not None and gap > _LEAST_GAP else None
        return Measured(accuracy, above, gain, len(values))


def _clusters_points(clustering: Mapping[str, Any]) -> bool:
    """Whether k-means is in it, which would have to be run, perhaps on features of an encoder."""
    parts = clustering.get("parts") or ()
    return any(part.get("n_clusters") is not None for part in (clustering, *parts))


def _key(clustering: Mapping[str, Any]) -> str:
    spec = ClusteringSpec.model_validate(dict(clustering))
    return spec.model_dump_json(exclude_defaults=True)
