"""A slowly moving copy of the network, and the embeddings that it leaves behind (MoCo)."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from clinfonce.losses import ClusterMemory, Workers


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
        followed = [p.detach() for p in model.parameters()]
        torch._foreach_lerp_(list(self.model.parameters()), followed, 1 - self._momentum)
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
