"""Small networks on the features of a frozen encoder."""

import itertools
from typing import Literal, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from clinfonce.errors import InputError
from clinfonce.models.encoder import Encoder

Output = Literal["join", "replace", "add"]
_TINY = 1e-6  # a deviation below this share of the largest is of a feature that is constant


class Adapter(Encoder):
    """A perceptron on standardised features (n, d), whose output is what is probed.

    Hidden layers have batch norm and ReLU, the last is linear. What becomes of the features is a
    choice, since a network that is trained on a clustering forgets what that does not ask for:

    * join: they stand beside the perceptron's output, both of length 1 (n, d + out_dim);
    * replace: the output alone (n, out_dim);
    * add: their sum (n, d); the output starts at zero, so the adapter starts as the features.

    Args:
        in_dim: d.
        hidden_dim: width of the hidden layers.
        out_dim: of the perceptron; not for add.
        layers: linear layers in all; 1 = no hidden layer.
        output: see above.

    Attributes:
        description: these arguments.
        kept_dim: how many of the first features are the frozen encoder's own; an objective looks at
            those behind them.
    """

    def __init__(
        self,
        in_dim: int,
        *,
        hidden_dim: int = 512,
        out_dim: int = 512,
        layers: int = 2,
        output: Output = "join",
    ) -> None:
        super().__init__()
        if min(in_dim, hidden_dim, out_dim, layers) < 1:
            raise InputError(
                f"adapter: in_dim {in_dim}, hidden_dim {hidden_dim}, out_dim {out_dim}, layers "
                f"{layers}; all must be at least 1"
            )
        self.mean = self.std = None
        self.output = output
        self.description = {
            "in_dim": in_dim,
            "hidden_dim": hidden_dim,
            "out_dim": out_dim,
            "layers": layers,
            "output": output,
        }
        width = in_dim if output == "add" else out_dim
        self.kept_dim = in_dim if output == "join" else 0
        self.feature_dim = self.kept_dim + width
        widths = [in_dim, *[hidden_dim] * (layers - 1)]
        hidden: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            hidden += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU()]
        last = nn.Linear(widths[-1], width)
        if output == "add":
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*hidden, last)
        self.register_buffer("centre", torch.zeros(in_dim))
        self.register_buffer("scale", torch.ones(in_dim))

    def standardise_by(self, mean: Tensor, deviation: Tensor) -> None:
        """Take mean (d,) and deviation (d,) of the training features; constant ones become 0."""
        centre, scale = cast(Tensor, self.centre), cast(Tensor, self.scale)
        smallest = _TINY * float(deviation.max())
        centre.copy_(mean)
        scale.copy_(torch.where(deviation > smallest, 1 / deviation.clamp(min=1e-30), 0.0))

    def standardised(self, features: Tensor) -> Tensor:
        """Features (n, d) of mean 0 and deviation 1 over the training images."""
        return (features.float() - cast(Tensor, self.centre)) * cast(Tensor, self.scale)

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, feature_dim) of a frozen encoder's features (n, d)."""
        x = self.standardised(features)
        made: Tensor = self.layers(x)
        match self.output:
            case "replace":
                return made
            case "add":
                return x + made
        return torch.cat((F.normalize(x, dim=1), F.normalize(made, dim=1)), 1)


class AdaptedEncoder(Encoder):
    """A frozen encoder and the adapter on it, as one network from images to features.

    Args:
        frozen: from images (n, c, h, w) to features (n, d).
        adapter: from those to the features that are probed.
    """

    def __init__(self, frozen: Encoder, adapter: Adapter) -> None:
        super().__init__()
        self.frozen, self.adapter = frozen, adapter
        self.feature_dim = adapter.feature_dim
        self.mean = self.std = None  # the frozen encoder sees to it

    def forward(self, images: Tensor) -> Tensor:
        """Return features (n, feature_dim) of images (n, c, h, w) in [-1, 1]."""
        features: Tensor = self.adapter(self.frozen(images))
        return features
