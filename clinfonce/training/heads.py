"""What stands between the features and objectives that look at more than one embedding."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from clinfonce.losses import (
    Adversary,
    Attribute,
    AttributePrediction,
    Field,
    MetadataGuides,
    Workers,
)
from clinfonce.models import ProjectionHead
from clinfonce.training.sources import Known, Source


class Heads(nn.Module):
    """A projection for each source that has one, side by side, and the features after them.

    What predicts columns is a part of this module, so that its weights are trained and saved, but
    is called by the objective, which knows the columns of a batch.

    Attributes:
        spans: the columns of the outputs that are each source's embeddings; None without any.
        width: columns of all embeddings together; the features stand behind them.
    """

    def __init__(self, feature_dim: int, sources: Sequence[Source], workers: Workers) -> None:
        super().__init__()
        self.projections, self.spans = nn.ModuleList(), list[slice | None]()
        self.guides, self.adversaries = nn.ModuleDict(), nn.ModuleDict()
        self.width = 0
        for number, source in enumerate(sources):
            self.spans.append(self._project(feature_dim, source) if source.projects else None)
            if source.predicted:
                self.guides[str(number)] = _guide(feature_dim, source, workers)
            if source.has_adversary:
                self.adversaries[str(number)] = _adversary(feature_dim, source, workers)
        self._keeps_features = any(source.needs_features for source in sources)

    def _project(self, feature_dim: int, source: Source) -> slice:
        head = source.head
        self.projections.append(
            ProjectionHead(feature_dim, head.hidden_dim, head.out_dim, layers=head.layers)
        )
        self.width += head.out_dim
        return slice(self.width - head.out_dim, self.width)

    def forward(self, features: Tensor) -> Tensor:
        """Embeddings of each source, then features if any is to see them: float32 (n, …)."""
        parts = [project(features) for project in self.projections]
        if self._keeps_features:
            parts.append(features.float())
        return torch.cat(parts, dim=1)


def _guide(feature_dim: int, source: Source, workers: Workers) -> nn.Module:
    """What predicts the columns of a source: the rival's heads, or FINO's guides."""
    if source.objective.name == "attribute_prediction":
        weights = {name: known.weight for name, known in source.predicted.items()}
        return AttributePrediction(
            feature_dim, _attributes(source.predicted), weights=weights, workers=workers
        )
    fields = {name: Field(known.attribute) for name, known in source.predicted.items()}
    fields |= {name: Field(known.attribute, "suppress") for name, known in source.hidden.items()}
    return MetadataGuides(
        feature_dim,
        fields,
        weight=source.objective.guide_weight,
        dropout=source.objective.guide_dropout,
        workers=workers,
    )


def _adversary(feature_dim: int, source: Source, workers: Workers) -> Adversary:
    assert source.suppress is not None
    return Adversary(
        feature_dim,
        _attributes(source.hidden),
        hidden_dim=source.suppress.hidden_dim,
        weight=source.suppress.weight,
        steepness=source.suppress.steepness,
        workers=workers,
    )


def _attributes(columns: Mapping[str, Known]) -> dict[str, Attribute]:
    return {name: known.attribute for name, known in columns.items()}
