"""A plain convolutional network for images of 8 to 64 pixels, quick on one CPU thread."""

from torch import Tensor, nn

from clinfonce.models.encoder import Encoder

_WIDTHS = (32, 64, 128, 128)
_SMALLEST_MAP = 4  # side in pixels; below, a map holds too few places to average over


class SmallCNN(Encoder):
    """Blocks of 3 × 3 convolution, batch norm, ReLU; halved in between, averaged at the end.

    Images below 16 pixels pass three blocks, larger ones four. The side is halved after a block
    only while at least 4 pixels are left, so an 8 × 8 image is halved once.
    """

    def __init__(self, *, channels: int, image_size: int) -> None:
        super().__init__()
        widths = _WIDTHS[:3] if image_size < 16 else _WIDTHS
        self.feature_dim = widths[-1]
        layers: list[nn.Module] = []
        side, previous = image_size, channels
        for number, width in enumerate(widths):
            if number > 0 and side // 2 >= _SMALLEST_MAP:
                layers.append(nn.MaxPool2d(2))
                side //= 2
            layers += _block(previous, width)
            previous = width
        self.blocks = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Return features (n, 128) of images (n, c, h, w)."""
        maps: Tensor = self.blocks(images)
        return maps.mean((2, 3))


def _block(channels_in: int, channels_out: int) -> list[nn.Module]:
    convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return [convolution, nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True)]
