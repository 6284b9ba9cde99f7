"""The simplest use of clusters: to classify them."""

from torch import Tensor, nn
from torch.nn import functional

from clinfonce.errors import InputError
from clinfonce.losses._checks import check_integers, check_range
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
        check_integers(clusters, features, "clusters")
        if check:
            check_range(clusters, self.classifier.out_features, "clusters")
        logits = self.classifier(features)
        return global_mean(
            functional.cross_entropy(logits, clusters, reduction="none"), self._workers
        )
