"""A picture of what an augmentation does to the images of a data set."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from clinfonce import data
from clinfonce.augment import Policy, contact_sheet
from clinfonce.config import DataSpec, read_sweep_or_experiment
from clinfonce.data import TRAIN
from clinfonce.errors import InputError
from clinfonce.training.inputs import policy_of

_SEED = 0
_GAP = 24  # pixels between two sheets


def views(
    specification: str | None,
    policy: str | None,
    data_name: str | None,
    out: str | Path,
    settings: Sequence[str] = (),
) -> Path:
    """Write the contact sheet of a specification's augmentation and data, or of those named.

    Args:
        specification: YAML file of a sweep or of one trial; None needs the other two.
        policy: augmentation; None = the specification's.
        data_name: data set; None = the specification's.
        out: file to write, .png.
        settings: FIELD=VALUE, in place of what the specification says.

    Raises:
        InputError: something is missing, unknown or not to be read.
    """
    if specification is None:
        if policy is None or data_name is None:
            raise InputError("views needs a specification, or both --policy and --data")
        if settings:
            raise InputError(f"--set {settings[0]}: there is no specification to set it in")
        return write_contact_sheet(out, policy, DataSpec(name=data_name))
    found = read_sweep_or_experiment(specification, settings)
    where = found.data if data_name is None else DataSpec(name=data_name)
    if policy is not None:
        return write_contact_sheet(out, policy, where)
    augmentation = found.trial.augmentation
    before = None if isinstance(augmentation, str) else augmentation.policy
    return write_contact_sheet(out, policy_of(found.trial), where, before=before)


def write_contact_sheet(
    out: str | Path,
    policy: Policy | str,
    where: DataSpec,
    *,
    before: Policy | str | None = None,
    images: int = 8,
    pairs: int = 4,
) -> Path:
    """Write a PNG with a row for each of some training images: the image, then pairs of views.

    Where an augmentation is a change of another, both are shown: before on the left, after on the
    right.

    Args:
        out: file to write, .png.
        policy: an augmentation, or its name.
        where: data set.
        before: the augmentation that `policy` changes; None shows that alone.
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
    shown = torch.from_numpy(table.images[np.sort(chosen)])
    sheets = [
        contact_sheet(shown, each, torch.Generator().manual_seed(_SEED), pairs=pairs)
        for each in (before, policy)
        if each is not None
    ]
    gap = np.full((len(sheets[0]), _GAP, *sheets[0].shape[2:]), 255, dtype=np.uint8)
    _write_png(path, np.concatenate([sheets[0], *(p for s in sheets[1:] for p in (gap, s))], 1))
    return path


def _write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    from PIL import Image

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
