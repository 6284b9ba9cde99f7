"""Cl-InfoNCE: InfoNCE whose positives share a cluster (Tsai et al., arXiv 2202.06670)."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from clinfonce.losses import _checks
from clinfonce.losses._checks import Form
from clinfonce.losses._clusters import BatchClusters, compact
from clinfonce.losses._tiles import Anchors, contrast


class ClInfoNCEOutput(NamedTuple):
    """The objective on one batch, and what there was to learn from; all 0-d tensors.

    Attributes:
        loss: the objective in nats, differentiable.
        anchors: int64, embeddings with at least one positive: those the loss is a mean over.
        anchors_without_positive: int64, embeddings left out of that mean.
        positives_per_anchor: float32, mean over all embeddings, those without any included.
    """

    loss: Tensor
    anchors: Tensor
    anchors_without_positive: Tensor
    positives_per_anchor: Tensor


def cl_infonce(
    embeddings: Tensor,
    clusters: Tensor,
    *,
    temperature: float,
    form: Form = "out",
    weights: Tensor | None = None,
    check: bool = True,
) -> Tensor:
    r"""Cl-InfoNCE of a batch: attract embeddings of the same cluster, repel all others.

    With s_ij = z_i·z_j / τ, P(i) the other embeddings of i's cluster, A(i) all other embeddings,
    the loss is the mean over the anchors i with a non-empty P(i) of

    * ``"out"``: mean_{p∈P(i)} −log( exp s_ip / Σ_{j∈A(i)} exp s_ij ), Khosla et al. 2020, Eq. 2;
    * ``"in"``: −log( mean_{p∈P(i)} exp s_ip / Σ_{j∈A(i)} exp s_ij ), the same, Eq. 3;
    * ``"sincere"``: as "out" with the other positives left out of the denominator,
      arXiv 2309.14277.

    A cluster per image makes all three InfoNCE (SimCLR's NT-Xent); the labels as clusters make
    "out" SupCon. Time O(n²·d); memory O(n·d) and one tile of similarities.

    Args:
        embeddings: floating (n, d), L2-normalised, all views of the batch stacked. Half precision
            is computed in float32, under autocast as well.
        clusters: int64 (n,), any ids from 0 up.
        temperature: τ, above 0. The loss is not scaled by it.
        form: which of the three.
        weights: floating (n,), finite and not negative: turns the mean into a weighted one.
        check: whether to check values. Reading them makes a GPU wait, so a training loop that
            knows its input says False; shapes and dtypes are checked always. Unchecked, a batch
            without any positive has loss 0.

    Returns:
        The loss in nats, a scalar; float64 for float64 embeddings, else float32.

    Raises:
        InputError: on an input that breaks a rule above, or when no anchor has a positive.
    """
    return cl_infonce_terms(
        embeddings,
        clusters,
        temperature=temperature,
        form=form,
        weights=weights,
        check=check,
    ).loss


def cl_infonce_terms(
    embeddings: Tensor,
    clusters: Tensor,
    *,
    temperature: float,
    form: Form = "out",
    weights: Tensor | None = None,
    check: bool = True,
) -> ClInfoNCEOutput:
    """`cl_infonce` with the counts that say how much the clusters were used."""
    check_inputs(embeddings, clusters, temperature, form, weights, check=check)
    groups = compact(clusters)
    shares = anchor_shares(groups, weights, accumulator(embeddings))
    if check and not bool(shares.any()):
        raise _checks.no_positive(len(embeddings))
    needs_grad = embeddings.requires_grad and torch.is_grad_enabled()
    return with_counts(
        _Contrast.apply(  # type: ignore[no-untyped-call]
            embeddings, groups, shares, temperature, form, needs_grad, None
        ),
        groups,
    )


def check_inputs(
    embeddings: Tensor,
    clusters: Tensor,
    temperature: float,
    form: Form,
    weights: Tensor | None,
    *,
    check: bool,
    smallest: int = 2,
) -> None:
    """Raise InputError on what `cl_infonce` cannot use; values only if ``check``."""
    _checks.check_form(form)
    _checks.check_temperature(temperature)
    _checks.check_shapes(embeddings, clusters)
    _checks.check_count(len(embeddings), smallest)
    if check:
        _checks.check_embeddings(embeddings)
        _checks.check_ids(clusters)
    if weights is not None:
        _checks.check_weights(weights, embeddings, values=check)


def accumulator(embeddings: Tensor) -> torch.dtype:
    """The dtype to compute in: float32, or float64 for float64."""
    return torch.promote_types(embeddings.dtype, torch.float32)


def anchor_shares(clusters: BatchClusters, weights: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Each embedding's share (n,) in the loss: sums to 1, 0 without a positive (or all are 0)."""
    shares = (clusters.positives > 0).to(dtype)
    if weights is not None:
        shares = shares * weights.to(dtype)
    return shares / shares.sum().clamp_min(torch.finfo(dtype).tiny)


def with_counts(loss: Tensor, clusters: BatchClusters) -> ClInfoNCEOutput:
    """Put the batch's counts beside its loss."""
    positives = clusters.positives
    anchors = (positives > 0).sum()
    return ClInfoNCEOutput(loss, anchors, len(positives) - anchors, positives.float().mean())


class _Contrast(torch.autograd.Function):
    """The loss with its gradient computed on the way forward."""

    @staticmethod
    def forward(
        ctx: Any,
        embeddings: Tensor,
        clusters: BatchClusters,
        shares: Tensor,
        temperature: float,
        form: Form,
        needs_grad: bool,
        tile: int | None,
    ) -> Tensor:
        with torch.autocast(embeddings.device.type, enabled=False):
            z = embeddings.to(shares.dtype).contiguous()
            everyone = torch.arange(len(z), device=z.device)
            anchors = Anchors(z, everyone, shares, temperature)
            result = contrast(anchors, clusters, form=form, needs_grad=needs_grad, tile=tile)
        ctx.dtype = embeddings.dtype
        if result.gradient is not None:
            ctx.save_for_backward(result.gradient)
        return result.loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return (gradient * grad_output).to(ctx.dtype), None, None, None, None, None, None
