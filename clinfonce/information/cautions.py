"""Columns that are no information of images: each named in a line, before anything is trained.

What is compared is partitions of the training images. The label is known of some; whether it can be
read off a column is judged by telling each image's label from the other images of its cluster, so
that clusters of one image tell nothing.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clinfonce.data import TRAIN, UNLABELLED, Column, ImageTable
from clinfonce.data.table import path_text
from clinfonce.information._measure import entropy, renumber

IntArray: TypeAlias = NDArray[np.int64]
Why: TypeAlias = Literal["constant", "split", "identifier", "label", "copy", "leak", "of the label"]

_TOLD = 0.95  # of what is told beyond the commonest value, above which one column tells another
_SAME = 0.98  # the same, both ways, of copies
_SHARING = 8.0  # images of a value, in the (geometric) mean, below which it identifies
_LEAKING = 32.0  # the same, below which values that are in two splits are said
_FINER = 4.0  # times as many values as classes that what identifies has at least
_FEW = 32  # values below which nothing identifies, unless it has more than half the rows
_LEAKED = 0.05  # of held-out images
_TELLING = 0.5  # of the label, above which values in two splits make the test easier
_FEWEST = 20  # images, and labelled ones, that tell anything
_COMPARED = 20_000  # rows at most on which columns are compared with each other
_DISTINCT = 64  # numbers up to which each is a value of its own
_CUTS = 32


@dataclass(frozen=True)
class Caution:
    """Why a column, or a level of a hierarchy, should not be trained on, or with care.

    Attributes:
        column: its name.
        level: of a hierarchy, from 1; None of other columns.
        why: "constant": one value in all training images; "split": that, and another in other
            splits; "identifier": hardly two images share a value; "label": the label can be read
            off it; "copy": the same partition as an earlier column; "leak": values that tell the
            label are in several splits; "of the label": a coarser grouping of the classes.
        text: in a line, for people.
    """

    column: str
    level: int | None
    why: Why
    text: str

    @property
    def left_out(self) -> bool:
        """Whether searches and advice leave it out, unless it is asked for by name."""
        return self.why not in ("leak", "of the label")

    @property
    def name(self) -> str:
        """The column, with its level."""
        return self.column if self.level is None else f"{self.column}, level {self.level}"


def cautions(table: ImageTable) -> tuple[Caution, ...]:
    """What to know of a data set's columns, a line each; see `column_cautions`."""
    return column_cautions(table.columns, table.labels, table.split)


def column_cautions(
    columns: Mapping[str, Column], labels: IntArray | None, split: NDArray[np.integer[Any]] | None
) -> tuple[Caution, ...]:
    """What to know of columns, in their order.

    Args:
        columns: each of n rows.
        labels: (n,) codes, UNLABELLED where nobody knows; None without. Those of training images
            alone are looked at.
        split: (n,) codes of splits; None: all are training images.
    """
    train = np.flatnonzero(split == TRAIN) if split is not None else None
    judge = _Judge(labels, split, train)
    found = []
    for column in columns.values():
        for level, codes in _codes(column, train):
            caution = judge.judge(column, level, codes)
            found += [] if caution is None else [caution]
    return tuple(found)


def left_out(found: Sequence[Caution]) -> dict[str, set[int | None]]:
    """Columns that searches leave out: name to the levels, {None} of what is no hierarchy."""
    names: dict[str, set[int | None]] = {}
    for caution in found:
        if caution.left_out:
            names.setdefault(caution.column, set()).add(caution.level)
    return names


def caution_lines(found: Sequence[Caution]) -> list[str]:
    """For people: a line each, but one for all that are groupings of the classes."""
    lines = [
        f"{caution.text}: left out of searches unless named" if caution.left_out else caution.text
        for caution in found
        if caution.why != "of the label"
    ]
    if coarser := [caution.name for caution in found if caution.why == "of the label"]:
        follow = "follows" if len(coarser) == 1 else "follow"
        lines.append(
            f"{', '.join(coarser)}: {follow} from the label, as a grouping of its classes; whoever "
            "knows no label knows it not either"
        )
    return lines


def partition_caution(ids: IntArray, labels: IntArray | None) -> str | None:
    """Why a clustering of training images is no information, in words; None if it may be.

    Args:
        ids: its clusters.
        labels: (n,) codes, UNLABELLED where nobody knows; None without.
    """
    judge = _Judge(labels, None, None)
    found = judge.judge(Column("", "categorical", ids), None, ids)
    return found.text.removeprefix(": ") if found is not None and found.left_out else None


def told(clusters: IntArray, labels: IntArray) -> float:
    """How well labels (n,) are told from the other images of each one's cluster, (n,).

    The share of images whose label is the commonest of the others, above that of the commonest
    label of all, from 0 (or below) to 1; images alone in their cluster count as not told.
    """
    z, _ = renumber(clusters)
    t, sizes = renumber(labels)
    commonest = int(sizes.max()) / len(t)
    if commonest == 1:
        return 0.0
    cells, counts = np.unique(z * len(sizes) + t, return_counts=True)
    cluster = cells // len(sizes)
    order = np.lexsort((-counts, cluster))
    cluster, counts = cluster[order], counts[order]
    first = np.flatnonzero(np.diff(cluster, prepend=-1))
    second = np.minimum(first + 1, len(counts) - 1)
    has_second = (second > first) & (cluster[second] == cluster[first])
    runner_up = np.where(has_second, counts[second], 0)
    right = int(counts[first][counts[first] - 1 > runner_up].sum())
    return (right / len(t) - commonest) / (1 - commonest)


class _Judge:
    """Judges columns one after the other; copies are of those before."""

    def __init__(
        self,
        labels: IntArray | None,
        split: NDArray[np.integer[Any]] | None,
        train: IntArray | None,
    ) -> None:
        self._split, self._train = split, train
        known = labels if labels is None or train is None else labels[train]
        rows = np.arange(0) if known is None else np.flatnonzero(known != UNLABELLED)
        self._labelled: tuple[IntArray, IntArray] | None = None
        self._n_classes = 0.0
        if known is not None and len(rows) >= _FEWEST:
            self._labelled = rows, known[rows]
            self._n_classes = float(2 ** entropy(known[rows]))
        self._seen: list[tuple[str, float, IntArray]] = []

    def judge(self, column: Column, level: int | None, codes: IntArray) -> Caution | None:
        """The first that holds of what `Caution.why` lists."""
        name = column.name if level is None else f"{column.name}, level {level}"
        here = codes if self._train is None else codes[self._train]

        def caution(why: Why, text: str) -> Caution:
            return Caution(column.name, level, why, f"{name}: {text}")

        if (here == here[0]).all():
            if (codes == codes[0]).all():
                return caution("constant", "the same in all images")
            return caution("split", "the same in all training images: the split alone explains it")
        if len(here) < _FEWEST:
            return None
        bits = entropy(here)
        if text := self._identifier(column, here, bits):
            return caution("identifier", text + self._shared(codes, here))
        if text := self._label(here):
            return caution("label", text)
        if (other := self._copied(name, bits, here)) is not None:
            return caution("copy", f"the same as {other}, or nearly so")
        if column.kind in ("categorical", "hierarchy") and (
            text := self._leak(codes, here, len(here) / 2**bits)
        ):
            return caution("leak", text)
        return self._follows(here, caution)

    def _identifier(self, column: Column, here: IntArray, bits: float) -> str:
        n, n_values = len(here), int(here.max()) + 1
        if column.kind == "numeric":
            return "numbers the rows" if _numbers_rows(column) else ""
        if column.kind == "tags":
            return ""  # its words are judged by their frequency
        _, sizes = renumber(here)
        n_values = len(sizes)
        sharing = n / 2**bits
        finer = 2**bits >= _FINER * self._n_classes
        if 2 * n_values > n and finer:
            return f"an identifier, {n_values:,} values of {n:,} training images"
        if sharing < _SHARING and n_values >= _FEW and finer:
            return (
                f"nearly an identifier, {n_values:,} values of {n:,} training images, "
                f"{np.median(sizes):g} images a value"
            )
        return ""

    def _shared(self, codes: IntArray, here: IntArray) -> str:
        """What is added of an identifier whose values are in several splits."""
        share = self._in_training(codes, here)
        if share < _LEAKED:
            return ""
        return f"; {share:.0%} of the other splits' images share theirs with a training image"

    def _label(self, here: IntArray) -> str:
        if self._labelled is None:
            return ""
        rows, labels = self._labelled
        if (share := told(here[rows], labels)) < _TOLD:
            return ""
        if told(labels, here[rows]) >= _TOLD:
            return f"the label itself, or nearly so ({share:.0%} of it can be read off)"
        return f"tells the label ({share:.0%} of it can be read off)"

    def _copied(self, name: str, bits: float, here: IntArray) -> str | None:
        step = max(1, len(here) // _COMPARED)
        compared = here[::step]
        for other, other_bits, codes in self._seen:
            if abs(bits - other_bits) > 0.1 * max(bits, other_bits) + 0.01:
                continue  # equal partitions have equal entropies
            if min(told(codes, compared), told(compared, codes)) >= _SAME:
                return other
        self._seen.append((name, bits, compared))
        return None

    def _leak(self, codes: IntArray, here: IntArray, sharing: float) -> str:
        """Of groups that tell the label: whether they are in several splits."""
        if self._labelled is None or sharing >= _LEAKING or int(here.max()) < _FEW:
            return ""
        rows, labels = self._labelled
        if 2 ** entropy(here) < _FINER * self._n_classes or told(here[rows], labels) < _TELLING:
            return ""
        if (share := self._in_training(codes, here)) < _LEAKED:
            return ""
        return (
            f"{share:.0%} of the other splits' images share their value with a training image, and "
            "it tells the label: --group keeps a value in one split"
        )

    def _in_training(self, codes: IntArray, here: IntArray) -> float:
        if self._split is None:
            return 0.0
        others = codes[self._split != TRAIN]
        return float(np.isin(others, here).mean()) if len(others) else 0.0

    def _follows(self, here: IntArray, caution: Any) -> Caution | None:
        if self._labelled is None:
            return None
        rows, labels = self._labelled
        if told(labels, here[rows]) < _TOLD:
            return None
        n_values = len(np.unique(here))
        found: Caution = caution("of the label", f"a grouping of the classes into {n_values}")
        return found


def _codes(column: Column, train: IntArray | None) -> Iterator[tuple[int | None, IntArray]]:
    """Codes (n,) of a column's values, of each level of a hierarchy; missing is one of them."""
    if column.kind == "hierarchy":
        yield from _levels(column)
    elif column.kind == "numeric":
        yield None, _with_missing(column, _cut(column, train))
    else:
        yield None, _with_missing(column, _numbered(column.values))


def _levels(column: Column) -> Iterator[tuple[int | None, IntArray]]:
    values = column.values.tolist()
    if any(value and isinstance(value[0], tuple) for value in values):  # several places an image
        yield None, _numbered(np.array([path_text(value) for value in values]))
        return
    for level in range(1, max(map(len, values), default=0) + 1):
        yield level, _numbered([value[:level] for value in values])


def _numbered(values: Any) -> IntArray:
    """Codes in order of appearance."""
    seen: dict[Any, int] = {}
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    return np.array([seen.setdefault(value, len(seen)) for value in listed], dtype=np.int64)


def _cut(column: Column, train: IntArray | None) -> IntArray:
    """Each of few numbers, or parts of about even size on the training rows."""
    known = column.present if train is None else column.present[train]
    values = (column.values if train is None else column.values[train])[known]
    distinct = np.unique(values)
    if len(distinct) > _DISTINCT:
        distinct = np.unique(np.quantile(values, np.arange(1, _CUTS) / _CUTS))
    return np.searchsorted(distinct, column.values).astype(np.int64)


def _with_missing(column: Column, codes: IntArray) -> IntArray:
    if column.missing is None:
        return codes
    return np.where(column.missing, int(codes.max(initial=0)) + 1, codes)


def _numbers_rows(column: Column) -> bool:
    """Whether numbers are whole, all different and leave hardly any out."""
    values = column.values[column.present]
    if len(values) < _FEWEST or not (values == np.round(values)).all():
        return False
    span = float(values.max() - values.min()) + 1
    return (
        math.isfinite(span) and span <= 1.1 * len(values) and len(np.unique(values)) == len(values)
    )
