"""The plain rival of contrast: to predict the auxiliary columns from the features."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from clinfonce.errors import InputError, unknown_name
from clinfonce.losses.collectives import Workers, global_mean

AttributeKind: TypeAlias = Literal["boolean", "categorical", "numeric"]
# What stands for a missing category.
UNKNOWN = -1


@dataclass(frozen=True)
class Attribute:
    """What is to be predicted of a column.

    Attributes:
        kind: "boolean": m of them, by their cross-entropies; "categorical": one of m, by
            cross-entropy; "numeric": m numbers, by squared error.
        size: m, at least 1, or 2 categories.

    Raises:
        InputError: on an unknown kind or too small a size.
    """

    kind: AttributeKind
    size: int = 1

    def __post_init__(self) -> None:
        if self.kind not in get_args(AttributeKind):
            raise InputError(unknown_name("kind of attribute", self.kind, get_args(AttributeKind)))
        least = 2 if self.kind == "categorical" else 1
        if self.size < least:
            raise InputError(f"{self.kind} attribute of size {self.size}: must be {least} or above")


class AttributePrediction(nn.Module):
    """A linear head for each column on top of shared features, and the mean of their losses.

    Args:
        feature_dim: of the features, d.
        attributes: to predict, by name.
        weights: of the columns in the mean, not negative, 1 where left out.
        workers: who share a batch; None for one. Loss and gradient are then those of the batch.

    Raises:
        InputError: without attributes, or if all weights are 0 or one is bad.
    """

    def __init__(
        self,
        feature_dim: int,
        attributes: Mapping[str, Attribute],
        *,
        weights: Mapping[str, float] | None = None,
        workers: Workers | None = None,
    ) -> None:
        super().__init__()
        if not attributes:
            raise InputError("attributes are empty: at least one is needed")
        self._names = list(attributes)
        self._attributes = dict(attributes)
        self._weights = _checked_weights(self._names, weights or {})
        # A name may hold a dot, which a module's may not.
        self.heads = nn.ModuleList(
            nn.Linear(feature_dim, each.size) for each in attributes.values()
        )
        self._workers = workers or Workers()

    def forward(
        self, features: Tensor, values: Mapping[str, Tensor], *, check: bool = True
    ) -> Tensor:
        """Return the loss, a scalar: the weighted mean over columns of `attribute_loss`.

        Args:
            features: floating (n, d).
            values: of each column, as in `attribute_loss`.
            check: whether to check values; a GPU has to wait for that.

        Raises:
            InputError: on a missing column, or values that do not fit.
        """
        if missing := [name for name in self._names if name not in values]:
            raise InputError(unknown_name("attribute", missing[0], values))
        losses = [
            weight
            * attribute_loss(
                head(features),
                values[name],
                self._attributes[name],
                name=name,
                check=check,
                workers=self._workers,
            )
            for name, weight, head in zip(self._names, self._weights, self.heads, strict=True)
        ]
        return torch.stack(losses).sum()


def attribute_loss(
    predictions: Tensor,
    values: Tensor,
    attribute: Attribute,
    *,
    name: str = "attribute",
    check: bool = True,
    workers: Workers | None = None,
) -> Tensor:
    """Return the mean loss of predicting a column, over what is known of it; 0 if nothing is.

    Args:
        predictions: floating (n, m), logits or numbers; half precision is computed in float32.
        values: booleans as 0 and 1, floating (n, m), or numbers, floating (n, m), NaN where
            missing; categories int64 (n,), -1 where missing. Numbers should be standardised, so
            that columns count alike.
        attribute: which of these.
        name: of the column, for errors.
        check: whether to check values; a GPU has to wait for that.
        workers: who share the batch; None for one.

    Returns:
        In nats, or squared units of the numbers.

    Raises:
        InputError: on values of another shape, dtype or range.
    """
    predictions = predictions.to(torch.promote_types(predictions.dtype, torch.float32))
    _check_shape(values, predictions, attribute, name)
    if check:
        check_values(values, attribute, name)
    if attribute.kind == "categorical":
        known = values >= 0
        losses = functional.cross_entropy(predictions, values.clamp_min(0), reduction="none")
    else:
        values = values.to(predictions.dtype)
        known = ~values.isnan()
        filled = torch.where(known, values, 0)
        if attribute.kind == "boolean":
            losses = functional.binary_cross_entropy_with_logits(
                predictions, filled, reduction="none"
            )
        else:
            losses = functional.mse_loss(predictions, filled, reduction="none")
    weights = known.to(losses.dtype).flatten()
    return global_mean(losses.flatten(), workers, weights=weights)


def standardised(values: Tensor) -> Tensor:
    """Numbers (n, m) of the training images less their mean, by their deviation; NaN stay.

    A column without spread becomes 0.
    """
    known = ~values.isnan()
    count = known.sum(0).clamp_min(1)
    centred = values - values.nansum(0) / count
    deviation = (centred.square().nansum(0) / count).sqrt()
    return centred / torch.where(deviation > 0, deviation, 1)


def check_values(values: Tensor, attribute: Attribute, name: str) -> None:
    """Raise InputError on values (n, …) that the attribute cannot have; reads them."""
    match attribute.kind:
        case "categorical":
            bad = (values < UNKNOWN) | (values >= attribute.size)
            allowed = f"0 to {attribute.size - 1}, or -1 where missing"
        case "boolean":
            bad = ~((values == 0) | (values == 1) | values.isnan())
            allowed = "0 or 1, or NaN where missing"
        case "numeric":
            bad = values.isinf()
            allowed = "finite, or NaN where missing"
    if bool(bad.any()):
        row = int(bad.reshape(len(values), -1).any(1).nonzero()[0, 0])
        value = values[row][bad[row]].reshape(-1)[0]
        raise InputError(f"{name}: row {row} holds {value:g}: must be {allowed}")


def _checked_weights(names: list[str], given: Mapping[str, float]) -> list[float]:
    for name, weight in given.items():
        if name not in names:
            raise InputError(unknown_name("attribute", name, names))
        if not 0 <= weight < float("inf"):
            raise InputError(f"weight of {name!r} is {weight}: must be finite and 0 or above")
    weights = [float(given.get(name, 1.0)) for name in names]
    if sum(weights) == 0:
        raise InputError("attributes: all weights are 0: at least one must be above")
    return [weight / sum(weights) for weight in weights]


def _check_shape(values: Tensor, predictions: Tensor, attribute: Attribute, name: str) -> None:
    categorical = attribute.kind == "categorical"
    wanted = predictions.shape[:1] if categorical else predictions.shape
    fits = values.dtype == torch.int64 if categorical else values.is_floating_point()
    if values.shape != wanted or not fits:
        dtype = "int64" if categorical else "floating"
        raise InputError(
            f"{name}: values are {values.dtype} of shape {tuple(values.shape)}: "
            f"must be {dtype} of {tuple(wanted)}"
        )
