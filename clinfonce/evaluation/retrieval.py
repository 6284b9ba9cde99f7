"""Retrieval: training images ranked by cosine similarity to each query."""

from collections.abc import Sequence

import torch
from torch import Tensor

RECALLS = (1, 5, 10)


def retrieved(order: Tensor, gallery: Tensor, queries: Tensor) -> dict[str, Tensor]:
    """Measure rankings by whether images share the query's label.

    Args:
        order: int64 (q, m), the rows of the gallery for each query, nearest first.
        gallery: int64 (m,), labels.
        queries: int64 (q,), labels.

    Returns:
        float64 (q,) each: recall_at_k, 1 where one of the k nearest shares the label; r_precision,
        the share of the R nearest that do, R = how many there are; map, the mean over those R of
        the precision at their places (average precision). NaN for a query whose label the gallery
        lacks.
    """
    relevant = gallery[order] == queries[:, None]  # (q, m)
    total = relevant.sum(1)
    hits = relevant.cumsum(1)
    places = torch.arange(1, order.shape[1] + 1, device=order.device)
    precision = torch.where(relevant, hits.double() / places, 0.0).sum(1)
    known = total > 0
    at_total = hits.gather(1, (total - 1).clamp(min=0)[:, None])[:, 0]
    found: dict[str, Tensor] = {
        f"recall_at_{k}": _known(relevant[:, :k].any(1).double(), known) for k in RECALLS
    }
    found["r_precision"] = _known(at_total.double() / total.clamp(min=1), known)
    found["map"] = _known(precision / total.clamp(min=1), known)
    return found


def joined(parts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The measures of several lots of queries."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _known(values: Tensor, known: Tensor) -> Tensor:
    return torch.where(known, values, torch.nan)
