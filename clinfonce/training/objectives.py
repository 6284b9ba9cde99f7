"""What pretraining minimises: the objectives of `clinfonce.losses`, with what they keep."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from clinfonce.clusterings import from_kmeans
from clinfonce.errors import InputError
from clinfonce.losses import (
    Prototypes,
    Workers,
    cluster_cross_entropy,
    distributed_cl_infonce,
    momentum_contrast,
    proto_nce,
    soft_cl_infonce,
)
from clinfonce.models import ProjectionHead
from clinfonce.training.momentum import MomentumEncoder, MomentumMemory

if TYPE_CHECKING:
    from clinfonce.config import ObjectiveSpec, TrialSpec
    from clinfonce.training.model import ContrastiveModel

_KMEANS_STEPS = 20  # Lloyd iterations of prototypes, as in the authors' code of PCL


class Measured(NamedTuple):
    """The objective on one batch; 0-d tensors, the counts as in `losses.ClInfoNCEOutput`.

    Attributes:
        loss: in nats, differentiable.
        anchors: int64; None for an objective without positives.
        anchors_without_positive: int64, or None.
        positives_per_anchor: float32, or None.
    """

    loss: Tensor
    anchors: Tensor | None = None
    anchors_without_positive: Tensor | None = None
    positives_per_anchor: Tensor | None = None


class Objective:
    """A loss of the network's outputs; the base of those below.

    Values of embeddings are not checked here: a GPU would wait, and the loop looks at the loss.
    """

    def __call__(self, outputs: Tensor, images: Tensor, clusters: Tensor) -> Measured:
        """Return the loss of a batch, the same on all workers.

        Args:
            outputs: float (r, d), what the head made of this worker's views.
            images: int64 (r,), which training image each view shows.
            clusters: int64 (m, n), the cluster of each training image in each of m clusterings,
                over which the loss is averaged.
        """
        raise NotImplementedError

    def start_epoch(self, epoch: int, embed: Callable[[nn.Module | None], Tensor]) -> None:
        """Prepare an epoch, counted from 0.

        Args:
            epoch: the one that begins.
            embed: returns the outputs (n, d) for all training images, of a network other than the
                trained one if one is given.
        """

    def start_step(self, step: int, steps: int) -> None:
        """Take note of which step of the whole training comes next, 0 … steps − 1."""

    def encode(self, model: nn.Module, parts: Sequence[Tensor], images: Tensor) -> None:
        """Make of a step's views what they are contrasted with, before the network sees them.

        Args:
            model: the network that is trained.
            parts: this worker's first views, then the second, in what passes the network at a time.
            images: int64 (2b,), which training image each view shows.
        """

    def end_step(self, model: nn.Module, views: Tensor, images: Tensor) -> None:
        """Take note of a step that the network has made."""

    def state(self) -> dict[str, Any]:
        """Everything that an interrupted epoch needs to go on, as tensors and plain values."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""


class _ClInfoNCE(Objective):
    def __init__(
        self, spec: "ObjectiveSpec", workers: Workers, memory: MomentumMemory | None
    ) -> None:
        self._spec, self._workers, self._memory = spec, workers, memory

    def __call__(self, outputs: Tensor, images: Tensor, clusters: Tensor) -> Measured:
        return _mean([self._of_one(outputs, images, one) for one in clusters])

    def _of_one(self, outputs: Tensor, images: Tensor, clusters: Tensor) -> Measured:
        output = distributed_cl_infonce(
            outputs,
            clusters[images],
            temperature=self._spec.temperature,
            form=self._spec.form,
            instances=images if self._spec.instance_weight > 0 else None,
            instance_weight=self._spec.instance_weight,
            memory=None if self._memory is None else self._memory.contents(clusters),
            check=False,
            group=self._workers.group,
        )
        return Measured(*output)

    def end_step(self, model: nn.Module, views: Tensor, images: Tensor) -> None:
        if self._memory is not None:
            self._memory.update(model, views, images)

    def state(self) -> dict[str, Any]:
        return {} if self._memory is None else {"memory": self._memory.state()}

    def restore(self, state: dict[str, Any]) -> None:
        if self._memory is not None:
            self._memory.restore(state["memory"])


class _KeyInfoNCE(Objective):
    """Cl-InfoNCE of the network's embeddings against a momentum encoder's of the other views."""

    def __init__(
        self, spec: "ObjectiveSpec", workers: Workers, momentum_encoder: MomentumEncoder
    ) -> None:
        self._spec, self._workers, self._momentum_encoder = spec, workers, momentum_encoder

    def __call__(self, outputs: Tensor, images: Tensor, clusters: Tensor) -> Measured:
        views = list(zip(outputs.chunk(2), images.chunk(2), strict=True))
        return _mean([
            self._of_view(view, queries, one[shown], one)
            for one in clusters
            for view, (queries, shown) in enumerate(views)
        ])  # fmt: skip

    def _of_view(self, view: int, queries: Tensor, own: Tensor, clusters: Tensor) -> Measured:
        keys, images = self._momentum_encoder.keys(view)
        output = momentum_contrast(
            queries,
            own,
            keys,
            clusters[images],
            temperature=self._spec.temperature,
            form=self._spec.form,
            check=False,
            workers=self._workers,
        )
        return Measured(*output)

    def encode(self, model: nn.Module, parts: Sequence[Tensor], images: Tensor) -> None:
        self._momentum_encoder.encode(model, parts, images)

    def end_step(self, model: nn.Module, views: Tensor, images: Tensor) -> None:  # noqa: ARG002
        self._momentum_encoder.update(model)

    def state(self) -> dict[str, Any]:
        return {"momentum_encoder": self._momentum_encoder.state()}

    def restore(self, state: dict[str, Any]) -> None:
        self._momentum_encoder.restore(state["momentum_encoder"])


class _PCL(Objective):
    """Prototypical contrastive learning (arXiv 2005.04966, Eq. 11).

    Args:
        spec: of the trial.
        workers: who share a batch.
        contrast: of instances, or of clusters: what prototypes are added to.
        average: the network whose embeddings make prototypes; None: the one that is trained.
    """

    def __init__(
        self, spec: "TrialSpec", workers: Workers, contrast: Objective, average: nn.Module | None
    ) -> None:
        self._spec, self._workers = spec.objective, workers
        self._contrast, self._average = contrast, average
        self._numbers, self._seed = spec.objective.prototypes or (), spec.seed
        self._first_epoch = int(spec.objective.prototypes_after * spec.epochs)
        self._prototypes: list[Prototypes] = []

    def __call__(self, outputs: Tensor, images: Tensor, clusters: Tensor) -> Measured:
        measured = self._contrast(outputs, images, clusters)
        if not self._prototypes:
            return measured
        attraction = proto_nce(
            outputs, images, self._prototypes, check=False, workers=self._workers
        )
        return measured._replace(loss=measured.loss + attraction)

    def start_epoch(self, epoch: int, embed: Callable[[nn.Module | None], Tensor]) -> None:
        if epoch < self._first_epoch:
            return
        embeddings = embed(self._average)
        self._prototypes = [
            Prototypes.of(
                embeddings,
                self._clustered(embeddings, number),
                temperature=self._spec.temperature,
                check=False,
            )
            for number in self._numbers
        ]

    def _clustered(self, embeddings: Tensor, number: int) -> Tensor:
        """The first worker's k-means (n,): two machines might round differently."""
        found = from_kmeans(
            embeddings, number, seed=self._seed, n_init=1, max_iter=_KMEANS_STEPS
        ).ids
        ids = torch.tensor(found, device=embeddings.device)
        return self._workers.sum(ids if self._workers.rank == 0 else torch.zeros_like(ids))

    def encode(self, model: nn.Module, parts: Sequence[Tensor], images: Tensor) -> None:
        self._contrast.encode(model, parts, images)

    def end_step(self, model: nn.Module, views: Tensor, images: Tensor) -> None:
        self._contrast.end_step(model, views, images)

    def state(self) -> dict[str, Any]:
        prototypes = [tuple(each) for each in self._prototypes]
        return {**self._contrast.state(), "prototypes": prototypes}

    def restore(self, state: dict[str, Any]) -> None:
        self._contrast.restore(state)
        self._prototypes = [Prototypes(*each) for each in state["prototypes"]]


class _Soft(Objective):
    def __init__(self, spec: "ObjectiveSpec", workers: Workers, attributes: Tensor) -> None:
        self._temperature, self._workers = spec.temperature, workers
        self._attributes = attributes

    def __call__(self, outputs: Tensor, images: Tensor, clusters: Tensor) -> Measured:  # noqa: ARG002
        loss = soft_cl_infonce(
            outputs,
            self._attributes[images],
            temperature=self._temperature,
            check=False,
            workers=self._workers,
        )
        return Measured(loss)


class _CrossEntropy(Objective):
    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def __call__(self, outputs: Tensor, images: Tensor, clusters: Tensor) -> Measured:
        logits, targets = outputs, clusters[0, images]
        return Measured(cluster_cross_entropy(logits, targets, check=False, workers=self._workers))


def _mean(measured: Sequence[Measured]) -> Measured:
    """The mean over clusterings of the same embeddings."""
    if len(measured) == 1:
        return measured[0]
    loss, *counts = zip(*measured, strict=True)
    return Measured(
        torch.stack(loss).mean(),
        *(torch.stack(values).double().mean() if values[0] is not None else None
          for values in counts),
    )  # fmt: skip


def build_head(spec: "TrialSpec", feature_dim: int, n_clusters: int | None) -> nn.Module:
    """Build what stands between the features and the objective.

    Args:
        spec: of the trial.
        feature_dim: of the encoder.
        n_clusters: that cross-entropy tells apart.

    Raises:
        InputError: cross-entropy of fewer than two clusters.
    """
    if spec.objective.name != "cross_entropy":
        return ProjectionHead(
            feature_dim, spec.head.hidden_dim, spec.head.out_dim, layers=spec.head.layers
        )
    if n_clusters is None or n_clusters < 2:
        raise InputError(
            f"objective cross_entropy: the clustering has {n_clusters} cluster(s); "
            "at least 2 are needed"
        )
    return nn.Linear(feature_dim, n_clusters)


def build_objective(
    spec: "TrialSpec", model: "ContrastiveModel", workers: Workers, attributes: Tensor | None
) -> Objective:
    """Build a trial's objective.

    Args:
        spec: of the trial.
        model: encoder and head, on their device.
        workers: who share a batch.
        attributes: float (n, m), for soft_cl_infonce: what two training images may share.

    Raises:
        InputError: the attributes are missing.
    """
    chosen, width = spec.objective, spec.head.out_dim
    memory = None
    if chosen.memory > 0 and not chosen.momentum_encoder:
        memory = MomentumMemory(model, chosen.memory, width, chosen.momentum, workers)
    match chosen.name:
        case "cl_infonce":
            return _ClInfoNCE(chosen, workers, memory)
        case "pcl" if chosen.momentum_encoder:
            encoder = MomentumEncoder(model, chosen.memory, width, chosen.momentum, workers)
            return _PCL(spec, workers, _KeyInfoNCE(chosen, workers, encoder), encoder.model)
        case "pcl":
            average = None if memory is None else memory.model
            return _PCL(spec, workers, _ClInfoNCE(chosen, workers, memory), average)
        case "cross_entropy":
            return _CrossEntropy(workers)
    if attributes is None:
        raise InputError("objective soft_cl_infonce needs the attributes of the training images")
    return _Soft(chosen, workers, attributes)
