"""What is white in images of more than 8 bits: one answer for a data set, found or asked for."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clinfonce.data.image_files.rendering import Range
from clinfonce.errors import InputError

_BITS = (1, 8, 10, 12, 14, 16, 24, 32)  # of cameras, scanners and masks
_DARK = 8  # a scale of which not even an eighth is used is none


@dataclass(frozen=True)
class Seen:
    """A file of deep samples.

    Attributes:
        path: of the file.
        type: of its samples.
        low: the smallest of them.
        high: the largest.
        white: the largest that they may be, if the file says so.
    """

    path: str
    type: str
    low: float
    high: float
    white: float | None = None


@dataclass(frozen=True)
class Depths:
    """Ranges of a data set.

    Attributes:
        ranges: type of the samples to ranges, as in `Rendering`.
        notes: what was found, a line a type.
    """

    ranges: Mapping[str, tuple[Range, ...]]
    notes: tuple[str, ...] = ()


def given_range(text: str) -> Range:
    """A range that the user gives: bits a sample, or LOW:HIGH.

    Raises:
        InputError: neither, or nothing between black and white.
    """
    low, separator, high = text.partition(":")
    try:
        found = (float(low), float(high)) if separator else (0.0, float((1 << _bits(text)) - 1))
    except ValueError:
        raise InputError(f"depth {text!r} is neither bits (1 to 32) nor LOW:HIGH") from None
    if not found[0] < found[1] or not all(map(_is_finite, found)):
        raise InputError(f"depth {text!r}: what is black must be below what is white")
    return found


def _bits(text: str) -> int:
    if not 1 <= (bits := int(text)) <= 32:
        raise ValueError
    return bits


def _is_finite(value: float) -> bool:
    return value - value == 0


def find_depths(seen: Iterable[Seen], given: Range | None) -> Depths:
    """The ranges of a data set's deep images.

    White is the largest number of the next usual depth above the brightest sample of all images of
    a type; of floats 1 if no sample is above it. Images that end exactly at a smaller usual depth
    (floats: at 1 or below, where others reach 255 or more) are of that depth, and so are those
    whose file says it.

    Args:
        seen: the images.
        given: the range of all of them, if the user gives one.

    Raises:
        InputError: samples below zero, or ones that use no usual depth: the user must say.
    """
    by_type = defaultdict[str, list[Seen]](list)
    for image in seen:
        if given is not None or image.white is None or image.high > image.white:
            by_type[image.type].append(image)
    if given is not None:
        return Depths(dict.fromkeys(by_type, (given,)))
    ranges = {kind: _ranges(kind, images) for kind, images in sorted(by_type.items())}
    return Depths(ranges, tuple(_note(kind, by_type[kind], ranges[kind]) for kind in ranges))


def _ranges(kind: str, images: Sequence[Seen]) -> tuple[Range, ...]:
    darkest = min(images, key=lambda image: image.low)
    brightest = max(images, key=lambda image: image.high)
    is_float = kind.startswith("float")
    if darkest.low < 0:
        if is_float and darkest.low >= -1 and brightest.high <= 1:
            return ((-1.0, 1.0),)
        raise _asked(kind, images, f"go down to {darkest.low:g} ({darkest.path!r})")
    white = _white(kind, brightest.high)
    if _DARK * brightest.high < white and brightest.high > 0:
        raise _asked(kind, images, f"reach {brightest.high:g} at most ({brightest.path!r})")
    lower = {top for image in images if (top := _white(kind, image.high)) < white and image.high}
    if is_float:
        own = lower & {1.0}
    else:
        own = {top for top in lower
               if all(i.high == top for i in images if _white(kind, i.high) == top)}  # fmt: skip
    return (*((0.0, top) for top in sorted(own)), (0.0, white))


def _white(kind: str, high: float) -> float:
    """The largest number of the smallest usual depth that holds a sample."""
    if kind.startswith("float"):
        tops = [1.0, *(float((1 << bits) - 1) for bits in _BITS[1:]), high]
    else:
        tops = [*(float((1 << bits) - 1) for bits in _BITS), high]
        tops = [min(top, np.iinfo(kind).max) for top in tops]
    return next(top for top in tops if high <= top)


def _asked(kind: str, images: Sequence[Seen], what: str) -> InputError:
    low, high = min(i.low for i in images), max(i.high for i in images)
    return InputError(
        f"what is white? {len(images)} images of {kind} samples {what}: --depth says how many bits "
        f"they use, or what is black and white, such as --depth {low:g}:{high:g}"
    )


def _note(kind: str, images: Sequence[Seen], ranges: tuple[Range, ...]) -> str:
    low, high = ranges[-1]
    brightest = max(image.high for image in images)
    others = "".join(
        f"; {top:g} in the {n} that end there" for _, top in ranges[:-1]
        if (n := sum(image.high == top or (kind.startswith("float") and image.high <= top)
                     for image in images))
    )  # fmt: skip
    return (
        f"{len(images):,} images of {kind} samples: {low:g} is black and {high:g} is white (the "
        f"brightest is {brightest:g}){others}; --depth says otherwise"
    )
