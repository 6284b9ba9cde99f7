"""Open a user's image file without trusting it."""

import os
import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MAX_PIXELS = 100_000_000


class BadImageError(Exception):
    """What is wrong with an image file, in a few words."""


class SafeFolder:
    """Finds the files that a table's paths mean, inside a folder whatever links lie on the way.

    Folders are looked up once, for a table may have millions of rows.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._inside: dict[str, str | None] = {}  # folder of a table's path → the real one

    def file(self, text: str) -> str:
        """The file of a path.

        Raises:
            BadImageError: an absolute path, one that leaves the folder, or no file there.
        """
        if not text or "\0" in text:
            raise BadImageError("the path is empty or holds a NUL")
        parts = text.split("/")
        if text[0] == "/" or ".." in parts or "\\" in text or ":" in text[:3]:
            raise BadImageError("the path must be relative, with / and without ..")
        folder, _, name = text.rpartition("/")
        if folder not in self._inside:
            self._inside[folder] = self._real(self._root / folder)
        real = self._inside[folder]
        if real is None:
            raise BadImageError("the path leads out of the folder")
        path = f"{real}/{name}"
        try:
            mode = os.lstat(path).st_mode
        except (OSError, ValueError):
            raise BadImageError("no such file") from None
        if stat.S_ISLNK(mode):
            if self._real(Path(path)) is None:
                raise BadImageError("the path leads out of the folder")
            mode = stat.S_IFREG if Path(path).is_file() else 0
        if not stat.S_ISREG(mode):
            raise BadImageError("no such file")
        return path

    def _real(self, path: Path) -> str | None:
        """The path without links; None if it is outside of the folder."""
        try:
            real = path.resolve()
        except (OSError, RuntimeError):  # a circle of links
            return None
        return str(real) if real.is_relative_to(self._root) else None


def decode(file: str | BinaryIO, image_size: int) -> NDArray[np.uint8]:
    """Read an image file as (3, s, s): upright, shorter side resized to s, centre cropped.

    Grey becomes three equal channels, transparency is dropped, of several frames the first counts.

    Raises:
        BadImageError: not an image, a damaged or truncated one, or one of too many pixels.
    """
    from PIL import Image, ImageOps

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
