"""What every encoder has in common."""

from torch import nn


class Encoder(nn.Module):
    """A network from images float32 (n, c, h, w) to features (n, feature_dim)."""

    feature_dim: int
