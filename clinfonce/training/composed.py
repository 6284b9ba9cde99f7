"""Objectives of weights, conditions and predicted columns, alone or added."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from clinfonce.losses import (
    Workers,
    distributed_cl_infonce,
    multilevel_cl_infonce,
    weighted_cl_infonce,
)
from clinfonce.training.heads import Heads
from clinfonce.training.momentum import MomentumMemory
from clinfonce.training.objectives import Measured, Objective
from clinfonce.training.sources import Known, Source

if TYPE_CHECKING:
    from clinfonce.config import TrialSpec


class Composed(Objective):
    """The sum of what each source asks for; its counts are those of the first that contrasts.

    Args:
        sources: on the device of the embeddings.
        heads: of the network that is trained.
        workers: who share a batch.
        memory: of the only source.
        seed: of the trial, for what is random in the heads.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        heads: Heads,
        workers: Workers,
        memory: MomentumMemory | None,
        seed: int,
    ) -> None:
        self._sources, self._heads, self._workers = sources, heads, workers
        self._memory, self._seed = memory, seed
        self._progress, self._step = 0.0, 0

    def start_step(self, step: int, steps: int) -> None:
        """Take note of how far the training is."""
        self._progress, self._step = step / max(steps, 1), step

    def __call__(self, outputs: Tensor, images: Tensor, clusters: Tensor) -> Measured:  # noqa: ARG002
        """See `Objective`; the clusters are those of the sources."""
        losses, first = [], Measured(outputs.new_zeros(()))
        for number, source in enumerate(self._sources):
            if (span := self._heads.spans[number]) is not None:
                measured = self._contrast(source, outputs[:, span].contiguous(), images)
                first = measured if first.anchors is None else first
                losses.append(source.weight * measured.loss)
            if source.needs_features:
                losses.append(source.weight * self._predict(number, source, outputs, images))
        return first._replace(loss=torch.stack(losses).sum())

    def _contrast(self, source: Source, embeddings: Tensor, images: Tensor) -> Measured:
        spec = source.objective
        if spec.name == "multilevel_cl_infonce":
            assert source.levels is not None
            levels = source.levels[:, images]
            loss = multilevel_cl_infonce(
                embeddings, levels, temperature=spec.temperature, check=False, workers=self._workers
            )
            return Measured(loss)
        if source.similarity is None:
            return self._of_clusters(source, embeddings, images)
        output = weighted_cl_infonce(
            embeddings,
            images,
            source.similarity,
            temperature=spec.temperature,
            form=spec.form,
            condition=source.condition,
            instance_weight=spec.instance_weight,
            memory=None if self._memory is None else self._memory.kept(),
            check=False,
            workers=self._workers,
        )
        return Measured(*output)

    def _of_clusters(self, source: Source, embeddings: Tensor, images: Tensor) -> Measured:
        spec = source.objective
        output = distributed_cl_infonce(
            embeddings,
            source.clusters[images],
            temperature=spec.temperature,
            form=spec.form,
            instances=images if spec.instance_weight > 0 else None,
            instance_weight=spec.instance_weight,
            memory=None if self._memory is None else self._memory.contents(source.clusters),
            check=False,
            group=self._workers.group,
        )
        return Measured(*output)

    def _predict(self, number: int, source: Source, outputs: Tensor, images: Tensor) -> Tensor:
        features, key = outputs[:, self._heads.width :], str(number)
        losses = []
        if source.objective.name == "fino":
            values = _values({**source.predicted, **source.hidden}, images)
            with _drawn_from(self._seed, self._step, self._workers.rank, outputs.device):
                guides = self._heads.guides[key]
                losses.append(guides(features, values, progress=self._progress, check=False))
        elif source.predicted:
            values = _values(source.predicted, images)
            losses.append(self._heads.guides[key](features, values, check=False))
        if source.has_adversary:
            values, adversary = _values(source.hidden, images), self._heads.adversaries[key]
            losses.append(adversary(features, values, progress=self._progress, check=False))
        return torch.stack(losses).sum()

    def end_step(self, model: nn.Module, views: Tensor, images: Tensor) -> None:
        """Remember the step's embeddings."""
        if self._memory is not None:
            self._memory.update(model, views, images)

    def state(self) -> dict[str, Any]:
        """See `Objective`."""
        return {} if self._memory is None else {"memory": self._memory.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """See `Objective`."""
        if self._memory is not None:
            self._memory.restore(state["memory"])


def _values(columns: Mapping[str, Known], images: Tensor) -> dict[str, Tensor]:
    """What the images (r,) of a batch have in some columns."""
    return {name: known.values[images] for name, known in columns.items()}


def compose(
    spec: "TrialSpec", model: nn.Module, workers: Workers, sources: Sequence[Source]
) -> Composed:
    """Build a trial's objective of sources, on their device.

    Args:
        spec: of the trial.
        model: encoder and heads, built for these sources.
        workers: who share a batch.
        sources: at least one.
    """
    memory, chosen = None, spec.objective
    if chosen.memory > 0:
        memory = MomentumMemory(model, chosen.memory, spec.head.out_dim, chosen.momentum, workers)
    heads = model.head
    assert isinstance(heads, Heads)
    return Composed(sources, heads, workers, memory, spec.seed)


@contextmanager
def _drawn_from(seed: int, step: int, rank: int, device: torch.device) -> Iterator[None]:
    """Let what is drawn follow from the seed and the step, whatever was drawn before.

    Each worker draws for its own rows, unlike what is drawn of views.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        state = np.random.SeedSequence([seed, step, rank]).generate_state(1)
        torch.manual_seed(int(state[0]))
        yield
