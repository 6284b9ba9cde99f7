"""torchvision's residual networks without their classifier, with a stem to choose."""

from typing import Literal, cast

from torch import nn

from clinfonce.models.encoder import Encoder
from clinfonce.torchvision_import import import_torchvision

Stem = Literal["small", "large"]
RESNETS = ("resnet18", "resnet34", "resnet50")


def build_resnet(name: str, *, channels: int, stem: Stem) -> Encoder:
    """Build a ResNet under torchvision's parameter names, less those of `fc`.

    Args:
        name: one of `RESNETS`.
        channels: of the images.
        stem: "large" is torchvision's 7 × 7 convolution of stride 2 and max-pooling; "small" is a
            3 × 3 convolution of stride 1 and no pooling (Chen et al. 2020, appendix B.9).
    """
    network = getattr(import_torchvision("torchvision.models"), name)()
    network.feature_dim = network.fc.in_features
    network.fc = nn.Identity()
    if stem == "small":
        network.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        network.maxpool = nn.Identity()
    elif channels != 3:
        network.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    return cast(Encoder, network)  # a module with `feature_dim`, though of torchvision's class
