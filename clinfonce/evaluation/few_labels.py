"""Which images keep their label when only a few of each class do."""

import numpy as np
import torch
from torch import Tensor

from clinfonce.errors import InputError


def few_label_draws(labels: Tensor, labels_per_class: int, n_draws: int, seed: int) -> Tensor:
    """Draw images at random, the same number of every class: int64 (n_draws, classes · number).

    A draw is ordered by class. The draws depend on labels and seed alone, and those of fewer labels
    are part of those of more, so encoders and numbers of labels are compared on the same images.

    Args:
        labels: int64 (n,), 0..C-1.
        labels_per_class: how many of each class.
        n_draws: how many draws.
        seed: of the draws.

    Raises:
        InputError: a number below 1, or a class with fewer images than are to be drawn.
    """
    if labels_per_class < 1 or n_draws < 1:
        raise InputError(
            f"{n_draws} draws of {labels_per_class} labels a class; both have to be at least 1"
        )
    classes = labels.cpu().numpy()
    sizes = np.bincount(classes)
    if (smallest := int(sizes.min())) < labels_per_class:
        raise InputError(
            f"class {int(sizes.argmin())} has {smallest} images; "
            f"{labels_per_class} labels of each class are to be drawn"
        )
    keys = np.random.default_rng(seed).random((n_draws, len(classes)))
    order = np.argsort(classes + keys, axis=1, kind="stable")  # by class, at random within
    starts = np.cumsum(sizes) - sizes
    places = (starts[:, None] + np.arange(labels_per_class)).ravel()
    return torch.from_numpy(order[:, places]).to(labels.device)
