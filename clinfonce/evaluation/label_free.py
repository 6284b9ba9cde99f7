"""Measures of features that need no label.

RankMe (Garrido et al. 2023, arXiv 2210.02885) and LiDAR (Thilak et al. 2024, 2312.04000) count
the directions that features use, and those that tell images apart; alignment and uniformity (Wang &
Isola 2020, arXiv 2005.10242) say how near two views of an image are, and how evenly all are spread.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_TINY = 1e-7  # added to each share, as both papers do
_WITHIN = 1e-4  # LiDAR's: added to the variances within an image


def rankme(features: Tensor) -> float:
    """Return the effective rank of features (n, d): exp of the entropy of their singular values."""
    x = features.double()
    square = x.mT @ x if len(x) >= x.shape[1] else x @ x.mT
    return _effective_rank(torch.linalg.eigvalsh(square).clamp(min=0).sqrt())


def lidar(views: Tensor) -> float:
    """Return the effective rank of what tells images apart, beside what tells views apart.

    Every image is a class of its own, and exp of the entropy is of the eigenvalues of
    Σ_w^(−1/2) Σ_b Σ_w^(−1/2), of the covariances within and between images.

    Args:
        views: float (n, q, d), q views of each of n images.
    """
    x = views.double()
    middles = x.mean(1)  # (n, d)
    within = (x - middles[:, None]).flatten(0, 1)
    within = within.mT @ within / len(within)
    within += _WITHIN * torch.eye(len(within), dtype=within.dtype, device=within.device)
    between = middles - middles.mean(0)
    # The eigenvalues of W^(−1/2) B W^(−1/2) are those of Y Y' with Y = L^(−1) B^(1/2), W = L L'.
    solved = torch.linalg.solve_triangular(
        torch.linalg.cholesky(within), between.mT / len(middles) ** 0.5, upper=False
    )
    square = solved @ solved.mT if solved.shape[0] <= solved.shape[1] else solved.mT @ solved
    return _effective_rank(torch.linalg.eigvalsh(square).clamp(min=0))


def alignment(views: Tensor) -> float:
    """Return the mean squared distance of two views of an image, of norm 1; less is nearer.

    Args:
        views: float (n, q, d).
    """
    x = F.normalize(views.double(), dim=2)
    q = x.shape[1]
    # Over pairs of different views: the mean of 2 − 2 x·y.
    products = (x.sum(1).square().sum(1) - q) / (q * (q - 1))
    return float((2 - 2 * products).mean())


def uniformity(features: Tensor) -> float:
    """Return log E exp(−2 ‖x − y‖²) over pairs of features (n, d) of norm 1; less is more even."""
    x = F.normalize(features.double(), dim=1)
    n = len(x)
    kernel = torch.exp(4 * (x @ x.mT) - 4)
    return float(((kernel.sum() - kernel.diagonal().sum()) / (n * (n - 1))).log())


def _effective_rank(values: Tensor) -> float:
    total = values.sum()
    if total <= 0:
        return 1.0
    shares = values / total + _TINY
    return float(torch.exp(-(shares * shares.log()).sum()))
