"""k-means on features (an earlier encoder's, or the encoder's own while it trains)."""

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clinfonce.clusterings.base import Clustering, build
from clinfonce.errors import InputError

if TYPE_CHECKING:
    import torch

    Features: TypeAlias = NDArray[Any] | torch.Tensor
else:
    Features: TypeAlias = Any


def from_kmeans(
    features: Features,
    n_clusters: int,
    *,
    seed: int = 0,
    n_init: int = 3,
    max_iter: int = 50,
    tolerance: float = 1e-4,
    data_parallel: bool = False,
) -> Clustering:
    """Cluster features by k-means, the best of some restarts.

    Args:
        features: (n, d) floats, array or tensor (clustered on the tensor's device).
        n_clusters: K; fewer come out where the features have fewer distinct rows.
        seed: of the starting centres.
        n_init: restarts; the one of lowest inertia is taken.
        max_iter: Lloyd iterations at most.
        tolerance: a restart ends when the centres move less than this share of the features'
            mean variance (squared distance, summed over centres).
        data_parallel: share the work among the workers of `torch.distributed`, if there are any;
            all of them give the same features, and get the bits that one alone would.

    Raises:
        InputError: features that are not (n, d) or not finite, or K out of 1..n.
    """
    from clinfonce.clusterings import _lloyd

    points = _lloyd.as_points(features)
    if not 1 <= n_clusters <= len(points):
        raise InputError(f"k-means: n_clusters must be in 1..{len(points)}, got {n_clusters}")
    if n_init < 1 or max_iter < 1:
        raise InputError(f"k-means: n_init and max_iter must be >= 1, got {n_init}, {max_iter}")
    result = _lloyd.best_of(
        points,
        n_clusters,
        seed=seed,
        n_init=n_init,
        max_iter=max_iter,
        tolerance=tolerance,
        share=_lloyd.Share.of_workers() if data_parallel else _lloyd.ALONE,
    )
    return build(
        result.ids.cpu().numpy().astype(np.int64, copy=False),
        name=f"k-means {n_clusters}",
        provenance={
            "source": "kmeans",
            "n_clusters": n_clusters,
            "seed": seed,
            "n_init": n_init,
            "max_iter": max_iter,
            "tolerance": tolerance,
        },
    )
