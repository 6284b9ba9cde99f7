"""Subsets of attributes: a beam search for those whose bits promise the highest gain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clinfonce.advice.bits import Bits, Labelled
from clinfonce.clusterings.attributes import combine
from clinfonce.results.analysis.gain import GainFit

IntArray = NDArray[np.int64]

_BEAM = 4  # subsets of a size that are extended
_LARGEST = 10  # attributes in a subset
_WITHOUT_GAIN = 2  # sizes in a row that bring nothing, after which the search ends


@dataclass(frozen=True)
class Found:
    """A subset that the search came upon.

    Attributes:
        steps: the attributes in the order that they were taken, each with the bits of the subset
            so far.
        gain: what the fit expects of it.
        ids: (n,) its clusters.
    """

    steps: tuple[tuple[str, Bits], ...]
    gain: float
    ids: IntArray = field(repr=False, compare=False)

    @property
    def names(self) -> frozenset[str]:
        """The attributes."""
        return frozenset(name for name, _ in self.steps)


def search_subsets(
    attributes: Mapping[str, IntArray], labelled: Labelled, fit: GainFit, n_images: int
) -> list[Found]:
    """Every subset that the search kept, best first; the beam of width 1 within it is greedy."""
    kept: dict[frozenset[str], Found] = {}
    empty = Found((), -np.inf, np.zeros(n_images, dtype=np.int64))
    beam, best, idle = [empty], -np.inf, 0
    while beam and idle < _WITHOUT_GAIN and len(beam[0].steps) < min(_LARGEST, len(attributes)):
        beam = _extended(beam, attributes, labelled, fit)[:_BEAM]
        kept |= {found.names: found for found in beam}
        highest = max((found.gain for found in beam), default=-np.inf)
        idle = 0 if highest > best + 1e-3 else idle + 1
        best = max(best, highest)
    return sorted(kept.values(), key=lambda found: -found.gain)


def expected_gain(bits: Sequence[Bits], fit: GainFit, n_images: int) -> NDArray[np.float64]:
    """What the fit expects of some bits."""
    useful, nuisance = zip(*(shares(b, n_images) for b in bits), strict=True)
    return fit.predict(np.array(useful), np.array(nuisance))


def shares(bits: Bits, n_images: int) -> tuple[float, float]:
    """Useful bits over H(T) and nuisance bits over log2 n, which the fit takes."""
    return bits.useful / max(bits.h_t, 1e-9), bits.nuisance / np.log2(n_images)


def _extended(
    beam: Sequence[Found],
    attributes: Mapping[str, IntArray],
    labelled: Labelled,
    fit: GainFit,
) -> list[Found]:
    """Every subset of the beam with one attribute more, best first."""
    grown: dict[frozenset[str], Found] = {}
    for found in beam:
        for name, values in attributes.items():
            names = found.names | {name}
            if name in found.names or names in grown:
                continue
            ids = combine(found.ids, values)
            if ids.max() == found.ids.max():
                continue  # it parts no cluster
            bits = labelled.bits(ids)
            gain = float(expected_gain([bits], fit, len(ids))[0])
            grown[names] = Found((*found.steps, (name, bits)), gain, ids)
    return sorted(grown.values(), key=lambda found: -found.gain)
