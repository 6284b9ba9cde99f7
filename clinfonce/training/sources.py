"""What attracts in a trial beside plain clusters: weights, conditions, columns to predict."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clinfonce.losses import Attribute
from clinfonce.similarity import Similarity

if TYPE_CHECKING:
    from clinfonce.config import HeadSpec, ObjectiveSpec, SuppressSpec


@dataclass(frozen=True, eq=False)
class Known:
    """A column as something to be predicted.

    Attributes:
        attribute: what it holds.
        values: of the training images, as `losses.attribute_loss` takes them.
        weight: among the columns that are predicted.
    """

    attribute: Attribute
    values: Tensor
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Source:
    """One source of attraction of the n training images, and the objective that looks at it.

    Attributes:
        objective: its specification.
        head: of its projection.
        clusters: int64 (n,); they attract where there is no similarity.
        weight: of its loss in the sum.
        similarity: weights that attract; None: the clusters do.
        condition: weights at which images are contrasted with each other; None: all are.
        groups: int64 (n,), the groups that the condition makes of images; None where it is no
            partition, or there is none.
        instances: whether nothing but another view of an image is to attract it.
        levels: int64 (l, n), the clusters at each level of a hierarchy; None without one.
        predicted: columns that the features are to hold, by name.
        hidden: columns that they are not to hold.
        suppress: how what is hidden is worked against.
    """

    objective: "ObjectiveSpec"
    head: "HeadSpec"
    clusters: Tensor
    weight: float = 1.0
    similarity: Similarity | None = None
    condition: Similarity | None = None
    groups: NDArray[np.int64] | None = None
    instances: bool = False
    levels: Tensor | None = None
    predicted: Mapping[str, Known] = field(default_factory=dict)
    hidden: Mapping[str, Known] = field(default_factory=dict)
    suppress: "SuppressSpec | None" = None

    @property
    def projects(self) -> bool:
        """Whether its objective looks at embeddings."""
        return self.objective.name != "attribute_prediction"

    @property
    def has_adversary(self) -> bool:
        """Whether an adversary predicts what is hidden; FINO's guides reverse by themselves."""
        return bool(self.hidden) and self.objective.name != "fino"

    @property
    def needs_features(self) -> bool:
        """Whether its objective looks at the features themselves."""
        return bool(self.predicted) or self.has_adversary

    def to(self, device: torch.device) -> "Source":
        """The same on another device."""

        def moved(columns: Mapping[str, Known]) -> dict[str, Known]:
            return {n: replace(k, values=k.values.to(device)) for n, k in columns.items()}

        return replace(
            self,
            clusters=self.clusters.to(device),
            similarity=None if self.similarity is None else self.similarity.to(device),
            condition=None if self.condition is None else self.condition.to(device),
            levels=None if self.levels is None else self.levels.to(device),
            predicted=moved(self.predicted),
            hidden=moved(self.hidden),
        )
