"""Typed specifications of trials and sweeps, and the only reader of YAML."""

from clinfonce.config.clustering import ClusteringSpec
from clinfonce.config.objective import ObjectiveSpec
from clinfonce.config.reading import read_experiment, read_sweep
from clinfonce.config.specification import (
    Choices,
    DataSpec,
    Dimension,
    EncoderSpec,
    EvaluationSpec,
    ExperimentSpec,
    HeadSpec,
    NamedTrial,
    OptimizerSpec,
    Range,
    ResourceSpec,
    SamplerSpec,
    SchedulerSpec,
    SearchSpec,
    Subset,
    SweepSpec,
    TrialSpec,
    change_trial,
    trial_id,
)

__all__ = [
    "Choices",
    "ClusteringSpec",
    "DataSpec",
    "Dimension",
    "EncoderSpec",
    "EvaluationSpec",
    "ExperimentSpec",
    "HeadSpec",
    "NamedTrial",
    "ObjectiveSpec",
    "OptimizerSpec",
    "Range",
    "ResourceSpec",
    "SamplerSpec",
    "SchedulerSpec",
    "SearchSpec",
    "Subset",
    "SweepSpec",
    "TrialSpec",
    "change_trial",
    "read_experiment",
    "read_sweep",
    "trial_id",
]
