"""The part of a specification that says where the clusters come from."""

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from clinfonce.config.base import Amount, Count, Names, Seed, Several, SeveralOfThem, Spec

# What each source of clusters needs and takes beside `source`.
_SOURCE_FIELDS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "instances": (frozenset(), frozenset()),
    "labels": (frozenset(), frozenset()),
    "attributes": (frozenset(), frozenset({"attributes", "top_k", "bins"})),
    "column": (frozenset({"column"}), frozenset({"bins"})),
    "selected": (frozenset({"top_k"}), frozenset({"fraction", "bins", "seed"})),
    "tags": (frozenset({"column"}), frozenset({"by", "n_clusters", "seed"})),
    "hierarchy": (frozenset({"column", "level"}), frozenset()),
    "crossing": (frozenset({"parts"}), frozenset()),
    "synthetic": (frozenset({"family", "level"}), frozenset({"seed"})),
    "kmeans": (
        frozenset({"n_clusters"}), frozenset({"seed", "features", "every", "warmup"})
    ),
}  # fmt: skip
_Source: TypeAlias = Literal[
    "instances", "labels", "attributes", "selected", "column", "tags", "hierarchy", "synthetic",
    "kmeans", "crossing",
]  # fmt: skip


class PartSpec(Spec):
    """A partition that is crossed with others: of a column, a level, a tag, or k-means."""

    column: str | None = None
    level: Amount | None = None  # of a hierarchy
    tag: str | None = None  # whether images have it, of a column of tags
    bins: Annotated[int, Field(ge=2, le=10_000)] | None = None  # of numbers; absent: 2
    n_clusters: Count | None = None  # of k-means, in place of a column
    features: Literal["pixels", "pretrained"] = "pixels"

    @model_validator(mode="after")
    def _is_of_one_thing(self) -> Self:
        if (self.column is None) == (self.n_clusters is None):
            raise ValueError("a part is of a column or of k-means (n_clusters)")
        given = [f for f in ("level", "tag", "bins") if getattr(self, f) is not None]
        if len(given) > 1 or (given and self.column is None):
            raise ValueError(f"one of level, tag and bins goes with a column, got {given}")
        if self.features == "pretrained" and self.n_clusters is None:
            raise ValueError("features goes with n_clusters")
        return self

    @property
    def name(self) -> str:
        """For people, and different from those of other parts."""
        if self.n_clusters is not None:
            pretrained = " (pretrained)" if self.features == "pretrained" else ""
            return f"k-means {self.n_clusters}{pretrained}"
        for field, sign in (("level", ":"), ("tag", "="), ("bins", "/")):
            if (value := getattr(self, field)) is not None:
                return f"{self.column}{sign}{value}"
        return str(self.column)


class ClusteringSpec(Spec):
    """Where the cluster ids come from."""

    source: _Source
    attributes: Names | None = None  # an explicit subset …
    top_k: Count | None = None  # … or the k attributes of highest entropy
    bins: Annotated[int, Field(ge=2, le=10_000)] = 2  # quantile bins of a numeric attribute
    fraction: Annotated[float, Field(gt=0, le=1)] = 0.1  # of the labels, to select attributes by
    column: str | None = None
    by: Literal["set", "commonest", "kmeans"] = "set"  # how images with tags are put together
    level: Amount | None = None  # of a hierarchy or a synthetic family
    family: Literal["merged", "split", "permuted"] | None = None  # of a synthetic clustering
    n_clusters: Several | SeveralOfThem | None = None
    # What k-means sees: pixels; the features of the trial's own pretrained encoder, or those of
    # another (*.safetensors); or while training the features of the encoder or the embeddings of
    # the head themselves.
    features: Annotated[
        str, Field(pattern=r"^(pixels|pretrained|encoder|head|.+\.safetensors)$")
    ] = "pixels"
    every: Count = 1  # epochs between two clusterings of the encoder's own features
    warmup: Amount = 1  # epochs before the first, on instances
    parts: Annotated[tuple[PartSpec, ...], Field(strict=False, min_length=1)] | None = None
    seed: Seed = 0  # of the clustering; the trial's own seed leaves it as it is

    @model_validator(mode="after")
    def _fields_fit_the_source(self) -> Self:
        required, optional = _SOURCE_FIELDS[self.source]
        fields = type(self).model_fields
        given = {name for name in fields if getattr(self, name) != fields[name].default} - {
            "source"
        }
        if strange := sorted(given - required - optional):
            allowed = ", ".join(sorted(required | optional)) or "no further field"
            raise ValueError(f"source {self.source} takes {allowed}, not {', '.join(strange)}")
        if lacking := sorted(required - given):
            raise ValueError(f"source {self.source} needs {', '.join(lacking)}")
        if self.source == "attributes" and (self.attributes is None) == (self.top_k is None):
            raise ValueError("source attributes needs either attributes (a list) or top_k")
        if self.source == "tags" and (self.by == "kmeans") != bool(self.all_n_clusters):
            raise ValueError("n_clusters goes with by: kmeans")
        if not self.alternates:
            if isinstance(self.n_clusters, tuple):
                raise ValueError("several n_clusters go with features: encoder or head")
            if given & {"every", "warmup"}:
                raise ValueError("every and warmup go with features: encoder or head")
        return self

    @property
    def all_n_clusters(self) -> tuple[int, ...]:
        """Every K."""
        if self.n_clusters is None:
            return ()
        return self.n_clusters if isinstance(self.n_clusters, tuple) else (self.n_clusters,)

    @property
    def alternates(self) -> bool:
        """Whether the clusters are made of the trained encoder's own features."""
        return self.source == "kmeans" and self.features in ("encoder", "head")

    @property
    def granularity(self) -> int | None:
        """How fine the clustering is, where its source has a number for that."""
        return max(self.all_n_clusters, default=None) or self.top_k or self.level
