"""Handwritten digits: 1,797 images of 8 x 8, shipped with scikit-learn.

Facts of the glyph (class level) say much of the label; statistics of the pixels (image level) say
little. So a sweep over these columns meets good and bad auxiliary information within minutes.
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.split import stratified_split
from clinfonce.data.table import Column, ImageTable

# Seven-segment display, with the tails that most displays give 6 and 9. Segment a is the top bar,
# b..f go clockwise from the upper right, g is the middle bar.
_SEGMENTS = (
    "abcdef",  # 0
    "bc",  # 1
    "abdeg",  # 2
    "abcdg",  # 3
    "bcfg",  # 4
    "acdfg",  # 5
    "acdefg",  # 6
    "abc",  # 7
    "abcdefg",  # 8
    "abcdfg",  # 9
)
_FOREGROUND = 128  # a pixel of at least half the full intensity is ink when holes are counted


def load(root: Path | None = None) -> ImageTable:  # noqa: ARG001
    """Read the digits; `root` is not needed.

    Images are (1797, 1, 8, 8), intensities 0..16 stretched to 0..255. The split is fixed: half of
    each class trains, a fifth validates, the rest tests.
    """
    pixels, labels = _read()
    images = np.rint(pixels.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    columns = [*_class_columns(labels), *_image_columns(images)]
    return ImageTable(
        name="digits",
        images=images[:, None],
        labels=labels,
        label_names=tuple("0123456789"),
        split=stratified_split(labels),
        columns={column.name: column for column in columns},
    )


def _read() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(1797, 64) intensities and (1797,) labels.

    Of scikit-learn's file itself, as loading all that reads it takes most of a second.
    """
    package = importlib.util.find_spec("sklearn")
    file = Path(str(package and package.origin)).parent / "datasets/data/digits.csv.gz"
    if not file.is_file():
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
        return pixels, labels.astype(np.int64)
    values = np.loadtxt(file, delimiter=",")
    return values[:, :-1], values[:, -1].astype(np.int64)


def _class_columns(labels: NDArray[np.int64]) -> list[Column]:
    """Facts that follow from the digit."""
    facts: list[tuple[str, str, Callable[[int], bool]]] = [
        (
            f"segment_{letter}",
            f"The seven-segment display of the digit lights segment {letter} ({place}).",
            lambda digit, letter=letter: letter in _SEGMENTS[digit],  # type: ignore[misc]
        )
        for letter, place in zip(
            "abcdefg",
            ("top", "upper right", "lower right", "bottom", "lower left", "upper left", "middle"),
            strict=True,
        )
    ]
    facts += [
        (
            "loop",
            "The digit is written with a closed loop: 0, 6, 8, 9 (4 is written open).",
            lambda digit: digit in (0, 6, 8, 9),
        ),
        ("even", "The digit is even.", lambda digit: digit % 2 == 0),
        ("prime", "The digit is a prime number.", lambda digit: digit in (2, 3, 5, 7)),
        ("above_four", "The digit is 5 or more.", lambda digit: digit > 4),
    ]
    return [
        Column(name, "boolean", np.array([fact(d) for d in range(10)])[labels], None, text, "class")
        for name, text, fact in facts
    ]


def _image_columns(images: NDArray[np.uint8]) -> list[Column]:
    """Statistics of the pixels (n, 8, 8).

    All sums are of integers, so that the values are the same to the last bit on every machine.
    """
    pixels = images.astype(np.int64)
    mass, m_x, m_y, m_xx, m_xy, m_yy = _moments(pixels)
    var_x, cov_xy, var_y = (  # times mass^2
        mass * m_xx - m_x**2,
        mass * m_xy - m_x * m_y,
        mass * m_yy - m_y**2,
    )
    side = pixels.shape[1]
    return [
        Column(
            "holes",
            "categorical",
            _holes(images),
            None,
            "Number of areas enclosed by ink of at least half intensity.",
        ),
        Column("ink", "numeric", mass / (255 * side**2), None, "Mean intensity, 0 to 1."),
        Column(
            "slant",
            "numeric",
            cov_xy / var_y,
            None,
            "Horizontal shift per pixel of height, from second moments; > 0 leans right.",
        ),
        Column(
            "width",
            "numeric",
            np.sqrt(var_x) / mass,
            None,
            "Standard deviation of the ink along the row, in pixels.",
        ),
        Column(
            "mass_height",
            "numeric",
            m_y / (mass * (side - 1)),
            None,
            "Height of the centre of mass, 0 at the bottom row and 1 at the top.",
        ),
        Column(
            "symmetry",
            "numeric",
            _symmetry(pixels),
            None,
            "Correlation of the image with its left-right mirror image.",
        ),
    ]


def _moments(pixels: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    """Raw moments 1, x, y, xx, xy, yy of images (n, h, w), x to the right and y upward."""
    x = np.arange(pixels.shape[2])[None, None, :]
    y = np.arange(pixels.shape[1])[::-1][None, :, None]
    return tuple((pixels * f).sum(axis=(1, 2)) for f in (1 + 0 * x, x, y, x * x, x * y, y * y))


def _symmetry(pixels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Pearson correlation (n,) of images (n, h, w) with their mirror images; 1 for a flat one."""
    area = pixels.shape[1] * pixels.shape[2]
    square = pixels.sum(axis=(1, 2)) ** 2
    covariance = area * (pixels * pixels[:, :, ::-1]).sum(axis=(1, 2)) - square
    variance = area * (pixels**2).sum(axis=(1, 2)) - square
    return np.where(variance > 0, covariance / np.maximum(variance, 1), 1.0)


def _holes(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Holes (n,) of images (n, h, w): areas of background that do not reach the border.

    Ink is connected over corners, so background is over edges only.
    """
    background = np.pad(images < _FOREGROUND, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    pixel = np.arange(1, background[0].size + 1).reshape(background[0].shape)
    area = np.where(background, pixel, 0)  # every pixel takes the highest number of its area
    while True:
        spread = np.where(background, _highest_neighbour(area), 0)
        if np.array_equal(spread, area):
            break
        area = spread
    areas: NDArray[np.int64] = np.count_nonzero((area == pixel) & background, axis=(1, 2))
    return areas - 1  # the outside is one of them


def _highest_neighbour(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Maximum over each pixel of (n, h, w) and its four neighbours; values are >= 0."""
    padded = np.pad(values, ((0, 0), (1, 1), (1, 1)))
    vertical = np.maximum(padded[:, :-2, 1:-1], padded[:, 2:, 1:-1])
    horizontal = np.maximum(padded[:, 1:-1, :-2], padded[:, 1:-1, 2:])
    highest: NDArray[np.int64] = np.maximum(values, np.maximum(vertical, horizontal))
    return highest
