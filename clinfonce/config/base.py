"""What all parts of a specification are made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Names = Annotated[tuple[str, ...], Field(strict=False)]


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
