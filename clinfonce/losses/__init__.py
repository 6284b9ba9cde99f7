"""Objectives of pretraining, as functions of embeddings and clusters."""

from clinfonce.losses._checks import FORMS, Form
from clinfonce.losses._cl_infonce import (
    ClInfoNCEOutput,
    cl_infonce,
    cl_infonce_terms,
    distributed_cl_infonce,
)
from clinfonce.losses._condition import PairWeights
from clinfonce.losses.adversary import Adversary, reversal_strength, reverse_gradient
from clinfonce.losses.attributes import (
    Attribute,
    AttributePrediction,
    attribute_loss,
    standardised,
)
from clinfonce.losses.collectives import Workers
from clinfonce.losses.cross_entropy import ClusterCrossEntropy, cluster_cross_entropy
from clinfonce.losses.fino import Field, MetadataGuides, PrototypeGuide, equalised
from clinfonce.losses.memory import ClusterMemory
from clinfonce.losses.momentum import momentum_contrast
from clinfonce.losses.pcl import Prototypes, proto_nce
from clinfonce.losses.soft import soft_cl_infonce
from clinfonce.losses.terms import level_weights, multilevel_cl_infonce, weighted_sum
from clinfonce.losses.weighted import WEIGHTED_FORMS, weighted_cl_infonce

__all__ = [
    "FORMS",
    "WEIGHTED_FORMS",
    "Adversary",
    "Attribute",
    "AttributePrediction",
    "ClInfoNCEOutput",
    "ClusterCrossEntropy",
    "ClusterMemory",
    "Field",
    "Form",
    "MetadataGuides",
    "PairWeights",
    "PrototypeGuide",
    "Prototypes",
    "Workers",
    "attribute_loss",
    "cl_infonce",
    "cl_infonce_terms",
    "cluster_cross_entropy",
    "distributed_cl_infonce",
    "equalised",
    "level_weights",
    "momentum_contrast",
    "multilevel_cl_infonce",
    "proto_nce",
    "reversal_strength",
    "reverse_gradient",
    "soft_cl_infonce",
    "standardised",
    "weighted_cl_infonce",
    "weighted_sum",
]
