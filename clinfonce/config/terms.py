"""The part of a specification that adds several sources of attraction."""

from typing import Self

from pydantic import model_validator

from clinfonce.config.base import Positive, Spec
from clinfonce.config.clustering import ClusteringSpec
from clinfonce.config.encoder import HeadSpec
from clinfonce.config.objective import ObjectiveSpec
from clinfonce.config.similarity import SimilaritySpec

# Objectives that look at one source, and need no more than it.
_SUMMABLE = ("cl_infonce", "multilevel_cl_infonce", "attribute_prediction", "fino")
_PREDICTING = ("attribute_prediction", "fino")


class TermSpec(Spec):
    """One source of attraction, with a projection head of its own."""

    clustering: ClusteringSpec = ClusteringSpec(source="instances")
    similarity: SimilaritySpec | None = None
    objective: ObjectiveSpec | None = None  # absent: the trial's
    head: HeadSpec | None = None  # absent: one like the trial's
    weight: Positive = 1.0

    @model_validator(mode="after")
    def _can_be_added(self) -> Self:
        if self.clustering.alternates:
            raise ValueError("a term takes no clusters that are made anew while it trains")
        if self.objective is not None:
            check_source(self.objective, self.clustering, self.similarity)
            if self.objective.name not in _SUMMABLE or self.objective.memory:
                raise ValueError(
                    f"the objective of a term is one of {', '.join(_SUMMABLE)}, without memory"
                )
        return self


def check_term_objective(objective: ObjectiveSpec, terms: tuple[TermSpec, ...]) -> None:
    """Refuse the objective of a trial that its terms cannot take over."""
    for term in terms:
        TermSpec.model_validate(
            {**{name: getattr(term, name) for name in term.model_fields_set},
             "objective": term.objective or objective}
        )  # fmt: skip


def check_source(
    objective: ObjectiveSpec, clustering: ClusteringSpec, similarity: SimilaritySpec | None
) -> None:
    """Refuse an objective that does not go with what attracts.

    Raises:
        ValueError: it says why.
    """
    name = objective.name
    if name == "multilevel_cl_infonce" and clustering.source != "hierarchy":
        raise ValueError(
            f"objective multilevel_cl_infonce needs clustering.source hierarchy, not "
            f"{clustering.source}: it takes levels 1 to clustering.level"
        )
    if similarity is None:
        if name in _PREDICTING:
            raise ValueError(f"objective {name} needs similarity: its columns are predicted")
        return
    if name not in ("cl_infonce", *_PREDICTING):
        raise ValueError(
            f"objective {name} takes no similarity: cl_infonce, attribute_prediction and fino do"
        )
    if objective.form == "in":
        raise ValueError("form in is of clusters alone: with similarity it is out or sincere")
    if clustering.source != "instances" and similarity.attracts:
        raise ValueError(
            "clustering and similarity both say what attracts: leave one out, or give the columns "
            "of similarity the role suppress"
        )
    if clustering.alternates:
        raise ValueError("clusters that are made anew while training take no similarity")
    _check_roles(name, similarity)


def _check_roles(name: str, similarity: SimilaritySpec) -> None:
    weighed = any(column.weight != 1 for column in similarity.with_role("attract").values())
    if name == "cl_infonce" and weighed and similarity.by == "product":
        raise ValueError("weight goes with by: sum; in a product choose bandwidths")
    if name in _PREDICTING and not similarity.attracts:
        raise ValueError(f"objective {name} predicts columns of role attract, and there is none")
    conditional = similarity.suppresses and similarity.suppress.by == "condition"
    if name == "attribute_prediction" and conditional:
        raise ValueError(
            "objective attribute_prediction contrasts nothing: set suppress.by to adversary"
        )
