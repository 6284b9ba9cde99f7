"""Open a user's image file without trusting it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.image_files.deep import TIFF, Deep, is_deep, read_deep
from clinfonce.data.image_files.limits import BadImageError, check_size
from clinfonce.data.image_files.rendering import Colour, Range, Rendering

if TYPE_CHECKING:
    from PIL import Image

_SHALLOW = (b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM")  # files that are never deep
_PNG, _DEPTH_OF_PNG = b"\x89PNG\r\n\x1a\n", 24
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")


def decode(file: BinaryIO, rendering: Rendering) -> NDArray[np.uint8]:
    """Read an image file as (c, s, s): upright, shorter side resized to s, centre cropped.

    Of 3 channels: grey becomes three equal ones; of 1: colours become grey; transparent images are
    laid on the background. Any other number must be that of the file's samples, alpha among them.
    Of several frames the first counts.

    Raises:
        BadImageError: not an image, a damaged or truncated one, one of too many pixels, or of
            another number of channels.
    """
    from PIL import Image, ImageOps

    side, channels = rendering.image_size, rendering.channels
    with _opened(file) as image:
        if image is None or is_deep(image) or (channels not in (1, 3) and image.format == "TIFF"):
            pixels = _shallow(read_deep(file, image, channels), rendering)
        elif channels in (1, 3):
            image.draft("RGB", (2 * side, 2 * side))  # JPEG decodes smaller
            rgb = _as_rgb(ImageOps.exif_transpose(image), rendering.background)
            pixels = [rgb if channels == 3 else rgb.convert("L")]
        else:
            pixels = _bands(ImageOps.exif_transpose(image), channels)
        fitted = [ImageOps.fit(p, (side, side), Image.Resampling.BICUBIC) for p in pixels]
    whole = np.concatenate([np.atleast_3d(np.asarray(part)) for part in fitted], axis=2)
    return np.ascontiguousarray(whole.transpose(2, 0, 1))


def deep_of(file: BinaryIO, channels: int = 3) -> Deep | None:
    """An image file if its samples need more than 8 bits; None of an ordinary one.

    Raises:
        BadImageError: as `decode`.
    """
    head = file.read(_DEPTH_OF_PNG + 1)
    file.seek(0)
    if head.startswith(_SHALLOW) or (head.startswith(_PNG) and head[_DEPTH_OF_PNG:] != b"\x10"):
        return None
    with _opened(file) as image:
        found = read_deep(file, image, channels) if image is None or is_deep(image) else None
    return None if found is None or found.type == "uint8" else found


@contextmanager
def _opened(file: BinaryIO) -> "Iterator[Image.Image | None]":
    """An image as PIL opens it, None if it is a TIFF that PIL cannot; errors in few words."""
    from PIL import Image, UnidentifiedImageError

    try:
        # The sizes are checked here, with a limit of our own.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            is_tiff = file.read(4) in TIFF
            file.seek(0)
            try:
                image = Image.open(file, formats=FORMATS)
            except UnidentifiedImageError:
                if not is_tiff:
                    raise
                yield None
                return
            with image:
                check_size(image.width, image.height)
                yield image
    except BadImageError:
        raise
    except UnidentifiedImageError:
        raise BadImageError(f"not an image ({', '.join(FORMATS)})") from None
    except Exception as error:  # damaged files raise nearly anything in PIL
        reason = str(error).splitlines()[0] if str(error) else ""
        raise BadImageError(f"not a readable image ({type(error).__name__}: {reason})") from None


def _as_rgb(image: "Image.Image", background: Colour | None) -> "Image.Image":
    from PIL import Image

    if background is None or not image.has_transparency_data:
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, (*background, 255))
    return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")


def _bands(image: "Image.Image", channels: int) -> "list[Image.Image]":
    """The samples of an ordinary image, one grey image each."""
    if image.mode in ("1", "P"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    bands = list(image.split())
    if len(bands) != channels:
        raise BadImageError(f"{len(bands)} channels ({image.mode}), not {channels}")
    return bands


def _shallow(image: Deep, rendering: Rendering) -> "list[Image.Image]":
    """Deep samples in 8 bits: one image of colours, or one of grey for each channel."""
    from PIL import Image

    low, high = _range(image, rendering)
    values = np.nan_to_num(image.samples, nan=low).astype(np.float64)
    scaled = np.clip((values - low) / (high - low), 0, 1)
    if image.inverted:
        scaled = 1 - scaled
    channels, n = rendering.channels, scaled.shape[2]
    if channels not in (1, 3):
        if image.alpha is not None:
            scaled = np.concatenate([scaled, image.alpha[..., None]], axis=2)
        if scaled.shape[2] != channels:
            raise BadImageError(f"{scaled.shape[2]} channels, not {channels}")
        planes = np.rint(255 * scaled).astype(np.uint8)
        return [Image.fromarray(planes[..., k]) for k in range(channels)]
    if n not in (1, 3):
        raise BadImageError(f"{n} channels; --channels {n} keeps them")
    colours = np.broadcast_to(scaled, (*scaled.shape[:2], 3))
    if image.alpha is not None and rendering.background is not None:
        ground = np.array(rendering.background) / 255
        colours = ground + image.alpha[..., None] * (colours - ground)
    rgb = Image.fromarray(np.rint(255 * colours).astype(np.uint8))
    return [rgb if channels == 3 else rgb.convert("L")]


def _range(image: Deep, rendering: Rendering) -> Range:
    """What is black and what is white in an image."""
    _, largest = image.limits
    if rendering.trusts_files and image.white is not None and largest <= image.white:
        return 0.0, image.white
    ranges = rendering.ranges.get(image.type, ((0.0, 255.0),) if image.type == "uint8" else ())
    if not ranges:
        raise BadImageError(f"samples of {image.type}, of which the data set had none before")
    is_float = image.samples.dtype.kind == "f"
    for low, high in ranges[:-1]:
        if largest <= high if is_float else largest == high:
            return low, high
    return ranges[-1]
