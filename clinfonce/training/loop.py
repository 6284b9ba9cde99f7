"""Pretraining of an encoder on one clustering: a plain PyTorch loop, on one worker or several."""

import inspect
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from clinfonce.clusterings import Clustering
from clinfonce.files import File
from clinfonce.losses import Workers
from clinfonce.models import Adapter, Weights, synchronize_batch_norm
from clinfonce.training.alternation import Alternation, embed
from clinfonce.training.checkpoint import load_checkpoint, save_checkpoint
from clinfonce.training.chunks import average_gradients, backward_in_chunks
from clinfonce.training.compiling import compiled
from clinfonce.training.composed import compose
from clinfonce.training.distributed import shard
from clinfonce.training.divergence import LossWatch, TrainingDivergedError
from clinfonce.training.images import sent
from clinfonce.training.inputs import FeatureInputs, Inputs
from clinfonce.training.model import ContrastiveModel, build_model, freeze
from clinfonce.training.objectives import Measured, Objective, build_objective
from clinfonce.training.online_probe import OnlineProbe
from clinfonce.training.optimizer import build_optimizer, learning_rate, rate_factors
from clinfonce.training.progress import Epoch, Position, Sums
from clinfonce.training.sampler import build_sampler
from clinfonce.training.sources import Source

# PyTorch's newer name of the argument; the older one warns from 2.13 on.
_NEWER = "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters
_NO_BUFFERS: dict[str, Any] = {"forward_sync_buffers" if _NEWER else "broadcast_buffers": False}

if TYPE_CHECKING:
    from clinfonce.config import TrialSpec

__all__ = ["Epoch", "Pretraining", "TrainingDivergedError", "build_model"]


class Pretraining:
    """Pretraining of one encoder with any of the objectives.

    Batches, views and initial weights follow from the seed, the epoch and the step alone, so a run
    that is stopped and resumed from a checkpoint ends, on CPU, with the same bits as one that was
    not. With several workers (an initialised `torch.distributed` group) each computes its share
    of every batch; loss and gradient are those of one worker with the whole batch.

    Args:
        spec: of the trial.
        inputs: the training images, or features of them, and how views are made.
        clusters: int64 (n,), one cluster id per training image.
        device: where to train.
        weights: that the encoder starts from; None: random ones.
        checkpoint: file to resume from and to save to; None = neither.
        attributes: float32 (n, m), what two training images may share; for soft_cl_infonce.
        sources: what attracts in place of the clusters; those draw batches then.
        labels: int64 (n,), of the training images, below 0 where unknown, for a probe that learns
            beside the encoder and does not touch it; None = no probe.
        save_every: seconds between two checkpoints in the middle of epochs.

    Attributes:
        encoder: the network that is trained.
        probe: a linear classifier of the labels, where there are any.
        clustering: the last one of the encoder's own features; None where clusters are given.
        history: the epochs so far, those before a resumption among them.
    """

    def __init__(
        self,
        spec: "TrialSpec",
        inputs: Inputs,
        clusters: NDArray[np.int64],
        *,
        device: torch.device,
        weights: Weights | None = None,
        checkpoint: Path | File | None = None,
        attributes: NDArray[np.float32] | None = None,
        sources: Sequence[Source] = (),
        labels: NDArray[np.int64] | None = None,
        save_every: float = 60.0,
    ) -> None:
        self.spec, self.device = spec, device
        self._inputs = inputs
        self._alternation = Alternation.of(spec.clustering)
        self._clustered_before = -1  # the epoch that the clusters were made for
        self._checkpoint = checkpoint
        self._workers = Workers.of()
        self._sources = [source.to(device) for source in sources]
        self._use(clusters[None])
        n_clusters = int(clusters.max()) + 1
        model = build_model(
            spec,
            input_shape=inputs.shape,
            n_clusters=n_clusters,
            weights=weights,
            sources=self._sources,
        ).to(device)
        if isinstance(model.encoder, Adapter) and isinstance(inputs, FeatureInputs):
            model.encoder.standardise_by(inputs.mean, inputs.deviation)
        if self._workers.size > 1:
            model = cast(ContrastiveModel, synchronize_batch_norm(model))
        self.encoder = model.encoder
        self._model = model
        self._optimizer = self._build_optimizer(model)
        self._objective = self._build_objective(model, attributes)
        self.probe = None
        if labels is not None:
            self.probe = OnlineProbe(self.encoder.feature_dim, labels, device, self._workers)
        self._position = Position()
        self._losses = LossWatch(spec, device)
        self._save_every, self._saved_at = save_every, time.perf_counter()
        self.history: list[Epoch] = []
        if checkpoint is not None and (state := load_checkpoint(checkpoint)) is not None:
            self._restore(state)
        self._freeze()
        self._network = self._prepared(model)

    @property
    def clustering(self) -> Clustering | None:
        """See the class."""
        if self._alternation is None:
            return None
        return self._alternation.result(self._clusters.cpu().numpy(), self._clustered_before)

    @property
    def seconds(self) -> float:
        """Of training so far, that before an interruption too."""
        return sum(epoch.seconds for epoch in self.history) + self._position.sums.seconds

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
        self._losses.look(self._position.step, self._position.epoch)
        if self._checkpoint is not None:
            if self._workers.rank == 0:
                save_checkpoint(self._checkpoint, self._state())
            self._note_checkpoint()

    def _save_if_due(self) -> None:
        late = time.perf_counter() - self._saved_at >= self._save_every
        if self._checkpoint is not None and late:
            self.save()

    def _note_checkpoint(self) -> None:
        self._saved_at = time.perf_counter()
        self._losses.last_good = (
            f"the last good checkpoint is {self._checkpoint}, after {self._position.step} steps"
        )

    def _build_optimizer(self, model: ContrastiveModel) -> torch.optim.Optimizer:
        """Of all parameters that move at some time; those that do not yet have no gradient."""
        spec, optimizer = self.spec.encoder, self.spec.optimizer
        head_factor = (optimizer.head_learning_rate or optimizer.learning_rate) / (
            optimizer.learning_rate
        )
        factors = rate_factors(
            model.encoder, model.head, layer_decay=spec.layer_decay, head_factor=head_factor
        )
        freeze(model.encoder, spec.last, epoch=spec.freeze_epochs, freeze_epochs=spec.freeze_epochs)
        return build_optimizer(model, optimizer, factors)

    def _build_objective(
        self, model: ContrastiveModel, attributes: NDArray[np.float32] | None
    ) -> Objective:
        if self._sources:
            return compose(self.spec, model, self._workers, self._sources)
        shared = None if attributes is None else torch.tensor(attributes, device=self.device)
        return build_objective(self.spec, model, self._workers, shared)

    def _freeze(self) -> None:
        """Let move what does in the epoch that is next."""
        spec = self.spec.encoder
        freeze(
            self.encoder,
            spec.last,
            epoch=self._position.epoch,
            freeze_epochs=spec.freeze_epochs,
        )

    def _thaw(self) -> None:
        """Let the encoder move from the epoch on in which it does."""
        epochs = self.spec.encoder.freeze_epochs
        if epochs and self._position.epoch == epochs and self._position.step_of_epoch == 0:
            self._freeze()
            self._network = self._prepared(self._model)

    def _prepared(self, model: ContrastiveModel) -> nn.Module:
        """What runs: with chunks the encoder alone, else the model, shared and compiled."""
        running: nn.Module = model
        if self.spec.sampler.chunk is not None:
            running = model.encoder
        elif self._workers.size > 1:
            # The statistics of batch norm are alike on all workers already.
            running = DistributedDataParallel(model, gradient_as_bucket_view=True, **_NO_BUFFERS)
        if not self.spec.compile:
            return running
        sampler = self.spec.sampler
        moving = sum(p.requires_grad for p in model.parameters())
        sizes = len(self._inputs), sampler.batch_size, sampler.chunk, moving, *self._inputs.shape
        return compiled(running, self.spec.precision, *sizes)

    def _use(self, clusters: NDArray[np.int64]) -> None:
        """Train on these clusters from now on: int64 (m, n), of which the first draw batches."""
        self._clusters = torch.tensor(clusters, device=self.device)
        self._sampler = build_sampler(self.spec, clusters[0], self._sources)

    def _cluster_anew(self) -> None:
        """Cluster the encoder's own features if that is due before this epoch and not done."""
        epoch = self._position.epoch
        due = self._alternation is not None and self._alternation.is_due(epoch)
        if self._alternation is not None and due and self._clustered_before < epoch:
            with self._autocast():
                self._use(self._alternation.cluster(self._model, self._inputs, epoch))
            self._clustered_before = epoch

    def _train_epoch(self) -> Epoch:
        position = self._position
        started = time.perf_counter() - position.sums.seconds
        self._thaw()
        self._cluster_anew()
        if position.step_of_epoch == 0:
            self._objective.start_epoch(position.epoch, self._embed)
        self._model.train_unfrozen()
        batches = self._sampler.batches(position.epoch)[position.step_of_epoch :]
        stream = self._inputs.stream(batches, self._share, position.step)
        rate = 0.0
        for batch in batches:
            self._save_if_due()
            waited = time.perf_counter()
            held = next(stream)
            position.sums.data_seconds += time.perf_counter() - waited
            rate = self._set_learning_rate()
            measured = self._train_step(batch, held)
            position.sums.add(measured, len(batch))
            position.step += 1
            position.step_of_epoch += 1
            position.sums.seconds = time.perf_counter() - started
        self._losses.look(position.step, position.epoch)
        sums = position.sums
        loss, alone, positives = sums.means()
        sums.seconds = time.perf_counter() - started
        self._position = Position(epoch=position.epoch + 1, step=position.step)
        return Epoch(
            epoch=position.epoch + 1,
            step=position.step,
            loss=loss,
            learning_rate=rate,
            anchors_without_positive=alone,
            positives_per_anchor=positives,
            seconds=sums.seconds,
            images=sums.images,
            data_seconds=sums.data_seconds,
            world_size=self._workers.size,
        )

    def _share(self, size: int) -> slice:
        """Which rows of a batch are this worker's."""
        return shard(size, self._workers.rank, self._workers.size)

    def _train_step(self, batch: NDArray[np.int64], held: Tensor | None = None) -> Measured:
        """Learn from a batch; `held` is what the inputs stream of it, if at hand."""
        mine, step = batch[self._share(len(batch))], self._position.step
        if held is None:
            held = next(self._inputs.stream([batch], self._share, step))
        views = self._inputs.views(held, len(batch), self._share, step)
        shown = sent(torch.from_numpy(mine), self.device).repeat(2)  # (2b,)
        self._optimizer.zero_grad(set_to_none=True)
        self._objective.start_step(step, self.steps)
        parts = self._parts(views, len(batch))
        with self._autocast():
            self._objective.encode(self._model, parts, shown)
        measured = self._backward(parts, shown)
        self._losses.note(measured.loss, self._position.step, self._position.epoch)
        if (longest := self.spec.optimizer.clip_norm) is not None:
            nn.utils.clip_grad_norm_(self._model.parameters(), longest)
        self._optimizer.step()
        with self._autocast():
            self._objective.end_step(self._model, views, shown)
        if self.probe is not None:
            self.probe.learn(self._model.features, shown)
        return measured

    def _parts(self, views: Tensor, size: int) -> Sequence[Tensor]:
        """What passes the network at a time of this worker's views of a batch of so many images."""
        if (chunk := self.spec.sampler.chunk) is None:
            return [views]
        return views.tensor_split(math.ceil(math.ceil(size / self._workers.size) / chunk))

    def _backward(self, parts: Sequence[Tensor], shown: Tensor) -> Measured:
        """Compute the loss of a batch and leave its gradients in the parameters."""

        def through(part: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
            with self._autocast():
                return part(x)

        def back(outputs: Tensor) -> Measured:
            measured = self._objective(outputs, shown, self._clusters)
            measured.loss.backward()  # type: ignore[no-untyped-call]
            return measured

        if self.spec.sampler.chunk is None:
            return back(through(self._network, parts[0]))
        measured = backward_in_chunks(
            self._model.encoder,
            partial(through, self._network),
            parts,
            lambda features: back(through(self._model.project, features)),
        )
        average_gradients(self._model, self._workers)
        return measured

    def _autocast(self) -> torch.autocast:
        half = self.spec.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half)

    def _embed(self, network: nn.Module | None = None) -> Tensor:
        """The outputs (n, d) for all training images, of the network as it is or of another."""
        with self._autocast():
            return embed(network or self._model, self._inputs)

    def _set_learning_rate(self) -> float:
        optimizer = self.spec.optimizer
        rate = learning_rate(
            self._position.step,
            steps=self.steps,
            peak=optimizer.learning_rate,
            warmup=optimizer.warmup,
        )
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        return rate

    def _state(self) -> dict[str, Any]:
        return {
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "position": asdict(self._position),
            "history": [asdict(epoch) for epoch in self.history],
            "objective": self._objective.state(),
            "clusters": self._clusters.cpu() if self._alternation is not None else None,
            "clustered_before": self._clustered_before,
            "probe": None if self.probe is None else self.probe.state(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.history = [Epoch(**epoch) for epoch in state["history"]]
        position = dict(state["position"])
        self._position = Position(**{**position, "sums": Sums(**position["sums"])})
        self._note_checkpoint()
        self._objective.restore(_on(self.device, state["objective"]))
        if self.probe is not None:
            self.probe.restore(_on(self.device, state["probe"]))
        if self._alternation is not None:
            self._use(state["clusters"].numpy())
            self._clustered_before = state["clustered_before"]


def _on(device: torch.device, state: Any) -> Any:
    """A state with its tensors on a device."""
    match state:
        case Tensor():
            return state.to(device)
        case dict():
            return {key: _on(device, value) for key, value in state.items()}
        case list() | tuple():
            return [_on(device, value) for value in state]
    return state
