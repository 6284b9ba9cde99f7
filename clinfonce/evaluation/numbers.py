"""The linear probe of a number: ridge regression."""

from collections.abc import Iterator, Mapping
from functools import partial

import torch
from torch import Tensor

from clinfonce.evaluation.bootstrap import interval, mean_interval
from clinfonce.evaluation.groups import Groupings, group_scores
from clinfonce.evaluation.linear import STRENGTHS
from clinfonce.evaluation.measures import r2
from clinfonce.evaluation.scores import Score
from clinfonce.evaluation.space import Space


def ridge_probe(
    space: Space, values: Mapping[str, Tensor], *, strengths: tuple[float, ...] = STRENGTHS
) -> dict[str, Tensor]:
    """Fit a ridge regression, and return its predictions by split: float64 (n,).

    It minimises 1/n · Σ (y − w'x − b)² + strength · ‖w‖² on standardised features (scikit-learn's
    alpha is n · strength); the strength is that of largest R² on validation, of equal ones the
    strongest.

    Args:
        space: features of images whose value is known.
        values: float64 (n,) of the splits train, val and, where there are features, test.
        strengths: of the L2 penalty that are tried.
    """
    features = {name: space.standard[name].double() for name in space.splits}
    x, y = space.standard.train.double(), values["train"].double()
    middle, x_mean = y.mean(), x.mean(0)
    x = x - x_mean
    # x = U S V', of the smaller side's eigenvectors; w = V (S² + n · strength)⁻¹ S U' y.
    square, axes = torch.linalg.eigh(x.mT @ x if len(x) >= x.shape[1] else x @ x.mT)
    if len(x) >= x.shape[1]:
        projected = axes.mT @ (x.mT @ (y - middle))
    else:
        projected = axes.mT @ (y - middle)
        axes = x.mT @ axes
    found: dict[float, dict[str, Tensor]] = {}
    for strength in sorted(strengths, reverse=True):
        weights = axes @ (projected / (square.clamp(min=0) + len(x) * strength))
        found[strength] = {n: (f - x_mean) @ weights + middle for n, f in features.items()}
    best = max(found, key=lambda s: (float(r2(found[s]["val"], values["val"])), s))
    return found[best]


def number_scores(
    space: Space, values: Mapping[str, Tensor], groupings: Groupings
) -> Iterator[Score]:
    """Everything that is measured of one target that is a number.

    R², the mean absolute error, and that of the training mean in place of a prediction.

    Args:
        space: features of images whose value is known.
        values: float64 (n,) of the splits train, val and, where there are features, test.
        groupings: of the images.
    """
    middle = values["train"].mean()
    for split, predicted in ridge_probe(space, values).items():
        y = values[split]
        low = high = None
        if split == "test":
            low, high = interval(space.resamples, partial(r2, predicted, y))
        value = float(r2(predicted, y))
        yield Score(split, "linear", "all", "r2", value, low=low, high=high, images=len(y))
        for measure, guess in (("mae", predicted), ("mae_of_mean", middle)):
            errors = (y - guess).abs()
            if split == "test":
                low, high = mean_interval(space.resamples, errors)
            whole = Score(
                split, "linear", "all", measure, float(errors.mean()), low=low, high=high,
                images=len(y),
            )  # fmt: skip
            yield whole
            if measure == "mae":
                yield from group_scores(whole, errors, groupings, worst_is_low=False)
