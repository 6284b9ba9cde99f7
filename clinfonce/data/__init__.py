"""Data sets: images, labels, a fixed split and auxiliary columns.

>>> table = load("digits")
>>> table.images.shape, len(table.label_names)
((1797, 1, 8, 8), 10)
"""

from clinfonce.data.hierarchy import root_paths
from clinfonce.data.prepared.embeddings import prepare_embeddings
from clinfonce.data.prepared.folder import prepare_folder
from clinfonce.data.prepared.packed import is_packed
from clinfonce.data.prepared.result import Prepared
from clinfonce.data.registry import DATASETS, load, prepare
from clinfonce.data.split import stratified_split
from clinfonce.data.table import (
    SPLIT_NAMES,
    TEST,
    TRAIN,
    VALIDATION,
    Column,
    ImageTable,
    attributes,
)
from clinfonce.data.targets import UNLABELLED, Target

__all__ = [
    "DATASETS",
    "SPLIT_NAMES",
    "TEST",
    "TRAIN",
    "UNLABELLED",
    "VALIDATION",
    "Column",
    "ImageTable",
    "Prepared",
    "Target",
    "attributes",
    "is_packed",
    "load",
    "prepare",
    "prepare_embeddings",
    "prepare_folder",
    "root_paths",
    "stratified_split",
]
