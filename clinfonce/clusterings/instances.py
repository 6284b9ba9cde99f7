"""Every image its own cluster: Cl-InfoNCE becomes InfoNCE (SimCLR)."""

import numpy as np

from clinfonce.clusterings.base import Clustering
from clinfonce.errors import InputError


def from_instances(n: int) -> Clustering:
    """One cluster an image, for n images.

    Raises:
        InputError: n < 1.
    """
    if n < 1:
        raise InputError(f"instances: at least one image is needed, got {n}")
    return Clustering(np.arange(n), "instances", {"source": "instances"})
