"""The rows of the table `factors`: what of each target and column features let one read."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clinfonce.data import TRAIN, Column, ImageTable, Target
from clinfonce.evaluation.leave_one_out import Reading, read_categories, read_numbers
from clinfonce.evaluation.usable import Visibility
from clinfonce.trial.columns import categories_of, usable_columns
from clinfonce.trial.encoding import Encode

Row = dict[str, Any]

_MOST_IMAGES = 2000  # training images that are looked at
_FEWEST_KNOWN = 20  # with a known value, below which nothing is said
_MOST_VALUES = 1000
_MOST_LABELS = 40  # of a target of several labels


def describe_factors(encoded: Encode, table: ImageTable, stage: str) -> list[Row]:
    """Rows of `factors` without their trial.

    Of more training images a random part is looked at, the same each time.

    Args:
        encoded: makes features of row numbers.
        table: the data set.
        stage: "before" or "after" training.
    """
    rows = table.rows(TRAIN)
    if len(rows) > _MOST_IMAGES:
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:_MOST_IMAGES])
    features = encoded(rows).detach().float().cpu()
    # The trials of a sweep start from the same ones, and a process runs many of them.
    probes = _known_probes(features) if stage == "before" else _Probes(features)
    found = []
    for name, kind, values, known in _facts(table, rows):
        if int(known.sum()) < _FEWEST_KNOWN:
            continue
        for reading in _read(probes.of(known), values[known]):
            found.append(
                {
                    "factor": name,
                    "kind": kind,
                    "stage": stage,
                    "measure": reading.measure,
                    "value": reading.value,
                    "chance": reading.chance,
                    "most": reading.most,
                    "n_images": int(known.sum()),
                }
            )
    return found


class _Probes:
    """A probe for each set of images whose values are known; most columns share one."""

    def __init__(self, features: Tensor) -> None:
        self._features = features
        self._made: dict[bytes, Visibility] = {}

    def of(self, known: NDArray[np.bool_]) -> Visibility:
        key = known.tobytes()
        if key not in self._made:
            self._made[key] = Visibility(self._features[torch.from_numpy(known)])
        return self._made[key]


_last: dict[bytes, _Probes] = {}  # by the digest of the features


def _known_probes(features: Tensor) -> _Probes:
    """Probes of features, those of the last call where they are the same."""
    key = hashlib.blake2b(features.numpy().tobytes()).digest()
    if key not in _last:
        _last.clear()
        _last[key] = _Probes(features)
    return _last[key]


Fact = tuple[str, str, NDArray[Any], NDArray[np.bool_]]  # name, kind, values (n,), known (n,)


def _facts(table: ImageTable, rows: NDArray[np.int64]) -> Iterator[Fact]:
    """Targets, then the auxiliary columns that tell images apart."""
    for target in table.targets.values():
        if target.kind == "multilabel":
            yield from _of_labels(target, rows)
        else:
            yield target.name, "target", target.values[rows], target.known[rows]
    for name in usable_columns(table, rows):
        yield from _of_column(table.columns[name], rows)


def _of_labels(target: Target, rows: NDArray[np.int64]) -> Iterator[Fact]:
    """Whether images have a label, of each of those that most images have, in their order."""
    values, known = target.values[rows], target.known[rows]
    commonest = np.argsort(-values[known].sum(0), kind="stable")[:_MOST_LABELS]
    for place in np.sort(commonest).tolist():
        yield f"{target.name}/{target.names[place]}", "target", values[:, place], known


def _of_column(column: Column, rows: NDArray[np.int64]) -> Iterator[Fact]:
    known = column.present[rows]
    if column.kind == "numeric":
        yield column.name, column.kind, column.values[rows], known
        return
    for name, codes in categories_of(column, rows):
        yield name, column.kind, codes, codes >= 0


def _read(seen: Visibility, values: NDArray[Any]) -> list[Reading]:
    if values.dtype.kind == "f":
        return read_numbers(seen, torch.from_numpy(values))
    kinds, codes = np.unique(values, return_inverse=True)
    if not 2 <= len(kinds) <= min(_MOST_VALUES, len(values) - 1):
        return []
    return read_categories(seen, torch.from_numpy(codes.reshape(-1)))
