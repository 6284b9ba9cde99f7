"""The network that is trained: an encoder and what the objective sees it through."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from clinfonce.models import Encoder, build_encoder
from clinfonce.training.objectives import build_head

if TYPE_CHECKING:
    from clinfonce.config import TrialSpec


class ContrastiveModel(nn.Module):
    """An encoder and the projection head that the objective sees it through.

    Attributes:
        features: float (n, d) of the latest views, without gradient; for probes.
    """

    features: Tensor

    def __init__(self, encoder: Encoder, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, views: Tensor) -> Tensor:
        """Float views (n, c, h, w) to unit-length embeddings (n, out_dim), or to logits (n, K)."""
        return self.project(self.encoder(views))

    def project(self, features: Tensor) -> Tensor:
        """Features (n, d) to unit-length embeddings (n, out_dim), or to logits (n, K)."""
        self.features = features.detach()
        outputs: Tensor = self.head(features)
        return outputs


def build_model(
    spec: "TrialSpec", *, channels: int, image_size: int, n_clusters: int | None = None
) -> ContrastiveModel:
    """Build encoder and head with weights drawn from the trial's seed alone.

    Raises:
        InputError: the network does not fit the images or, for cross-entropy, the clusters.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        encoder = build_encoder(
            spec.encoder.name,
            channels=channels,
            image_size=image_size,
            stem=spec.encoder.stem,
            width=spec.encoder.width,
        )
        head = build_head(spec, encoder.feature_dim, n_clusters)
    return ContrastiveModel(encoder, head)
