"""ProtoNCE: contrast embeddings with prototypes of clusters (Li et al., arXiv 2005.04966)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from clinfonce.errors import InputError
from clinfonce.losses import _checks
from clinfonce.losses._kin import sums_by
from clinfonce.losses.collectives import Workers, global_mean


class Prototypes(NamedTuple):
    """One clustering of the training images as prototypes.

    Attributes:
        centroids: float (K, d), of length 1.
        concentrations: float (K,), φ, the temperature of each prototype.
        assignments: int64 (N,), the cluster of each training image.
    """

    centroids: Tensor
    concentrations: Tensor
    assignments: Tensor

    @classmethod
    def of(
        cls,
        embeddings: Tensor,
        assignments: Tensor,
        *,
        temperature: float,
        smoothing: float = 10.0,
        check: bool = True,
    ) -> "Prototypes":
        """Make prototypes of clusters of embeddings.

        φ = Σ_i ‖v_i − c‖ / (Z log(Z + α)) for a cluster of Z embeddings around c (Section 3.3 of
        the paper). As in the authors' code a cluster of one gets the largest φ, the ends are
        clipped to the 10th and 90th percentile, and φ is scaled to the mean τ.

        Args:
            embeddings: v, floating (N, d), L2-normalised, of the momentum encoder; no gradient.
            assignments: int64 (N,), 0..K-1, none of them empty.
            temperature: τ, above 0.
            smoothing: α, above 0.
            check: whether to check the embeddings' values.

        Raises:
            InputError: on an input that breaks a rule above.
        """
        _checks.check_temperature(temperature)
        _checks.check_embedding_shape(embeddings)
        _checks.check_integers(assignments, embeddings, "assignments")
        _checks.check_ids(assignments, "assignments")
        if check:
            _checks.check_embeddings(embeddings)
        embeddings = embeddings.detach()
        sizes = torch.bincount(assignments)
        if int(sizes.min()) == 0:
            raise InputError(
                f"assignments: {int(sizes.argmin())} of 0 to {len(sizes) - 1} is empty: "
                "ids must be dense"
            )
        count = len(sizes)
        centres = sums_by(assignments, embeddings, count) / sizes[:, None]
        distances = (embeddings - centres[assignments]).norm(dim=1, keepdim=True)
        spread = sums_by(assignments, distances, count)[:, 0]
        raw = spread / (sizes * torch.log(sizes + smoothing))
        return cls(normalize(centres, dim=1), _scaled(raw, sizes, temperature), assignments)


def proto_nce(
    embeddings: Tensor,
    images: Tensor,
    granularities: Sequence[Prototypes],
    *,
    check: bool = True,
    workers: Workers | None = None,
) -> Tensor:
    """Mean over clusterings of −log( exp(v·c_s/φ_s) / Σ_j exp(v·c_j/φ_j) ), c_s the own prototype.

    The prototypes' part of Eq. 11 of the paper, against all prototypes rather than a sample; its
    other part is `cl_infonce` on instances.

    Args:
        embeddings: v, floating (n, d), L2-normalised.
        images: int64 (n,), which training image each embedding is a view of.
        granularities: clusterings of all training images, fine and coarse.
        check: whether to check values; a GPU has to wait for that.
        workers: who share the batch; None for one.

    Raises:
        InputError: on shapes or images that do not fit, or without any clustering.
    """
    _checks.check_embedding_shape(embeddings)
    _checks.check_integers(images, embeddings, "images")
    if check:
        _checks.check_embeddings(embeddings)
    if not granularities:
        raise InputError("granularities are empty: at least one clustering is needed")
    terms = []
    for centroids, concentrations, assignments in granularities:
        _checks.check_width(centroids, embeddings, "centroids")
        if check:
            _checks.check_range(images, len(assignments), "images")
        logits = embeddings @ centroids.T / concentrations  # (n, K)
        terms.append(cross_entropy(logits, assignments[images], reduction="none"))
    return global_mean(torch.stack(terms).mean(0), workers)


def _scaled(raw: Tensor, sizes: Tensor, temperature: float) -> Tensor:
    """Concentrations (K,) with singletons filled, extremes clipped and mean τ."""
    filled = torch.where(sizes > 1, raw, raw.max())
    low, high = torch.quantile(filled, raw.new_tensor([0.1, 0.9]))
    clipped = filled.clamp(low, high)
    mean = clipped.mean()
    if float(mean) == 0:  # every cluster is one point
        return torch.full_like(raw, temperature)
    return clipped * (temperature / mean)
