"""The part of a specification that says what may happen to a view."""

from typing import Annotated, Any, Literal

from pydantic import Field

from clinfonce.config.base import Fraction, NonNegative, Positive, Spec

_Pair = Annotated[tuple[Positive, Positive], Field(strict=False)]


class AugmentationSpec(Spec):
    """A policy by name, and what is changed of it; what is left out stays as the policy has it."""

    policy: str = "simclr"
    # Strength of all changes of colour, times the policy's; 0 leaves colours alone.
    colour: Annotated[float, Field(ge=0, le=10)] | None = None
    rotate: Annotated[float, Field(ge=0, le=180)] | None = None  # largest angle either way, degrees
    flip: Fraction | None = None  # probability of a mirror image, left for right
    vertical_flip: Fraction | None = None  # … and of one upside down
    crop_area: _Pair | None = None  # smallest and largest share of the image's area
    crop_ratio: _Pair | None = None  # width : height of the crop
    shear: Annotated[float, Field(ge=0, le=80)] | None = None  # degrees
    zoom: _Pair | None = None
    shift: Fraction | None = None  # of the side
    fill: Literal["edge", "black"] | None = None
    jitter: Fraction | None = None  # probability that colours change
    brightness: NonNegative | None = None
    contrast: NonNegative | None = None
    saturation: NonNegative | None = None
    hue: Annotated[float, Field(ge=0, le=0.5)] | None = None
    grey: Fraction | None = None
    blur: Fraction | None = None
    blur_sigma: _Pair | None = None
    solarise: Fraction | None = None
    noise: NonNegative | None = None
    erase: Fraction | None = None
    erase_area: _Pair | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """What was given beside the policy."""
        return self.model_dump(exclude_none=True, exclude={"policy"})

    @property
    def name(self) -> str:
        """For people, such as `simclr (flip 0, rotate 180)`."""
        given = ", ".join(f"{field} {_short(value)}" for field, value in self.changes.items())
        return f"{self.policy} ({given})" if given else self.policy


Augmentation = str | AugmentationSpec


def name_of(augmentation: Augmentation) -> str:
    """For people."""
    return augmentation if isinstance(augmentation, str) else augmentation.name


def _short(value: Any) -> str:
    if isinstance(value, tuple | list):
        return " to ".join(f"{each:g}" for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
