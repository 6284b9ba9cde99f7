"""Encoders of the library timm."""

import importlib
from types import ModuleType
from typing import Any, cast

from clinfonce.errors import InputError
from clinfonce.models.encoder import Encoder
from clinfonce.torchvision_import import import_torchvision

PREFIX = "timm:"
# Our own names for networks that are used often.
SHORT_NAMES = {"vit_s16": "timm:vit_small_patch16_224", "vit_s8": "timm:vit_small_patch8_224"}


def timm_library() -> ModuleType:
    """The package timm, which imports torchvision."""
    import_torchvision()
    return importlib.import_module("timm")


def build_timm(name: str, *, channels: int, image_size: int, pretrained: bool = False) -> Encoder:
    """Build `timm:<model>[.<tag>]` without its classifier.

    Args:
        name: with the prefix.
        channels: of the images; pretrained filters of three are folded into as many.
        image_size: pixels a side; pretrained positions are resampled to it.
        pretrained: take timm's weights, downloaded into its usual cache; else random ones.

    Raises:
        InputError: timm does not know the model or the tag, has no weights of it, or cannot build
            it for such images.
        OSError: the weights are not in the cache and cannot be downloaded.
    """
    check_known(name, pretrained=pretrained)
    timm = timm_library()
    full = name.removeprefix(PREFIX)
    options: dict[str, Any] = {"num_classes": 0, "in_chans": channels, "img_size": image_size}
    try:
        network = timm.create_model(full, pretrained=pretrained, **options)
    except TypeError:  # a convolutional network takes images of any size
        options.pop("img_size")
        network = timm.create_model(full, pretrained=pretrained, **options)
    except (AssertionError, ValueError) as error:
        raise InputError(f"encoder {name}: images of {image_size} pixels: {error}") from None
    patch = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    if patch is not None and (rest := [p for p in patch if image_size % p]):
        raise InputError(
            f"encoder {name}: {image_size} pixels do not divide into patches of {rest[0]}"
        )
    # Some networks have layers between the pooled maps and the classifier.
    network.feature_dim = getattr(network, "head_hidden_size", network.num_features)
    return cast(Encoder, network)


def check_known(name: str, *, pretrained: bool) -> None:
    """Raise InputError unless timm has a model, the weights of its tag, and any if `pretrained`."""
    timm = timm_library()
    model, _, tag = name.removeprefix(PREFIX).partition(".")
    if not timm.is_model(model):
        raise InputError(f"encoder {name}: timm {timm.__version__} has no model {model!r}")
    tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{model}.*")]
    if tag and tag not in tags:
        raise InputError(
            f"encoder {name}: timm {timm.__version__} has no weights {tag!r} of {model}; "
            f"it has {', '.join(tags) or 'none'}"
        )
    if pretrained and not tags:
        raise InputError(f"encoder {name}: timm {timm.__version__} has no pretrained weights of it")
