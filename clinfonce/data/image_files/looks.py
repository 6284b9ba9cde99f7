"""What an image looks like in a few bytes, and which images of a data set look wrong or alike."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROWS, _COLUMNS = 8, 9
_DARK = 32  # grey levels of 255 that no pixel of a nearly black image reaches
_DIGEST = 16  # bytes
_ALIKE = 0.985  # correlation of the thumbnails of two near-duplicates
_FLAT = 2.0  # grey levels that a thumbnail must vary by to be compared


@dataclass(frozen=True)
class Looks:
    """What n images look like.

    Attributes:
        digests: n digests of all pixels.
        thumbnails: (n, 8, 9) uint8 grey.
        constant: (n,) bool, all pixels of an image are alike.
        dark: (n,) bool, no pixel is far from black.
    """

    digests: Sequence[bytes]
    thumbnails: NDArray[np.uint8]
    constant: NDArray[np.bool_]
    dark: NDArray[np.bool_]

    @classmethod
    def of_texts(cls, texts: Sequence[str]) -> "Looks":
        """What `look_of` said of each image."""
        packed = [base64.b85decode(text) for text in texts]
        flags = np.array([content[0] for content in packed], dtype=np.uint8)
        joined = b"".join(content[1 + _DIGEST :] for content in packed)
        thumbnails = np.frombuffer(joined, dtype=np.uint8).reshape(-1, _ROWS, _COLUMNS)
        digests = [content[1 : 1 + _DIGEST] for content in packed]
        return cls(digests, thumbnails, (flags & 1) > 0, (flags & 2) > 0)

    def equal(self) -> list[tuple[int, int]]:
        """Images whose pixels are those of an earlier one: (earlier, this)."""
        first: dict[bytes, int] = {}
        places = enumerate(first.setdefault(d, row) for row, d in enumerate(self.digests))
        return [(earlier, row) for row, earlier in places if earlier != row]

    def near(self, split: NDArray[np.int8]) -> list[tuple[int, int]]:
        """Copies across splits, whatever their size, shade, contrast and compression.

        For each image and each split before its own: the image there whose thumbnail correlates
        most with its own, if by 0.985 or more. Images that hardly vary are left out.

        Args:
            split: (n,) of each image.

        Returns:
            Pairs (row in the earlier split, row in the later one), in order.
        """
        from scipy.spatial import cKDTree

        points, rows = _points(self.thumbnails)
        parts = {code: np.flatnonzero(split[rows] == code) for code in np.unique(split[rows])}
        furthest = np.sqrt(2 - 2 * _ALIKE)  # between unit vectors of that correlation
        found = list[tuple[int, int]]()
        for earlier, theirs in parts.items():
            tree = cKDTree(points[theirs])
            for later, mine in parts.items():
                if earlier < later:
                    distance, place = tree.query(
                        points[mine], distance_upper_bound=furthest, workers=-1
                    )
                    near = np.isfinite(distance)
                    found += zip(rows[theirs[place[near]]].tolist(), rows[mine[near]].tolist(),
                                 strict=True)  # fmt: skip
        return sorted(found)


def look_of(pixels: NDArray[np.uint8]) -> str:
    """What an image (c, h, w) looks like, as a text of 112 characters."""
    from PIL import Image

    grey = Image.fromarray(np.rint(pixels.mean(axis=0)).astype(np.uint8))
    thumbnail = grey.resize((_COLUMNS, _ROWS), Image.Resampling.BOX)
    is_constant = (pixels == pixels[:, :1, :1]).all()
    flags = int(is_constant) | 2 * int(pixels.max() < _DARK)
    digest = hashlib.blake2b(pixels.tobytes(), digest_size=_DIGEST).digest()
    return base64.b85encode(bytes([flags]) + digest + thumbnail.tobytes()).decode()


def _points(thumbnails: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Thumbnails as unit vectors (m, 72) around their means, and which of them vary enough.

    They are turned so that the first coordinates vary most, which is what a tree is cut along.
    """
    points = thumbnails.reshape(len(thumbnails), -1).astype(np.float64)
    points -= points.mean(axis=1, keepdims=True)
    norms = np.sqrt((points**2).sum(axis=1))
    rows = np.flatnonzero(norms > _FLAT * np.sqrt(_ROWS * _COLUMNS))
    points = points[rows] / norms[rows, None]
    _, axes = np.linalg.eigh(points.T @ points)
    return points @ axes[:, ::-1], rows
