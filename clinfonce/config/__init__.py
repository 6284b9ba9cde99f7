"""Typed specifications of trials and sweeps, and the only reader of YAML."""

from clinfonce.config.augmentation import (
    Augmentation,
    AugmentationSpec,
    name_of,
)
from clinfonce.config.cluster_file import RayClusterSpec
from clinfonce.config.clustering import ClusteringSpec
from clinfonce.config.encoder import (
    EMBEDDINGS,
    PRETRAINED,
    RANDOM,
    AdapterSpec,
    EncoderSpec,
    HeadSpec,
    LastBlocks,
    OptimizerSpec,
)
from clinfonce.config.objective import ObjectiveSpec
from clinfonce.config.ray_cluster import Fleet, NodeType, read_fleet
from clinfonce.config.reading import (
    check_specification,
    read_experiment,
    read_ray_cluster,
    read_sweep,
    read_sweep_or_experiment,
    specification_text,
)
from clinfonce.config.search import SchedulerSpec, SearchSpec
from clinfonce.config.space import (
    Choices,
    Clusterings,
    Dimension,
    Range,
    Space,
    Subset,
    grid,
    points_to_try,
    walk,
)
from clinfonce.config.specification import (
    EvaluationSpec,
    SamplerSpec,
    TrialSpec,
    canonical,
    change_trial,
    trial_id,
)
from clinfonce.config.sweep import DataSpec, ExperimentSpec, NamedTrial, ResourceSpec, SweepSpec

__all__ = [
    "EMBEDDINGS",
    "PRETRAINED",
    "RANDOM",
    "AdapterSpec",
    "Augmentation",
    "AugmentationSpec",
    "Choices",
    "ClusteringSpec",
    "Clusterings",
    "DataSpec",
    "Dimension",
    "EncoderSpec",
    "EvaluationSpec",
    "ExperimentSpec",
    "Fleet",
    "HeadSpec",
    "LastBlocks",
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
    "canonical",
    "change_trial",
    "check_specification",
    "grid",
    "name_of",
    "points_to_try",
    "read_experiment",
    "read_fleet",
    "read_ray_cluster",
    "read_sweep",
    "read_sweep_or_experiment",
    "specification_text",
    "trial_id",
    "walk",
]
