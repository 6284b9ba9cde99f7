"""Features of the splits, with what probes of several targets share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from clinfonce.evaluation.bootstrap import resamples
from clinfonce.evaluation.knn import CHUNK_VALUES
from clinfonce.evaluation.linear import Standard
from clinfonce.evaluation.retrieval import nearest_first

# Similarities that are sorted in a split: the test split is reported whole where it is small, of
# validation a part is enough to choose by.
_MOST_RANKED = {"val": 2**19, "test": 2**23}
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
        self._kept: dict[str, list[Tensor]] = {}

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
            found = [part.topk(k, dim=1) for part in self._similarities(split)]
            self._neighbours[split] = Neighbours(
                torch.cat([part.values for part in found]),
                torch.cat([part.indices for part in found]),
            )
        return self._neighbours[split]

    def ranking(self, split: str) -> Ranking:
        """Of all training images for images of a split, so many that it takes little time."""
        if split not in self._rankings:
            n, device = len(self.queries[split]), self.train.device
            count = min(n, max(_FEWEST_QUERIES, _MOST_RANKED[split] // len(self.train)))
            queries = torch.arange(count, device=device) * n // count
            parts = self._similarities(split, None if count == n else queries)
            order = torch.cat([nearest_first(part) for part in parts])
            self._rankings[split] = Ranking(queries, order)
        return self._rankings[split]

    def _similarities(self, split: str, rows: Tensor | None = None) -> Iterable[Tensor]:
        """Cosine similarities of a split to all training images, in parts (·, m).

        Those of a small split are kept: neighbours and rankings both look at them.
        """
        if rows is None and split in self._kept:
            return self._kept[split]
        queries = self.queries[split] if rows is None else self.queries[split][rows]
        chunk = max(1, CHUNK_VALUES // len(self.targets))
        starts = range(0, len(queries), chunk)
        parts = (queries[start : start + chunk] @ self.targets.T for start in starts)
        if rows is None and len(queries) * len(self.targets) <= _MOST_RANKED[split]:
            self._kept[split] = list(parts)
            return self._kept[split]
        return parts
