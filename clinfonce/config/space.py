"""The space of a search: dotted fields of a trial, and the values that each may take."""

import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from clinfonce.config.base import Names, PlacedError, Spec
from clinfonce.config.similarity import Role

LARGEST_GRID = 100_000  # points
ROLES = "roles"  # the dimension that gives columns of a similarity their roles
_ROLE_OF = f"{ROLES}."
_MOST_STEPS = 1e9  # of a range


class _Dimension(Spec):
    # Dotted field of the space → the value, or a list of values, that it must have for this
    # dimension to be there.
    when: dict[str, Any] = Field(default_factory=dict)

    def is_in(self, point: Mapping[str, Any]) -> bool:
        """Whether the dimension is there, given the values of those before it."""
        return all(value_at(point, path) in _as_list(wanted) for path, wanted in self.when.items())

    @property
    def ends(self) -> list[Any]:
        """Values that a mistake in the dimension would show at, the first one first."""
        raise NotImplementedError

    @property
    def values(self) -> Iterable[Any]:
        """Every value, made one after the other.

        Raises:
            ValueError: there is no end of them.
        """
        raise NotImplementedError


class Choices(_Dimension):
    """One of a list."""

    choices: Annotated[list[Any], Field(min_length=1)]

    @model_validator(mode="after")
    def _choices_differ(self) -> Self:
        seen: dict[Any, Any] = {}
        for choice in self.choices:
            if (same := as_category(choice)) in seen:
                raise ValueError(f"choices must differ, but {seen[same]!r} and {choice!r} do not")
            seen[same] = choice
        return self

    @property
    def ends(self) -> list[Any]:
        """All of them."""
        return self.choices

    @property
    def values(self) -> Sequence[Any]:
        """All of them."""
        return self.choices


_Number: TypeAlias = Annotated[int | float, Field(ge=-1e18, le=1e18)]


class Range(_Dimension):
    """A number between two bounds, both included: whole where both are whole."""

    low: _Number
    high: _Number
    log: bool = False
    step: _Number | None = None

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.high < self.low:
            raise ValueError(f"high ({self.high}) is below low ({self.low})")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range starts above 0, not at {self.low}")
        if self.log and self.step is not None:
            raise ValueError("a logarithmic range has no step")
        if self.step is not None and self.step <= 0:
            raise ValueError(f"step must be above 0, got {self.step}")
        if self.step is not None and self.high / self.step - self.low / self.step > _MOST_STEPS:
            raise ValueError(f"step {self.step} makes more than {_MOST_STEPS:,.0f} values")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether the values are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def ends(self) -> list[Any]:
        """Both bounds."""
        return [self.low, self.high]

    @property
    def values(self) -> Iterator[Any]:
        """From low to high by steps, of 1 in whole numbers."""
        if self.step is None and not self.is_whole:
            raise ValueError("sampler grid needs choices, whole numbers or a step")
        step = self.step or 1
        count = 1 + math.floor((self.high - self.low) / step + 1e-9)
        return (self.low + number * step for number in range(count))


class Subset(_Dimension):
    """Each of a list in or out; "all" = every attribute of the data set."""

    subset: Literal["all"] | Annotated[Names, Field(min_length=1)]

    @property
    def ends(self) -> list[Any]:
        """The whole list."""
        return [("any",) if self.subset == "all" else self.subset]

    @property
    def values(self) -> Iterator[Any]:
        """Every part of the list but the empty one, small ones first."""
        if self.subset == "all":
            raise ValueError("sampler grid needs the names, such as {subset: [a, b]}")
        sizes = range(1, len(self.subset) + 1)
        return (part for size in sizes for part in itertools.combinations(self.subset, size))


class Clusterings(_Dimension):
    """Every clustering that the data set offers, from instances to crossings of several parts."""

    choices: Literal["all"]
    columns: Names | None = None  # of these alone; absent: of all that are information
    include: Names = ()  # columns that are taken although they are none, such as an identifier
    largest: Annotated[int, Field(ge=1, le=20)] = 4  # parts of a crossing

    @property
    def ends(self) -> list[Any]:
        """What every data set offers."""
        return [{"source": "instances"}]

    @property
    def values(self) -> Iterator[Any]:
        """They are known of a data set alone."""
        raise ValueError("sampler grid needs the clusterings, such as {choices: [{source: …}]}")


class Roles(_Dimension):
    """A role for each of some columns; "all" = every column that tells images apart."""

    columns: Literal["all"] | Annotated[Names, Field(min_length=1)]
    choices: Annotated[tuple[Role, ...], Field(strict=False, min_length=1)] = (
        "attract", "suppress", "ignore",
    )  # fmt: skip

    @property
    def ends(self) -> list[Any]:
        """All columns in one role, for each role; of all columns no names are known here."""
        if self.columns == "all":
            return [{}]
        return [dict.fromkeys(self.columns, role) for role in self.choices]

    @property
    def values(self) -> Iterator[Any]:
        """Every way to give each column a role."""
        if self.columns == "all":
            raise ValueError("sampler grid needs the names, such as {columns: [a, b]}")
        roles = itertools.product(self.choices, repeat=len(self.columns))
        return (dict(zip(self.columns, each, strict=True)) for each in roles)

    def naming(self, names: Iterable[str]) -> list[Any]:
        """The ends, with the names that conditions have of columns that are not known here."""
        names = tuple(names) if self.columns == "all" else ()
        return [dict.fromkeys(names, role) for role in self.choices] if names else self.ends


def _kind_of_dimension(value: Any) -> str | None:
    if isinstance(value, _Dimension):
        return type(value).__name__.lower()
    if isinstance(value, Mapping) and value.get("choices") == "all":
        return "clusterings"
    if isinstance(value, Mapping) and "columns" in value:
        return "roles"
    kinds = {"choices": "choices", "subset": "subset", "low": "range", "high": "range"}
    keys = value if isinstance(value, Mapping) else ()
    return next((kinds[key] for key in keys if key in kinds), None)


Dimension: TypeAlias = Annotated[
    Annotated[Choices, Tag("choices")]
    | Annotated[Range, Tag("range")]
    | Annotated[Subset, Tag("subset")]
    | Annotated[Roles, Tag("roles")]
    | Annotated[Clusterings, Tag("clusterings")],
    Discriminator(_kind_of_dimension),
]
Space: TypeAlias = dict[str, Dimension]


def as_category(choice: Any) -> Any:
    """A value that Optuna can keep: lists and mappings as JSON."""
    plain = choice is None or isinstance(choice, bool | int | float | str)
    return choice if plain else json.dumps(choice, sort_keys=True)


def value_at(point: Mapping[str, Any], path: str) -> Any:
    """What a point has in a field, or as the role of a column (`roles.NAME`); None for nothing."""
    if path in point or not path.startswith(_ROLE_OF):
        return point.get(path)
    return point.get(ROLES, {}).get(path.removeprefix(_ROLE_OF))


def walk(space: Space, choose: Callable[[str, Dimension], Any]) -> dict[str, Any]:
    """The point that a choice for each dimension makes, of those that are there."""
    point: dict[str, Any] = {}
    for path, dimension in space.items():
        if dimension.is_in(point):
            point[path] = choose(path, dimension)
    return point


def check_space(space: Space) -> None:
    """Find conditions that can never be met.

    Raises:
        PlacedError: a condition on what is no choice above it, or on a value that it never has.
    """
    above: dict[str, Dimension] = {}
    for path, dimension in space.items():
        if isinstance(dimension, Roles) != (path == ROLES):
            raise PlacedError(
                ("search", "space", path), f"{ROLES} alone is of {{columns: …, choices: …}}"
            )
        for other, wanted in dimension.when.items():
            place = ("search", "space", path, "when", other)
            choices = _choices_above(above, other)
            if choices is None:
                known = [p for p, d in above.items() if isinstance(d, Choices)]
                known += [f"{_ROLE_OF}COLUMN"] if ROLES in above else []
                allowed = ", ".join(known) or "none is there"
                problem = f"a condition is on choices that stand above it: {allowed}"
                raise PlacedError(place, problem)
            for value in _as_list(wanted):
                if value not in choices:
                    allowed = ", ".join(map(str, choices))
                    raise PlacedError(place, f"{value!r} is not one of its choices: {allowed}")
        above[path] = dimension


def _choices_above(above: Mapping[str, Dimension], path: str) -> Sequence[Any] | None:
    """What a field may have that stands above, or a column's role; None where nothing does."""
    parent, roles = above.get(path), above.get(ROLES)
    if isinstance(parent, Choices):
        return parent.choices
    if isinstance(roles, Roles) and path.startswith(_ROLE_OF):
        named = roles.columns == "all" or path.removeprefix(_ROLE_OF) in roles.columns
        return roles.choices if named else None
    return None


def points_to_try(space: Space) -> Iterator[dict[str, Any]]:
    """Points at which a mistake in any dimension shows: each end of each, in each branch."""
    others = {other for dimension in space.values() for other in dimension.when}
    columns = sorted(o.removeprefix(_ROLE_OF) for o in others if o.startswith(_ROLE_OF))
    parents = others | ({ROLES} if columns else set())
    ends = {
        path: dimension.naming(columns) if isinstance(dimension, Roles) else dimension.ends
        for path, dimension in space.items()
    }
    branching = [path for path in space if path in parents]
    for values in itertools.product(*(ends[path] for path in branching)):
        branch = dict(zip(branching, values, strict=True))
        first = walk(space, lambda path, _, branch=branch: branch.get(path, ends[path][0]))  # type: ignore[misc]
        yield first
        for path in [path for path in first if path not in branch]:
            for end in ends[path][1:]:
                yield first | {path: end}


def grid(space: Space) -> list[dict[str, Any]]:
    """Every point of a space, the last dimension changing first, up to LARGEST_GRID of them.

    Raises:
        PlacedError: a dimension has no end of values.
    """
    points: list[dict[str, Any]] = [{}]
    for path, dimension in space.items():
        try:
            values = list(itertools.islice(dimension.values, LARGEST_GRID))
        except ValueError as error:
            raise PlacedError(("search", "space", path), str(error)) from None
        extended = (
            point | {path: value} if dimension.is_in(point) else point
            for point in points
            for value in (values if dimension.is_in(point) else [None])
        )
        points = list(itertools.islice(extended, LARGEST_GRID))
    return points


def _as_list(wanted: Any) -> list[Any]:
    return wanted if isinstance(wanted, list) else [wanted]
