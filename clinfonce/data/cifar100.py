"""CIFAR-100: 60,000 images of 32 x 32, 100 classes in 20 superclasses."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.split import hold_out
from clinfonce.data.table import TEST, TRAIN, VALIDATION, Column, ImageTable
from clinfonce.errors import InputError

FETCH = (
    "To get it: download cifar-100-binary.tar.gz from "
    "https://www.cs.toronto.edu/~kriz/cifar.html and unpack it under <root>. "
    "Terms: its authors state none and ask to cite Krizhevsky 2009."
)
SIZES = {"train.bin": 50_000, "test.bin": 10_000}
_RECORD = 2 + 3 * 32 * 32  # superclass, class, and the red, green and blue planes


def load(root: Path | None = None) -> ImageTable:
    """Read the binary version (the others hold pickles, which can run code when opened).

    The published test images are kept; a fifth of each class's training images validate. Columns:
    `superclass`, and `hierarchy`, the path superclass/class.

    Raises:
        InputError: no root, or files that are missing or of another size.
    """
    if root is None:
        raise InputError(f"cifar100 needs the root of its files. {FETCH}")
    folder = root / "cifar-100-binary"
    parts = [_records(folder / name, size) for name, size in SIZES.items()]
    records = np.concatenate(parts)
    superclasses, labels = records[:, 0].astype(np.int64), records[:, 1].astype(np.int64)
    split = np.repeat(np.array([TRAIN, TEST], np.int8), [len(part) for part in parts])
    train = np.flatnonzero(split == TRAIN)
    split[train[hold_out(labels[train], 0.2)]] = VALIDATION
    names, coarse = (_names(folder / f"{kind}_label_names.txt") for kind in ("fine", "coarse"))
    paths = np.empty(len(labels), dtype=object)
    paths[:] = [(coarse[s], names[t]) for s, t in zip(superclasses, labels, strict=True)]
    columns = [
        Column("superclass", "categorical", np.array(coarse)[superclasses], None,
               "One of 20 groups of five classes.", "class"),
        Column("hierarchy", "hierarchy", paths, None, "Superclass and class.", "class"),
    ]  # fmt: skip
    return ImageTable(
        name="cifar100",
        images=records[:, 2:].reshape(-1, 3, 32, 32),
        labels=labels,
        label_names=names,
        split=split,
        columns={column.name: column for column in columns},
    )


def _records(file: Path, n: int) -> NDArray[np.uint8]:
    if not file.is_file() or file.stat().st_size != n * _RECORD:
        raise InputError(f"{file}: missing, or not of {n} images. {FETCH}")
    return np.fromfile(file, dtype=np.uint8).reshape(n, _RECORD)


def _names(file: Path) -> tuple[str, ...]:
    if not file.is_file():
        raise InputError(f"{file}: missing. {FETCH}")
    return tuple(file.read_text(encoding="utf-8").split())
