"""Cl-InfoNCE with graded positives: how much two images attract is how much they share."""

import torch
from torch import Tensor

from clinfonce.errors import InputError
from clinfonce.losses import _checks
from clinfonce.losses._function import differentiable
from clinfonce.losses._kin import SharedAttributes
from clinfonce.losses._tiles import Contrast, Target, Task, contrast_out
from clinfonce.losses.collectives import Workers


def soft_cl_infonce(
    embeddings: Tensor,
    attributes: Tensor,
    *,
    temperature: float,
    check: bool = True,
    workers: Workers | None = None,
) -> Tensor:
    r"""Attract embeddings in proportion to the attributes they share; no partition is needed.

    With s_ij = z_i·z_j / τ and k_ij = a_i·a_j, the loss is the mean over the anchors i that share
    something of −Σ_{j≠i} (k_ij / Σ_{l≠i} k_il) log( exp s_ij / Σ_{l≠i} exp s_il ). Attributes that
    are one-hot cluster ids make it `cl_infonce` of form "out". Time O(n²·d + n·m·d), memory
    O(n·d + m·d) and one tile of similarities.

    Args:
        embeddings: floating (n, d), L2-normalised, all views of the batch stacked.
        attributes: boolean or floating (n, m), finite and not negative, one row per embedding.
            Scaling a column weighs that attribute.
        temperature: τ, above 0.
        check: whether to check values, as in `cl_infonce`.
        workers: who share the batch, of which the tensors are this worker's rows; None for one.

    Returns:
        The loss in nats, a scalar.

    Raises:
        InputError: on an input that breaks a rule above, or when no two embeddings share anything.
    """
    workers = workers or Workers()
    _checks.check_temperature(temperature)
    error = _bad_rows(embeddings, attributes, check)
    if check:
        workers.raise_together(error, embeddings.device)
    elif error is not None:
        raise error
    dtype = torch.promote_types(embeddings.dtype, torch.float32)
    (z, rows), own = workers.gather(
        embeddings.detach().to(dtype).contiguous(), attributes.detach().to(dtype)
    )
    _checks.check_count(len(z))
    kin = SharedAttributes.of(rows)
    shares = (kin.total > 0).to(dtype)
    if check and not bool(shares.any()):
        raise InputError(f"attributes: no two of the {len(z)} embeddings share any")
    shares /= shares.sum().clamp_min(1)

    def part(needs_grad: bool) -> Contrast:
        return contrast_out(
            Task(z, own, temperature, needs_grad), Target(kin, shares, mutual=False)
        )

    return differentiable(embeddings, part, own, workers)


def _bad_rows(embeddings: Tensor, attributes: Tensor, check: bool) -> InputError | None:
    try:
        _checks.check_embedding_shape(embeddings)
        _checks.check_attributes(attributes, embeddings, values=check)
        if check:
            _checks.check_embeddings(embeddings)
    except InputError as error:
        return error
    return None
