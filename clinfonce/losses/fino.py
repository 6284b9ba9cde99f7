"""Guidance by metadata as FINO does it (arXiv 2606.05107): one guide a field, on the features.

Categories are contrasted with a bank of prototypes, numbers are regressed, nuisances have their
gradient reversed, and all guides push with gradients of equal norm. Where the paper's description
leaves a choice it is made here and said. Its two stages, first the heads alone and then a linear
ramp of the encoder's rate, belong to the training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import normalize

from clinfonce.errors import InputError, unknown_name
from clinfonce.losses._kin import sums_by
from clinfonce.losses.adversary import reversal_strength
from clinfonce.losses.attributes import Attribute, attribute_loss, check_values
from clinfonce.losses.collectives import Workers

Role: TypeAlias = Literal["attract", "suppress"]


@dataclass(frozen=True)
class Field:
    """A field of the metadata.

    Attributes:
        attribute: what it holds; booleans are regressed as numbers would be, by cross-entropy.
        role: whether the features are to hold it too, or not.
    """

    attribute: Attribute
    role: Role = "attract"


class MetadataGuides(nn.Module):
    """A guide for each field, and their weighted loss.

    Args:
        feature_dim: of the features, d.
        fields: by name.
        weight: of the sum of the guides' losses.
        temperature: of the contrast with prototypes.
        momentum: of the prototypes.
        dropout: in the guides' heads.
        steepness: γ of the schedule of what is reversed, `reversal_strength`.
        workers: who share a batch; None for one.

    Raises:
        InputError: without fields.
    """

    def __init__(
        self,
        feature_dim: int,
        fields: Mapping[str, Field],
        *,
        weight: float = 0.03,
        temperature: float = 0.023,
        momentum: float = 0.999,
        dropout: float = 0.5,
        steepness: float = 10.0,
        workers: Workers | None = None,
    ) -> None:
        super().__init__()
        if not fields:
            raise InputError("fields are empty: at least one is needed")
        self._fields = dict(fields)
        self._weight, self._steepness = weight, steepness
        self._workers = workers or Workers()
        self.guides = nn.ModuleList(
            PrototypeGuide(
                feature_dim, each.attribute.size, temperature=temperature, momentum=momentum,
                dropout=dropout, workers=self._workers,
            )
            if each.attribute.kind == "categorical"
            else _Regression(feature_dim, each.attribute, name, dropout, self._workers)
            for name, each in fields.items()
        )  # fmt: skip

    def forward(
        self,
        features: Tensor,
        values: Mapping[str, Tensor],
        *,
        progress: float,
        check: bool = True,
    ) -> Tensor:
        """Return the guides' loss, to be added to the objective.

        Args:
            features: floating (n, d).
            values: of each field, as in `attribute_loss`.
            progress: share of the training that is done, 0…1.
            check: whether to check values; a GPU has to wait for that.

        Raises:
            InputError: on a missing field, or values that do not fit.
        """
        if missing := [name for name in self._fields if name not in values]:
            raise InputError(unknown_name("field", missing[0], values))
        reversal = -reversal_strength(progress, steepness=self._steepness)
        strengths = [1.0 if f.role == "attract" else reversal for f in self._fields.values()]
        branches = equalised(features, strengths, self._workers)
        losses = [
            guide(branch, values[name], check=check)
            for guide, branch, name in zip(self.guides, branches, self._fields, strict=True)
        ]
        return self._weight * torch.stack(losses).sum()


class PrototypeGuide(nn.Module):
    """Contrast with one prototype a category, of those seen so far.

    −log( exp(g·p_y / τ) / Σ_k exp(g·p_k / τ) ) of a head's output g of length 1. In training a
    prototype begins as its category's first batch mean, which is this package's choice, and then
    follows the batch means with momentum. It gets no gradient.

    Args:
        feature_dim: of the features, d.
        n_categories: K.
        temperature: τ.
        momentum: of the prototypes, 0…1.
        dropout: in the head.
        workers: who share a batch; None for one.
    """

    prototypes: Tensor
    seen: Tensor

    def __init__(
        self,
        feature_dim: int,
        n_categories: int,
        *,
        temperature: float = 0.023,
        momentum: float = 0.999,
        dropout: float = 0.5,
        workers: Workers | None = None,
    ) -> None:
        super().__init__()
        self.head = _head(feature_dim, 256, dropout)
        self.register_buffer("prototypes", torch.zeros(n_categories, 256))
        self.register_buffer("seen", torch.zeros(n_categories, dtype=torch.bool))
        self._attribute = Attribute("categorical", n_categories)
        self._temperature, self._momentum = temperature, momentum
        self._workers = workers or Workers()

    def forward(self, features: Tensor, categories: Tensor, *, check: bool = True) -> Tensor:
        """Return the mean loss in nats over images of a known category that was seen before.

        Args:
            features: floating (n, d).
            categories: int64 (n,), 0…K−1, or -1 where missing.
            check: whether to check the ids' values; a GPU has to wait for that.
        """
        if check:
            check_values(categories, self._attribute, "categories")
        outputs = normalize(self.head(features).to(self.prototypes.dtype), dim=1)
        # A copy, as the bank goes on before the backward pass asks for it.
        logits = (outputs @ self.prototypes.clone().T) / self._temperature
        logits = logits.masked_fill(~self.seen, torch.finfo(logits.dtype).min)
        known = torch.where(self.seen[categories.clamp_min(0)], categories, -1)
        loss = attribute_loss(logits, known, self._attribute, check=False, workers=self._workers)
        if self.training:
            self._follow(outputs.detach(), categories)
        return loss

    def _follow(self, outputs: Tensor, categories: Tensor) -> None:
        count = len(self.prototypes)
        known = (categories >= 0).to(outputs.dtype)[:, None]
        rows = torch.cat([outputs, torch.ones_like(known)], dim=1) * known
        sums = self._workers.sum(sums_by(categories.clamp_min(0), rows, count))
        here = sums[:, -1:] > 0
        means = normalize(sums[:, :-1], dim=1)
        followed = normalize(torch.lerp(means, self.prototypes, self._momentum), dim=1)
        fresh = torch.where(self.seen[:, None], followed, means)
        self.prototypes.copy_(torch.where(here, fresh, self.prototypes))
        self.seen |= here[:, 0]


class _Regression(nn.Module):
    def __init__(
        self, feature_dim: int, attribute: Attribute, name: str, dropout: float, workers: Workers
    ) -> None:
        super().__init__()
        self.head = _head(feature_dim, attribute.size, dropout)
        self._attribute, self._name, self._workers = attribute, name, workers

    def forward(self, features: Tensor, values: Tensor, *, check: bool = True) -> Tensor:
        return attribute_loss(
            self.head(features), values, self._attribute,
            name=self._name, check=check, workers=self._workers,
        )  # fmt: skip


def equalised(
    features: Tensor, strengths: Sequence[float], workers: Workers | None = None
) -> tuple[Tensor, ...]:
    """Copies of the features, one a branch, whose gradients come back with norms in proportion.

    With g_i the gradient of branch i over the rows of all workers and m the mean of the norms that
    are not 0, the features get Σ_i strength_i m g_i / ‖g_i‖. A negative strength reverses.

    Args:
        features: floating (n, d).
        strengths: one a branch.
        workers: who share the rows; None for one.
    """
    branches: tuple[Tensor, ...] = _Equalised.apply(  # type: ignore[no-untyped-call]
        features, tuple(strengths), workers or Workers()
    )
    return branches


class _Equalised(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: Tensor, strengths: tuple[float, ...], workers: Workers
    ) -> tuple[Tensor, ...]:
        ctx.strengths, ctx.workers = strengths, workers
        return tuple(features.view_as(features) for _ in strengths)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        wide = [each.to(torch.promote_types(each.dtype, torch.float32)) for each in gradients]
        squares = torch.stack([each.square().sum() for each in wide])
        norms = ctx.workers.sum(squares).sqrt()
        mean = norms.sum() / (norms > 0).sum().clamp_min(1)
        scales = torch.where(norms > 0, mean / norms, 0)
        parts = zip(wide, scales.unbind(), ctx.strengths, strict=True)
        total = torch.stack([each * (scale * strength) for each, scale, strength in parts]).sum(0)
        return total.to(gradients[0].dtype), None, None


def _head(feature_dim: int, out_dim: int, dropout: float) -> nn.Module:
    """Two hidden layers of 512; GELU is this package's choice."""
    layers: list[nn.Module] = []
    for width in (feature_dim, 512):
        layers += [nn.Linear(width, 512), nn.GELU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(512, out_dim))
