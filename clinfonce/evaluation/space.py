"""Features of the splits, with what probes of several targets share."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from clinfonce.evaluation.accuracy import check_features
from clinfonce.evaluation.bootstrap import resamples
from clinfonce.evaluation.knn import CHUNK_VALUES

_MOST_RANKED = 2**20  # similarities that are sorted in a split
_FEWEST_QUERIES = 200


@dataclass(frozen=True)
class Neighbours:
    """Training images near those of a split, by cosine similarity.

    Attributes:
        nearest: float (n, k), the largest similarities.
        index: int64 (n, k), whose they are.
        queries: int64 (q,), images of the split, spread evenly over it.
        order: int32 (q, m), all training images for each of those, nearest first.
    """

    nearest: Tensor
    index: Tensor
    queries: Tensor
    order: Tensor


class Space:
    """Features of the training, validation and test split.

    Args:
        train: float (n, d).
        val: float (m, d).
        test: float (t, d), or None.
        k: neighbours that vote.

    Raises:
        InputError: features that are not finite, or not of one dimension.
    """

    def __init__(self, train: Tensor, val: Tensor, test: Tensor | None, *, k: int) -> None:
        self.train, self.k = train, k
        self.splits: Mapping[str, Tensor] = (
            {"val": val} if test is None else {"val": val, "test": test}
        )
        check_features(train_x=train, **{f"{name}_x": x for name, x in self.splits.items()})
        self._neighbours: dict[str, Neighbours] = {}

    @cached_property
    def targets(self) -> Tensor:
        """Training features of norm 1."""
        return F.normalize(self.train.float(), dim=1)

    @cached_property
    def resamples(self) -> Tensor:
        """How often each test image is in each resample (b, t)."""
        test = self.splits["test"]
        return resamples(len(test), test.device)

    def neighbours(self, split: str) -> Neighbours:
        """Of the images of a split."""
        if split not in self._neighbours:
            self._neighbours[split] = self._found(self.splits[split])
        return self._neighbours[split]

    def _found(self, x: Tensor) -> Neighbours:
        count = min(len(x), max(_FEWEST_QUERIES, _MOST_RANKED // len(self.train)))
        queries = torch.arange(count, device=x.device) * len(x) // count
        chosen = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        chosen[queries] = True
        near, index, order = [], [], []
        for rows, similarities in self._similarities(x):
            found = similarities.topk(min(self.k, similarities.shape[1]), dim=1)
            near.append(found.values)
            index.append(found.indices)
            ranked = similarities[chosen[rows]].argsort(1, descending=True)
            order.append(ranked.to(torch.int32))
        return Neighbours(torch.cat(near), torch.cat(index), queries, torch.cat(order))

    def _similarities(self, x: Tensor) -> Iterator[tuple[slice, Tensor]]:
        queries = F.normalize(x.float(), dim=1)
        chunk = max(1, CHUNK_VALUES // len(self.targets))
        for start in range(0, len(queries), chunk):
            rows = slice(start, start + chunk)
            yield rows, queries[rows] @ self.targets.T
