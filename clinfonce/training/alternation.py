"""Clusters of the encoder's own features, made anew while it trains (Tsai et al. 2021, sec. 3).

Expectation: cluster the features of all training images. Maximisation: train on those clusters.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clinfonce.clusterings import Clustering, from_kmeans
from clinfonce.errors import InputError
from clinfonce.training.distributed import all_reduce_sum, shard, world
from clinfonce.training.inputs import Inputs

if TYPE_CHECKING:
    from clinfonce.config import ClusteringSpec
    from clinfonce.training.model import ContrastiveModel

_BATCH = 256  # images that are embedded at a time, whatever the number of workers


@dataclass(frozen=True)
class Alternation:
    """When the clusters are made anew, and how.

    Attributes:
        n_clusters: K of each clustering; the objective is averaged over them.
        features: the encoder's, or the projection head's embeddings.
        every: epochs between two clusterings.
        warmup: epochs before the first, in which every image is a cluster of its own.
        seed: of the k-means.
    """

    n_clusters: tuple[int, ...]
    features: Literal["encoder", "head"]
    every: int
    warmup: int
    seed: int

    @classmethod
    def of(cls, spec: "ClusteringSpec") -> "Alternation | None":
        """The alternation that a specification asks for, if it does."""
        if spec.features not in ("encoder", "head"):
            return None
        features: Literal["encoder", "head"] = "head" if spec.features == "head" else "encoder"
        return cls(spec.all_n_clusters, features, spec.every, spec.warmup, spec.seed)

    def is_due(self, epoch: int) -> bool:
        """Whether the clusters are made anew before this epoch (0, 1, …)."""
        return epoch >= self.warmup and (epoch - self.warmup) % self.every == 0

    def cluster(self, model: "ContrastiveModel", inputs: Inputs, epoch: int) -> NDArray[np.int64]:
        """Cluster ids int64 (m, n), one row for each K; alike on all workers.

        The workers share the work by whole batches and blocks, so that from equal weights any
        number of them computes the same bits.
        """
        network = model if self.features == "head" else model.encoder
        features = embed(network, inputs)
        return np.stack([
            from_kmeans(
                features, n, seed=_seed(self.seed, epoch, place), n_init=1, max_iter=20,
                data_parallel=True,
            ).ids
            for place, n in enumerate(self.n_clusters)
        ])  # fmt: skip

    def start(self, n: int) -> Clustering:
        """Every one of n images its own cluster, under the name of what is to come.

        Raises:
            InputError: more clusters than images.
        """
        if (most := max(self.n_clusters)) > n:
            raise InputError(f"clustering.n_clusters is {most}, but there are {n} training images")
        return self._named(np.arange(n), -1)

    def result(self, clusters: NDArray[np.int64], epoch: int) -> Clustering:
        """The clustering of the first K among clusters (m, n), made before an epoch."""
        return self._named(clusters[0], epoch)

    def _named(self, ids: NDArray[np.int64], epoch: int) -> Clustering:
        counts = ", ".join(map(str, self.n_clusters))
        return Clustering(
            ids,
            f"k-means {counts} ({self.features})",
            {
                "source": "kmeans",
                "features": self.features,
                "n_clusters": list(self.n_clusters),
                "every": self.every,
                "warmup": self.warmup,
                "seed": self.seed,
                "epoch": epoch,
            },
        )


@torch.no_grad()
def embed(network: nn.Module, inputs: Inputs) -> Tensor:
    """Features float32 (n, d) of all images, not augmented; each worker computes its share."""
    rank, size = world()
    batches = np.split(np.arange(len(inputs)), range(_BATCH, len(inputs), _BATCH))
    was_training = network.training
    network.eval()
    try:
        mine = range(len(batches))[shard(len(batches), rank, size)]
        parts = {i: network(inputs.plain(batches[i])).float() for i in mine}
    finally:
        network.train(was_training)
    if size == 1:
        return torch.cat([parts[i] for i in mine])
    probe = next(network.parameters())
    width = torch.tensor([next(iter(parts.values())).shape[1] if parts else 0]).to(probe.device)
    sharers = all_reduce_sum(torch.tensor([len(parts) > 0], device=probe.device).long())
    width = all_reduce_sum(width) // sharers
    features = torch.zeros(len(inputs), int(width), device=probe.device)
    for i, part in parts.items():
        features[batches[i][0] : batches[i][-1] + 1] = part
    return all_reduce_sum(features)


def _seed(seed: int, epoch: int, place: int) -> int:
    return int(np.random.SeedSequence([seed, epoch, place]).generate_state(1)[0])
