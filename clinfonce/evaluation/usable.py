"""How well features predict a clustering, in bits: what cannot be seen can teach nothing."""

import math

import torch
from scipy import linalg
from torch import Tensor

from clinfonce.evaluation.accuracy import check_features

_RIDGE = 10.0**-1.5  # of the penalty, as a share of the features' mean variance
# A predicted share of a cluster becomes a probability in proportion to
# prior · max(predicted / prior, floor)^power, with the power and floor of least loss.
_POWERS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
_FLOORS = (0.02, 0.2)
_CHUNK_VALUES = 2**24  # scores that are held at a time
_MOST_AXES = 256  # principal axes that are looked at


class Visibility:
    """Measures how much of any clustering of some images can be seen in their features.

    Usable information (Xu et al. 2020, arXiv 2002.10689) of features X on clusters Z under a family
    of predictors V is H(Z) - H_V(Z|X): the entropy less the mean log-loss of the best predictor,
    here a ridge regression on the clusters' indicators whose scores are made into probabilities.
    Each image is predicted without it (closed-form leave-one-out), so nothing is learnt by heart.
    The axes are found once; a clustering then costs two matrix products.

    Args:
        features: float (n, d), of a frozen encoder.

    Raises:
        InputError: features that are not finite.
    """

    def __init__(self, features: Tensor) -> None:
        check_features(features=features)
        x = features.double()
        x = x - x.mean(0)
        deviation = x.square().mean(0).sqrt()
        x = torch.where(deviation > 0, x / deviation.clamp(min=1e-30), 0.0)
        variances, scores = _principal(x)
        strength = _RIDGE * float(variances.mean())
        shrunk = scores / (variances + strength).sqrt().clamp(min=1e-12) / math.sqrt(len(x))
        constant = torch.full((len(x), 1), 1 / math.sqrt(len(x)), dtype=torch.float64)
        self._basis = torch.cat((shrunk, constant.to(x.device)), 1)  # hat matrix = basis basis'
        self._leverage = self._basis.square().sum(1).clamp(max=1 - 1e-6)  # (n,)

    def left_out(self, targets: Tensor) -> Tensor:
        """What is predicted of each image without it, of targets float64 (n, k): float64 (n, k)."""
        targets, leverage = targets.to(self._basis), self._leverage[:, None]
        scores = self._basis @ (self._basis.mT @ targets)
        return (scores - leverage * targets) / (1 - leverage)

    def bits(self, clusters: Tensor) -> float:
        """The bits of a clustering, int64 (n,) from 0, that the features tell; at least 0."""
        n, n_clusters = len(clusters), int(clusters.max()) + 1
        sizes = torch.bincount(clusters, minlength=n_clusters).double()
        share = sizes / n
        entropy = -float((share[share > 0] * share[share > 0].log2()).sum())
        indicators = torch.zeros(
            n, n_clusters, dtype=torch.float64, device=self._basis.device
        ).scatter_(1, clusters[:, None], 1.0)
        weights = self._basis.mT @ indicators  # (r, K)
        losses = torch.zeros(len(_POWERS) * len(_FLOORS), dtype=torch.float64)
        step = max(1, _CHUNK_VALUES // n_clusters)
        for start in range(0, n, step):
            rows = slice(start, start + step)
            losses += self._losses(rows, weights, clusters[rows], share)
        return max(0.0, entropy - float(losses.min()) / n / math.log(2))

    def _losses(self, rows: slice, weights: Tensor, clusters: Tensor, share: Tensor) -> Tensor:
        """Summed log-loss in nats at each power and floor."""
        scores, leverage = self._basis[rows] @ weights, self._leverage[rows, None]
        own = torch.zeros_like(scores).scatter_(1, clusters[:, None], 1.0)
        left_out = (scores - leverage * own) / (1 - leverage)  # predicted without the image itself
        prior = share.clamp(min=1e-12)
        ratio = left_out / prior
        found = [
            torch.nn.functional.cross_entropy(
                prior.log() + power * ratio.clamp(min=floor).log(), clusters, reduction="sum"
            )
            for floor in _FLOORS
            for power in _POWERS
        ]
        return torch.stack(found).cpu()


def _principal(x: Tensor) -> tuple[Tensor, Tensor]:
    """Variances (r,) and scores (n, r) of the foremost principal axes of centred x (n, d).

    By the products of images where those are fewer than the features.
    """
    n, d = x.shape
    if n < d:
        variances, left = _foremost(x @ x.mT / n)
        return variances, left * (n * variances).sqrt()
    variances, axes = _foremost(x.mT @ x / n)
    return variances, x @ axes


def _foremost(gram: Tensor) -> tuple[Tensor, Tensor]:
    """The largest eigenvalues (r,), falling, and eigenvectors (m, r) of float64 (m, m)."""
    m = len(gram)
    if gram.is_cuda or m <= 2 * _MOST_AXES:
        values, vectors = torch.linalg.eigh(gram)
    else:  # LAPACK finds a part of them in a third of the time, which PyTorch cannot ask for
        found = linalg.eigh(gram.numpy(), subset_by_index=(m - _MOST_AXES, m - 1), driver="evr")
        values, vectors = map(torch.from_numpy, found)
    values, vectors = values[-_MOST_AXES:].flip(0), vectors[:, -_MOST_AXES:].flip(1)
    return values.clamp(min=0), vectors
