"""Auxiliary information as weights between images: one kernel a column, combined.

A clustering says of two images that they agree or not; a similarity says how much. Each column is
encoded once, and weights are computed a tile at a time, on any device.
"""

from clinfonce.similarity.batches import batches_alike
from clinfonce.similarity.categories import differences, equal, jaccard
from clinfonce.similarity.columns import Column, Missing
from clinfonce.similarity.combine import Combination, Similarity, combine
from clinfonce.similarity.contrast import (
    ContrastLeft,
    batches_within,
    check_contrast,
    contrast_left,
)
from clinfonce.similarity.dates import PERIODS, days, parse_dates, part
from clinfonce.similarity.embeddings import cosine
from clinfonce.similarity.hierarchy import common_ancestor
from clinfonce.similarity.kernels import KERNELS, encode, kernel_options
from clinfonce.similarity.numbers import cyclic, gaussian, great_circle

__all__ = [
    "KERNELS",
    "PERIODS",
    "Column",
    "Combination",
    "ContrastLeft",
    "Missing",
    "Similarity",
    "batches_alike",
    "batches_within",
    "check_contrast",
    "combine",
    "common_ancestor",
    "contrast_left",
    "cosine",
    "cyclic",
    "days",
    "differences",
    "encode",
    "equal",
    "gaussian",
    "great_circle",
    "jaccard",
    "kernel_options",
    "parse_dates",
    "part",
]
