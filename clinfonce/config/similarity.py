"""The part of a specification that says how alike images are, and what is worked against."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from clinfonce.config.base import Dimensions, Names, NonNegative, Positive, Several, Spec

Role: TypeAlias = Literal["attract", "suppress", "ignore"]
KernelName: TypeAlias = Literal[
    "equal", "differences", "jaccard", "gaussian", "cyclic", "great_circle", "common_ancestor",
    "cosine",
]  # fmt: skip

# What each kernel takes beside what all of them do.
KERNEL_FIELDS: dict[str, frozenset[str]] = {
    "equal": frozenset({"bandwidth"}),
    "differences": frozenset({"bandwidth"}),
    "jaccard": frozenset({"power", "idf"}),
    "gaussian": frozenset({"bandwidth", "unit", "part"}),
    "cyclic": frozenset({"bandwidth", "period", "part"}),
    "great_circle": frozenset({"bandwidth"}),
    "common_ancestor": frozenset({"power"}),
    "cosine": frozenset({"bandwidth", "embeddings"}),
}
_ANY_KERNEL = frozenset({"kernel", "role", "of", "missing", "weight"})


class ColumnSpec(Spec):
    """One column: how its values are compared, and what for."""

    role: Role = "attract"
    kernel: KernelName | None = None  # absent: by the type of the column
    # Columns of the data that it is made of; absent: the one of its name.
    of: Annotated[Names, Field(min_length=1)] | None = None
    bandwidth: Positive | None = None
    power: Positive | None = None
    idf: bool = False  # whether rare tags count more
    unit: Literal["spread", "value"] | None = None  # of a Gaussian's bandwidth
    period: Positive | None = None
    part: Literal["year", "month", "weekday", "hour"] | None = None  # of a date
    # File (.npy) of numbers (n, d), a row for each image of the data set in its order.
    embeddings: Annotated[str, Field(pattern=r"^.+\.npy$")] | None = None
    missing: Literal["apart", "alike", "average"] = "apart"
    weight: NonNegative = 1.0  # in a sum, and of what is predicted

    @model_validator(mode="after")
    def _fields_fit_the_kernel(self) -> Self:
        fields = type(self).model_fields
        given = {name for name in fields if getattr(self, name) != fields[name].default}
        if self.kernel is None:
            if self.part is not None:
                raise ValueError("part goes with a kernel: gaussian for years, else cyclic")
            if self.of is not None and len(self.of) > 1:
                raise ValueError("of several columns needs a kernel: differences or great_circle")
            return self
        taken = KERNEL_FIELDS[self.kernel]
        if strange := sorted(given - taken - _ANY_KERNEL):
            allowed = ", ".join(sorted(taken))
            raise ValueError(f"kernel {self.kernel} takes {allowed}, not {', '.join(strange)}")
        if self.kernel == "cyclic" and self.period is None and self.part in (None, "year"):
            raise ValueError("kernel cyclic needs its period, or a part: month, weekday or hour")
        if self.kernel == "cosine" and self.embeddings is None:
            raise ValueError(
                "kernel cosine needs embeddings, a file (.npy) with a row for each image: a text "
                "has no kernel of its own"
            )
        if self.kernel == "great_circle" and (self.of is None or len(self.of) != 2):
            raise ValueError("kernel great_circle needs of: [latitude, longitude]")
        return self


class SuppressSpec(Spec):
    """How the columns of role suppress are worked against."""

    # condition: only images that agree in them are contrasted; adversary: they are predicted from
    # the features, which get its gradient reversed.
    by: Literal["condition", "adversary"] = "condition"
    images_per_condition: Several = 32  # of a batch, that agree in columns that make groups
    weight: NonNegative = 0.1  # of the reversed gradient, reached by the end
    steepness: Positive = 10.0  # of its rise
    hidden_dim: Dimensions = 256  # of the adversary

    @model_validator(mode="after")
    def _fields_fit_the_way(self) -> Self:
        other = {
            "condition": ("weight", "steepness", "hidden_dim"),
            "adversary": ("images_per_condition",),
        }[self.by]
        fields = type(self).model_fields
        for name in other:
            if getattr(self, name) != fields[name].default:
                raise ValueError(f"by: {self.by} takes no {name}")
        return self


def _kind_of_columns(value: Any) -> str:
    return "all columns" if isinstance(value, str) else "named columns"


Columns: TypeAlias = Annotated[
    Annotated[Literal["all"], Tag("all columns")]
    | Annotated[dict[str, ColumnSpec], Field(min_length=1), Tag("named columns")],
    Discriminator(_kind_of_columns),
]


class SimilaritySpec(Spec):
    """Auxiliary information as weights between images."""

    columns: Columns = "all"
    by: Literal["product", "sum"] = "product"
    # Times every column's bandwidth, and powers divided by it: below 1 asks for more agreement.
    bandwidth: Positive = 1.0
    suppress: SuppressSpec = SuppressSpec()

    @model_validator(mode="before")
    @classmethod
    def _kernels_may_stand_alone(cls, values: Any) -> Any:
        """`column: gaussian` for `column: {kernel: gaussian}`."""
        if not isinstance(values, dict) or not isinstance(values.get("columns"), dict):
            return values
        columns = {
            name: {"kernel": given} if isinstance(given, str) else {} if given is None else given
            for name, given in values["columns"].items()
        }
        return {**values, "columns": columns}

    @model_validator(mode="after")
    def _something_weighs(self) -> Self:
        attracting = [column for column in self._given if column.role == "attract"]
        if attracting and not any(column.weight > 0 for column in attracting):
            raise ValueError("all weights are 0: at least one must be above")
        return self

    @property
    def _given(self) -> list[ColumnSpec]:
        return [] if isinstance(self.columns, str) else list(self.columns.values())

    def with_role(self, role: Role) -> dict[str, ColumnSpec]:
        """The columns that are named with a role."""
        if isinstance(self.columns, str):
            return {}
        return {name: column for name, column in self.columns.items() if column.role == role}

    @property
    def suppresses(self) -> bool:
        """Whether a column is worked against."""
        return bool(self.with_role("suppress"))

    @property
    def attracts(self) -> bool:
        """Whether a column attracts."""
        return self.columns == "all" or bool(self.with_role("attract"))


def with_roles(similarity: Any, roles: Mapping[str, Role]) -> dict[str, Any]:
    """The values of a similarity in which some columns have other roles.

    Where it is of all columns, those that are named here are all.
    """
    values = dict(similarity) if isinstance(similarity, Mapping) else {}
    given = values.get("columns")
    columns = dict(given) if isinstance(given, Mapping) else {}
    for name, role in roles.items():
        column = columns.get(name) or {}
        options = {"kernel": column} if isinstance(column, str) else dict(column)
        columns[name] = {**options, "role": role}
    return {**values, "columns": columns} if columns else values
