"""Several sources at once: a weighted sum of objectives, or of the levels of a hierarchy."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from clinfonce.errors import InputError, unknown_name
from clinfonce.losses import _checks
from clinfonce.losses._function import differentiable
from clinfonce.losses._kin import SameCluster
from clinfonce.losses._tiles import Contrast, Target, Task, contrast_out
from clinfonce.losses.collectives import Workers


def weighted_sum(
    losses: Mapping[str, Tensor], weights: Mapping[str, float] | None = None
) -> Tensor:
    """Σ of losses with their weights, which are 1 where left out.

    Args:
        losses: scalars by name.
        weights: by name, finite and not negative.

    Raises:
        InputError: without losses, on a weight of none of them, a bad one, or only zeros.
    """
    if not losses:
        raise InputError("terms are empty: at least one is needed")
    given = weights or {}
    for name, weight in given.items():
        if name not in losses:
            raise InputError(unknown_name("term", name, losses))
        if not 0 <= weight < math.inf:
            raise InputError(f"weight of term {name!r} is {weight}: must be finite and 0 or above")
    factors = [float(given.get(name, 1.0)) for name in losses]
    if not any(factors):
        raise InputError("terms: all weights are 0: at least one must be above")
    pairs = zip(factors, losses.values(), strict=True)
    return torch.stack([factor * loss for factor, loss in pairs if factor > 0]).sum()


def level_weights(levels: int) -> list[float]:
    """λ of HiMulCon for levels from the root down: 2^(1/l) / L, l = 1 for the deepest.

    As in the authors' code of arXiv 2204.13207: finer levels count more, the finest twice as much
    as a coarse one far above it.

    Raises:
        InputError: fewer than one level.

    >>> [round(weight, 3) for weight in level_weights(3)]
    [0.42, 0.471, 0.667]
    """
    if levels < 1:
        raise InputError(f"levels are {levels}: must be 1 or above")
    return [2 ** (1 / depth) / levels for depth in range(levels, 0, -1)]


def multilevel_cl_infonce(
    embeddings: Tensor,
    levels: Tensor,
    *,
    temperature: float,
    weights: Sequence[float] | None = None,
    check: bool = True,
    workers: Workers | None = None,
) -> Tensor:
    """Σ_l λ_l of `cl_infonce` in the form "out" on the clusters of each level (HiMulCon).

    All levels share the denominators, so that L of them take hardly longer than one. Unlike the
    authors' code every embedding stays in at every level, and no level's loss bounds another's
    (their HiConE).

    Args:
        embeddings: floating (n, d), L2-normalised, all views of the batch stacked.
        levels: int64 (L, n), the clusters of each level, ids from 0 up.
        temperature: τ, above 0.
        weights: λ (L,), finite and not negative; None for `level_weights`, from the root down.
        check: whether to check values, as in `cl_infonce`.
        workers: who share the batch, of which the tensors are this worker's rows; None for one.

    Returns:
        The loss in nats, a scalar. A level at which nothing attracts adds 0.

    Raises:
        InputError: on an input that breaks a rule above, or when no level attracts anything.
    """
    workers = workers or Workers()
    _checks.check_temperature(temperature)
    factors = _checked(weights, levels)
    error = _bad_rows(embeddings, levels, check)
    if check:
        workers.raise_together(error, embeddings.device)
    elif error is not None:
        raise error
    dtype = torch.promote_types(embeddings.dtype, torch.float32)
    (z, rows), own = workers.gather(
        embeddings.detach().to(dtype).contiguous(), levels.T.contiguous()
    )
    _checks.check_count(len(z))
    targets = [
        _target(clusters, factor, dtype) for clusters, factor in zip(rows.T, factors, strict=True)
    ]
    if check and not any(bool(target.weights.any()) for target in targets):
        raise _checks.no_positive(len(z))

    def part(needs_grad: bool) -> Contrast:
        return contrast_out(Task(z, own, temperature, needs_grad), *targets)

    return differentiable(embeddings, part, own, workers)


def _target(clusters: Tensor, factor: float, dtype: torch.dtype) -> Target[SameCluster]:
    """Attraction within clusters, with weights that sum to ``factor``."""
    kin = SameCluster.of(clusters.contiguous())
    shares = (kin.total > 0).to(dtype)
    return Target(kin, shares * (factor / shares.sum().clamp_min(1)), mutual=True)


def _checked(weights: Sequence[float] | None, levels: Tensor) -> list[float]:
    if levels.ndim != 2:
        raise InputError(f"levels are of shape {tuple(levels.shape)}: must be (L, n)")
    factors = level_weights(len(levels)) if weights is None else [float(each) for each in weights]
    if len(factors) != len(levels):
        raise InputError(
            f"weights are {len(factors)}: must be one for each of {len(levels)} levels"
        )
    if not all(0 <= each < math.inf for each in factors) or not any(factors):
        raise InputError(f"weights of levels are {factors}: must be finite, 0 or above, not all 0")
    return factors


def _bad_rows(embeddings: Tensor, levels: Tensor, check: bool) -> InputError | None:
    try:
        _checks.check_embedding_shape(embeddings)
        for clusters in levels:
            _checks.check_integers(clusters, embeddings, "levels")
            if check:
                _checks.check_ids(clusters, "levels")
        if check:
            _checks.check_embeddings(embeddings)
    except InputError as error:
        return error
    return None
