"""A picture of what an augmentation does to the images of a data set."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from clinfonce import data
from clinfonce.augment import contact_sheet
from clinfonce.config import DataSpec, read_sweep_or_experiment
from clinfonce.data import TRAIN
from clinfonce.errors import InputError

_SEED = 0


def views(
    specification: str | None, policy: str | None, data_name: str | None, out: str | Path
) -> Path:
    """Write the contact sheet of a specification's augmentation and data, or of those named.

    Args:
        specification: YAML file of a sweep or of one trial; None needs the other two.
        policy: augmentation; None = the specification's.
        data_name: data set; None = the specification's.
        out: file to write, .png.

    Raises:
        InputError: something is missing, unknown or not to be read.
    """
    if specification is None:
        if policy is None or data_name is None:
            raise InputError("views needs a specification, or both --policy and --data")
        return write_contact_sheet(out, policy, DataSpec(name=data_name))
    found = read_sweep_or_experiment(specification)
    where = found.data if data_name is None else DataSpec(name=data_name)
    return write_contact_sheet(out, policy or found.trial.augmentation, where)


def write_contact_sheet(
    out: str | Path, policy: str, where: DataSpec, *, images: int = 8, pairs: int = 4
) -> Path:
    """Write a PNG with a row for each of some training images: the image, then pairs of views.

    Args:
        out: file to write, .png.
        policy: name of an augmentation.
        where: data set.
        images: rows; drawn from the training images, the same each time.
        pairs: of views, beside each image.

    Raises:
        InputError: no such policy or data set, another ending than .png, or no place to write.
    """
    path = Path(out)
    if path.suffix.lower() != ".png":
        raise InputError(f"--out is {str(out)!r}: a contact sheet is a .png")
    table = data.load(where.name, root=None if where.root is None else Path(where.root))
    rows = table.rows(TRAIN)
    chosen = np.random.default_rng(_SEED).permutation(rows)[:images]
    generator = torch.Generator().manual_seed(_SEED)
    shown = torch.from_numpy(table.images[np.sort(chosen)])
    _write_png(path, contact_sheet(shown, policy, generator, pairs=pairs))
    return path


def _write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    from PIL import Image

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
