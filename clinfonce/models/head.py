"""The projection head."""

import itertools

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from clinfonce.errors import InputError


class ProjectionHead(nn.Module):
    """A perceptron from features to embeddings on the unit sphere.

    Chen et al. 2020 (SimCLR), section 4.2: the objective sees the embeddings, the probes see the
    features before. Hidden layers have batch norm and ReLU, the last is linear.

    Args:
        feature_dim: dimensions of the features.
        hidden_dim: width of the hidden layers.
        out_dim: dimensions of the embeddings.
        layers: linear layers in all; 1 = no hidden layer.

    Raises:
        InputError: a dimension or a number of layers below 1.
    """

    def __init__(self, feature_dim: int, hidden_dim: int, out_dim: int, *, layers: int = 2) -> None:
        super().__init__()
        for name, value in (
            ("feature_dim", feature_dim),
            ("hidden_dim", hidden_dim),
            ("out_dim", out_dim),
            ("layers", layers),
        ):
            if value < 1:
                raise InputError(f"projection head: {name} is {value}; at least 1 is needed")
        widths = [feature_dim, *[hidden_dim] * (layers - 1)]
        hidden: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            # Batch norm takes the mean away, so a bias would do nothing.
            hidden += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU()]
        self.layers = nn.Sequential(*hidden, nn.Linear(widths[-1], out_dim))

    def forward(self, features: Tensor) -> Tensor:
        """Return embeddings float32 (n, out_dim) of norm 1 of features (n, feature_dim).

        A norm below 1e-6 is taken for 1e-6, so that values and gradients stay finite.
        """
        embeddings: Tensor = self.layers(features)
        return F.normalize(embeddings.float(), dim=1, eps=1e-6)
