"""The simplest use of clusters: to classify them."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from clinfonce.errors import InputError
from clinfonce.losses._checks import (
    check_embedding_shape,
    check_finite,
    check_integers,
    check_range,
)
from clinfonce.losses.collectives import Workers, global_mean


class ClusterCrossEntropy(nn.Module):
    """Cross-entropy of a linear classifier of clusters on top of the features.

    Args:
        feature_dim: of the features, d.
        n_clusters: K.
        workers: who share a batch; None for one. Loss and gradient are then those of the batch.
    """

    def __init__(
        self, feature_dim: int, n_clusters: int, *, workers: Workers | None = None
    ) -> None:
        super().__init__()
        if feature_dim < 1 or n_clusters < 2:
            raise InputError(
                f"feature_dim is {feature_dim} and n_clusters {n_clusters}: "
                "must be at least 1 and 2, one cluster cannot be told from others"
            )
        self.classifier = nn.Linear(feature_dim, n_clusters)
        self._workers = workers or Workers()

    def forward(self, features: Tensor, clusters: Tensor, *, check: bool = True) -> Tensor:
        """Return the mean cross-entropy in nats.

        Args:
            features: floating (n, d).
            clusters: int64 (n,), 0..K-1.
            check: whether to check the ids' values; a GPU has to wait for that.

        Raises:
            InputError: on ids of another length, dtype or range.
        """
        return cluster_cross_entropy(
            self.classifier(features), clusters, check=check, workers=self._workers
        )


def cluster_cross_entropy(
    logits: Tensor, clusters: Tensor, *, check: bool = True, workers: Workers | None = None
) -> Tensor:
    """Return the mean cross-entropy in nats of a classifier of clusters.

    Args:
        logits: floating (n, K); half precision is computed in float32.
        clusters: int64 (n,), 0..K-1.
        check: whether to check values; a GPU has to wait for that.
        workers: who share a batch; None for one.

    Raises:
        InputError: on ids of another length, dtype or range, or logits that are not finite.
    """
    check_embedding_shape(logits, "logits")
    check_integers(clusters, logits, "clusters")
    if check:
        check_finite(logits, "logits")
        check_range(clusters, logits.shape[1], "clusters")
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return global_mean(functional.cross_entropy(wide, clusters, reduction="none"), workers)
