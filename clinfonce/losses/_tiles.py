r"""Value and gradient of the contrastive objectives, a tile of anchors at a time.

With embeddings z (n, d), temperature τ, s_ij = z_i·z_j / τ, P(i) the other members of i's cluster
and A(i) everything but i, each objective is Σ_i w_i l_i with weights w known beforehand. So the
coefficients g_ij = ∂/∂s_ij of a tile are final as soon as its similarities are, and both products
of the gradient, G z and Gᵀ z, are taken at once. Nothing of size n×n is ever held.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from clinfonce.losses._checks import Form
from clinfonce.losses._clusters import BatchClusters, cluster_sums
from clinfonce.losses._forms import SortedForm, log_sum_exp

# Similarities held at once. A CPU's tile should stay in its cache, yet be tall enough for the
# matrix product to be efficient; a GPU's should be large enough to fill it.
_CPU_TILE = 1 << 20
_GPU_TILE = 1 << 25
_SHORTEST_TILE = 64

# Turns similarities (t, n) in place into G up to a factor per row, and returns l (t,) and that
# factor (t,). The integer is the number of anchors before the tile.
TileForm = Callable[[Tensor, int], tuple[Tensor, Tensor]]


class Contrast(NamedTuple):
    """Σ_i w_i l_i over the anchors, a scalar, and its gradient to all embeddings (n, d)."""

    loss: Tensor
    gradient: Tensor | None


@dataclass(frozen=True)
class Anchors:
    """Some embeddings of a batch and their weights in the loss.

    Attributes:
        embeddings: float32 or float64 (n, d), the whole batch.
        positions: int64 (a,), which of them are anchors, without repeats.
        weights: (a,) like ``embeddings``, w_i; 0 where an anchor has no positive.
        temperature: τ, above 0.
    """

    embeddings: Tensor
    positions: Tensor
    weights: Tensor
    temperature: float


def contrast(
    anchors: Anchors,
    clusters: BatchClusters,
    *,
    form: Form,
    needs_grad: bool,
    tile: int | None = None,
) -> Contrast:
    """Contrast the anchors with the whole batch.

    Args:
        anchors: the batch and which of it are anchors.
        clusters: of the whole batch.
        form: which l_i.
        needs_grad: whether to compute the gradient as well.
        tile: anchors per tile; chosen from n and the device if None.
    """
    tile = tile or tile_height(len(anchors.embeddings), anchors.embeddings.device)
    if form == "out":
        attraction = _attraction(anchors, clusters, needs_grad)
        repulsion = _run(anchors, log_sum_exp, needs_grad, tile)
        return _add(attraction, repulsion)
    ordered, ordered_anchors = _by_cluster(anchors, clusters)
    tile_form = SortedForm.of(form, clusters, ordered_anchors.positions, tile)
    result = _run(ordered_anchors, tile_form, needs_grad, tile)
    if result.gradient is None:
        return result
    return Contrast(result.loss, result.gradient[ordered])


def tile_height(n: int, device: torch.device) -> int:
    """How many anchors against n embeddings make a tile."""
    area = _CPU_TILE if device.type == "cpu" else _GPU_TILE
    return max(_SHORTEST_TILE, area // max(n, 1))


def _attraction(anchors: Anchors, clusters: BatchClusters, needs_grad: bool) -> Contrast:
    """−Σ_i w_i mean_{p∈P(i)} s_ip, from the clusters' sums: mean z_p = (S_c(i) − z_i) / |P(i)|."""
    z = anchors.embeddings
    own = z[anchors.positions]  # (a, d)
    ids = clusters.ids[anchors.positions]
    share = anchors.weights / (clusters.sizes[ids] - 1).clamp_min(1) / anchors.temperature
    pull = (cluster_sums(z, clusters.ids, clusters)[ids] - own).mul_(share[:, None])
    loss = -torch.dot(own.flatten(), pull.flatten())
    if not needs_grad:
        return Contrast(loss, None)
    shared = own * share[:, None]
    gradient = cluster_sums(shared, ids, clusters)[clusters.ids].neg_()
    gradient.index_add_(0, anchors.positions, shared.sub_(pull))
    return Contrast(loss, gradient)


def _run(anchors: Anchors, form: TileForm, needs_grad: bool, tile: int) -> Contrast:
    """Σ_i w_i l_i and its gradient for an l_i that is a function of the row s_i of similarities."""
    z = anchors.embeddings  # (n, d)
    own = z[anchors.positions]  # (a, d)
    scaled = own / anchors.temperature
    loss = z.new_zeros(())
    gradient, own_gradient = torch.zeros_like(z), torch.empty_like(own)
    buffer = z.new_empty(min(tile, max(len(own), 1)), len(z))
    for start in range(0, len(own), tile):
        span = slice(start, start + tile)
        s = torch.mm(scaled[span], z.T, out=buffer[: len(own) - start])  # (t, n)
        s.scatter_(1, anchors.positions[span, None], -torch.inf)
        values, factor = form(s, start)
        loss += torch.dot(values, anchors.weights[span])
        if needs_grad:
            factor = (factor * anchors.weights[span] / anchors.temperature)[:, None]
            torch.mm(s, z, out=own_gradient[span]).mul_(factor)
            gradient.addmm_(s.T, own[span] * factor)
    if not needs_grad:
        return Contrast(loss, None)
    return Contrast(loss, gradient.index_add_(0, anchors.positions, own_gradient))


def _by_cluster(anchors: Anchors, clusters: BatchClusters) -> tuple[Tensor, Anchors]:
    """The batch sorted by cluster, anchors in that order; and where each embedding has gone."""
    place = torch.empty_like(clusters.order)
    place[clusters.order] = torch.arange(len(place), device=place.device)
    positions, permutation = place[anchors.positions].sort()
    return place, Anchors(
        anchors.embeddings[clusters.order],
        positions,
        anchors.weights[permutation],
        anchors.temperature,
    )


def _add(left: Contrast, right: Contrast) -> Contrast:
    loss = left.loss + right.loss
    if left.gradient is None or right.gradient is None:
        return Contrast(loss, None)
    return Contrast(loss, left.gradient.add_(right.gradient))
