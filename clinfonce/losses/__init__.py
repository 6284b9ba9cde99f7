"""Objectives of pretraining, as functions of embeddings and clusters."""

from clinfonce.losses._checks import FORMS, Form
from clinfonce.losses._cl_infonce import (
    ClInfoNCEOutput,
    cl_infonce,
    cl_infonce_terms,
    distributed_cl_infonce,
)

__all__ = [
    "FORMS",
    "ClInfoNCEOutput",
    "Form",
    "cl_infonce",
    "cl_infonce_terms",
    "distributed_cl_infonce",
]
