"""Features of the splits, with what probes of several targets share."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from clinfonce.evaluation.bootstrap import resamples
from clinfonce.evaluation.knn import CHUNK_VALUES
from clinfonce.evaluation.linear import Standard

_MOST_RANKED = 2**20  # similarities that are sorted in a split
_FEWEST_QUERIES = 200


@dataclass(frozen=True)
class Neighbours:
    """Training images near those of a split, by cosine similarity.

    Attributes:
        nearest: float (n, k), the largest similarities.
        index: int64 (n, k), whose they are.
    """

    nearest: Tensor
    index: Tensor


@dataclass(frozen=True)
class Ranking:
    """All training images by their similarity to some of a split.

    Attributes:
        queries: int64 (q,), images of the split, spread evenly over it.
        order: int32 (q, m), all training images for each of those, nearest first.
    """

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
        self.standard = Standard(train, self.splits)
        self._neighbours: dict[str, Neighbours] = {}
        self._rankings: dict[str, Ranking] = {}

    @cached_property
    def queries(self) -> Mapping[str, Tensor]:
        """Features of the other splits of norm 1."""
        return {name: F.normalize(x.float(), dim=1) for name, x in self.splits.items()}

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
            k = min(self.k, len(self.train))
            found = [part.topk(k, dim=1) for part in self._similarities(self.queries[split])]
            self._neighbours[split] = Neighbours(
                torch.cat([part.values for part in found]),
                torch.cat([part.indices for part in found]),
            )
        return self._neighbours[split]

    def ranking(self, split: str) -> Ranking:
        """Of all training images for images of a split, so many that it takes little time."""
        if split not in self._rankings:
            x = self.queries[split]
            count = min(len(x), max(_FEWEST_QUERIES, _MOST_RANKED // len(self.train)))
            queries = torch.arange(count, device=x.device) * len(x) // count
            order = [
                part.argsort(1, descending=True).to(torch.int32)
                for part in self._similarities(x[queries])
            ]
            self._rankings[split] = Ranking(queries, torch.cat(order))
        return self._rankings[split]

    def _similarities(self, x: Tensor) -> Iterator[Tensor]:
        """Cosine similarities of queries (n, d) to all training images, (·, m) at a time."""
        chunk = max(1, CHUNK_VALUES // len(self.targets))
        for start in range(0, len(x), chunk):
            yield x[start : start + chunk] @ self.targets.T
