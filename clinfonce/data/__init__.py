"""Data sets: images, labels, a fixed split and auxiliary columns.

>>> table = load("digits")
>>> table.images.shape, len(table.label_names)
((1797, 1, 8, 8), 10)
"""

import importlib
from pathlib import Path

from clinfonce.data import packed
from clinfonce.data.folder import Prepared, prepare_folder
from clinfonce.data.hierarchy import tree_paths
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
from clinfonce.errors import InputError, unknown_name

__all__ = [
    "DATASETS",
    "SPLIT_NAMES",
    "TEST",
    "TRAIN",
    "VALIDATION",
    "Column",
    "ImageTable",
    "Prepared",
    "attributes",
    "load",
    "prepare_folder",
    "stratified_split",
    "tree_paths",
]

# Name to module; each has `load(root: Path | None) -> ImageTable`. Imported when asked for.
DATASETS = {
    "celeba": "clinfonce.data.celeba",
    "cifar100": "clinfonce.data.cifar100",
    "cub": "clinfonce.data.cub",
    "digits": "clinfonce.data.digits",
    "imagenet100": "clinfonce.data.imagenet100",
    "ut-zappos50k": "clinfonce.data.ut_zappos50k",
    "wider-attribute": "clinfonce.data.wider_attribute",
}


def load(name: str, root: Path | str | None = None) -> ImageTable:
    """Read a data set by name, or one that `prepare_folder` made.

    Args:
        name: one of `DATASETS`, or the path of a prepared folder.
        root: folder that holds the files of a data set that has to be fetched first.

    Raises:
        InputError: an unknown name (the known ones are named), or files that are missing.
    """
    if name not in DATASETS and packed.is_packed(Path(name)):
        return packed.load(Path(name))
    if name not in DATASETS:
        raise InputError(unknown_name("data set", name, DATASETS))
    module = importlib.import_module(DATASETS[name])
    table: ImageTable = module.load(None if root is None else Path(root))
    return table
