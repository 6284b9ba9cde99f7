"""Joining and adding over the workers that share one batch, with the gradients that go with it.

DistributedDataParallel averages gradients over W workers. What is differentiable here therefore
has the value of the whole batch on every worker and W times its gradient to the worker's own
rows, so that the averaged gradient of the parameters is exactly the whole batch's, however its
rows are spread. That needs every worker to call backward with the same factor on the loss.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from clinfonce.errors import InputError

# The newer name of all_gather_into_tensor, which warns from PyTorch 2.13 on.
_all_gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor


@dataclass(frozen=True)
class Workers:
    """The processes that share a batch.

    Attributes:
        rank: of this one, from 0 up.
        size: how many there are; with 1, nothing here communicates.
        group: their process group; None stands for all processes.
    """

    rank: int = 0
    size: int = 1
    group: dist.ProcessGroup | None = None

    @classmethod
    def of(cls, group: dist.ProcessGroup | None = None) -> "Workers":
        """The members of ``group``; this process alone outside of torch.distributed."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(dist.get_rank(group), dist.get_world_size(group), group)

    def gather(self, *rows: Tensor) -> tuple[list[Tensor], slice]:
        """Join tensors over the workers in rank order, without gradient.

        Args:
            rows: (r, …), of one length r, which may differ between workers and be 0; other
                dimensions and dtypes alike on all of them.

        Returns:
            The joined tensors (n, …), and which of their rows are this worker's.
        """
        count = len(rows[0])
        if self.size == 1:
            return [each.detach() for each in rows], slice(0, count)
        counts = self._counts(count, rows[0].device)
        start = sum(counts[: self.rank])
        return [self._join(each.detach(), counts) for each in rows], slice(start, start + count)

    def sum(self, value: Tensor) -> Tensor:
        """Add a tensor over the workers, without gradient; alike on each to the last bit."""
        if self.size == 1:
            return value.detach()
        total = value.detach().clone()
        dist.all_reduce(total, group=self.group)
        return total

    def raise_together(self, error: InputError | None, device: torch.device) -> None:
        """Raise one worker's error on all of them: the others would wait for it in vain."""
        if self.size == 1 and error is None:
            return
        failures = int(self.sum(torch.tensor(int(error is not None), device=device)))
        if error is not None:
            raise error
        if failures > 0:
            raise InputError(f"the input of {failures} other worker(s) is bad: see the error there")

    def _counts(self, count: int, device: torch.device) -> list[int]:
        counts = torch.empty(self.size, dtype=torch.int64, device=device)
        own = torch.tensor([count], device=device)
        _all_gather(counts, own, group=self.group)
        return [int(value) for value in counts.tolist()]

    def _join(self, rows: Tensor, counts: list[int]) -> Tensor:
        """Join (r, …) with the given r per worker; collectives want one shape, so pad and trim."""
        longest = max(counts)
        padded = rows.new_zeros(longest, *rows.shape[1:])
        padded[: len(rows)] = rows
        joined = rows.new_empty(self.size * longest, *rows.shape[1:])
        _all_gather(joined, padded, group=self.group)
        if min(counts) == longest:
            return joined
        return torch.cat([joined[i * longest :][:count] for i, count in enumerate(counts)])


def gather_with_gradient(rows: Tensor, workers: Workers | None = None) -> Tensor:
    """Join rows (r, …) over the workers in rank order, (n, …), with gradient.

    For an objective that every worker evaluates on the whole batch. The gradients of all workers
    are added, which makes W times the right one: averaging over workers restores it.
    """
    joined: Tensor = _GatherRows.apply(rows, workers or Workers())  # type: ignore[no-untyped-call]
    return joined


def global_mean(
    values: Tensor, workers: Workers | None = None, *, weights: Tensor | None = None
) -> Tensor:
    """Average one value per row, floating (r,), over the rows of all workers; 0 without rows.

    Args:
        values: of this worker's rows.
        workers: who share the rows; None for one.
        weights: (r,) in the same dtype, not negative, on all workers or on none: of a weighted
            mean, which is 0 if they all are.
    """
    if weights is None:
        weights = torch.ones_like(values)
    mean: Tensor = _GlobalMean.apply(values, weights, workers or Workers())  # type: ignore[no-untyped-call]
    return mean


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, workers: Workers) -> Tensor:
        (joined,), ctx.own = workers.gather(rows)
        ctx.workers = workers
        return joined

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total: Tensor = ctx.workers.sum(gradient)
        return total[ctx.own], None


class _GlobalMean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, weights: Tensor, workers: Workers) -> Tensor:
        sums = workers.sum(torch.stack([torch.dot(values, weights), weights.sum()]))
        whole = torch.where(sums[1] > 0, sums[1], 1)
        ctx.save_for_backward(weights * (workers.size / whole))
        return sums[0] / whole

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (shares,) = ctx.saved_tensors
        return gradient * shares, None, None
