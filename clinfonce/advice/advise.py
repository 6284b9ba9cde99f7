"""Rank the clusterings that a data set offers by the accuracy that their bits promise."""

from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any

import numpy as np

from clinfonce.advice.bits import Bits, IntArray, Labelled
from clinfonce.advice.candidates import attribute_names, build, specifications
from clinfonce.advice.search import Found, search_subsets
from clinfonce.clusterings import from_attributes
from clinfonce.data import TRAIN, UNLABELLED, ImageTable, attributes
from clinfonce.errors import InputError
from clinfonce.results.analysis.gain import (
    GainFit,
    Point,
    end_points,
    fit_gain,
    gain_points,
    read_points,
)
from clinfonce.results.sql.query import Results
from clinfonce.trial.clusterings import labelled_part, labels_of

_DRAWS = 2_000  # of a candidate's gain
_INTERVAL = (2.5, 97.5)  # percentiles
_SEARCHED = 20  # subsets that are listed
_FEWEST_LABELS = 8


@dataclass(frozen=True)
class Expected:
    """What to expect of a number: its mean, and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Candidate:
    """A clustering, and what is expected of it. Bits, and shares from 0 to 1.

    Attributes:
        name: for people.
        clustering: what to write under `clustering:` in a specification.
        n_clusters: K.
        useful: bits that it says of the label, corrected for chance.
        useful_error: their standard error.
        nuisance: bits that it says besides.
        gain: share of the way from instances to labels, over draws of the bits, of the fit and of
            the spread around it.
        accuracy: the same as an accuracy, where the store knows that of instances and of labels on
            this data set.
        reason: in words.
    """

    name: str
    clustering: dict[str, Any]
    n_clusters: int
    useful: float
    useful_error: float
    nuisance: float
    gain: Expected
    accuracy: Expected | None
    reason: str


@dataclass(frozen=True)
class Advice:
    """The candidates, best first, and what they were judged by.

    Attributes:
        data: name of the data set.
        n_labelled: labels that were looked at.
        n_images: training images.
        h_t: H(T) of the labelled images, in bits.
        fitted_on: clusterings that the relation was fitted on.
        fitted_data: the data sets that those are of.
        spread: standard deviation of the gain around the fit.
        candidates: best first.
        notes: what a reader must know before believing the numbers.
    """

    data: str
    n_labelled: int
    n_images: int
    h_t: float
    fitted_on: int
    fitted_data: tuple[str, ...]
    spread: float
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The whole advice as plain data."""
        return asdict(self)


def advise(
    table: ImageTable,
    *,
    label_fraction: float | None = None,
    results: Results | None = None,
    points: Sequence[Point] | None = None,
    seed: int = 0,
) -> Advice:
    """Rank single columns, searched subsets, levels and k-means by the gain they promise.

    Labels of a random part of the training images are looked at, no others.

    Args:
        table: the data set.
        label_fraction: which part of the training labels, above 0 and at most 1; None is a tenth
            where all training images have one, and else all there are.
        results: a store whose sweeps refit the relation, together with the shipped points.
        points: what to fit the relation on instead of the shipped points.
        seed: of the labelled part and of the draws.

    Raises:
        InputError: no labels, a fraction out of range or too small, or nothing to cluster by.
    """
    labelled = _labelled(table, label_fraction, seed)
    own = gain_points(results) if results is not None else ()
    fit = fit_gain([*(read_points() if points is None else points), *own])
    judge = _Judge(
        table, labelled, fit, None if results is None else end_points(results, table.name)
    )
    found = judge.subsets() + [judge.clustering(spec) for spec in specifications(table)]
    different: dict[bytes, Candidate] = {}
    for key, candidate in (pair for pair in found if pair is not None):
        different.setdefault(key, candidate)
    if not different:
        raise InputError(f"data set {table.name} has no column that clusters could be made of")
    return Advice(
        data=table.name,
        n_labelled=len(labelled.rows),
        n_images=judge.n_images,
        h_t=labelled.h_t,
        fitted_on=fit.n_points,
        fitted_data=fit.data,
        spread=fit.spread,
        candidates=tuple(
            sorted(different.values(), key=lambda c: (-round(c.gain.mean, 3), c.nuisance))
        ),
        notes=_notes(table, labelled, own),
    )


def _labelled(table: ImageTable, fraction: float | None, seed: int) -> Labelled:
    if fraction is None:
        fraction = 1.0 if table.n_unlabelled else 0.1
    if not 0 < fraction <= 1:
        raise InputError(f"the label fraction must be above 0 and at most 1, got {fraction:g}")
    labels = labels_of(table, table.rows(TRAIN), partly=True)
    labelled = np.flatnonzero(labels != UNLABELLED)
    known = labelled[labelled_part(len(labelled), fraction, seed)]
    if len(known) < _FEWEST_LABELS:
        raise InputError(
            f"a fraction of {fraction:g} is {len(known)} of {len(labelled)} training labels; "
            f"advice needs at least {_FEWEST_LABELS}"
        )
    return Labelled(known, labels[known], seed=seed)


class _Judge:
    """Turns clusterings into candidates."""

    def __init__(
        self,
        table: ImageTable,
        labelled: Labelled,
        fit: GainFit,
        ends: tuple[float, float] | None,
    ) -> None:
        self._table, self._labelled, self._fit, self._ends = table, labelled, fit, ends
        self.n_images = len(table.rows(TRAIN))

    def clustering(self, spec: dict[str, Any]) -> tuple[bytes, Candidate] | None:
        """The candidate of a specification with its partition; None where it cannot be trained."""
        clustering = build(spec, self._table)
        if clustering is None:
            return None
        bits = self._labelled.bits(clustering.ids, with_error=True)
        return self._candidate(clustering.name, spec, clustering.ids, bits, _say(bits))

    def subsets(self) -> list[tuple[bytes, Candidate] | None]:
        """Candidates of the searched subsets of attributes."""
        table, names = self._table, attribute_names(self._table)
        if len(names) < 2:
            return []
        values = attributes(table, table.rows(TRAIN), names=names)
        found = search_subsets(values, self._labelled, self._fit, self.n_images)
        several = [subset for subset in found if len(subset.steps) > 1]
        return [self._subset(subset, values) for subset in several[:_SEARCHED]]

    def _subset(self, found: Found, values: dict[str, IntArray]) -> tuple[bytes, Candidate] | None:
        names = [name for name, _ in found.steps]
        spec = {"source": "attributes", "attributes": names}
        clustering = build(spec, self._table)
        if clustering is None:
            return None
        bits = self._labelled.bits(clustering.ids, with_error=True)
        name = from_attributes(values, names=names).name
        return self._candidate(name, spec, clustering.ids, bits, _say_steps(found))

    def _candidate(
        self, name: str, spec: dict[str, Any], ids: IntArray, bits: Bits, reason: str
    ) -> tuple[bytes, Candidate]:
        gain = self._gain(bits)
        return ids.tobytes(), Candidate(
            name=name,
            clustering=spec,
            n_clusters=int(ids.max()) + 1,
            useful=bits.useful,
            useful_error=bits.useful_error,
            nuisance=bits.nuisance,
            gain=gain,
            accuracy=self._accuracy(gain),
            reason=reason,
        )

    def _gain(self, bits: Bits) -> Expected:
        """Over draws of the bits by their error, of the fit, and of the spread around it."""
        rng = np.random.default_rng(0)  # the same for all, so that the draws do not part equals
        share = np.clip(rng.normal(bits.share, bits.share_error, _DRAWS), 0, 1)
        useful = share * min(bits.h_z, bits.h_t)
        nuisance = (bits.h_z - useful) / np.log2(self.n_images)
        drawn = self._fit.draw(useful / max(bits.h_t, 1e-9), nuisance, rng)
        low, high = np.percentile(drawn, _INTERVAL)
        return Expected(float(drawn.mean()), float(low), float(high))

    def _accuracy(self, gain: Expected) -> Expected | None:
        if self._ends is None:
            return None
        low, high = self._ends
        values = (min(max(low + g * (high - low), 0.0), 1.0) for g in astuple(gain))
        return Expected(*values)


def _say(bits: Bits) -> str:
    return (
        f"says {bits.useful:.1f} of the label's {bits.h_t:.1f} bits, "
        f"and {bits.nuisance:.1f} nuisance bits"
    )


def _say_steps(found: Found) -> str:
    """What each attribute adds to those before it."""
    parts, useful, nuisance = [], 0.0, 0.0
    for name, bits in found.steps:
        more, besides = bits.useful - useful, bits.nuisance - nuisance
        parts.append(f"{name} adds {_change(more)} useful and {_change(besides)} nuisance bits")
        useful, nuisance = bits.useful, bits.nuisance
    return "; ".join(parts)


def _change(bits: float) -> str:
    return f"{max(bits, 0.0):.1f}"  # a fall below 0 is noise of the estimate


def _notes(table: ImageTable, labelled: Labelled, own: Sequence[Point]) -> tuple[str, ...]:
    classes = len(table.label_names)
    seen = len(np.unique(labelled.labels))
    notes = []
    if len(labelled.rows) < 5 * classes:
        notes.append(
            f"{len(labelled.rows)} labels of {classes} classes are few: read a small difference "
            "as none."
        )
    if seen < classes:
        notes.append(f"{classes - seen} of {classes} classes have no label among them.")
    if not own:
        notes.append(
            "The relation is the shipped one; give --results a store with a sweep that trained on "
            "instances and labels to refit it."
        )
    return tuple(notes)
