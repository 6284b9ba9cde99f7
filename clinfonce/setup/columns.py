"""Which columns of a data set are worth a search, judged without looking at a label."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from clinfonce import clusterings
from clinfonce.clusterings import Clustering
from clinfonce.data import TRAIN, Column, ImageTable, attributes
from clinfonce.errors import InputError

_MOST_ALONE = 0.5  # share of the images that may be alone in their cluster
_MOST_MISSING = 0.9
_MOST_VALUES = 50  # of a column whose values are crossed with those of others


@dataclass(frozen=True)
class Candidates:
    """What a search may use.

    Attributes:
        attributes: columns that are crossed, each in or out.
        alone: clusterings of tags and hierarchies, by a name: fields of a specification.
        left_out: column to the reason.
        of_the_class: attributes that are the same for all images of a label.
        bins: whether some attribute is a number, which bins are cut of.
    """

    attributes: tuple[str, ...] = ()
    alone: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    of_the_class: tuple[str, ...] = ()
    bins: bool = False


def candidates(table: ImageTable) -> Candidates:
    """Sort the columns of a data set."""
    rows = table.rows(TRAIN)
    crossed, left_out = list[str](), dict[str, str]()
    alone = dict[str, Mapping[str, object]]()
    seen = dict[str, str]()  # partition → the column that makes it
    for column in table.columns.values():
        made = dict(_clusterings(table, column))
        if reason := _useless(column, made, len(rows)):
            left_out[column.name] = reason
            continue
        name, (spec, clustering) = next(iter(made.items()))
        if twin := seen.get(clustering.clustering_id):
            left_out[column.name] = f"says the same as {twin}"
            continue
        seen[clustering.clustering_id] = column.name
        if spec is None:
            crossed.append(column.name)
        else:
            alone[name] = spec
    kinds = [table.columns[name] for name in crossed]
    return Candidates(
        tuple(crossed),
        alone,
        left_out,
        tuple(column.name for column in kinds if column.level == "class"),
        any(column.kind == "numeric" for column in kinds),
    )


Made = tuple[Mapping[str, object] | None, Clustering]


def _clusterings(table: ImageTable, column: Column) -> Iterator[tuple[str, Made]]:
    """What may be made of a column, the likeliest to be of use first; no fields: it is crossed."""
    rows, name = table.rows(TRAIN), column.name
    if column.kind == "tags":
        for by in ("set", "commonest"):
            made = clusterings.from_tags(column.values[rows], by=by)
            if not _reason(made, len(rows)):
                yield name, ({"source": "tags", "column": name, "by": by}, made)
        return
    if column.kind == "hierarchy":
        deepest = max(map(_depth, column.values[rows]), default=0)
        levels = [
            (level, clusterings.from_hierarchy(column.values[rows], level=level))
            for level in range(1, deepest + 1)
        ]
        usable = [(level, made) for level, made in levels if not _reason(made, len(rows))]
        for level, made in sorted(usable, key=lambda one: -_entropy(one[1])):
            yield (
                f"{name}, level {level}",
                ({"source": "hierarchy", "column": name, "level": level}, made),
            )
        return
    codes = attributes(table, rows, names=[name])[name]
    yield name, (None, clusterings.from_column(codes, name=name))


def _depth(value: tuple[object, ...]) -> int:
    """Steps of a path, or of the longest of several."""
    return max((len(path) for path in value if isinstance(path, tuple)), default=len(value))


def _useless(column: Column, made: Mapping[str, Made], n: int) -> str | None:
    """Why a column is left out; None where it is not."""
    if not column.present.any():
        return "no image has a value"
    missing = 1 - column.present.mean()
    if missing > _MOST_MISSING:
        return f"{missing:.0%} of the images have no value"
    if not made:
        return "its sets or paths leave hardly two images together, or all"
    spec, clustering = next(iter(made.values()))
    if reason := _reason(clustering, n):
        return reason
    if spec is None and clustering.n_clusters > _MOST_VALUES:
        return f"{clustering.n_clusters} values are many to cross: source column takes it alone"
    return None


def _reason(made: Clustering, n: int) -> str | None:
    try:
        made.check_trainable()
    except InputError:
        return "one value only" if made.n_clusters == 1 else "another value for every image"
    if made.n_singletons > _MOST_ALONE * n:
        return f"{made.n_singletons} of {n} training images have a value of their own"
    return None


def _entropy(made: Clustering) -> float:
    """Bits of a clustering, with those of images that are alone left out: they teach nothing."""
    shares = made.sizes[made.sizes > 1] / len(made)
    return float(-(shares * np.log2(shares)).sum())
