"""Embeddings of earlier batches with their clusters, as further positives and negatives."""

import torch
from torch import Tensor, nn

from clinfonce.errors import InputError
from clinfonce.losses import _checks
from clinfonce.losses.collectives import Workers


class ClusterMemory(nn.Module):
    """A queue (MoCo, arXiv 1911.05722) that knows its entries' clusters.

    Pass `contents` to `cl_infonce` as ``memory`` and `push` the momentum encoder's embeddings
    after the step. Its state is part of the state dict, so a resumed training goes on alike.

    Args:
        size: embeddings to keep, m.
        embedding_dim: d.
        workers: who share a batch; all of their embeddings enter. None for one.
    """

    embeddings: Tensor
    clusters: Tensor
    pushed: Tensor

    def __init__(self, size: int, embedding_dim: int, *, workers: Workers | None = None) -> None:
        super().__init__()
        if size < 1 or embedding_dim < 1:
            raise InputError(
                f"size is {size} and embedding_dim {embedding_dim}: must be 1 or above"
            )
        self.register_buffer("embeddings", torch.zeros(size, embedding_dim))
        self.register_buffer("clusters", torch.zeros(size, dtype=torch.int64))
        self.register_buffer("pushed", torch.zeros((), dtype=torch.int64))
        self._workers = workers or Workers()

    def __len__(self) -> int:
        return min(int(self.pushed), len(self.clusters))

    @property
    def contents(self) -> tuple[Tensor, Tensor]:
        """Embeddings (m', d) and clusters int64 (m',), m' ≤ m; in no particular order."""
        return self.embeddings[: len(self)], self.clusters[: len(self)]

    @torch.no_grad()
    def push(self, embeddings: Tensor, clusters: Tensor, *, check: bool = True) -> None:
        """Replace the oldest entries.

        Args:
            embeddings: floating (r, d), L2-normalised, this worker's.
            clusters: int64 (r,).
            check: whether to check values; a GPU has to wait for that.

        Raises:
            InputError: on an input that breaks a rule above.
        """
        _checks.check_shapes(embeddings, clusters)
        _checks.check_width(self.embeddings, embeddings, "kept embeddings")
        if check:
            _checks.check_embeddings(embeddings)
            _checks.check_ids(clusters)
        (rows, ids), _ = self._workers.gather(embeddings.to(self.embeddings.dtype), clusters)
        size, count = len(self.clusters), len(ids)
        start = int(self.pushed)
        kept = slice(max(0, count - size), count)
        places = torch.arange(start, start + count, device=ids.device)[kept] % size
        self.embeddings[places] = rows[kept]
        self.clusters[places] = ids[kept]
        self.pushed += count
