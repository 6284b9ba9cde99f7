"""A batch that is larger than the memory for its activations (GradCache, arXiv 2101.06983)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from clinfonce.losses import Workers

Result = TypeVar("Result")


def backward_in_chunks(
    encoder: nn.Module,
    encode: Callable[[Tensor], Tensor],
    chunks: Sequence[Tensor],
    backward: Callable[[Tensor], Result],
) -> Result:
    """Run a batch through an encoder chunk by chunk, and back.

    The features of all chunks are computed without a graph; the gradient of the loss to them is
    then carried through each chunk, computed again. Values and gradients are those of one pass
    over the concatenated features, for twice the forward work. Only batch norm sees chunks: its
    statistics are of one chunk each, as they are of one worker's batch without synchronisation.

    Args:
        encoder: whose parameters get the gradients; without random layers.
        encode: runs it, on float (n, c, h, w).
        chunks: of the batch; with several workers as many on each.
        backward: from features (n, d), a leaf, calls backward on their loss.

    Returns:
        What `backward` returned.
    """
    with torch.no_grad():
        features = torch.cat([encode(chunk) for chunk in chunks])
    features.requires_grad_()
    result = backward(features)
    assert features.grad is not None
    if not any(p.requires_grad for p in encoder.parameters()):  # frozen for the time being
        return result
    gradients = torch.split(features.grad, [len(chunk) for chunk in chunks])
    with _statistics_kept(encoder):
        for chunk, gradient in zip(chunks, gradients, strict=True):
            encode(chunk).backward(gradient)  # type: ignore[no-untyped-call]
    return result


@contextmanager
def _statistics_kept(encoder: nn.Module) -> Iterator[None]:
    """Let the second pass leave the running statistics of batch norms as the first made them."""
    norms = [module for module in encoder.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    counts = [_copy(norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum, count in zip(norms, momenta, counts, strict=True):
            norm.momentum = momentum
            if norm.num_batches_tracked is not None and count is not None:
                norm.num_batches_tracked.copy_(count)


def _copy(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.clone()


@torch.no_grad()
def average_gradients(module: nn.Module, workers: Workers) -> None:
    """Average the gradients over the workers, as DistributedDataParallel would."""
    if workers.size == 1:
        return
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    flat = workers.sum(torch.cat([g.flatten() for g in gradients])) / workers.size
    parts = torch.split(flat, [g.numel() for g in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))
