"""What all parts of a specification are made of."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_MOST = 2**31 - 1  # of the tables' int32 columns
Count = Annotated[int, Field(ge=1, le=_MOST)]
Amount = Annotated[int, Field(ge=0, le=_MOST)]
Several = Annotated[int, Field(ge=2, le=_MOST)]
SeveralOfThem = Annotated[tuple[Several, ...], Field(strict=False, min_length=1)]
Few = Annotated[int, Field(ge=1, le=1000)]
Dimensions = Annotated[int, Field(ge=1, le=65_536)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]  # of the tables' int64 column
# What NumPy's older generators take, which Optuna and scikit-learn draw from.
SmallSeed = Annotated[int, Field(ge=0, le=2**32 - 1)]
MOST_NUMBERS = 2**28  # of one part of a network: a GiB


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{twice[0]!r} is named twice")
    return names


Names = Annotated[
    tuple[str, ...], Field(strict=False, max_length=10_000), AfterValidator(_each_once)
]


def _in_one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"{text!r} holds characters that cannot be printed in a line")
    return text


Line = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_in_one_line)]


class Spec(BaseModel):
    """A part of a specification: frozen, strictly typed, unknown fields refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class PlacedError(ValueError):
    """A mistake in a field of the specification, at a place other than where it showed.

    Args:
        place: of the part that is wrong.
        error: what is wrong.
        within: whether the fields that pydantic names are below `place` in the specification.
    """

    def __init__(
        self, place: tuple[str | int, ...], error: ValidationError | str, *, within: bool = False
    ) -> None:
        self.place, self.within = place, within
        self.finding = error.errors()[0] if isinstance(error, ValidationError) else None
        super().__init__(self.finding["msg"] if self.finding else error)
