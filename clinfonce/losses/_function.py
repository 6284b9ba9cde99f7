"""How an objective whose gradient is computed on the way forward joins the autograd graph."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from clinfonce.losses._tiles import Contrast
from clinfonce.losses.collectives import Workers


def differentiable(
    embeddings: Tensor,
    evaluate: Callable[[bool], Contrast],
    own: slice,
    workers: Workers,
) -> Tensor:
    """Return a loss that is a function of ``embeddings`` (r, d).

    Args:
        embeddings: this worker's rows.
        evaluate: this worker's part of loss and gradient to the whole batch (n, d); whether the
            gradient is needed is its argument.
        own: which of the n rows are this worker's.
        workers: whose parts add up to the loss.
    """
    needs_grad = needs_gradient(embeddings)
    with without_autograd(embeddings):
        part = evaluate(needs_grad)
    return attach(embeddings, part, own, workers)


def needs_gradient(embeddings: Tensor) -> bool:
    """Whether autograd will ask for the gradient to ``embeddings``; ask outside of `no_grad`."""
    return embeddings.requires_grad and torch.is_grad_enabled()


@contextmanager
def without_autograd(embeddings: Tensor) -> Iterator[None]:
    """Compute what is known with its gradient: no graph, and no lower precision."""
    with torch.no_grad(), torch.autocast(embeddings.device.type, enabled=False):
        yield


def attach(embeddings: Tensor, part: Contrast, own: slice, workers: Workers) -> Tensor:
    """Add the workers' parts up, and make the sum a function of ``embeddings`` (r, d)."""
    loss = workers.sum(part.loss)
    if part.gradient is None:
        return loss
    gradient = workers.sum(part.gradient)[own].to(embeddings.dtype)
    if workers.size > 1:
        gradient *= workers.size
    return known(embeddings, loss, gradient)


def known(embeddings: Tensor, loss: Tensor, gradient: Tensor) -> Tensor:
    """A loss as a function of ``embeddings`` whose gradient to them, of their shape, is known."""
    attached: Tensor = _Known.apply(embeddings, loss, gradient)  # type: ignore[no-untyped-call]
    return attached


class _Known(torch.autograd.Function):
    """A value with a gradient that is known already."""

    @staticmethod
    def forward(ctx: Any, _embeddings: Tensor, loss: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return loss.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad_output, None, None
