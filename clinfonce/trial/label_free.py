"""What a trial's features are worth where nobody labelled the images: rows of `scores`."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinfonce.config import EvaluationSpec
from clinfonce.data import Column, ImageTable, Target
from clinfonce.evaluation.label_free import alignment, lidar, rankme, uniformity
from clinfonce.evaluation.readable import readable
from clinfonce.evaluation.space import Space
from clinfonce.trial.encoding import EncodedOnce, EncodeViews, Rows
from clinfonce.trial.rows import Row
from clinfonce.trial.targets import SPLITS, rows_of, values_on

_MOST_IMAGES = 2000  # of a split whose features are looked at, evenly drawn
_MOST_VIEWED = 500  # … of which there are views
_VIEWS = 10  # of each


def is_label_free(spec: EvaluationSpec, table: ImageTable) -> bool:
    """Whether features are measured without labels: where there is no target, or if asked for."""
    return not table.targets if spec.label_free is None else spec.label_free


def label_free_rows(
    once: EncodedOnce, views: EncodeViews, table: ImageTable, spec: EvaluationSpec
) -> Iterator[Row]:
    """RankMe, LiDAR, alignment and uniformity of the validation and the test split.

    Args:
        once: gives features of images.
        views: gives features of views of images.
        table: the data set.
        spec: how features are probed.
    """
    if not is_label_free(spec, table):
        return
    for split, code in SPLITS.items():
        if split == "train":
            continue
        rows = _evenly(table.rows(code), _MOST_IMAGES)
        features = once(rows)
        yield _row(split, "rankme", rankme(features), len(rows))
        yield _row(split, "uniformity", uniformity(features), len(rows))
        rows = _evenly(rows, _MOST_VIEWED)
        seen = views(rows, _VIEWS)
        yield _row(split, "lidar", lidar(seen), len(rows))
        yield _row(split, "alignment", alignment(seen), len(rows))


def held_out_rows(once: EncodedOnce, table: ImageTable, spec: EvaluationSpec) -> Iterator[Row]:
    """How much of each column that was held out of the clustering can be read, and the mean."""
    shares: dict[str, list[float]] = {"val": [], "test": []}
    for name in spec.held_out:
        target = held_out_target(table.column(name))
        rows = rows_of(table, target)
        space = Space(*(once(rows[split]) for split in SPLITS), k=spec.neighbors)
        values = values_on(target, rows, space.train.device)
        for split, share in readable(space, target.kind, values).items():
            shares[split].append(share)
            yield {**_row(split, "held_out", share, len(rows[split])),
                   "grouped_by": "held_out", "group": name}  # fmt: skip
    for split, found in shares.items():
        if found:
            images = int((table.split == SPLITS[split]).sum())
            yield _row(split, "held_out", sum(found) / len(found), images)


def held_out_target(column: Column) -> Target:
    """A column as a target: what a probe reads of it. Of hierarchies the first step of a path."""
    match column.kind:
        case "numeric":
            return Target(column.name, "number", np.where(column.present, column.values, np.nan))
        case "tags":
            names = sorted({tag for tags in column.values[column.present] for tag in tags})
            has = [[name in tags for name in names] for tags in column.values]
            return Target(
                column.name, "multilabel", np.array(has, bool), tuple(names), column.missing
            )
        case "hierarchy":
            values: NDArray[Any] = np.array([_first_step(path) for path in column.values])
        case _:
            values = column.values.astype(str)
    kinds, codes = np.unique(values, return_inverse=True)
    codes = np.where(column.present, codes, -1).astype(np.int64)
    return Target(column.name, "class", codes, tuple(map(str, kinds)))


def _first_step(path: tuple[Any, ...]) -> str:
    """Of a path, or of the first of several."""
    first: Any = path
    while isinstance(first, tuple):
        first = first[0] if first else ""
    return str(first)


def _evenly(rows: Rows, most: int) -> Rows:
    count = min(len(rows), most)
    return rows[np.arange(count) * len(rows) // max(count, 1)]


def _row(split: str, measure: str, value: float, images: int) -> Row:
    return {"target": None, "split": split, "probe": "features", "labels": "none",
            "measure": measure, "value": value, "images": images}  # fmt: skip
