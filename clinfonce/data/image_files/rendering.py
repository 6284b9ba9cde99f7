"""How image files become pixels: the same for every file of a data set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from clinfonce.errors import InputError

Range: TypeAlias = tuple[float, float]  # what is black, and what is white
Colour: TypeAlias = tuple[int, int, int]

MOST_CHANNELS = 16
_COLOURS = {"white": (255, 255, 255), "black": (0, 0, 0), "grey": (128, 128, 128)}


@dataclass(frozen=True)
class Rendering:
    """How image files become pixels.

    Attributes:
        image_size: pixels a side.
        channels: 3, RGB; 1, grey; any other number: samples of the files, kept as they are.
        background: colour that transparent images are laid on; None drops the transparency.
        ranges: type of the samples, of files with more than 8 bits each, to their ranges: the last
            is that of the data set; one before it is of those files that end where it ends.
        trusts_files: whether a file that says itself what its white is has its own range.
    """

    image_size: int
    channels: int = 3
    background: Colour | None = _COLOURS["white"]
    ranges: Mapping[str, tuple[Range, ...]] = field(default_factory=dict)
    trusts_files: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "ranges", MappingProxyType(dict(self.ranges)))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "ranges": dict(self.ranges)}

    def to_json(self) -> dict[str, Any]:
        """The same as plain values."""
        ranges = {kind: [list(part) for part in parts] for kind, parts in self.ranges.items()}
        return {
            "image_size": self.image_size,
            "channels": self.channels,
            "background": None if self.background is None else list(self.background),
            "ranges": ranges,
            "trusts_files": self.trusts_files,
        }

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> "Rendering":
        """What `to_json` wrote."""
        colour = described["background"]
        return cls(
            described["image_size"],
            described["channels"],
            None if colour is None else (int(colour[0]), int(colour[1]), int(colour[2])),
            {k: tuple((low, high) for low, high in v) for k, v in described["ranges"].items()},
            described["trusts_files"],
        )

    @classmethod
    def of_old(cls, image_size: int) -> "Rendering":
        """How data sets were read that do not say how."""
        whole = ((0.0, 65535.0),)
        ranges = dict.fromkeys(("uint16", "int16", "int32", "uint32"), whole)
        ranges |= dict.fromkeys(("float32", "float64"), ((0.0, 255.0),))
        return cls(image_size, 3, None, ranges, trusts_files=False)


def colour(text: str) -> Colour:
    """A colour from its name, or from #rrggbb.

    Raises:
        InputError: it is neither.
    """
    known = _COLOURS.get(text.lower())
    if known is not None:
        return known
    digits = text.removeprefix("#")
    try:
        if len(digits) != 6:
            raise ValueError
        red, green, blue = bytes.fromhex(digits)
    except ValueError:
        raise InputError(
            f"background {text!r} is none of {', '.join(_COLOURS)}, nor a colour #rrggbb"
        ) from None
    return red, green, blue
