"""What advice says: clusterings, what is expected of each, and what was measured."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from clinfonce.advice.measured import Measured
from clinfonce.advice.probe import ProbeCost, Probed
from clinfonce.advice.weights import Telling, Weights

_SURE = 0.8  # probability from which it is said that a clustering helps, or harms
_CLEAR = 0.01  # of accuracy above or below instances, from which a probe says so

Verdict = Literal["helps", "harms", "can't tell"]


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
        n_clusters: K, among the images that were looked at.
        useful: bits that it says of the label, corrected for chance.
        useful_error: their standard error.
        nuisance: bits that it says besides.
        gain: share of the way from instances to labels, over draws of the bits, of the fit and of
            the spread around it.
        helps: probability that it is above instances.
        accuracy: the gain as an accuracy, where the store knows that of instances and of labels on
            this data set.
        measured: what trials in the store reached; None where there are none.
        probed: what a cheap probe reached; None where it was not probed.
        reason: in words.
        n_parts: that it is the crossing of; None of what is taken as a whole.
    """

    name: str
    clustering: dict[str, Any]
    n_clusters: int
    useful: float
    useful_error: float
    nuisance: float
    gain: Expected
    helps: float
    accuracy: Expected | None
    measured: Measured | None
    reason: str
    n_parts: int | None = None
    probed: Probed | None = None

    @property
    def verdict(self) -> Verdict:
        """What was measured or probed, else what the probability comes to."""
        if self.measured is not None and self.measured.above_instances is not None:
            return "helps" if self.measured.above_instances > 0 else "harms"
        if self.probed is not None and abs(self.probed.above_instances) > _CLEAR:
            return "helps" if self.probed.above_instances > 0 else "harms"
        if self.probed is not None:
            return "can't tell"
        if self.helps >= _SURE:
            return "helps"
        return "harms" if self.helps <= 1 - _SURE else "can't tell"

    @property
    def rank_by(self) -> tuple[int, float]:
        """How far a probe went and what it reached; else 0 and the gain, measured or expected."""
        if self.probed is not None:
            return self.probed.epochs, self.probed.accuracy
        if self.measured is not None and self.measured.gain is not None:
            return 0, round(self.measured.gain, 3)
        return 0, round(self.gain.mean, 3)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        values = asdict(self)
        return {
            "clustering": values.pop("name"),
            "specification": values.pop("clustering"),
            "expected_gain": self.gain.mean,
            "helps": self.helps,
            "verdict": self.verdict,
            "measured": values.pop("measured"),
            **values,
        }


@dataclass(frozen=True)
class Advice:
    """The candidates, best first, and what they were judged by.

    Attributes:
        data: name of the data set.
        regime: of the training that is planned.
        n_labelled: labels that were looked at.
        n_images: training images.
        h_t: H(T) of the labelled images, in bits.
        fitted_on: clusterings that the relation was fitted on.
        fitted_data: the data sets that those are of.
        candidates: best first.
        columns: those that weights can be of, the most telling first.
        weights: of columns in place of clusters, probed, best first; () without a probe.
        notes: what a reader must know before believing the numbers.
        cost: of the probe; None without one.
    """

    data: str
    regime: str
    n_labelled: int
    n_images: int
    h_t: float
    fitted_on: int
    fitted_data: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    columns: tuple[Telling, ...]
    weights: tuple[Weights, ...]
    notes: tuple[str, ...]
    cost: ProbeCost | None = None

    def to_json(self) -> list[dict[str, Any]]:
        """The candidates as plain values, best first, and then the weights."""
        clusterings = [candidate.to_json() for candidate in self.candidates]
        return clusterings + [weights.to_json() for weights in self.weights]
