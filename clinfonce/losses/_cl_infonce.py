"""Cl-InfoNCE: InfoNCE whose positives share a cluster (Tsai et al., arXiv 2202.06670)."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from clinfonce.errors import InputError
from clinfonce.losses import _checks
from clinfonce.losses._checks import Form
from clinfonce.losses._clusters import BatchClusters, compact
from clinfonce.losses._tiles import Anchors, contrast
from clinfonce.losses.collectives import Workers


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
    return _terms(embeddings, clusters, weights, temperature, form, check, Workers())


def distributed_cl_infonce(
    embeddings: Tensor,
    clusters: Tensor,
    *,
    temperature: float,
    form: Form = "out",
    weights: Tensor | None = None,
    check: bool = True,
    group: dist.ProcessGroup | None = None,
) -> ClInfoNCEOutput:
    """`cl_infonce_terms` of a batch whose rows are spread over workers.

    Every worker contrasts its own rows with those of all. Loss and counts are those of the whole
    batch on every worker, and so is the parameters' gradient once DistributedDataParallel has
    averaged it, however many rows each worker has. Outside of torch.distributed there is one
    worker.

    Args:
        embeddings: floating (r, d), this worker's rows; r may differ between workers and be 0.
        clusters: int64 (r,).
        temperature: as in `cl_infonce`.
        form: as in `cl_infonce`.
        weights: floating (r,), on all workers or on none.
        check: as in `cl_infonce`; on a bad input, all workers raise.
        group: the workers; all if None.
    """
    workers = Workers.of(group)
    return _terms(embeddings, clusters, weights, temperature, form, check, workers)


def _terms(
    embeddings: Tensor,
    clusters: Tensor,
    weights: Tensor | None,
    temperature: float,
    form: Form,
    check: bool,
    workers: Workers,
) -> ClInfoNCEOutput:
    _checks.check_form(form)
    _checks.check_temperature(temperature)
    error = _bad_tensors(embeddings, clusters, weights, check)
    if error is not None and not check:
        raise error
    if check:
        workers.raise_together(error, embeddings.device)
    batch = _gather(embeddings, clusters, weights, workers)
    _checks.check_count(len(batch.embeddings))
    if check and not bool(batch.shares.any()):
        raise _checks.no_positive(len(batch.embeddings))
    needs_grad = embeddings.requires_grad and torch.is_grad_enabled()
    loss = _Contrast.apply(  # type: ignore[no-untyped-call]
        embeddings, batch, temperature, form, needs_grad, workers
    )
    positives = batch.clusters.positives
    anchors = (positives > 0).sum()
    return ClInfoNCEOutput(loss, anchors, len(positives) - anchors, positives.float().mean())


def _bad_tensors(
    embeddings: Tensor, clusters: Tensor, weights: Tensor | None, check: bool
) -> InputError | None:
    try:
        _checks.check_shapes(embeddings, clusters)
        if weights is not None:
            _checks.check_weights(weights, embeddings, values=check)
        if check:
            _checks.check_embeddings(embeddings)
            _checks.check_ids(clusters)
    except InputError as error:
        return error
    return None


@dataclass(frozen=True)
class _Batch:
    """The whole batch on every worker: (n, d), clusters, shares (n,) and this worker's rows."""

    embeddings: Tensor
    clusters: BatchClusters
    shares: Tensor
    own: slice


def _gather(
    embeddings: Tensor, clusters: Tensor, weights: Tensor | None, workers: Workers
) -> _Batch:
    dtype = torch.promote_types(embeddings.dtype, torch.float32)
    own_rows = [embeddings.detach().to(dtype).contiguous(), clusters]
    own_rows += [] if weights is None else [weights.detach().to(dtype)]
    (z, ids, *factors), own = workers.gather(*own_rows)
    groups = compact(ids)
    return _Batch(z, groups, _shares(groups, *factors, dtype=dtype), own)


def _shares(clusters: BatchClusters, *weights: Tensor, dtype: torch.dtype) -> Tensor:
    """Each embedding's share (n,) in the loss: sum 1, 0 without a positive; all 0 if none has."""
    shares = (clusters.positives > 0).to(dtype)
    for factor in weights:
        shares = shares * factor
    return shares / shares.sum().clamp_min(torch.finfo(dtype).tiny)


class _Contrast(torch.autograd.Function):
    """The loss of the whole batch, with the gradient computed on the way forward."""

    @staticmethod
    def forward(
        ctx: Any,
        embeddings: Tensor,
        batch: _Batch,
        temperature: float,
        form: Form,
        needs_grad: bool,
        workers: Workers,
    ) -> Tensor:
        device, z = embeddings.device, batch.embeddings
        positions = torch.arange(batch.own.start, batch.own.stop, device=device)
        anchors = Anchors(z, positions, batch.shares[batch.own], temperature)
        with torch.autocast(device.type, enabled=False):
            loss, gradient = contrast(anchors, batch.clusters, form=form, needs_grad=needs_grad)
        if gradient is not None:
            gradient = workers.sum(gradient)[batch.own] * workers.size
            ctx.save_for_backward(gradient.to(embeddings.dtype))
        return workers.sum(loss)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad_output, None, None, None, None, None
