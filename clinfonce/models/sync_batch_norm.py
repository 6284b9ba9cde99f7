"""Batch norm over the batches of all workers, on the CPU (gloo) and on GPUs (nccl).

PyTorch's own runs on GPUs only. This one takes the statistics of the union of all workers' batches,
of equal sizes or not, in value, gradient and running statistics.
"""

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Group = dist.ProcessGroup | None
_EPS = 2.0**-20


class SyncBatchNorm(_BatchNorm):
    """`BatchNorm1d`, `2d` and `3d` over a group of processes; parameter names are the same.

    Every process of the group has to run its forward and its backward pass. In evaluation mode,
    or without other processes, it is plain batch norm.
    """

    process_group: Group = None

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (n, c) or (n, c, …) by the mean and variance of all processes' x."""
        alone = not dist.is_initialized() or dist.get_world_size(self.process_group) == 1
        uses_running = not self.training and self.running_mean is not None
        if uses_running or alone:
            return super().forward(x)
        y, mean, variance, count = _Normalize.apply(  # type: ignore[no-untyped-call]
            x, self.weight, self.bias, self.eps, self.process_group
        )
        if self.training and self.running_mean is not None:
            self._update_running(mean, variance, count)
        return y  # type: ignore[no-any-return]

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"batch norm needs (n, c, …), got {input.dim()} dimensions")

    @torch.no_grad()
    def _update_running(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        momentum: Tensor | float
        if self.momentum is None:  # the average over all batches so far
            momentum = 1 / self.num_batches_tracked.to(mean.dtype)
        else:
            momentum = torch.as_tensor(self.momentum, dtype=mean.dtype, device=mean.device)
        unbiased = variance * (count / (count - 1).clamp(min=1))
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)


class _Normalize(torch.autograd.Function):
    """Ioffe & Szegedy 2015, algorithm 1 and the gradients below it, over all processes."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, group: Group
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mean, variance, count = _global_statistics(x, group)
        y = F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)
        ctx.save_for_backward(x, weight, mean, (variance + eps).rsqrt(), count)
        ctx.group = group
        ctx.mark_non_differentiable(mean, variance, count)
        return y, mean, variance, count

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, inverse_deviation, count = ctx.saved_tensors
        grad_weight, grad_bias = _affine_gradients(grad, x, mean, inverse_deviation)
        sums = _gather(torch.stack((grad_bias, grad_weight)), ctx.group).sum(0)
        mean_grad, mean_product = sums / count
        scale = inverse_deviation if weight is None else inverse_deviation * weight
        grad_x = _grad_input(
            grad, x, mean, scale, -scale * mean_grad, -scale * mean_product * inverse_deviation
        )
        if weight is None:
            return grad_x, None, None, None, None
        return grad_x, grad_weight, grad_bias, None, None


def _affine_gradients(
    grad: Tensor, x: Tensor, mean: Tensor, inverse_deviation: Tensor
) -> tuple[Tensor, Tensor]:
    """This worker's gradients (c,) to weight and bias, in one pass of PyTorch's own kernel."""
    if not x.numel():
        return torch.zeros_like(mean), torch.zeros_like(mean)
    _, grad_weight, grad_bias = torch.ops.aten.native_batch_norm_backward(
        grad, x, torch.ones_like(mean), None, None, mean, inverse_deviation, True, 0.0,
        [False, True, True],
    )  # fmt: skip
    return grad_weight, grad_bias


def _grad_input(
    grad: Tensor, x: Tensor, mean: Tensor, by_grad: Tensor, constant: Tensor, by_x: Tensor
) -> Tensor:
    """by_grad · grad + by_x · (x − mean) + constant, the factors (c,); in two passes."""
    nearly_one = torch.full_like(mean, 1 - _EPS)  # plus eps exactly 1; PyTorch 2.11 refuses eps 0
    total = F.batch_norm(_wide(x), mean, nearly_one, by_x, constant, training=False, eps=_EPS)
    shape = (1, -1, *[1] * (x.dim() - 2))
    return total.addcmul_(_wide(grad), by_grad.view(shape)).to(x.dtype)


def _global_statistics(x: Tensor, group: Group) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (c,), biased variance (c,) and count of all processes' x, by Chan et al. 1979.

    Means and squared deviations are combined instead of sums and sums of squares, whose difference
    would cancel.
    """
    channels = x.shape[1]
    count = x.numel() // channels
    wide = _wide(x)
    if count:
        # Of PyTorch's own batch norm: with channels last many times as fast as var_mean.
        mean, variance = torch.ops.aten.batch_norm_update_stats(wide, None, None, 0.0)
    else:  # this worker's share is empty
        variance = mean = wide.new_zeros(channels)
    mine = torch.cat((mean, variance, mean.new_tensor([float(count)])))
    table = _gather(mine, group)  # (workers, 2c + 1)
    means, variances, counts = table[:, :channels], table[:, channels:-1], table[:, -1:]
    total = counts.sum()
    shares = counts / total
    mean = (shares * means).sum(0)
    variance = (shares * (variances + (means - mean) ** 2)).sum(0)
    return mean, variance, total


def _gather(mine: Tensor, group: Group) -> Tensor:
    """What each process has, in rank order: (workers, …); a third quicker than a sum on gloo."""
    gathered = [torch.empty_like(mine) for _ in range(dist.get_world_size(group))]
    dist.all_gather(gathered, mine, group=group)
    return torch.stack(gathered)


def _wide(x: Tensor) -> Tensor:
    """Half-precision sums over a whole batch would be useless."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def synchronize_batch_norm(module: nn.Module, process_group: Group = None) -> nn.Module:
    """Replace every batch norm in a module by `SyncBatchNorm`; parameters and buffers are kept.

    The module is changed in place; only where it is itself a batch norm a new one is returned.
    """
    if isinstance(module, _BatchNorm) and not isinstance(module, SyncBatchNorm):
        return _converted(module, process_group)
    for name, child in module.named_children():
        setattr(module, name, synchronize_batch_norm(child, process_group))
    return module


def _converted(old: _BatchNorm, process_group: Group) -> SyncBatchNorm:
    new = SyncBatchNorm(old.num_features, old.eps, old.momentum, affine=False)
    new.affine, new.track_running_stats = old.affine, old.track_running_stats
    new.weight, new.bias = old.weight, old.bias
    new.running_mean, new.running_var = old.running_mean, old.running_var
    new.num_batches_tracked = old.num_batches_tracked
    new.process_group = process_group
    return new.train(old.training)
