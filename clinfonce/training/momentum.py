"""A slowly moving copy of the network, and the embeddings that it leaves behind (MoCo)."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from clinfonce.losses import ClusterMemory, Workers

if TYPE_CHECKING:
    from clinfonce.training.model import ContrastiveModel


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, momentum: float) -> None:
    """Move the average's parameters a towards the network's p: a ← m a + (1 − m) p."""
    followed = [p.detach() for p in model.parameters()]
    torch._foreach_lerp_(list(average.parameters()), followed, 1 - momentum)


class MomentumMemory:
    """Embeddings of earlier batches by a moving average of the network (arXiv 1911.05722).

    The memory knows images, not clusters, so it stays right when the images are clustered anew.

    Args:
        model: the network that is trained; its weights are the average's first.
        size: embeddings to keep.
        embedding_dim: of each.
        momentum: of the average.
        workers: who share a batch.
    """

    def __init__(
        self, model: nn.Module, size: int, embedding_dim: int, momentum: float, workers: Workers
    ) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)
        self._momentum, self._width = momentum, embedding_dim
        device = next(model.parameters()).device
        self._queue = ClusterMemory(size, embedding_dim, workers=workers).to(device)

    def contents(self, clusters: Tensor) -> tuple[Tensor, Tensor] | None:
        """Embeddings (m, d) and their clusters int64 (m,); None while there are none.

        Args:
            clusters: int64 (n,), the cluster of each training image.
        """
        if len(self._queue) == 0:
            return None
        embeddings, images = self._queue.contents
        return embeddings, clusters[images]

    def kept(self) -> tuple[Tensor, Tensor] | None:
        """Embeddings (m, d) and which training images int64 (m,) they are of; None likewise."""
        return None if len(self._queue) == 0 else self._queue.contents

    @torch.no_grad()
    def update(self, model: nn.Module, views: Tensor, images: Tensor) -> None:
        """After a step: follow the network, then remember what the average makes of the batch.

        Args:
            model: the network that is trained.
            views: float (2b, c, h, w), this worker's first views, then the second.
            images: int64 (2b,), which training image each view shows.
        """
        follow(self.model, model, self._momentum)
        self.model.train()
        # View by view: joined rows then lie as on one worker, and the same ones are dropped.
        for part, shown in zip(self.model(views).chunk(2), images.chunk(2), strict=True):
            # What stands behind the embeddings are features, for what is predicted of them.
            self._queue.push(part[:, : self._width], shown, check=False)

    def state(self) -> dict[str, Any]:
        """Everything to go on from, for a checkpoint."""
        return {"model": self.model.state_dict(), "queue": self._queue.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self.model.load_state_dict(state["model"])
        self._queue.load_state_dict(state["queue"])


class MomentumEncoder:
    """A moving average of encoder and head, and the keys that it makes (MoCo, arXiv 1911.05722).

    Batch norm of the average is what it is in the network, with the average's scale and shift: in
    a step it takes the statistics of the step's views, and it keeps running ones of its own, by
    which it embeds images for prototypes. Norms that are frozen in the network are so here.

    Args:
        model: the network that is trained; its weights are the average's first.
        size: keys of earlier batches to keep; 0 for those of the batch alone.
        embedding_dim: of each.
        momentum: of the average.
        workers: who share a batch.
    """

    def __init__(
        self,
        model: "ContrastiveModel",
        size: int,
        embedding_dim: int,
        momentum: float,
        workers: Workers,
    ) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)
        self._momentum, self._workers = momentum, workers
        self._queue = None
        if size > 0:
            device = next(model.parameters()).device
            self._queue = ClusterMemory(size, embedding_dim).to(device)
        self._batch: list[tuple[Tensor, Tensor]] = []  # of a step: keys, images of either view

    @torch.no_grad()
    def encode(self, model: nn.Module, parts: Sequence[Tensor], images: Tensor) -> None:
        """Before a step: make the keys of its views.

        Args:
            model: the network that is trained, in the mode that it trains in.
            parts: float (…, c, h, w), (2b, c, h, w) in all: this worker's first views, then the
                second, in what passes the encoder at a time.
            images: int64 (2b,), which training image each view shows.
        """
        for mine, trained in zip(self.model.modules(), model.modules(), strict=True):
            mine.training = trained.training
        features = torch.cat([self.model.encoder(part) for part in parts])
        keys = self.model.project(features).float()
        self._batch = []
        # View by view: joined rows then lie as on one worker.
        for part, shown in zip(keys.chunk(2), images.chunk(2), strict=True):
            (joined, ids), _ = self._workers.gather(part, shown)
            self._batch.append((joined, ids))

    def keys(self, view: int) -> tuple[Tensor, Tensor]:
        """What a step's first (0) or second (1) views are contrasted with.

        Returns:
            Keys (m, d) of all workers' other views, then of the queue, and which training images
            int64 (m,) they are of.
        """
        keys, images = self._batch[1 - view]
        if self._queue is None or len(self._queue) == 0:
            return keys, images
        old, old_images = self._queue.contents
        return torch.cat([keys, old]), torch.cat([images, old_images])

    def update(self, model: nn.Module) -> None:
        """After a step: follow the network, and let the step's keys take the oldest ones' place."""
        follow(self.model, model, self._momentum)
        for keys, images in self._batch:
            if self._queue is not None:
                self._queue.push(keys, images, check=False)
        self._batch = []

    def state(self) -> dict[str, Any]:
        """Everything to go on from between two steps, for a checkpoint."""
        queue = None if self._queue is None else self._queue.state_dict()
        return {"model": self.model.state_dict(), "queue": queue}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self.model.load_state_dict(state["model"])
        if self._queue is not None:
            self._queue.load_state_dict(state["queue"])
