"""Measures by group of images: a mean can hide a group that loses."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from clinfonce.evaluation.scores import Score


@dataclass(frozen=True)
class Grouping:
    """Which group each image of each split is in.

    Attributes:
        names: of the groups.
        codes: split → int64 (n,), 0..len(names)-1.
    """

    names: tuple[str, ...]
    codes: Mapping[str, Tensor]


Groupings = Mapping[str, Grouping]  # by the name of their column

_FEWEST = 10  # images of a group that can be the worst, unless all are smaller: else it is luck


def group_scores(
    score: Score, values: Tensor, groupings: Groupings, *, worst_is_low: bool = True
) -> Iterator[Score]:
    """Yield a measure that is a mean over images for each group, the worst and their mean.

    The worst is one of at least ten images, if there are such. The single groups are of the test
    split alone.

    Args:
        score: of all images.
        values: (n,), whose mean it is.
        groupings: of the images.
        worst_is_low: whether more is better.
    """
    for column, grouping in groupings.items():
        codes = grouping.codes[score.split].to(values.device)
        counts = torch.bincount(codes, minlength=len(grouping.names))
        sums = torch.zeros(len(grouping.names), dtype=torch.float64, device=values.device)
        means = sums.index_add_(0, codes, values.double()) / counts
        yield from _scores(score, column, grouping, means, counts, worst_is_low=worst_is_low)


def balanced_by_group(
    score: Score, right: Tensor, classes: Tensor, groupings: Groupings
) -> Iterator[Score]:
    """Yield the balanced accuracy of each group, the worst and their mean, as `group_scores` does.

    That of a group is the mean recall of the classes that it has.

    Args:
        score: of all images.
        right: (n,), whether an image's class was told.
        classes: int64 (n,).
        groupings: of the images.
    """
    n_classes = int(classes.max()) + 1
    for column, grouping in groupings.items():
        codes = grouping.codes[score.split].to(classes.device)
        shape = len(grouping.names), n_classes
        cells = codes * n_classes + classes
        images = torch.bincount(cells, minlength=shape[0] * n_classes).double()
        told = torch.zeros_like(images).index_add_(0, cells, right.double())
        means = (told / images).view(shape).nanmean(1)
        counts = images.view(shape).sum(1).long()
        yield from _scores(score, column, grouping, means, counts, worst_is_low=True)


def _scores(
    score: Score,
    column: str,
    grouping: Grouping,
    means: Tensor,
    counts: Tensor,
    *,
    worst_is_low: bool,
) -> Iterator[Score]:
    """Of values (g,) of groups with so many images each (g,)."""
    there = counts.nonzero()[:, 0]
    of_groups = means[there]
    large = counts[there] >= _FEWEST
    large = large if large.any() else ~large
    ranked = torch.where(large, of_groups, torch.inf if worst_is_low else -torch.inf)
    worst = there[ranked.argmin() if worst_is_low else ranked.argmax()]
    yield _of_group(score, column, None, f"{score.measure}_worst", means[worst], counts[worst])
    yield _of_group(score, column, None, f"{score.measure}_mean", of_groups.mean(), counts.sum())
    if score.split == "test":
        for group in there.tolist():
            name, value, count = grouping.names[group], means[group], counts[group]
            yield _of_group(score, column, name, score.measure, value, count)


def _of_group(
    score: Score, column: str, group: str | None, measure: str, value: Tensor, images: Tensor
) -> Score:
    return Score(
        score.split,
        score.probe,
        score.labels,
        measure,
        float(value),
        grouped_by=column,
        group=group,
        images=int(images),
    )
