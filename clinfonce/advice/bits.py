"""Useful and nuisance bits of a clustering, from all of its ids and a few labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clinfonce.information import entropy, measure
from clinfonce.results.analysis.gain import LEAST_ROOM, useful_bits

IntArray = NDArray[np.int64]

_HALVES = 10  # random halves of the labelled images that the error is told from


@dataclass(frozen=True)
class Bits:
    """What a clustering says of the label and what besides, in bits.

    Attributes:
        h_z: H(Z), of all training images: no label is needed for it.
        h_t: H(T), of the labelled ones.
        share: I(Z;T) corrected for chance as a share, 0 to 1, of min(H(Z), H(T)).
        share_error: its standard error; 0 where it was not asked for.
    """

    h_z: float
    h_t: float
    share: float
    share_error: float

    @property
    def useful(self) -> float:
        """Bits that the cluster of an image says of its label, corrected for chance."""
        return self.share * min(self.h_z, self.h_t)

    @property
    def useful_error(self) -> float:
        """Its standard error."""
        return self.share_error * min(self.h_z, self.h_t)

    @property
    def nuisance(self) -> float:
        """Bits that the cluster says besides."""
        return self.h_z - self.useful


class Labelled:
    """The labelled training images.

    Args:
        rows: (m,) which of the training images are labelled.
        labels: (m,) their labels.
        seed: of the halves.
    """

    def __init__(self, rows: IntArray, labels: IntArray, *, seed: int = 0) -> None:
        self.rows, self.labels = rows, labels
        rng = np.random.default_rng(seed)
        self._halves = [rng.permutation(len(rows))[: len(rows) // 2] for _ in range(_HALVES)]
        self.h_t = entropy(labels)

    def bits(self, ids: IntArray, *, with_error: bool = False) -> Bits:
        """The bits of a clustering, ids (n,) of all training images.

        The error is the spread over random halves (delete-half jackknife), as in
        `clinfonce.information.estimate`; a sample that chance alone explains knows nothing, and
        its error is the whole range.
        """
        known = ids[self.rows]
        share, room = _share(known, self.labels)
        error = 0.0
        if with_error:
            halves = [_share(known[half], self.labels[half])[0] for half in self._halves]
            error = float(np.std(halves, ddof=1)) if room > LEAST_ROOM else 0.5
        return Bits(entropy(ids), self.h_t, share, error)


def _share(ids: IntArray, labels: IntArray) -> tuple[float, float]:
    """The corrected share of min(H(Z), H(T)), and the bits that chance leaves open."""
    found = measure(ids, labels)
    most = min(found.h_z, found.h_t)
    room = most - found.i_zt_chance
    if room <= LEAST_ROOM:
        return 0.0, room
    return useful_bits(found.h_z, found.h_t, found.i_zt, found.i_zt_chance) / most, room
