"""Typed specifications of trials and sweeps, and the only reader of YAML."""

from clinfonce.config.cluster_file import RayClusterSpec
from clinfonce.config.clustering import ClusteringSpec
from clinfonce.config.objective import ObjectiveSpec
from clinfonce.config.ray_cluster import Fleet, NodeType, read_fleet
from clinfonce.config.reading import (
    read_experiment,
    read_ray_cluster,
    read_sweep,
    read_sweep_or_experiment,
)
from clinfonce.config.search import SchedulerSpec, SearchSpec
from clinfonce.config.space import Choices, Dimension, Range, Space, Subset, grid, walk
from clinfonce.config.specification import (
    EncoderSpec,
    EvaluationSpec,
    HeadSpec,
    OptimizerSpec,
    SamplerSpec,
    TrialSpec,
    change_trial,
    trial_id,
)
from clinfonce.config.sweep import DataSpec, ExperimentSpec, NamedTrial, ResourceSpec, SweepSpec

__all__ = [
    "Choices",
    "ClusteringSpec",
    "DataSpec",
    "Dimension",
    "EncoderSpec",
    "EvaluationSpec",
    "ExperimentSpec",
    "Fleet",
    "HeadSpec",
    "NamedTrial",
    "NodeType",
    "ObjectiveSpec",
    "OptimizerSpec",
    "Range",
    "RayClusterSpec",
    "ResourceSpec",
    "SamplerSpec",
    "SchedulerSpec",
    "SearchSpec",
    "Space",
    "Subset",
    "SweepSpec",
    "TrialSpec",
    "change_trial",
    "grid",
    "read_experiment",
    "read_fleet",
    "read_ray_cluster",
    "read_sweep",
    "read_sweep_or_experiment",
    "trial_id",
    "walk",
]
