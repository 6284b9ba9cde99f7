"""A plain convolutional network for images of 8 to 64 pixels, quick on one CPU thread."""

from torch import Tensor, nn

from clinfonce.models.encoder import Encoder

_MULTIPLES = (1, 2, 4, 4)  # of the first block's width
_SMALLEST_MAP = 4  # side in pixels; below, a map holds too few places to average over


class SmallCNN(Encoder):
    """Blocks of 3 × 3 convolution, batch norm, ReLU; halved in between, averaged at the end.

    Images below 16 pixels pass three blocks, larger ones four. The side is halved after a block
    only while at least 4 pixels are left, so an 8 × 8 image is halved once.

    Args:
        channels: of the images.
        image_size: side of the images in pixels.
        width: filters of the first block; the features are four times as many.
    """

    def __init__(self, *, channels: int, image_size: int, width: int = 32) -> None:
        super().__init__()
        widths = [multiple * width for multiple in _MULTIPLES[: 3 if image_size < 16 else 4]]
        self.feature_dim = widths[-1]
        layers: list[nn.Module] = []
        side, previous = image_size, channels
        for number, filters in enumerate(widths):
            if number > 0 and side // 2 >= _SMALLEST_MAP:
                layers.append(nn.MaxPool2d(2))
                side //= 2
            layers += _block(previous, filters)
            previous = filters
        self.blocks = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Return features (n, feature_dim) of images (n, c, h, w)."""
        maps: Tensor = self.blocks(images)
        return maps.mean((2, 3))


def _block(channels_in: int, channels_out: int) -> list[nn.Module]:
    convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return [convolution, nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True)]
