"""What clusterings can be made of: the parts that a data set offers, and their crossings.

A *part* is a partition of one thing: a column, numbers cut into so many bins, a level of a
hierarchy, a word among tags, k-means. Parts of one *group* (levels of a hierarchy, bins of a
column) refine each other, so a crossing has at most one of each group.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from clinfonce.clusterings import Clustering
from clinfonce.config import ClusteringSpec
from clinfonce.config.clustering import PartSpec
from clinfonce.data import TRAIN, Column, ImageTable
from clinfonce.errors import InputError, unknown_name
from clinfonce.information.cautions import Caution, cautions, left_out
from clinfonce.trial.clusterings import build_clustering

Features: TypeAlias = Literal["pixels", "pretrained"]

INSTANCES: Mapping[str, Any] = {"source": "instances"}

_BINS = (2, 4, 8)
_KS = (20, 10, 40, 5, 80)  # the middle first
_FEWEST_IMAGES = 4  # a cluster, of k-means
_PIXELS = 30_000_000  # bytes in all training images, up to which k-means of them takes seconds
_WORDS = 40  # of a column of tags, the most frequent
_RAREST = 0.02  # share of the images that have a word, or lack it
_K_MEANS = "k-means"


@dataclass(frozen=True)
class Part:
    """A partition of one thing.

    Attributes:
        group: of parts that exclude each other.
        spec: what it is of.
    """

    group: str
    spec: PartSpec

    @property
    def name(self) -> str:
        """For people, and different from those of other parts."""
        return self.spec.name


def parts_of(
    table: ImageTable,
    *,
    columns: Collection[str] | None = None,
    include: Collection[str] = (),
    features: Features | None = "pixels",
    warned: tuple[Caution, ...] | None = None,
) -> tuple[Part, ...]:
    """The parts that a data set offers, made without labels but for what is left out.

    Args:
        table: the data set.
        columns: of these alone; None takes all that are information.
        include: columns that are taken although they are none.
        features: what k-means is of; None leaves it out.
        warned: what to know of the columns, if it is known; None finds it out from all labels.

    Raises:
        InputError: an unknown column.
    """
    for name in (*(columns or ()), *include):
        table.column(name)
    named = {*(columns or ()), *include}
    out = left_out(cautions(table) if warned is None else warned)
    found = []
    for column in table.columns.values():
        if columns is None or column.name in named:
            none = set() if column.name in named else out.get(column.name, set())
            offered = _of_column(column, table) if None not in none else iter(())
            found += [part for part in offered if part.spec.level not in none]
    found += _of_features(table, features)
    return tuple(found)


def clustering_of(parts: Sequence[Part]) -> dict[str, Any]:
    """What to write under `clustering:` for the crossing of some parts; instances for none."""
    specs = [part.spec for part in parts]
    if not specs:
        return dict(INSTANCES)
    if all(_is_plain(spec) for spec in specs):
        return {"source": "attributes", "attributes": [spec.column for spec in specs]}
    if len(specs) == 1 and (alone := _alone(specs[0])) is not None:
        return alone
    return {"source": "crossing", "parts": [spec.model_dump(exclude_unset=True) for spec in specs]}


def parts_in(clustering: Mapping[str, Any], parts: Sequence[Part]) -> tuple[Part, ...] | None:
    """The parts whose crossing a clustering is; None where they do not make it."""
    if clustering.get("source") == "instances":
        return ()
    if clustering.get("source") == "attributes" and clustering.get("attributes"):
        plain = {p.spec.column: p for p in parts if _is_plain(p.spec)}
        names = clustering["attributes"]
        found = tuple(plain[name] for name in names if name in plain)
        return found if len(found) == len(names) and "bins" not in clustering else None
    if clustering.get("source") == "crossing":
        by_name = {part.name: part for part in parts}
        wanted = [PartSpec.model_validate(dict(part)).name for part in clustering["parts"]]
        return tuple(by_name[n] for n in wanted) if set(wanted) <= by_name.keys() else None
    same = (part for part in parts if clustering_of([part]) == dict(clustering))
    alone = next(same, None)
    return None if alone is None else (alone,)


def build_trainable(spec: Mapping[str, Any], table: ImageTable) -> Clustering | None:
    """The clustering of a specification; None where nothing can be learnt from it."""
    clustering = build_clustering(ClusteringSpec.model_validate(dict(spec)), table)
    try:
        clustering.check_trainable()
    except InputError:
        return None
    return clustering


def check_attributes(table: ImageTable, names: Sequence[str]) -> None:
    """Refuse names that clusters cannot be crossed of.

    Raises:
        InputError: a name that no column has, or one of tags or of a hierarchy.
    """
    allowed = [c.name for c in table.columns.values() if c.kind not in ("tags", "hierarchy")]
    for name in names:
        if name not in allowed:
            raise InputError(unknown_name(f"attribute of {table.name}", name, allowed))


def attribute_names(table: ImageTable) -> list[str]:
    """The columns that may be crossed and are information: what `subset: all` stands for."""
    out = left_out(cautions(table))
    return [
        column.name
        for column in table.columns.values()
        if column.kind not in ("tags", "hierarchy") and column.name not in out
    ]


def _of_column(column: Column, table: ImageTable) -> Iterator[Part]:
    name = column.name
    if column.kind == "tags":
        for word in _frequent_words(column, table):
            yield Part(f"{name}={word}", PartSpec(column=name, tag=word))
    elif column.kind == "hierarchy":
        for level in range(1, _deepest(column) + 1):
            yield Part(name, PartSpec(column=name, level=level))
    elif column.kind == "numeric":
        yield Part(name, PartSpec(column=name))
        distinct = column.n_values
        for bins in _BINS[1:]:
            if bins < distinct:
                yield Part(name, PartSpec(column=name, bins=bins))
    else:
        yield Part(name, PartSpec(column=name))


def _frequent_words(column: Column, table: ImageTable) -> list[str]:
    """The most frequent tags that tell images apart, the most frequent first."""
    rows = table.rows(TRAIN)
    counts = Counter(word for tags in column.values[rows] for word in set(tags))
    least, most = _RAREST * len(rows), (1 - _RAREST) * len(rows)
    fit = [word for word, count in counts.items() if least <= count <= most]
    return sorted(fit, key=lambda word: (-counts[word], word))[:_WORDS]


def _deepest(column: Column) -> int:
    paths = (
        value if value and isinstance(value[0], tuple) else (value,) for value in column.values
    )
    return max((len(path) for place in paths for path in place), default=0)


def _of_features(table: ImageTable, features: Features | None) -> Iterator[Part]:
    n = len(table.rows(TRAIN))
    if features is None or (
        features == "pixels" and (not table.has_images or n * table.images[:1].nbytes > _PIXELS)
    ):
        return
    for k in _KS:
        if k * _FEWEST_IMAGES <= n:
            values: dict[str, Any] = {} if features == "pixels" else {"features": features}
            yield Part(_K_MEANS, PartSpec(n_clusters=k, **values))


def _is_plain(spec: PartSpec) -> bool:
    return spec.column is not None and spec.level is None and not (spec.tag or spec.bins)


def _alone(spec: PartSpec) -> dict[str, Any] | None:
    """The shorter form of a crossing of one part, where there is one."""
    values = spec.model_dump(exclude_unset=True)
    if spec.n_clusters is not None:
        return {"source": "kmeans", **values}
    if spec.level is not None:
        return {"source": "hierarchy", **values}
    if spec.bins is not None:
        return {"source": "column", **values}
    return None
