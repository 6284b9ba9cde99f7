"""CIFAR-100 through torchvision: 60,000 images of 32 x 32, 100 classes in 20 superclasses."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from clinfonce.data.split import hold_out
from clinfonce.data.table import TEST, TRAIN, VALIDATION, Column, ImageTable
from clinfonce.errors import InputError
from clinfonce.torchvision_import import import_torchvision

FETCH = (
    "To get it: download cifar-100-python.tar.gz from "
    "https://www.cs.toronto.edu/~kriz/cifar.html and unpack it under <root>, or let "
    "torchvision.datasets.CIFAR100(root, download=True) do so. "
    "Terms: its authors state none and ask to cite Krizhevsky 2009."
)


def load(root: Path | None = None) -> ImageTable:
    """Read the files that torchvision reads; it checks them by their MD5 sums.

    The published test images are kept; a fifth of each class's training images validate. Columns:
    `superclass`, and `hierarchy`, the path superclass/class.

    Raises:
        InputError: no root, or files that are missing or not the published ones.
    """
    if root is None:
        raise InputError(f"cifar100 needs the root of its files. {FETCH}")
    parts = [_part(root, train) for train in (True, False)]
    names, coarse = parts[0].classes, _read(parts[0], parts[0].meta["filename"])
    superclasses = np.concatenate([
        _read(part, file)["coarse_labels"]
        for part, files in zip(parts, (parts[0].train_list, parts[1].test_list), strict=True)
        for file, _ in files
    ])  # fmt: skip
    labels = np.concatenate([part.targets for part in parts]).astype(np.int64)
    split = np.repeat(np.array([TRAIN, TEST], np.int8), [len(part) for part in parts])
    train = np.flatnonzero(split == TRAIN)
    split[train[hold_out(labels[train], 0.2)]] = VALIDATION
    groups = np.array(coarse["coarse_label_names"])[superclasses]
    paths = np.empty(len(labels), dtype=object)
    paths[:] = [(str(g), names[t]) for g, t in zip(groups, labels, strict=True)]
    columns = [
        Column("superclass", "categorical", groups, None, "One of 20 groups of five classes.",
               "class"),
        Column("hierarchy", "hierarchy", paths, None, "Superclass and class.", "class"),
    ]  # fmt: skip
    return ImageTable(
        name="cifar100",
        images=np.concatenate([part.data for part in parts]).transpose(0, 3, 1, 2),
        labels=labels,
        label_names=tuple(names),
        split=split,
        columns={column.name: column for column in columns},
    )


def _part(root: Path, train: bool) -> Any:
    """Training or test images as `torchvision.datasets.CIFAR100`."""
    published = import_torchvision("torchvision.datasets").CIFAR100
    files = [file for file, _ in published.train_list + published.test_list]
    for file in [*files, published.meta["filename"]]:
        if not (path := root / published.base_folder / file).is_file():
            raise InputError(f"{path}: missing. {FETCH}")
    try:
        return published(root, train=train)
    except RuntimeError as error:
        raise InputError(f"cifar100 in {root}: {error}. {FETCH}") from None


def _read(part: Any, file: str) -> Any:
    """What torchvision leaves out, of a file whose MD5 sum it has checked."""
    with (Path(part.root) / part.base_folder / file).open("rb") as opened:
        return pickle.load(opened, encoding="latin1")
