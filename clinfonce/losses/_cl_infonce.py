"""Cl-InfoNCE: InfoNCE whose positives share a cluster (Tsai et al., arXiv 2202.06670)."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Required, TypeAlias, TypedDict, Unpack

import torch
import torch.distributed as dist
from torch import Tensor

from clinfonce.errors import InputError
from clinfonce.losses import _checks
from clinfonce.losses._checks import Form
from clinfonce.losses._condition import SameGroup
from clinfonce.losses._forms import SortedForm
from clinfonce.losses._function import differentiable
from clinfonce.losses._kin import SameCluster
from clinfonce.losses._tiles import Contrast, Target, Task, add, contrast_out, contrast_sorted
from clinfonce.losses.collectives import Workers

# Embeddings (m, d) and clusters (m,) of earlier batches, and conditions (m,) where there are any.
Memory: TypeAlias = tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor]


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
    instances: Tensor | None = None,
    instance_weight: float = 0.0,
    conditions: Tensor | None = None,
    memory: Memory | None = None,
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
        instances: int64 (n,), ids from 0 up: which image each embedding is a view of; for
            ``instance_weight``.
        instance_weight: λ, 0 or above: adds λ times the InfoNCE loss whose positives are the
            other views of the same image.
        conditions: int64 (n,), ids from 0 up: only embeddings with the same one are contrasted
            with each other, as positives and as negatives (conditional contrast, arXiv
            2202.05458).
        memory: embeddings (m, d) and clusters (m,) of earlier batches, and their conditions if
            there are any: positives and negatives for the anchors, but neither anchors nor
            learned.
        check: whether to check values. Reading them makes a GPU wait, so a training loop that
            knows its input says False; shapes and dtypes are checked always. Unchecked, a batch
            without any positive has loss 0.

    Returns:
        The loss in nats, a scalar; float64 for float64 embeddings, else float32.

    Raises:
        InputError: on an input that breaks a rule above, or when no anchor has a positive.
    """
    rows = Rows(embeddings, clusters, weights, instances, conditions)
    objective = Objective(temperature, form, instance_weight, memory, check)
    return evaluate(rows, objective, Workers())[0]


class Options(TypedDict, total=False):
    """All that `cl_infonce` is given by name, with its defaults."""

    temperature: Required[float]
    form: Form
    weights: Tensor | None
    instances: Tensor | None
    instance_weight: float
    conditions: Tensor | None
    memory: Memory | None
    check: bool


def cl_infonce_terms(
    embeddings: Tensor, clusters: Tensor, **options: Unpack[Options]
) -> ClInfoNCEOutput:
    """`cl_infonce` with the counts that say how much the clusters were used."""
    return with_counts(*evaluate(*_read(embeddings, clusters, options), Workers()))


def distributed_cl_infonce(
    embeddings: Tensor,
    clusters: Tensor,
    *,
    group: dist.ProcessGroup | None = None,
    **options: Unpack[Options],
) -> ClInfoNCEOutput:
    """`cl_infonce_terms` of a batch whose rows are spread over workers.

    Every worker contrasts its own rows with those of all. Loss and counts are those of the whole
    batch on every worker, and so is the parameters' gradient once DistributedDataParallel has
    averaged it, however many rows each worker has. Outside of torch.distributed there is one
    worker.

    Args:
        embeddings: floating (r, d), this worker's rows; r may differ between workers and be 0.
        clusters: int64 (r,).
        group: the workers; all if None.
        options: as of `cl_infonce`, the same on all workers, but that weights, instances and
            conditions are of this worker's rows, given on all workers or on none. On a bad value
            all raise.
    """
    return with_counts(*evaluate(*_read(embeddings, clusters, options), Workers.of(group)))


class Rows(NamedTuple):
    """One value per embedding."""

    embeddings: Tensor
    clusters: Tensor
    weights: Tensor | None
    instances: Tensor | None
    conditions: Tensor | None


class Batch(NamedTuple):
    """The rows of all workers, n of them, then those of the memory, m.

    Attributes:
        embeddings: (n + m, d).
        clusters: int64 (n + m,).
        weights: (n,); the rows of the memory are no anchors.
        instances: int64 (n + m,).
        conditions: int64 (n + m,).
        n_anchors: n.
    """

    embeddings: Tensor
    clusters: Tensor
    weights: Tensor | None
    instances: Tensor | None
    conditions: Tensor | None
    n_anchors: int


@dataclass(frozen=True)
class Objective:
    """What holds for the whole batch."""

    temperature: float
    form: Form = "out"
    instance_weight: float = 0.0
    memory: Memory | None = None
    check: bool = True


def _read(embeddings: Tensor, clusters: Tensor, options: Options) -> tuple[Rows, Objective]:
    whole: dict[str, Any] = {**options}
    of_rows = {name: whole.pop(name, None) for name in ("weights", "instances", "conditions")}
    return Rows(embeddings, clusters, **of_rows), Objective(**whole)


def evaluate(rows: Rows, objective: Objective, workers: Workers) -> tuple[Tensor, Tensor]:
    """Return the loss and the number of positives (n,) of the whole batch's anchors."""
    _check_objective(objective, rows)
    error = _bad_rows(rows, objective)
    if objective.check:
        workers.raise_together(error, rows.embeddings.device)
    elif error is not None:
        raise error
    batch, own = gather(rows, workers)
    _checks.check_count(batch.n_anchors)
    batch = with_memory(batch, objective.memory)
    condition = None
    if batch.conditions is not None:
        condition = SameGroup.of(batch.conditions, batch.embeddings.dtype)
    target = target_of(batch.clusters, batch)
    positives = target.kin.total[: batch.n_anchors]
    if objective.check and not float(target.weights.sum()) > 0:
        raise _checks.no_positive(len(positives))

    def part(needs_grad: bool) -> Contrast:
        task = Task(batch.embeddings, own, objective.temperature, needs_grad, condition)
        loss, gradient = _contrast(task, objective, target, batch)
        return Contrast(loss, None if gradient is None else gradient[: len(positives)])

    return differentiable(rows.embeddings, part, own, workers), positives


def _contrast(
    task: Task, objective: Objective, target: Target[SameCluster], batch: Batch
) -> Contrast:
    views: list[Target[SameCluster]] = []
    if objective.instance_weight > 0 and batch.instances is not None:
        images = target_of(batch.instances, batch)
        views = [images._replace(weights=images.weights * objective.instance_weight)]
    if objective.form == "out":
        return contrast_out(task, target, *views)
    result = contrast_sorted(
        task,
        target.kin.ids,
        target.weights[task.anchors],
        lambda order: SortedForm.of(objective.form, order),
    )
    return add(result, contrast_out(task, *views)) if views else result


def _check_objective(objective: Objective, rows: Rows) -> None:
    _checks.check_form(objective.form)
    _checks.check_temperature(objective.temperature)
    _checks.check_instance_weight(objective.instance_weight, given=rows.instances is not None)


def _bad_rows(rows: Rows, objective: Objective) -> InputError | None:
    check = objective.check
    try:
        _checks.check_shapes(rows.embeddings, rows.clusters)
        if rows.instances is not None:
            _checks.check_integers(rows.instances, rows.embeddings, "instances")
        if rows.conditions is not None:
            _checks.check_integers(rows.conditions, rows.embeddings, "conditions")
        if rows.weights is not None:
            _checks.check_weights(rows.weights, rows.embeddings, values=check)
        if objective.memory is not None:
            _check_memory(objective.memory, rows)
        if check:
            _check_values(rows, objective.memory)
    except InputError as error:
        return error
    return None


def _check_memory(memory: Memory, rows: Rows) -> None:
    _checks.check_shapes(memory[0], memory[1], name="memory")
    _checks.check_width(memory[0], rows.embeddings, "memory")
    if (len(memory) == 3) != (rows.conditions is not None):
        raise InputError(
            f"memory holds {len(memory)} tensors: must be embeddings and clusters, and conditions "
            "if the batch has them"
        )
    if len(memory) == 3:
        _checks.check_integers(memory[2], memory[0], "memory conditions")


def _check_values(rows: Rows, memory: Memory | None) -> None:
    _checks.check_embeddings(rows.embeddings)
    _checks.check_ids(rows.clusters)
    if rows.instances is not None:
        _checks.check_ids(rows.instances, "instances")
    if rows.conditions is not None:
        _checks.check_ids(rows.conditions, "conditions")
    if memory is not None:
        _checks.check_embeddings(memory[0], "memory")
        _checks.check_ids(memory[1], "memory clusters")
        if len(memory) == 3:
            _checks.check_ids(memory[2], "memory conditions")


def gather(rows: Rows, workers: Workers) -> tuple[Batch, slice]:
    """The whole batch without gradient, in the dtype to compute in; and which rows are ours."""
    dtype = torch.promote_types(rows.embeddings.dtype, torch.float32)
    z = rows.embeddings.detach().to(dtype).contiguous()
    weights = None if rows.weights is None else rows.weights.detach().to(dtype)
    given = (weights, rows.instances, rows.conditions)
    (z, clusters, *rest), own = workers.gather(
        z, rows.clusters, *(each for each in given if each is not None)
    )
    weights, instances, conditions = (None if each is None else rest.pop(0) for each in given)
    return Batch(z, clusters, weights, instances, conditions, len(z)), own


def with_memory(batch: Batch, memory: Memory | None) -> Batch:
    if memory is None:
        return batch
    old, old_clusters, *old_conditions = memory
    # No image of the memory is a view of one in the batch, so each gets an id of its own.
    strangers = -1 - torch.arange(len(old), device=old.device)
    images, conditions = batch.instances, batch.conditions
    return batch._replace(
        embeddings=torch.cat([batch.embeddings, old.detach().to(batch.embeddings.dtype)]),
        clusters=torch.cat([batch.clusters, old_clusters]),
        instances=None if images is None else torch.cat([images, strangers]),
        conditions=None if conditions is None else torch.cat([conditions, *old_conditions]),
    )


def target_of(ids: Tensor, batch: Batch) -> Target[SameCluster]:
    """Attraction within the clusters ``ids``, int64 (n + m,), with weights that sum to 1.

    Weights are 0 for what has no positive or is no anchor; all are if there is no other. Under a
    condition, clusters are split by it.
    """
    clusters = SameCluster.of(ids)
    if batch.conditions is not None:
        groups = SameCluster.of(batch.conditions).ids
        clusters = SameCluster.of(clusters.ids * len(groups) + groups)
    weights = (clusters.total > 0).to(batch.embeddings.dtype)
    if batch.weights is not None:
        weights[: batch.n_anchors] *= batch.weights
    weights[batch.n_anchors :] = 0
    weights /= weights.sum().clamp_min_(torch.finfo(weights.dtype).tiny)
    mutual = batch.weights is None and batch.n_anchors == len(ids)
    return Target(clusters, weights, mutual)


def with_counts(loss: Tensor, positives: Tensor) -> ClInfoNCEOutput:
    anchors = (positives > 0).sum()
    return ClInfoNCEOutput(loss, anchors, len(positives) - anchors, positives.float().mean())
