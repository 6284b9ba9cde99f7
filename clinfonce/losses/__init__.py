"""Objectives of pretraining, as functions of embeddings and clusters."""

from clinfonce.losses._checks import FORMS, Form
from clinfonce.losses._cl_infonce import (
    ClInfoNCEOutput,
    cl_infonce,
    cl_infonce_terms,
    distributed_cl_infonce,
)
from clinfonce.losses._condition import PairWeights
from clinfonce.losses.collectives import Workers
from clinfonce.losses.cross_entropy import ClusterCrossEntropy, cluster_cross_entropy
from clinfonce.losses.memory import ClusterMemory
from clinfonce.losses.pcl import Prototypes, proto_nce
from clinfonce.losses.soft import soft_cl_infonce
from clinfonce.losses.weighted import WEIGHTED_FORMS, weighted_cl_infonce

__all__ = [
    "FORMS",
    "WEIGHTED_FORMS",
    "ClInfoNCEOutput",
    "ClusterCrossEntropy",
    "ClusterMemory",
    "Form",
    "PairWeights",
    "Prototypes",
    "Workers",
    "cl_infonce",
    "cl_infonce_terms",
    "cluster_cross_entropy",
    "distributed_cl_infonce",
    "proto_nce",
    "soft_cl_infonce",
    "weighted_cl_infonce",
]
