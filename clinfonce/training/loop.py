"""Pretraining of an encoder on one clustering: a plain PyTorch loop, on one worker or several."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from clinfonce.augment import Policy
from clinfonce.clusterings import Clustering
from clinfonce.losses import ClInfoNCEOutput, distributed_cl_infonce
from clinfonce.models import ProjectionHead, build_encoder, synchronize_batch_norm
from clinfonce.training.alternation import Alternation
from clinfonce.training.checkpoint import load_checkpoint, save_checkpoint
from clinfonce.training.distributed import shard, world
from clinfonce.training.images import ImageSource
from clinfonce.training.optimizer import build_optimizer, learning_rate
from clinfonce.training.sampler import BatchSampler

if TYPE_CHECKING:
    from clinfonce.config import TrialSpec


class TrainingDivergedError(RuntimeError):
    """The loss is no longer a finite number."""


@dataclass
class Epoch:
    """What one epoch of pretraining measured; means are over its steps.

    Attributes:
        epoch: 1 … epochs.
        step: optimiser steps since the start of the training.
        loss: mean objective.
        learning_rate: of the last step.
        anchors_without_positive: share of the anchors that were left out of the loss.
        positives_per_anchor: mean number of positives, the anchor's own other view among them.
        seconds: wall time.
        images: seen, each in two views.
        val_knn: kNN accuracy on the validation split, where the caller measured it.
    """

    epoch: int
    step: int
    loss: float
    learning_rate: float
    anchors_without_positive: float
    positives_per_anchor: float
    seconds: float
    images: int
    val_knn: float | None = None


class ContrastiveModel(nn.Module):
    """An encoder and the projection head that the objective sees it through."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, views: Tensor) -> Tensor:
        """Float views (n, c, h, w) to unit-length embeddings (n, out_dim)."""
        embeddings: Tensor = self.head(self.encoder(views))
        return embeddings


def build_model(spec: "TrialSpec", *, channels: int, image_size: int) -> ContrastiveModel:
    """Build encoder and head with weights drawn from the trial's seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        encoder = build_encoder(
            spec.encoder.name,
            channels=channels,
            image_size=image_size,
            stem=spec.encoder.stem,
            width=spec.encoder.width,
        )
        head = ProjectionHead(
            encoder.feature_dim, spec.head.hidden_dim, spec.head.out_dim, layers=spec.head.layers
        )
    return ContrastiveModel(encoder, head)


@dataclass
class _Sums:
    """Running sums of an epoch, kept in checkpoints so that a resumed epoch reports the same."""

    loss: float = 0.0
    anchors: float = 0.0
    alone: float = 0.0
    positives: float = 0.0
    steps: int = 0
    images: int = 0
    seconds: float = 0.0

    def add(self, output: ClInfoNCEOutput, images: int) -> None:
        self.loss += float(output.loss.detach())
        self.anchors += float(output.anchors)
        self.alone += float(output.anchors_without_positive)
        self.positives += float(output.positives_per_anchor)
        self.steps += 1
        self.images += images


@dataclass
class _Position:
    """Where the training stands: the next step to take."""

    epoch: int = 0
    step_of_epoch: int = 0
    step: int = 0
    sums: _Sums = field(default_factory=_Sums)


class Pretraining:
    """Cl-InfoNCE pretraining of one encoder.

    Batches, views and initial weights follow from the seed, the epoch and the step alone, so a run
    that is stopped and resumed from a checkpoint ends, on CPU, with the same bits as one that was
    not. With several workers (an initialised `torch.distributed` group) each computes its share
    of every batch; loss and gradient are those of one worker with the whole batch.

    Args:
        spec: of the trial.
        source: the training images.
        clusters: int64 (n,), one cluster id per training image.
        image_shape: (channels, height, width) of the images.
        device: where to train.
        checkpoint: file to resume from and to save to; None = neither.

    Attributes:
        encoder: the network that is trained.
        clustering: the last one of the encoder's own features; None where clusters are given.
        history: the epochs so far, those before a resumption among them.
    """

    def __init__(
        self,
        spec: "TrialSpec",
        source: ImageSource,
        clusters: NDArray[np.int64],
        *,
        image_shape: tuple[int, int, int],
        device: torch.device,
        checkpoint: Path | None = None,
    ) -> None:
        self.spec, self.device = spec, device
        self._source = source
        self._alternation = Alternation.of(spec.clustering)
        self._clustered_before = -1  # the epoch that the clusters were made for
        self._checkpoint = checkpoint
        self._rank, self._workers = world()
        self._policy = Policy.named(spec.augmentation)
        self._use(clusters[None])
        channels, height, _ = image_shape
        model = build_model(spec, channels=channels, image_size=height).to(device)
        self.encoder = model.encoder
        self._model = model
        self._optimizer = build_optimizer(
            model,
            spec.optimizer.name,
            learning_rate=spec.optimizer.learning_rate,
            weight_decay=spec.optimizer.weight_decay,
            momentum=spec.optimizer.momentum,
        )
        self._position = _Position()
        self.history: list[Epoch] = []
        if checkpoint is not None and (state := load_checkpoint(checkpoint)) is not None:
            self._restore(state)
        self._parallel: nn.Module = model
        if self._workers > 1:
            self._parallel = DistributedDataParallel(synchronize_batch_norm(model))

    @property
    def clustering(self) -> Clustering | None:
        """See the class."""
        if self._alternation is None:
            return None
        return self._alternation.result(self._clusters.numpy(), self._clustered_before)

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole training."""
        return self.spec.epochs * self._sampler.batches_per_epoch

    def epochs(self) -> Iterator[Epoch]:
        """Train, and yield what each epoch measured, those before a resumption first."""
        yield from list(self.history)
        while self._position.epoch < self.spec.epochs:
            self.history.append(self._train_epoch())
            yield self.history[-1]

    def save(self) -> None:
        """Write the checkpoint, if there is to be one; the first worker does it for all."""
        if self._checkpoint is not None and self._rank == 0:
            save_checkpoint(self._checkpoint, self._state())

    def _use(self, clusters: NDArray[np.int64]) -> None:
        """Train on these clusters from now on: int64 (m, n), of which the first draw batches."""
        self._clusters = torch.tensor(clusters)
        sampler = self.spec.sampler
        self._sampler = BatchSampler(
            clusters[0], sampler.batch_size, sampler.images_per_cluster, self.spec.seed
        )

    def _cluster_anew(self) -> None:
        """Cluster the encoder's own features if that is due before this epoch and not done."""
        epoch = self._position.epoch
        due = self._alternation is not None and self._alternation.is_due(epoch)
        if self._alternation is not None and due and self._clustered_before < epoch:
            self._use(self._alternation.cluster(self._model, self._source, epoch))
            self._clustered_before = epoch

    def _train_epoch(self) -> Epoch:
        position = self._position
        started = time.perf_counter() - position.sums.seconds
        self._cluster_anew()
        self._parallel.train()
        batches = self._sampler.batches(position.epoch)
        rate = 0.0
        for batch in batches[position.step_of_epoch :]:
            rate = self._set_learning_rate()
            output = self._train_step(batch)
            position.sums.add(output, len(batch))
            position.step += 1
            position.step_of_epoch += 1
            position.sums.seconds = time.perf_counter() - started
        sums = position.sums
        self._position = _Position(epoch=position.epoch + 1, step=position.step)
        return Epoch(
            epoch=position.epoch + 1,
            step=position.step,
            loss=sums.loss / sums.steps,
            learning_rate=rate,
            anchors_without_positive=sums.alone / (sums.anchors + sums.alone),
            positives_per_anchor=sums.positives / sums.steps,
            seconds=sums.seconds,
            images=sums.images,
        )

    def _train_step(self, batch: NDArray[np.int64]) -> ClInfoNCEOutput:
        views, clusters = self._views(batch)
        embeddings = self._parallel(views)
        objective = self.spec.objective
        output = _mean([
            distributed_cl_infonce(
                embeddings, ids, temperature=objective.temperature, form=objective.form
            )
            for ids in clusters
        ])  # fmt: skip
        if not torch.isfinite(output.loss.detach()):
            raise TrainingDivergedError(
                f"the loss is {float(output.loss.detach())} at step {self._position.step} "
                f"(epoch {self._position.epoch + 1}); lower optimizer.learning_rate "
                f"({self.spec.optimizer.learning_rate}) or raise objective.temperature "
                f"({objective.temperature})"
            )
        self._optimizer.zero_grad(set_to_none=True)
        output.loss.backward()
        self._optimizer.step()
        return output

    def _views(self, batch: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """This worker's share of a batch: views (2b, c, h, w), clusters int64 (m, 2b)."""
        share = shard(len(batch), self._rank, self._workers)
        seed = np.random.SeedSequence([self.spec.seed, self._position.step]).generate_state(1)
        generator = torch.Generator().manual_seed(int(seed[0]))
        parameters = self._policy.sample(len(batch), generator)
        if self._workers > 1:
            parameters = parameters.select(torch.arange(share.start, share.stop))
        mine = batch[share]
        views = self._policy.apply(self._source.take(mine), parameters)
        return views, self._clusters[:, torch.from_numpy(mine)].to(self.device).repeat(1, 2)

    def _set_learning_rate(self) -> float:
        optimizer = self.spec.optimizer
        rate = learning_rate(
            self._position.step,
            steps=self.steps,
            peak=optimizer.learning_rate,
            warmup=optimizer.warmup,
        )
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        return rate

    def _state(self) -> dict[str, Any]:
        return {
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "position": asdict(self._position),
            "history": [asdict(epoch) for epoch in self.history],
            "clusters": self._clusters if self._alternation is not None else None,
            "clustered_before": self._clustered_before,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.history = [Epoch(**epoch) for epoch in state["history"]]
        position = dict(state["position"])
        self._position = _Position(**{**position, "sums": _Sums(**position["sums"])})
        if self._alternation is not None:
            self._use(state["clusters"].numpy())
            self._clustered_before = state["clustered_before"]


def _mean(outputs: Sequence[ClInfoNCEOutput]) -> ClInfoNCEOutput:
    """The mean over clusterings of the same embeddings."""
    if len(outputs) == 1:
        return outputs[0]
    losses, anchors, alone, positives = zip(*outputs, strict=True)
    m = len(outputs)
    return ClInfoNCEOutput(sum(losses) / m, sum(anchors) / m, sum(alone) / m, sum(positives) / m)
