"""Cl-InfoNCE whose positives have weights: how alike two images are, not whether."""

from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from clinfonce.errors import InputError
from clinfonce.losses import _checks
from clinfonce.losses._checks import Form
from clinfonce.losses._cl_infonce import (
    Batch,
    ClInfoNCEOutput,
    Objective,
    Rows,
    evaluate,
    gather,
    target_of,
    with_counts,
    with_memory,
)
from clinfonce.losses._condition import PairWeights, condition_of
from clinfonce.losses._function import attach, needs_gradient, without_autograd
from clinfonce.losses._pairs import Pairs, attract
from clinfonce.losses._soft_forms import WeightedSincere
from clinfonce.losses._tiles import (
    Contrast,
    Task,
    add,
    contrast_out,
    contrast_rows,
    contrast_sorted,
)
from clinfonce.losses.collectives import Workers

# Forms that are defined for weights.
WEIGHTED_FORMS: tuple[Form, ...] = ("out", "sincere")


def weighted_cl_infonce(
    embeddings: Tensor,
    images: Tensor,
    similarity: PairWeights,
    *,
    temperature: float,
    form: Form = "out",
    condition: PairWeights | None = None,
    weights: Tensor | None = None,
    instance_weight: float = 0.0,
    memory: tuple[Tensor, Tensor] | None = None,
    check: bool = True,
    workers: Workers | None = None,
) -> ClInfoNCEOutput:
    r"""Attract embeddings as much as their images are alike, repel them as far as they are not.

    With s_ij = z_i·z_j / τ, k the similarity, c the condition or 1, and a = k c, the loss is the
    mean over the anchors i with A_i = Σ_{j≠i} a_ij > 0 of

    * ``"out"``: −Σ_{p≠i} (a_ip / A_i) log( exp s_ip / Σ_{j≠i} c_ij exp s_ij ), the cross-entropy
      with soft targets of X-CLR (arXiv 2407.18134) and y-aware InfoNCE (arXiv 2106.08808);
    * ``"sincere"``: −Σ_{p≠i} (a_ip / A_i) log( exp s_ip / (exp s_ip + Σ_{j≠i,p} r_ij exp s_ij) )
      with r = c (1 − k): others repel as far as they are not alike. With weights of 0 and 1 alone
      this is arXiv 2309.14277.

    Views of one image have weight 1. Where k and c are partitions both are those of `cl_infonce`.
    Time O(n²·(d + m)) for codes of length m, memory O(n·d) and a few tiles.

    Args:
        embeddings: floating (n, d), L2-normalised, all views of the batch stacked. Half precision
            is computed in float32, under autocast as well.
        images: int64 (n,), which training image each embedding is a view of.
        similarity: k between the training images, as `clinfonce.similarity.combine` makes it; on
            the embeddings' device.
        temperature: τ, above 0. The loss is not scaled by it.
        form: "out" or "sincere".
        condition: c between the training images: only what agrees in it is contrasted.
        weights: floating (n,), finite and not negative: turns the mean into a weighted one.
        instance_weight: λ, 0 or above: adds λ times the InfoNCE loss whose positives are the
            other views of the same image, under the same condition.
        memory: embeddings (m, d) and images (m,) of earlier batches: positives and negatives for
            the anchors, but neither anchors nor learned, nor views of an image of the batch.
        check: whether to check values, as in `cl_infonce`.
        workers: who share the batch, of which the tensors are this worker's rows; None for one.

    Returns:
        As `cl_infonce_terms`; positives are counted by their weights.

    Raises:
        InputError: on an input that breaks a rule above, or when no anchor has a positive.
    """
    workers = workers or Workers()
    objective = Objective(temperature, form, instance_weight, memory, check)
    rows = Rows(embeddings, images, weights, images if instance_weight > 0 else None, None)
    _check_objective(objective)
    error = _bad_rows(rows, objective, similarity, condition)
    if check:
        workers.raise_together(error, embeddings.device)
    elif error is not None:
        raise error
    if similarity.partition and (condition is None or condition.partition):
        return _of_partitions(rows, objective, similarity, condition, workers)
    batch, own = gather(rows, workers)
    _checks.check_count(batch.n_anchors)
    batch = with_memory(batch, memory)
    needs_grad = needs_gradient(embeddings)
    with without_autograd(embeddings):
        limits = (
            None
            if condition is None
            else condition_of(condition, batch.clusters, batch.embeddings.dtype)
        )
        task = Task(batch.embeddings, own, temperature, needs_grad, limits)
        pairs = Pairs.of(batch.clusters, similarity, condition)
        part, counts = _contrast(task, objective, pairs, batch, workers)
    if check and not float(counts.weight) > 0:
        raise InputError(
            f"similarity gives none of the {batch.n_anchors} embeddings a positive: at least two "
            "of the batch must have a weight above 0 (two views of an image are two embeddings)"
        )
    loss = attach(embeddings, part, own, workers)
    anchors = counts.anchors.round().long()
    return ClInfoNCEOutput(
        loss, anchors, batch.n_anchors - anchors, (counts.positives / batch.n_anchors).float()
    )


class _Counts(NamedTuple):
    """Sums over the anchors of all workers, 0-d.

    Attributes:
        weight: of those with a positive.
        anchors: how many have one.
        positives: A.
    """

    weight: Tensor
    anchors: Tensor
    positives: Tensor


def _contrast(
    task: Task, objective: Objective, pairs: Pairs, batch: Batch, workers: Workers
) -> tuple[Contrast, _Counts]:
    """This worker's part of loss and gradient, (n, d) without the memory's."""
    z = batch.embeddings
    weights = z.new_ones(batch.n_anchors) if batch.weights is None else batch.weights
    own = weights[task.anchors]
    result, totals = (_out if objective.form == "out" else _sincere)(task, pairs, own)
    valid = (totals > 0).to(z.dtype)
    counts = _Counts(*workers.sum(torch.stack([own @ valid, valid.sum(), totals.sum()])).unbind())
    scale = 1 / counts.weight.clamp_min(torch.finfo(z.dtype).tiny)
    gradient = None if result.gradient is None else result.gradient.mul_(scale)
    result = Contrast(result.loss * scale, gradient)
    if objective.instance_weight > 0 and batch.instances is not None:
        views = target_of(batch.instances, batch)
        views = views._replace(weights=views.weights * objective.instance_weight)
        result = add(result, contrast_out(task, views))
    if result.gradient is None:
        return result, counts
    return Contrast(result.loss, result.gradient[: batch.n_anchors]), counts


def _out(task: Task, pairs: Pairs, weights: Tensor) -> tuple[Contrast, Tensor]:
    """Σ_i w_i l_i over own anchors with A_i > 0, and A (a,)."""
    pull = attract(task, pairs, weights)
    push = contrast_rows(task, weights * (pull.totals > 0))
    gradient = push.gradient
    if gradient is not None and pull.gradient is not None:
        gradient.sub_(pull.gradient)
    return Contrast(push.loss - pull.value, gradient), pull.totals


def _sincere(task: Task, pairs: Pairs, weights: Tensor) -> tuple[Contrast, Tensor]:
    """As `_out`."""
    totals = torch.zeros_like(weights)
    loss = contrast_sorted(
        task,
        pairs.same.ids,
        weights,
        lambda order: WeightedSincere.of(pairs, totals, order),
        limited=False,
    )
    return loss, totals


def _of_partitions(
    rows: Rows,
    objective: Objective,
    similarity: PairWeights,
    condition: PairWeights | None,
    workers: Workers,
) -> ClInfoNCEOutput:
    """The closed form of `cl_infonce`, where only the own cluster attracts."""
    sources = (similarity,) if condition is None else (similarity, condition)
    clusters, *conditions = (each.profiles[rows.clusters] for each in sources)
    if objective.memory is not None:
        old, images = objective.memory[:2]
        memory: Any = (old, *(each.profiles[images] for each in sources))
        objective = replace(objective, memory=memory)
    rows = rows._replace(clusters=clusters, conditions=conditions[0] if conditions else None)
    return with_counts(*evaluate(rows, objective, workers))


def _check_objective(objective: Objective) -> None:
    if objective.form not in WEIGHTED_FORMS:
        raise InputError(
            f"form is {objective.form!r}: with weights it must be one of "
            + ", ".join(map(repr, WEIGHTED_FORMS))
        )
    _checks.check_temperature(objective.temperature)
    _checks.check_instance_weight(objective.instance_weight, given=True)


def _bad_rows(
    rows: Rows, objective: Objective, similarity: PairWeights, condition: PairWeights | None
) -> InputError | None:
    try:
        _checks.check_embedding_shape(rows.embeddings)
        _checks.check_integers(rows.clusters, rows.embeddings, "images")
        _check_source(similarity, rows.embeddings, "similarity")
        if condition is not None:
            _check_source(condition, rows.embeddings, "condition")
            _check_alike(similarity, condition)
        if rows.weights is not None:
            _checks.check_weights(rows.weights, rows.embeddings, values=objective.check)
        if objective.memory is not None:
            _checks.check_embedding_shape(objective.memory[0], "memory")
            _checks.check_integers(objective.memory[1], objective.memory[0], "memory images")
            _checks.check_width(objective.memory[0], rows.embeddings, "memory")
        if objective.check:
            _check_values(rows, objective, len(similarity.profiles))
    except InputError as error:
        return error
    return None


def _check_values(rows: Rows, objective: Objective, n_images: int) -> None:
    _checks.check_embeddings(rows.embeddings)
    _checks.check_range(rows.clusters, n_images, "images")
    if objective.memory is not None:
        _checks.check_embeddings(objective.memory[0], "memory")
        _checks.check_range(objective.memory[1], n_images, "memory images")


def _check_source(source: PairWeights, embeddings: Tensor, name: str) -> None:
    if source.profiles.device != embeddings.device:
        raise InputError(
            f"{name} is on {source.profiles.device}: must be where the embeddings are, "
            f"{embeddings.device}"
        )


def _check_alike(similarity: PairWeights, condition: PairWeights) -> None:
    if len(similarity.profiles) != len(condition.profiles):
        raise InputError(
            f"similarity knows {len(similarity.profiles)} images and condition "
            f"{len(condition.profiles)}: must be the same training images"
        )
