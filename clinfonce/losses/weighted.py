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
from clinfonce.losses._kin import SameCluster
from clinfonce.losses._pairs import Pairs, attract
from clinfonce.losses._soft_forms import WeightedSincere
from clinfonce.losses._tiles import (
    Contrast,
    Target,
    Task,
    add,
    contrast_out,
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
    return _of_kernels(rows, objective, similarity, condition, workers)


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

    @classmethod
    def of(cls, weights: Tensor, totals: Tensor, workers: Workers) -> "_Counts":
        """From own anchors' weights and A, (a,)."""
        valid = (totals > 0).to(totals.dtype)
        sums = torch.stack([weights @ valid, valid.sum(), totals.sum()])
        return cls(*workers.sum(sums).unbind())

    @property
    def scale(self) -> Tensor:
        """What turns a weighted sum over anchors into their mean; finite."""
        return 1 / self.weight.clamp_min(torch.finfo(self.weight.dtype).tiny)


def _of_kernels(
    rows: Rows,
    objective: Objective,
    similarity: PairWeights,
    condition: PairWeights | None,
    workers: Workers,
) -> ClInfoNCEOutput:
    """The loss of checked rows, by tiles of weights."""
    batch, own = gather(rows, workers)
    n = batch.n_anchors
    _checks.check_count(n)
    batch = with_memory(batch, objective.memory)
    needs_grad = needs_gradient(rows.embeddings)
    with without_autograd(rows.embeddings):
        z, images = batch.embeddings, batch.clusters
        limits = None if condition is None else condition_of(condition, images, z.dtype)
        task = Task(z, own, objective.temperature, needs_grad, limits)
        pairs = Pairs.of(images, similarity, condition)
        contrast = _out if objective.form == "out" else _sincere
        part, counts = contrast(task, pairs, batch, objective.instance_weight, workers)
    if objective.check and not float(counts.weight) > 0:
        raise InputError(
            f"similarity gives none of the {n} embeddings a positive: at least two of the batch "
            "must have a weight above 0 (two views of an image are two embeddings)"
        )
    if part.gradient is not None:
        part = part._replace(gradient=part.gradient[:n])
    loss, anchors = attach(rows.embeddings, part, own, workers), counts.anchors.round().long()
    return ClInfoNCEOutput(loss, anchors, n - anchors, (counts.positives / n).float())


def _out(
    task: Task, pairs: Pairs, batch: Batch, instance_weight: float, workers: Workers
) -> tuple[Contrast, _Counts]:
    """This worker's part of loss and gradient to all rows."""
    weights = _weights(batch)[task.anchors]
    pull = attract(task, pairs, weights)
    counts = _Counts.of(weights, pull.totals, workers)
    valid = weights * (pull.totals > 0) * counts.scale
    push = contrast_out(task, *_views(batch, instance_weight), repelled=valid)
    if push.gradient is not None and pull.gradient is not None:
        push.gradient.sub_(pull.gradient.mul_(counts.scale))
    return push._replace(loss=push.loss - pull.value * counts.scale), counts


def _sincere(
    task: Task, pairs: Pairs, batch: Batch, instance_weight: float, workers: Workers
) -> tuple[Contrast, _Counts]:
    """As `_out`."""
    weights = _weights(batch)[task.anchors]
    totals = torch.zeros_like(weights)
    result = contrast_sorted(
        task,
        pairs.same.ids,
        weights,
        lambda order: WeightedSincere.of(pairs, totals, order),
        limited=False,
    )
    counts = _Counts.of(weights, totals, workers)
    gradient = None if result.gradient is None else result.gradient.mul_(counts.scale)
    result = Contrast(result.loss * counts.scale, gradient)
    views = _views(batch, instance_weight)
    return add(result, contrast_out(task, *views)) if views else result, counts


def _weights(batch: Batch) -> Tensor:
    if batch.weights is None:
        return batch.embeddings.new_ones(batch.n_anchors)
    return batch.weights


def _views(batch: Batch, weight: float) -> list[Target[SameCluster]]:
    """Other views of the same image, if they attract by themselves."""
    if weight == 0 or batch.instances is None:
        return []
    views = target_of(batch.instances, batch)
    return [views._replace(weights=views.weights * weight)]


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
