"""Crossings of parts: a beam search for those whose bits promise the highest gain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clinfonce.advice.bits import Bits, Labelled
from clinfonce.clusterings.attributes import combine
from clinfonce.results.analysis.gain import GainFit

IntArray = NDArray[np.int64]

_PARTS = 24  # the most promising alone, that are crossed
_BEAM = 4  # crossings of a size that are extended
_KEPT = 12  # crossings of a size that are returned
_WITHOUT_GAIN = 2  # sizes in a row that bring nothing, after which the search ends


@dataclass(frozen=True)
class Found:
    """A crossing that the search came upon.

    Attributes:
        steps: the parts in the order that they were taken, each with the bits of the crossing so
            far.
        gain: what the fit expects of it.
        ids: (n,) its clusters.
    """

    steps: tuple[tuple[str, Bits], ...]
    gain: float
    ids: IntArray = field(repr=False, compare=False)

    @property
    def names(self) -> frozenset[str]:
        """The parts."""
        return frozenset(name for name, _ in self.steps)


@dataclass(frozen=True)
class Scorer:
    """Says what gain bits promise.

    Attributes:
        labelled: the images whose labels are looked at.
        fit: of the gain.
        regime: of the training that is planned.
        n_images: training images.
    """

    labelled: Labelled
    fit: GainFit
    regime: str
    n_images: int

    def gain(self, bits: Bits) -> float:
        """What the fit expects."""
        return float(expected_gain([bits], self.fit, self.regime, self.n_images)[0])


def search_crossings(
    parts: Mapping[str, IntArray], groups: Mapping[str, str], scorer: Scorer, largest: int
) -> list[Found]:
    """Every crossing that the search kept, best first; the beam of width 1 within it is greedy.

    Args:
        parts: name to clusters (n,).
        groups: part to its group, of which a crossing has one part at most.
        scorer: says what is promising.
        largest: parts of a crossing at most.
    """
    if not parts:
        return []
    size = len(next(iter(parts.values())))
    empty = Found((), -np.inf, np.zeros(size, dtype=np.int64))
    singles = _extended([empty], parts, groups, scorer)
    parts = {name: parts[name] for found in singles[:_PARTS] for name in found.names}
    beam = singles[:_BEAM]
    kept = {found.names: found for found in singles}
    best, idle = beam[0].gain if beam else -np.inf, 0
    while beam and idle < _WITHOUT_GAIN and len(beam[0].steps) < min(largest, len(parts)):
        extended = _extended(beam, parts, groups, scorer)
        kept |= {found.names: found for found in extended[:_KEPT]}
        beam = extended[:_BEAM]
        highest = max((found.gain for found in beam), default=-np.inf)
        idle = 0 if highest > best + 1e-3 else idle + 1
        best = max(best, highest)
    return sorted(kept.values(), key=lambda found: -found.gain)


def expected_gain(
    bits: Sequence[Bits], fit: GainFit, regime: str, n_images: int
) -> NDArray[np.float64]:
    """What the fit expects of some bits."""
    useful, nuisance = zip(*(shares(b, n_images) for b in bits), strict=True)
    return fit.predict(np.array(useful), np.array(nuisance), regime)


def shares(bits: Bits, n_images: int) -> tuple[float, float]:
    """Useful bits over H(T) and nuisance bits over log2 n, which the fit takes."""
    return bits.useful / max(bits.h_t, 1e-9), bits.nuisance / np.log2(n_images)


def _extended(
    beam: Sequence[Found],
    parts: Mapping[str, IntArray],
    groups: Mapping[str, str],
    scorer: Scorer,
) -> list[Found]:
    """Every crossing of the beam with one part more, best first."""
    grown: dict[frozenset[str], Found] = {}
    for found in beam:
        taken = {groups[name] for name in found.names}
        for name, values in parts.items():
            names = found.names | {name}
            if groups[name] in taken or names in grown:
                continue
            ids = combine(found.ids, values)
            if ids.max() == found.ids.max():
                continue  # it parts no cluster
            bits = scorer.labelled.bits(ids)
            grown[names] = Found((*found.steps, (name, bits)), scorer.gain(bits), ids)
    return sorted(grown.values(), key=lambda found: -found.gain)
