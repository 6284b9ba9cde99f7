"""The network that is trained: an encoder and what the objective sees it through."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from clinfonce.losses import Workers
from clinfonce.models import Adapter, Encoder, Weights, build_encoder
from clinfonce.models.blocks import trained_blocks
from clinfonce.training.heads import Heads
from clinfonce.training.objectives import build_head
from clinfonce.training.sources import Source

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
        self._kept_dim = encoder.kept_dim if isinstance(encoder, Adapter) else 0

    def forward(self, views: Tensor) -> Tensor:
        """Float views (n, …) to unit-length embeddings (n, out_dim), or to logits (n, K)."""
        return self.project(self.encoder(views))

    def project(self, features: Tensor) -> Tensor:
        """Features (n, d) to unit-length embeddings (n, out_dim), or to logits (n, K)."""
        self.features = features.detach()
        outputs: Tensor = self.head(features[:, self._kept_dim :])
        return outputs

    def train_unfrozen(self) -> None:
        """Go into training mode, but for norms that are frozen: they keep their statistics."""
        self.train()
        for module in self.encoder.modules():
            frozen = not any(p.requires_grad for p in module.parameters())
            if isinstance(module, _NormBase) and frozen and module.affine:
                module.eval()


def build_model(
    spec: "TrialSpec",
    *,
    input_shape: tuple[int, ...],
    n_clusters: int | None = None,
    weights: Weights | None = None,
    sources: Sequence[Source] = (),
) -> ContrastiveModel:
    """Build encoder and head; what is random in them is drawn from the trial's seed alone.

    Args:
        spec: of the trial.
        input_shape: (channels, height, width) of images, or (d,) of features for an adapter.
        n_clusters: that cross-entropy tells apart.
        weights: that the encoder starts from; None: random ones.
        sources: what attracts beside plain clusters.

    Raises:
        InputError: the network does not fit the images or, for cross-entropy, the clusters, or has
            fewer blocks than are to be trained.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        encoder = _encoder(spec, input_shape, weights)
        width = encoder.feature_dim - (encoder.kept_dim if isinstance(encoder, Adapter) else 0)
        head: nn.Module = (
            Heads(width, sources, Workers.of()) if sources else build_head(spec, width, n_clusters)
        )
    freeze(encoder, spec.encoder.last, epoch=0, freeze_epochs=spec.encoder.freeze_epochs)
    return ContrastiveModel(encoder, head)


def _encoder(spec: "TrialSpec", input_shape: tuple[int, ...], weights: Weights | None) -> Encoder:
    if (adapter := spec.own_adapter) is not None:
        return Adapter(
            input_shape[0],
            hidden_dim=adapter.hidden_dim,
            out_dim=adapter.out_dim,
            layers=adapter.layers,
            output=adapter.output,
        )
    if weights is not None:
        return weights.build()
    channels, height, _ = input_shape
    return build_encoder(**spec.encoder.description(channels=channels, image_size=height))


def freeze(encoder: nn.Module, last: int | None, *, epoch: int, freeze_epochs: int) -> None:
    """Let those parameters move that do in an epoch (0, 1, …), and no others.

    Args:
        encoder: an encoder.
        last: how many of its blocks are trained; None: all of it.
        epoch: which.
        freeze_epochs: first epochs in which none moves.
    """
    moving = set(trained_blocks(encoder, last)) if epoch >= freeze_epochs else set()
    for name, parameter in encoder.named_parameters():
        parameter.requires_grad_(name in moving)
