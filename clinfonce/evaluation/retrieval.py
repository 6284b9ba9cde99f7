"""Retrieval: training images ranked by cosine similarity to each query."""

import numpy as np
import torch
from torch import Tensor

RECALLS = (1, 5, 10)
_BLOCK = 1 << 20  # places of a ranking that are looked at together


def nearest_first(similarities: Tensor) -> Tensor:
    """Return the columns of similarities float32 (q, m) by descending value: int32 (q, m).

    Of equal ones the first stands first. On the CPU value and column are sorted as one integer,
    which takes a fraction of the time.
    """
    if similarities.device.type != "cpu":
        return similarities.argsort(dim=1, descending=True, stable=True).to(torch.int32)
    bits = similarities.contiguous().view(torch.int32)
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # integers in the order of the floats
    columns = torch.arange(similarities.shape[1])
    keys = ((~ordered).to(torch.int64) << 32) | columns
    return torch.from_numpy(np.sort(keys.numpy(), axis=1).astype(np.int32))


def retrieved(order: Tensor, gallery: Tensor, queries: Tensor) -> dict[str, Tensor]:
    """Measure rankings by whether images share the query's label.

    Args:
        order: int32 (q, m), the rows of the gallery for each query, nearest first.
        gallery: int64 (m,), labels.
        queries: int64 (q,), labels.

    Returns:
        float64 (q,) each: recall_at_k, 1 where one of the k nearest shares the label; r_precision,
        the share of the R nearest that do, R = how many there are; map, the mean over those R of
        the precision at their places (average precision). NaN for a query whose label the gallery
        lacks.
    """
    rows = max(1, _BLOCK // max(1, order.shape[1]))
    starts = range(0, max(1, len(order)), rows)
    parts = [_retrieved(order[i : i + rows], gallery, queries[i : i + rows]) for i in starts]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _retrieved(order: Tensor, gallery: Tensor, queries: Tensor) -> dict[str, Tensor]:
    q, m = order.shape
    labels = gallery.index_select(0, order.flatten()).view(q, m)
    query, place = (labels == queries[:, None]).nonzero(as_tuple=True)  # of all that share it
    total = torch.bincount(query, minlength=q)
    starts = total.cumsum(0) - total
    found = torch.arange(len(query), device=query.device) - starts[query]  # that stand before it
    known = total > 0
    zeros = torch.zeros(q, dtype=torch.float64, device=order.device)
    precision = zeros.index_add(0, query, (found + 1).double() / (place + 1))
    within = zeros.index_add(0, query, (place < total[query]).double())
    first = torch.full((q,), m, device=order.device)
    first[known] = place[starts[known]]
    measures = {f"recall_at_{k}": (first < k).double() for k in RECALLS}
    measures |= {"r_precision": within / total, "map": precision / total}
    return {name: torch.where(known, value, torch.nan) for name, value in measures.items()}
