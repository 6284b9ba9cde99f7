"""Open a user's image file without trusting it."""

import warnings
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MAX_PIXELS = 100_000_000


class BadImageError(Exception):
    """What is wrong with an image file, in a few words."""


def decode(file: BinaryIO, image_size: int) -> NDArray[np.uint8]:
    """Read an image file as (3, s, s): upright, shorter side resized to s, centre cropped.

    Grey becomes three equal channels, transparency is dropped, of several frames the first counts.

    Raises:
        BadImageError: not an image, a damaged or truncated one, or one of too many pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        # The sizes are checked below, with a limit of our own.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise BadImageError(
                        f"{image.width} x {image.height} pixels are more than {MAX_PIXELS}"
                    )
                image.draft("RGB", (2 * image_size, 2 * image_size))  # JPEG decodes smaller
                upright = ImageOps.exif_transpose(image)
                fitted = ImageOps.fit(
                    _as_rgb(upright), (image_size, image_size), Image.Resampling.BICUBIC
                )
    except BadImageError:
        raise
    except UnidentifiedImageError:
        raise BadImageError(f"not an image ({', '.join(FORMATS)})") from None
    except Exception as error:  # damaged files raise nearly anything in PIL
        raise BadImageError(f"not a readable image ({type(error).__name__}: {error})") from None
    return np.ascontiguousarray(np.asarray(fitted).transpose(2, 0, 1))


def _as_rgb(image: "Image.Image") -> "Image.Image":
    """Eight-bit RGB; 16-bit grey is scaled, which PIL's own conversion would clip."""
    from PIL import Image

    if image.mode.startswith("I"):
        grey = np.rint(np.asarray(image) / 257)
        image = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
    return image.convert("RGB")
