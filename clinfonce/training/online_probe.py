"""A linear probe that learns while the encoder does."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn

from clinfonce.losses import Workers
from clinfonce.training.optimizer import eager

_RATE = 3e-3  # of AdamW; the features that it sees are standardised


class OnlineProbe:
    """A linear classifier of the labels on the features of the training views.

    It tells during training what a linear probe would find, for one small product a step. The
    features come without their gradient and nothing here draws random numbers, so the encoder
    trains with the same bits as without. Several workers join their features, and so keep the same
    classifier.

    Args:
        feature_dim: of the encoder.
        labels: int64 (n,), of the training images; those below 0 are unknown.
        device: where the encoder trains.
        workers: who share a batch.
    """

    def __init__(
        self, feature_dim: int, labels: NDArray[Any], device: torch.device, workers: Workers
    ) -> None:
        self._labels = torch.as_tensor(labels, device=device)
        self._partly = bool((labels < 0).any())
        self._workers = workers
        self._scale = nn.BatchNorm1d(feature_dim, affine=False, device=device)
        n_classes = int(labels.max()) + 1
        self._weights = torch.zeros(n_classes, feature_dim, device=device, requires_grad=True)
        self._intercepts = torch.zeros(n_classes, device=device, requires_grad=True)
        self._optimizer = eager(torch.optim.AdamW)([self._weights, self._intercepts], lr=_RATE)

    @torch.enable_grad()
    def learn(self, features: Tensor, images: Tensor) -> None:
        """Take a step.

        Args:
            features: (r, d), of this worker's views; no gradient goes back to them.
            images: int64 (r,), which training image each view shows.
        """
        (joined, shown), _ = self._workers.gather(features.detach().float(), images)
        if self._partly:
            known = self._labels[shown] >= 0
            joined, shown = joined[known], shown[known]
        if len(joined) < 2:  # nothing to standardise by
            return
        self._optimizer.zero_grad()
        loss = F.cross_entropy(self._logits(joined), self._labels[shown])
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()

    @torch.no_grad()
    def accuracy(self, features: Tensor, labels: Tensor) -> float:
        """The share of features (m, d) of which the right one of labels int64 (m,) is first."""
        self._scale.eval()
        try:
            guessed = self._logits(features.float()).argmax(1)
        finally:
            self._scale.train()
        return float((guessed == labels).double().mean())

    def _logits(self, features: Tensor) -> Tensor:
        return F.linear(self._scale(features), self._weights, self._intercepts)

    def state(self) -> dict[str, Any]:
        """Everything to go on from, for a checkpoint."""
        return {
            "scale": self._scale.state_dict(),
            "weights": self._weights.detach(),
            "intercepts": self._intercepts.detach(),
            "optimizer": self._optimizer.state_dict(),
        }

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self._scale.load_state_dict(state["scale"])
        self._weights.copy_(state["weights"])
        self._intercepts.copy_(state["intercepts"])
        self._optimizer.load_state_dict(state["optimizer"])
