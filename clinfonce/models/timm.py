"""Encoders of the library timm, where it is installed."""

import importlib
from typing import cast

from clinfonce.errors import InputError
from clinfonce.models.encoder import Encoder
from clinfonce.torchvision_import import import_torchvision

PREFIX = "timm:"


def build_timm(name: str, *, channels: int, image_size: int) -> Encoder:
    """Build `timm:<model>` without its classifier and with random weights.

    Raises:
        InputError: timm is not installed, does not know the model, or cannot build it for such
            images.
    """
    model = name.removeprefix(PREFIX)
    import_torchvision()  # which timm imports
    try:
        timm = importlib.import_module("timm")
    except ImportError:
        raise InputError(
            f"encoder {name} needs the package timm: pip install 'clinfonce[timm]'"
        ) from None
    if not timm.is_model(model):
        raise InputError(f"encoder {name}: timm {timm.__version__} has no model {model!r}")
    options = {"num_classes": 0, "in_chans": channels, "img_size": image_size}
    try:
        network = timm.create_model(model, **options)
    except TypeError:  # a convolutional network takes images of any size
        options.pop("img_size")
        network = timm.create_model(model, **options)
    except (AssertionError, ValueError) as error:
        raise InputError(f"encoder {name}: images of {image_size} pixels: {error}") from None
    # Some networks have layers between the pooled maps and the classifier.
    network.feature_dim = getattr(network, "head_hidden_size", network.num_features)
    return cast(Encoder, network)
