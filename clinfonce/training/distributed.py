"""Which part of a batch a worker takes, and metrics over all workers.

The objectives' own communication is in `clinfonce.losses.collectives`.
"""

import torch.distributed as dist
from torch import Tensor

from clinfonce.losses.collectives import Workers


def world(group: dist.ProcessGroup | None = None) -> tuple[int, int]:
    """Return this worker's rank and the number of workers; (0, 1) outside of torch.distributed."""
    workers = Workers.of(group)
    return workers.rank, workers.size


def shard(batch_length: int, rank: int, size: int) -> slice:
    """Return the rows of a batch that worker ``rank`` of ``size`` takes.

    The shares are contiguous, in rank order, and differ in length by one at most; with fewer rows
    than workers some are empty.

    >>> [shard(7, rank, 3) for rank in range(3)]
    [slice(0, 2, None), slice(2, 4, None), slice(4, 7, None)]
    """
    return slice(batch_length * rank // size, batch_length * (rank + 1) // size)


def all_reduce_sum(value: Tensor, group: dist.ProcessGroup | None = None) -> Tensor:
    """Add ``value`` over the workers; alike on all of them, without gradient."""
    return Workers.of(group).sum(value)


def all_reduce_mean(value: Tensor, group: dist.ProcessGroup | None = None) -> Tensor:
    """Average a floating ``value`` over the workers, each counting alike, without gradient."""
    workers = Workers.of(group)
    return workers.sum(value) / workers.size
