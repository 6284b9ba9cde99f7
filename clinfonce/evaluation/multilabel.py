"""The linear probe of a target of several labels: one classifier a label, against the rest."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from torch import Tensor

from clinfonce.evaluation.bootstrap import interval
from clinfonce.evaluation.groups import Groupings, group_scores
from clinfonce.evaluation.linear import STRENGTHS
from clinfonce.evaluation.measures import average_precisions, mean_average_precision, multilabel_f1
from clinfonce.evaluation.one_vs_rest import solve_each
from clinfonce.evaluation.scores import Score
from clinfonce.evaluation.space import Space

Measure = Callable[[Tensor | None], Tensor]  # of weights (…, n), None = 1 each, to (…,)


def multilabel_probe(
    space: Space, labels: Mapping[str, Tensor], *, strengths: tuple[float, ...] = STRENGTHS
) -> dict[str, Tensor]:
    """Fit a logistic regression for each label, and return its logits by split: float (n, m).

    The strength of the penalty is that of largest mean average precision on validation, one for all
    labels.

    Args:
        space: features of images whose labels are known.
        labels: bool (n, m) of the splits train, val and, where there are features, test.
        strengths: of the L2 penalty that are tried.
    """
    x, val = space.standard.train, space.standard["val"]
    best, chosen = -1.0, None
    for _, weights, intercepts in solve_each(x, labels["train"], strengths=strengths):
        reached = float(mean_average_precision(val @ weights + intercepts, labels["val"]))
        if chosen is None or reached > best:
            best, chosen = reached, (weights, intercepts)
    assert chosen is not None
    weights, intercepts = chosen
    return {split: space.standard[split] @ weights + intercepts for split in space.splits}


def multilabel_scores(
    space: Space,
    labels: Mapping[str, Tensor],
    names: tuple[str, ...],
    target: str,
    groupings: Groupings,
) -> Iterator[Score]:
    """Everything that is measured of one target of several labels.

    Args:
        space: features of images whose labels are known.
        labels: bool (n, m) of the splits train, val and, where there are features, test.
        names: of the m labels.
        target: its name, by which single labels are grouped.
        groupings: of the images.

    Labels that training has in no image, or in all, are left out.
    """
    shares = labels["train"].double().mean(0)
    told = ((shares > 0) & (shares < 1)).nonzero()[:, 0]
    labels = {split: values[:, told] for split, values in labels.items()}
    kept = [names[place] for place in told.tolist()]
    for split, logits in multilabel_probe(space, labels).items():
        yield from _of_split(space, split, logits, labels[split], groupings)
        if split == "test":
            yield from _by_label(logits, labels[split], kept, target)


def _of_split(
    space: Space, split: str, logits: Tensor, y: Tensor, groupings: Groupings
) -> Iterator[Score]:
    given = logits > 0
    measures: dict[str, Measure] = {
        "map": lambda weights: mean_average_precision(logits, y, weights),
        "macro_f1": lambda weights: multilabel_f1(given, y, weights),
    }
    for name, measure in measures.items():
        low, high = interval(space.resamples, measure) if split == "test" else (None, None)
        value = float(measure(None))
        yield Score(split, "linear", "all", name, value, low=low, high=high, images=len(y))
    right = (given == y).double().mean(1)
    whole = Score(split, "linear", "all", "label_accuracy", float(right.mean()), images=len(y))
    yield whole
    yield from group_scores(whole, right, groupings)


def _by_label(logits: Tensor, y: Tensor, names: Sequence[str], target: str) -> Iterator[Score]:
    """The average precision of each label, with how many images have it."""
    values, counts = average_precisions(logits, y).tolist(), y.sum(0).tolist()
    for name, value, images in zip(names, values, counts, strict=True):
        if images:
            yield Score(
                "test", "linear", "all", "map", value, grouped_by=target, group=name, images=images
            )
