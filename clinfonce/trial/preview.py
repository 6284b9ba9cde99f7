"""What the clusterings of a specification offer, before anything is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clinfonce import data
from clinfonce.clusterings import ClusteringReport
from clinfonce.config import (
    DataSpec,
    ExperimentSpec,
    SamplerSpec,
    SweepSpec,
    TrialSpec,
    read_sweep_or_experiment,
)
from clinfonce.data import TRAIN
from clinfonce.trial.clusterings import build_clustering


@dataclass(frozen=True)
class Preview:
    """One clustering of the training images.

    Attributes:
        name: of the trial, or of the clustering where the trial has none.
        sampler: how the trial draws its batches.
        report: sizes, bits and positives.
    """

    name: str
    sampler: SamplerSpec
    report: ClusteringReport

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "batch_size": self.sampler.batch_size,
            "images_per_cluster": self.sampler.images_per_cluster,
            "positives": self.report.positives,
            **asdict(self.report),
        }


def preview(specification: str | Path, settings: Sequence[str] = ()) -> list[Preview]:
    """Build the clusterings of a trial, or of a sweep's fixed trials, and report on them.

    What a search will propose is not known before.

    Args:
        specification: YAML file.
        settings: FIELD=VALUE, in place of what it says.

    Raises:
        InputError: a specification that cannot be read or does not fit its data.
    """
    where, trials = _trials(read_sweep_or_experiment(specification, settings))
    table = data.load(where.name, where.root)
    labels = None if table.labels is None else table.labels[table.rows(TRAIN)]
    found = []
    for name, trial in trials:
        clustering, sampler = build_clustering(trial.clustering, table), trial.sampler
        report = clustering.report(
            labels,
            batch_size=sampler.batch_size,
            images_per_cluster=sampler.images_per_cluster,
        )
        found.append(Preview(name or clustering.name, sampler, report))
    return found


def _trials(
    found: SweepSpec | ExperimentSpec,
) -> tuple[DataSpec, list[tuple[str, TrialSpec]]]:
    if not isinstance(found, SweepSpec):
        return found.data, [("", found.trial)]
    fixed = [
        (_name(named.name, point), found.fixed_trial(named, found.seeds[0], point))
        for named in found.fixed
        for point in named.points
    ]
    return found.data, fixed or [("", found.trial)]


def _name(name: str, point: Mapping[str, Any]) -> str:
    """A fixed trial at a point of its grid."""
    values = ", ".join(f"{key.rsplit('.', 1)[-1]} {value}" for key, value in point.items())
    return f"{name} ({values})" if values else name
