r"""Value and gradient of the contrastive objectives, a tile of anchors at a time.

With embeddings z (n, d), temperature τ, s_ij = z_i·z_j / τ, P(i) the positives of i and A(i)
everything but i, each objective is Σ_i w_i l_i with weights w known beforehand. So the
coefficients g_ij = ∂/∂s_ij of a tile are final as soon as its similarities are, and both products
of the gradient, G z and Gᵀ z, are taken at once. Nothing of size n×n is ever held. Under a
condition c_ij, exponentials are weighed by it where they are added.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from clinfonce.losses._condition import Condition
from clinfonce.losses._forms import log_sum_exp
from clinfonce.losses._kin import Kin

# Most similarities held at once. A CPU's tile should stay near its cache, yet be tall enough for
# the matrix products to be efficient, as 256 rows are; a GPU's should be large enough to fill it.
_CPU_TILE, _CPU_TALLEST = 1 << 22, 256
_GPU_TILE = 1 << 25
_SHORTEST = 64
# Batches up to here are one tile, with a product less at the price of transposing it.
_WHOLE = 512

# Turns similarities (t, n) in place into G up to a factor per row, and returns l (t,) and that
# factor (t,). The integer is the number of anchors before the tile.
TileForm = Callable[[Tensor, int], tuple[Tensor, Tensor]]


class Contrast(NamedTuple):
    """Σ_i w_i l_i over some anchors, a scalar, and its gradient to all embeddings (n, d)."""

    loss: Tensor
    gradient: Tensor | None


@dataclass(frozen=True)
class Task:
    """Embeddings to contrast, and how.

    Attributes:
        embeddings: z, float32 or float64 (n, d).
        anchors: the rows of z whose terms are to be summed; each worker takes its own.
        temperature: τ, above 0.
        needs_grad: whether to compute the gradient as well.
        condition: which embeddings an anchor is contrasted with; None for all.
    """

    embeddings: Tensor
    anchors: slice
    temperature: float
    needs_grad: bool
    condition: Condition | None = None

    @property
    def tile_height(self) -> int:
        """Anchors per tile."""
        n = len(self.embeddings)
        if n <= _WHOLE:
            return _WHOLE
        if self.embeddings.device.type == "cpu":
            return max(_SHORTEST, min(_CPU_TALLEST, _CPU_TILE // n))
        return max(_SHORTEST, _GPU_TILE // n)


K = TypeVar("K", bound=Kin, covariant=True)


class Target(NamedTuple, Generic[K]):
    """What attracts the anchors, in the form "out".

    Attributes:
        kin: k.
        weights: w (n,) of all embeddings; 0 where nothing attracts.
        mutual: whether w_i / Σ_j k_ij is known to be alike for all that attract each other, so
            that everything is pulled as much as it pulls.
    """

    kin: K
    weights: Tensor
    mutual: bool


def contrast_out(task: Task, *targets: Target[Kin], repelled: Tensor | None = None) -> Contrast:
    """Σ over the targets of Σ_i w_i (log Σ_{j≠i} exp s_ij − Σ_{j≠i} k_ij s_ij / Σ_{j≠i} k_ij).

    Args:
        task: what to contrast.
        targets: what attracts its anchors.
        repelled: further weights (a,) of the anchors, for log Σ_{j≠i} exp s_ij alone.
    """
    own = [target.weights[task.anchors] for target in targets]
    weights = torch.stack(own if repelled is None else [*own, repelled]).sum(0)
    loss, gradient = contrast_rows(task, weights)
    for target in targets:
        loss = loss + _attract(task, target, gradient)
    return Contrast(loss, gradient)


def contrast_rows(task: Task, weights: Tensor, form: TileForm = log_sum_exp) -> Contrast:
    """Σ_i w_i l_i over the task's anchors, of weights (a,), for a form that looks at no order."""
    return _run(task, task.anchors, weights, form)


class Ordered(NamedTuple):
    """A batch sorted by its clusters.

    Attributes:
        ids: int64 (n,), ascending.
        positions: int64 (a,), ascending rows of the anchors.
        permutation: int64 (a,), which anchor of the task stands at each of them.
        condition: for the rows in this order.
        tile_height: anchors per tile.
        widest: 2 / τ, by which two similarities differ at most.
    """

    ids: Tensor
    positions: Tensor
    permutation: Tensor
    condition: Condition | None
    tile_height: int
    widest: float


def contrast_sorted(
    task: Task,
    ids: Tensor,
    weights: Tensor,
    make_form: Callable[[Ordered], TileForm],
    *,
    limited: bool = True,
) -> Contrast:
    """Σ_i w_i l_i of a form that looks at single positives.

    Args:
        task: what to contrast.
        ids: int64 (n,), to sort by.
        weights: w (a,) of the task's anchors.
        make_form: makes it, given the order.
        limited: whether its similarities are limited by the task's condition beforehand.
    """
    ids, order = ids.sort(stable=True)
    place = torch.empty_like(order)  # of each embedding once sorted
    place[order] = torch.arange(len(order), device=order.device)
    positions, permutation = place[task.anchors].sort()
    condition = None if task.condition is None else task.condition.reordered(order)
    form = make_form(
        Ordered(ids, positions, permutation, condition, task.tile_height, 2 / task.temperature)
    )
    ordered = replace(
        task,
        embeddings=task.embeddings.index_select(0, order),
        condition=condition if limited else None,
    )
    result = _run(ordered, positions, weights[permutation], form)
    if result.gradient is None:
        return result
    return Contrast(result.loss, result.gradient.index_select(0, place))


def add(left: Contrast, right: Contrast) -> Contrast:
    """Sum of two objectives; the left one's gradient is used up."""
    loss = left.loss + right.loss
    if left.gradient is None or right.gradient is None:
        return Contrast(loss, None)
    return Contrast(loss, left.gradient.add_(right.gradient))


def _attract(task: Task, target: Target[Kin], gradient: Tensor | None) -> Tensor:
    """−Σ_i w_i Σ_j k_ij s_ij / Σ_j k_ij; its gradient is added to ``gradient``.

    The gradient to the anchors alone: it holds what all embeddings, others' anchors included,
    contribute to them, so that the workers' gradients still add up to the whole.
    """
    z, rows, kin = task.embeddings, task.anchors, target.kin
    own = z[rows]
    total = kin.total.to(z.dtype) * task.temperature
    scale = (target.weights / total.clamp_min_(torch.finfo(z.dtype).tiny))[:, None]
    pull = kin.gather(z, rows).mul_(scale[rows])  # (a, d)
    if gradient is not None:
        back = pull if target.mutual else kin.gather(z * scale, rows)
        gradient[rows].sub_(pull).sub_(back)
    return -torch.dot(own.flatten(), pull.flatten())


def _run(task: Task, anchors: slice | Tensor, weights: Tensor, form: TileForm) -> Contrast:
    """Σ_i w_i l_i and its gradient for an l_i that is a function of the similarities s_i alone.

    Args:
        task: what to contrast; its ``anchors`` are not read.
        anchors: ascending positions.
        weights: (a,), w of the anchors.
        form: l and G.
    """
    z = task.embeddings  # (n, d)
    tile = task.tile_height
    if len(weights) == len(z) <= min(tile, _WHOLE):
        return _run_whole(task, anchors, weights, form)
    own = z[anchors]  # (a, d)
    scaled = own / task.temperature
    loss = z.new_zeros(())
    gradient, own_gradient = torch.zeros_like(z), torch.empty_like(own)
    buffer = z.new_empty(min(tile, max(len(own), 1)), len(z))
    for start in range(0, len(own), tile):
        span = slice(start, start + tile)
        s = torch.mm(scaled[span], z.T, out=buffer[: len(own) - start])  # (t, n)
        _leave_out(s, anchors, start, task.condition)
        values, factor = form(s, start)
        loss += torch.dot(values, weights[span])
        if task.needs_grad:
            factor = (factor * weights[span]).div_(task.temperature)[:, None]
            torch.mm(s, z, out=own_gradient[span]).mul_(factor)
            gradient.addmm_(s.T, own[span] * factor)
    if not task.needs_grad:
        return Contrast(loss, None)
    gradient[anchors] += own_gradient
    return Contrast(loss, gradient)


def _run_whole(task: Task, anchors: slice | Tensor, weights: Tensor, form: TileForm) -> Contrast:
    """As `_run` where one tile holds everything: (G + Gᵀ) z takes one product instead of two."""
    z = task.embeddings
    s = torch.mm(z / task.temperature, z.T)  # (n, n)
    _leave_out(s, anchors, 0, task.condition)
    values, factor = form(s, 0)
    loss = torch.dot(values, weights)
    if not task.needs_grad:
        return Contrast(loss, None)
    s.mul_((factor * weights).div_(task.temperature)[:, None])
    return Contrast(loss, torch.mm(s + s.T, z))


def _leave_out(s: Tensor, anchors: slice | Tensor, start: int, condition: Condition | None) -> None:
    """Set each anchor's similarity to itself to −∞, and to whom it is not contrasted with."""
    some: slice | Tensor
    if isinstance(anchors, slice):
        first = anchors.start + start
        some = slice(first, first + len(s))
        s.diagonal(first).fill_(-torch.inf)
    else:
        some = anchors[start : start + len(s)]
        s.scatter_(1, some[:, None], -torch.inf)
    if condition is not None:
        condition.limit(s, some)
