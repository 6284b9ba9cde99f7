"""Weighted k nearest neighbours."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from clinfonce.errors import InputError
from clinfonce.evaluation.accuracy import check_features, check_labels, ranks, top

CHUNK_VALUES = 2**22  # similarities that are held at a time


def knn_predict(
    train_x: Tensor,
    train_y: Tensor,
    x: Tensor,
    *,
    k: int = 20,
    temperature: float = 0.07,
    n_classes: int,
) -> Tensor:
    """Return the votes of the nearest training images: float32 (n, n_classes).

    Each of the k neighbours of largest cosine similarity s votes exp(s / temperature) for its label
    (Wu et al. 2018, "Unsupervised feature learning via non-parametric instance discrimination",
    section 3.4). With fewer than k training images all of them vote.

    Args:
        train_x: features (m, d).
        train_y: int64 (m,), 0..n_classes-1.
        x: features (n, d).
        k: how many neighbours vote.
        temperature: of the votes.
        n_classes: how many classes there are.

    Raises:
        InputError: k below 1, a temperature that is not positive, features that are not finite or
            labels out of range.
    """
    check_features(train_x=train_x, x=x)
    train_y = check_labels(train_x, train_y, n_classes, "train_y")
    _check_vote(k, temperature)
    targets = F.normalize(train_x.float(), dim=1)
    queries = F.normalize(x.float(), dim=1)
    chunk = max(1, CHUNK_VALUES // len(targets))
    parts = (queries[i : i + chunk] @ targets.T for i in range(0, len(queries), chunk))
    return torch.cat([votes(part, train_y, k, temperature, n_classes) for part in parts])


def votes(
    similarities: Tensor, train_y: Tensor, k: int, temperature: float, n_classes: int
) -> Tensor:
    """Return the votes (n, n_classes) at given cosine similarities (n, m)."""
    nearest, index = similarities.topk(min(k, similarities.shape[1]), dim=1)
    return votes_of(nearest, train_y[index], temperature, n_classes)


def votes_of(nearest: Tensor, labels: Tensor, temperature: float, n_classes: int) -> Tensor:
    """Return the votes (n, n_classes) of neighbours.

    Args:
        nearest: float (n, k), their cosine similarities.
        labels: int64 (n, k), theirs.
        temperature: of the votes.
        n_classes: how many classes there are.
    """
    # Less the largest possible similarity: half a thousand over a small temperature is infinite.
    weights = ((nearest - 1) / temperature).exp_()
    counted = nearest.new_zeros(len(nearest), n_classes)
    # One class a row at a time, so that sums have one order on a GPU too.
    for place in range(nearest.shape[1]):
        column = labels[:, place, None]
        counted.scatter_(1, column, counted.gather(1, column) + weights[:, place, None])
    return counted


def knn_accuracy(
    train_x: Tensor,
    train_y: Tensor,
    x: Tensor,
    y: Tensor,
    *,
    k: int = 20,
    temperature: float = 0.07,
    n_classes: int,
) -> dict[int, float]:
    """Return the shares of x whose label y is the first and among the first five: {1: …, 5: …}.

    See `knn_predict`.
    """
    scores = knn_predict(train_x, train_y, x, k=k, temperature=temperature, n_classes=n_classes)
    ranked = ranks(scores.T, check_labels(x, y, n_classes, "y"))
    return {best: float(top(ranked, best)) for best in (1, 5)}


def _check_vote(k: int, temperature: float) -> None:
    if k < 1:
        raise InputError(f"kNN with k = {k}; at least 1 neighbour is needed")
    if not temperature > 0:
        raise InputError(f"kNN with temperature {temperature}; it has to be positive")


def few_label_votes(
    targets: Tensor,
    train_y: Tensor,
    queries: Tensor,
    draws: Tensor,
    *,
    k: int,
    temperature: float,
    n_classes: int,
) -> Iterator[Tensor]:
    """Yield, draw by draw, the votes (n, n_classes) of the drawn training images alone.

    Args:
        targets: training features (m, d) of norm 1.
        train_y: int64 (m,).
        queries: features (n, d) of norm 1.
        draws: int64 (n_draws, images): rows of the training images.
        k: how many neighbours vote.
        temperature: of the votes.
        n_classes: how many classes there are.
    """
    for drawn in draws:
        similarities = queries @ targets[drawn].T
        yield votes(similarities, train_y[drawn], k, temperature, n_classes)
