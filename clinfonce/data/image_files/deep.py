"""Images of more than 8 bits a sample, signed ones and floats, which PIL reads in part only."""

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.image_files.limits import BadImageError, check_size

if TYPE_CHECKING:
    from PIL import Image

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ORDINARY = ("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "LA", "PA", "RGBa", "La",
             "RGBX")  # fmt: skip
_BITS, _SAMPLE_FORMAT, _LARGEST_SAMPLE, _LARGEST_SAMPLES = 258, 339, 281, 341  # tags of TIFF
_TOPS = (1023, 4095, 16383)  # of samples of 10, 12 and 14 bits
_GREY_INVERTED, _GREY, _RGB = 0, 1, 2  # its photometric interpretations
_ASSOCIATED, _UNASSOCIATED = 1, 2  # its kinds of alpha
# What turns an image upright, by its orientation in EXIF and TIFF: transposed, then flipped.
_TURNS: dict[int, tuple[bool, tuple[int, ...]]] = {
    2: (False, (1,)), 3: (False, (0, 1)), 4: (False, (0,)),
    5: (True, ()), 6: (True, (1,)), 7: (True, (0, 1)), 8: (True, (0,)),
}  # fmt: skip


@dataclass(frozen=True)
class Deep:
    """An image as its file holds it, upright.

    Attributes:
        samples: (h, w, c) colours or grey, in the file's own numbers.
        alpha: (h, w) float in 0..1, or None.
        white: the largest number that the samples may have, if the file says so.
        inverted: whether 0 is white.
    """

    samples: NDArray[Any]
    alpha: NDArray[np.float64] | None = None
    white: float | None = None
    inverted: bool = False

    @property
    def type(self) -> str:
        """Type of the samples, such as uint16."""
        return str(self.samples.dtype)

    @property
    def limits(self) -> tuple[float, float]:
        """The smallest and the largest number, of those that are finite; 0, 0 if none is."""
        values = self.samples
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
        return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)


def is_deep(image: Any) -> bool:
    """Whether an image that PIL opened has samples that 8 bits cannot hold."""
    if image.format == "TIFF":
        tags = image.tag_v2
        bits, kinds = tags.get(_BITS, (1,)), tags.get(_SAMPLE_FORMAT, (1,))
        return max(bits) > 8 or any(kind != 1 for kind in kinds)
    return image.mode not in _ORDINARY or any(";16" in str(tile[3]) for tile in image.tile)


def read_deep(file: BinaryIO, image: "Image.Image | None", channels: int = 3) -> Deep:
    """Read an image of deep samples.

    Args:
        file: at any place.
        image: as PIL opened it; None if it could not, which may be a TIFF.
        channels: that are wanted: if it is neither 1 nor 3, pages of a TIFF may be one each.

    Raises:
        BadImageError: colours that are not known here, or too many pixels.
    """
    if image is None or image.format == "TIFF":
        return _tiff(file, channels)
    if image.format == "PNG":
        from imagecodecs import png_decode

        file.seek(0)
        samples = png_decode(file.read())
        return _upright(_without_alpha(np.atleast_3d(samples)), image.getexif().get(0x0112, 1))
    samples = np.asarray(image)
    return Deep(np.atleast_3d(samples.astype(np.uint16) if image.mode == "I" else samples))


def _without_alpha(samples: NDArray[Any]) -> Deep:
    """Grey or colours, and alpha if it is the second or fourth sample."""
    if samples.shape[2] % 2:
        return Deep(samples)
    return Deep(samples[..., :-1], samples[..., -1] / np.iinfo(samples.dtype).max)


def _tiff(file: BinaryIO, channels: int) -> Deep:
    from tifffile import TiffFile

    file.seek(0)
    with TiffFile(BytesIO(file.read())) as tiff:
        page: Any = tiff.pages[0]
        if page.dtype is None or page.dtype.kind not in "buif":
            raise BadImageError(f"samples of type {page.dtype}")
        check_size(page.imagewidth, page.imagelength)
        if page.photometric not in (_GREY_INVERTED, _GREY, _RGB):
            raise BadImageError(f"colours of {page.photometric.name} in more than 8 bits")
        if page.imagedepth != 1 or page.samplesperpixel > 64:
            raise BadImageError(f"{page.samplesperpixel} samples a pixel, {page.imagedepth} deep")
        samples = _channels_last(page)
        if channels not in (1, 3) and page.samplesperpixel == 1:
            samples = _pages(tiff, samples, channels)
        orientation = page.tags.valueof("Orientation", 1)
        white = _declared(page)
    if samples.dtype.kind == "b":
        samples = samples.astype(np.uint8)
        white = 1.0
    alpha = None
    kinds = [int(kind) for kind in page.extrasamples]
    if kinds and kinds[-1] in (_ASSOCIATED, _UNASSOCIATED):
        top = np.iinfo(samples.dtype).max if samples.dtype.kind in "iu" else 1
        alpha = np.clip(samples[..., -1] / top, 0, 1)
        samples = samples[..., :-1]
        if kinds[-1] == _ASSOCIATED:  # colours were multiplied by it
            plain = samples / np.maximum(alpha, 1 / top)[..., None]
            samples = np.clip(plain, 0, top).astype(samples.dtype)
    inverted = page.photometric == _GREY_INVERTED
    return _upright(Deep(samples, alpha, white, inverted), orientation)


def _channels_last(page: Any) -> NDArray[Any]:
    """The samples of a page (h, w, c)."""
    samples = page.asarray().reshape(
        page.shape if page.ndim == 3 else (page.imagelength, page.imagewidth, 1)
    )
    return np.moveaxis(samples, 0, 2) if page.axes == "SYX" else samples


def _pages(tiff: Any, first: NDArray[Any], channels: int) -> NDArray[Any]:
    """So many pages of one size as the samples of one image; else the first alone."""
    pages = tiff.pages[:channels]
    if len(tiff.pages) != channels or any(page.shape != first.shape[:2] for page in pages):
        return first
    return np.stack([page.asarray() for page in pages], axis=2)


def _declared(page: Any) -> float | None:
    """The largest number that the samples of a page may have, as its tags say."""
    if page.dtype.kind not in "iu":
        return None
    bits = page.bitspersample if isinstance(page.bitspersample, int) else max(page.bitspersample)
    if page.dtype.kind == "u" and bits < 8 * page.dtype.itemsize:
        return float((1 << bits) - 1)
    for code in (_LARGEST_SAMPLE, _LARGEST_SAMPLES):
        value = page.tags.valueof(code)
        value = max(value) if isinstance(value, tuple) else value
        if value in _TOPS:  # any other number is the brightest sample of this image
            return float(value)
    return None


def _upright(image: Deep, orientation: Any) -> Deep:
    if orientation not in _TURNS:
        return image
    transposed, flips = _TURNS[int(orientation)]

    def turned(values: Any) -> Any:
        return np.flip(np.swapaxes(values, 0, 1) if transposed else values, flips)

    alpha = None if image.alpha is None else turned(image.alpha)
    return Deep(turned(image.samples), alpha, image.white, image.inverted)
