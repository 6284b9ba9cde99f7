"""Cluster ids of one batch, made dense, with their sizes; no device synchronisation."""

from typing import NamedTuple

from torch import Tensor


class BatchClusters(NamedTuple):
    """Dense cluster ids of a batch of n embeddings.

    Attributes:
        ids: int64 (n,), 0..K-1 in ascending order of the original ids.
        order: int64 (n,), the positions that sort the batch by cluster, stable.
        sizes: int64 (n,), members of cluster k at position k, zeros from K on. K itself is not
            known to the host: reading it would make a GPU wait.
    """

    ids: Tensor
    order: Tensor
    sizes: Tensor

    @property
    def positives(self) -> Tensor:
        """int64 (n,): the other members of each embedding's cluster."""
        return self.sizes[self.ids] - 1


def compact(clusters: Tensor) -> BatchClusters:
    """Renumber arbitrary cluster ids, int64 (n,), to 0..K-1."""
    ordered, order = clusters.sort(stable=True)
    starts = ordered.new_zeros(len(ordered))
    starts[1:] = ordered[1:] != ordered[:-1]
    dense = starts.cumsum(0)
    ids = dense.new_empty(len(dense)).scatter_(0, order, dense)
    sizes = dense.new_zeros(len(dense)).scatter_add_(0, dense, dense.new_ones(len(dense)))
    return BatchClusters(ids, order, sizes)


def cluster_sums(values: Tensor, ids: Tensor, clusters: BatchClusters) -> Tensor:
    """Sum the rows of ``values`` (a, d) by their dense ``ids`` (a,); (n, d), zeros from K on."""
    sums = values.new_zeros(len(clusters.sizes), values.shape[1])
    if values.is_cuda:
        # index_add_ is atomic there and so not reproducible; accumulating index_put_ sorts.
        return sums.index_put_((ids,), values, accumulate=True)
    return sums.index_add_(0, ids, values)
