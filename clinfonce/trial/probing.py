"""The features of a trial's images, as they are probed, and every accuracy that it reports."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from clinfonce.config import EvaluationSpec
from clinfonce.data import TRAIN, VALIDATION, ImageTable
from clinfonce.evaluation import encode, knn_accuracy
from clinfonce.evaluation.space import Space
from clinfonce.training.online_probe import OnlineProbe
from clinfonce.trial.clusterings import labelled_rows, labels_of
from clinfonce.trial.rows import Row
from clinfonce.trial.targets import SPLITS, Rows, target_rows, targets_by_rows

_BLOCK = 1 << 26  # bytes of pixels or features that are in the memory at a time

Encode = Callable[[Rows], Tensor]  # row numbers (m,) of a table to features (m, d) on the device


def encoder_of_images(network: nn.Module, table: ImageTable, device: torch.device) -> Encode:
    """Encode the images of a table by a network on the device."""

    def features(rows: Rows) -> Tensor:
        images = (torch.from_numpy(table.images[part]) for part in _blocks(rows, table.images))
        return torch.cat([encode(network, block, device=device) for block in images])

    return features


def encoder_of_features(adapter: nn.Module | None, frozen: Any, device: torch.device) -> Encode:
    """Encode by an adapter on a frozen encoder's features (1 + copies, n, d); None: as they are."""

    @torch.no_grad()
    def features(rows: Rows) -> Tensor:
        was_training = adapter is not None and adapter.training
        if adapter is not None:
            adapter.eval()
        try:
            parts = []
            for part in _blocks(rows, frozen[0]):
                block = torch.from_numpy(np.array(frozen[0, part])).to(device).float()
                parts.append(block if adapter is None else adapter(block))
        finally:
            if adapter is not None:
                adapter.train(was_training)
        return torch.cat(parts)

    return features


def probe(encoded: Encode, table: ImageTable, spec: EvaluationSpec) -> list[Row]:
    """The rows of `scores` of a trial; the one place where the test split is used."""
    once = _EncodedOnce(encoded, len(table))
    found: list[Row] = []
    for rows, targets in targets_by_rows(table):
        space = Space(*(once(rows[split]) for split in SPLITS), k=spec.neighbors)
        for target in targets:
            found += target_rows(target, table, rows, space, spec)
    return found


class _EncodedOnce:
    """Features of images, each encoded when it is first asked for.

    Args:
        encode: makes features.
        n: images there are.
    """

    def __init__(self, encode: Encode, n: int) -> None:
        self._encode = encode
        self._places = np.full(n, -1, dtype=np.int64)
        self._features: Tensor | None = None

    def __call__(self, rows: Rows) -> Tensor:
        """Features (m, d) of some rows (m,)."""
        if len(new := rows[self._places[rows] < 0]):
            found = self._encode(new)
            start = 0 if self._features is None else len(self._features)
            self._places[new] = np.arange(start, start + len(new))
            parts = [found] if self._features is None else [self._features, found]
            self._features = torch.cat(parts)
        assert self._features is not None
        return self._features[torch.from_numpy(self._places[rows]).to(self._features.device)]


def validate(
    encoded: Encode, table: ImageTable, spec: EvaluationSpec, online: OnlineProbe | None
) -> tuple[float, float | None]:
    """Accuracy on the validation split of kNN and of the probe that learns beside the encoder."""
    parts = [*_labelled(encoded, table, TRAIN), *_labelled(encoded, table, VALIDATION)]
    knn = knn_accuracy(*parts, k=spec.neighbors, n_classes=len(table.label_names))[1]
    return knn, None if online is None else online.accuracy(*parts[2:])


def _labelled(encoded: Encode, table: ImageTable, split: int) -> tuple[Tensor, Tensor]:
    rows = labelled_rows(table, split)
    features = encoded(rows)
    return features, torch.from_numpy(labels_of(table, rows)).to(features.device)


def _blocks(rows: Rows, values: Any) -> list[Rows]:
    """Row numbers in blocks whose pixels or features fit into the memory."""
    block = max(1, _BLOCK // values[:1].nbytes)
    return list(np.array_split(rows, max(1, -(-len(rows) // block))))
