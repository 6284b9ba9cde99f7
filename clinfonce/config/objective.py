"""The part of a specification that says what pretraining minimises."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from clinfonce.config.base import Amount, Fraction, NonNegative, Positive, SeveralOfThem, Spec

# What an objective takes beside form and temperature, which those without them ignore.
_OBJECTIVE_FIELDS: dict[str, frozenset[str]] = {
    "cl_infonce": frozenset({"instance_weight", "memory", "momentum"}),
    "soft_cl_infonce": frozenset(),
    "pcl": frozenset({"prototypes", "prototypes_after", "momentum_encoder", "memory", "momentum"}),
    "cross_entropy": frozenset(),
    "multilevel_cl_infonce": frozenset(),
    "attribute_prediction": frozenset(),
    "fino": frozenset({"guide_weight", "guide_dropout"}),
}
_ANY_OBJECTIVE = frozenset({"name", "form", "temperature"})


class ObjectiveSpec(Spec):
    """The loss that pretraining minimises."""

    name: Literal[
        "cl_infonce", "soft_cl_infonce", "pcl", "cross_entropy", "multilevel_cl_infonce",
        "attribute_prediction", "fino",
    ] = "cl_infonce"  # fmt: skip
    form: Literal["out", "in", "sincere"] = "out"
    temperature: Positive = 0.2
    instance_weight: NonNegative = 0.0  # λ of an InfoNCE term, against the collapse of clusters
    memory: Amount = 0  # earlier embeddings that are contrasted with as well
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.99  # of the moving average
    # Numbers of prototypes, found anew by k-means before each epoch.
    prototypes: SeveralOfThem | None = None
    prototypes_after: Fraction = 0.1  # share of the epochs that pass before prototypes attract
    # Whether a moving average of encoder and head makes the embeddings that prototypes are found
    # of, and the keys (of the other views, and the memory) that the network's are contrasted with.
    momentum_encoder: bool = False
    guide_weight: NonNegative = 0.03  # of FINO's guides beside InfoNCE
    guide_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5  # in their heads

    @model_validator(mode="after")
    def _fields_fit_the_name(self) -> Self:
        taken = _OBJECTIVE_FIELDS[self.name]
        fields = type(self).model_fields
        given = {name for name in fields if getattr(self, name) != fields[name].default}
        if strange := sorted(given - taken - _ANY_OBJECTIVE):
            allowed = ", ".join(sorted(taken)) or "no further field"
            raise ValueError(f"objective {self.name} takes {allowed}, not {', '.join(strange)}")
        if self.name == "pcl" and self.prototypes is None:
            raise ValueError("objective pcl needs prototypes, such as [100, 200]")
        return self
