"""InfoNCE of queries against keys of a momentum encoder (MoCo, He et al., arXiv 1911.05722)."""

import torch
from torch import Tensor

from clinfonce.errors import InputError
from clinfonce.losses import _checks
from clinfonce.losses._checks import Form
from clinfonce.losses._cl_infonce import ClInfoNCEOutput
from clinfonce.losses._forms import masked
from clinfonce.losses._function import known, needs_gradient, without_autograd
from clinfonce.losses.collectives import Workers

# Most similarities held at once, as in `_tiles`.
_CPU_TILE, _GPU_TILE = 1 << 22, 1 << 25


def momentum_contrast(
    queries: Tensor,
    clusters: Tensor,
    keys: Tensor,
    key_clusters: Tensor,
    *,
    temperature: float,
    form: Form = "out",
    check: bool = True,
    workers: Workers | None = None,
) -> ClInfoNCEOutput:
    """`cl_infonce` whose anchors are queries, and whose positives and negatives are keys alone.

    P(i) are the keys of query i's cluster, A(i) all keys. A cluster per image makes it MoCo's
    InfoNCE, −log( exp(q·k/τ) / Σ_j exp(q·k_j/τ) ), the instances' part of Eq. 11 of PCL (Li et
    al., arXiv 2005.04966). No gradient flows to the keys. Memory O((n + m)·d) and one tile of
    similarities.

    Args:
        queries: v, floating (r, d), L2-normalised, this worker's; r may differ between workers
            and be 0.
        clusters: int64 (r,), any ids from 0 up.
        keys: v′, floating (m, d), L2-normalised, m ≥ 1: of the batch, then of a queue, if there
            is one. The same on all workers.
        key_clusters: int64 (m,).
        temperature: τ, above 0.
        form: as of `cl_infonce`.
        check: whether to check values; a GPU has to wait for that. Unchecked, queries without
            any positive have loss 0.
        workers: who share the queries; None for one. Loss and counts are those of all queries on
            each, and so is the parameters' gradient once it is averaged over workers.

    Raises:
        InputError: on an input that breaks a rule above, or when no query has a positive.
    """
    workers = workers or Workers()
    _checks.check_form(form)
    _checks.check_temperature(temperature)
    _check(queries, clusters, keys, key_clusters, values=check)
    needs_grad = needs_gradient(queries)
    with without_autograd(queries):
        dtype = torch.promote_types(queries.dtype, torch.float32)
        values, positives, gradients = _terms(
            queries.to(dtype), clusters, keys.to(dtype), key_clusters, temperature, form
        )
        has_positive = positives > 0
        # In double precision counts stay exact.
        counts = torch.stack([has_positive.sum(), (~has_positive).sum(), positives.sum()])
        anchors, alone, pairs = workers.sum(counts.double())
        if check and not float(anchors) > 0:
            raise _checks.no_positive(int(alone))
        weights = has_positive / anchors.clamp_min(1).to(dtype)
        loss = workers.sum(torch.dot(values, weights))
        gradients.mul_(workers.size * weights[:, None])
    if needs_grad:
        loss = known(queries, loss, gradients.to(queries.dtype))
    return ClInfoNCEOutput(
        loss, anchors.long(), alone.long(), (pairs / (anchors + alone).clamp_min(1)).float()
    )


def _check(
    queries: Tensor, clusters: Tensor, keys: Tensor, key_clusters: Tensor, *, values: bool
) -> None:
    _checks.check_embedding_shape(queries, "queries")
    _checks.check_integers(clusters, queries, "clusters")
    _checks.check_embedding_shape(keys, "keys")
    _checks.check_integers(key_clusters, keys, "key_clusters")
    _checks.check_width(keys, queries, "keys")
    if not len(keys):
        raise InputError("keys have m = 0 rows: at least 1 is needed")
    if values:
        _checks.check_embeddings(queries, "queries")
        _checks.check_embeddings(keys, "keys")
        _checks.check_ids(clusters)
        _checks.check_ids(key_clusters, "key_clusters")


def _terms(
    queries: Tensor,
    clusters: Tensor,
    keys: Tensor,
    key_clusters: Tensor,
    temperature: float,
    form: Form,
) -> tuple[Tensor, Tensor, Tensor]:
    """l_i (r,), the number of positives int64 (r,), and ∂l_i/∂q_i (r, d), tile by tile."""
    values, gradients = queries.new_zeros(len(queries)), torch.zeros_like(queries)
    positives = torch.zeros_like(clusters)
    tile = max(1, (_GPU_TILE if queries.is_cuda else _CPU_TILE) // len(keys))
    for start in range(0, len(queries), tile):
        rows = slice(start, start + tile)
        same = clusters[rows, None] == key_clusters  # (t, m)
        positives[rows] = same.sum(1)
        s = (queries[rows] / temperature) @ keys.T
        values[rows], factor = masked(form, s, same)
        gradients[rows] = (s @ keys).mul_((factor / temperature)[:, None])
    return values, positives, gradients
