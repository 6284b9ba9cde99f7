"""What adapting a pretrained encoder gained over leaving it frozen, and what it cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from clinfonce.results.analysis.averages import compared_beside
from clinfonce.results.store.measures import describe_metric

Trial = dict[str, Any]

_ENCODER = ("encoder", "weights", "weights_sha256")


@dataclass(frozen=True)
class AgainstFrozen:
    """One accuracy of the encoder as it is, and of the adapted one.

    Attributes:
        metric: column of `trials`.
        frozen: of the encoder as it is, a share.
        adapted: mean over the trials that adapted it.
    """

    metric: str
    frozen: float
    adapted: float

    @property
    def gain(self) -> float:
        """Points in percent; below 0 is a loss."""
        return 100 * (self.adapted - self.frozen)

    @property
    def line(self) -> str:
        """Both, in words."""
        return (
            f"{describe_metric(self.metric)}: {100 * self.adapted:.1f} %, frozen "
            f"{100 * self.frozen:.1f} % ({self.gain:+.1f})"
        )


def is_frozen(trial: Trial) -> bool:
    """Whether a trial probed an encoder as it is."""
    return bool(trial["source"] == "frozen" and trial["status"] == "complete")


def against_frozen(
    trials: Sequence[Trial], adapted: Sequence[Trial], metric: str
) -> tuple[AgainstFrozen, ...]:
    """Hold trials against the frozen encoder that they started from.

    Args:
        trials: all that count.
        adapted: replicates of one clustering.
        metric: a measure that is compared first; then those `compared_beside` it.

    Returns:
        One for each accuracy that both have; none where the encoder was never probed as it is.
    """
    started = {tuple(trial[name] for name in _ENCODER) for trial in adapted}
    frozen = [t for t in trials if is_frozen(t) and tuple(t[n] for n in _ENCODER) in started]
    found = []
    for name in dict.fromkeys((metric, *compared_beside(metric))):
        before, after = _mean(frozen, name), _mean(adapted, name)
        if before is not None and after is not None:
            found.append(AgainstFrozen(name, before, after))
    return tuple(found)


def verdict(found: Sequence[AgainstFrozen]) -> str:
    """What follows, in a sentence or two; empty where there is nothing to compare."""
    if not found:
        return ""
    first, others = found[0], found[1:]
    if first.gain <= 0:
        return (
            f"It does not beat the frozen encoder ({100 * first.frozen:.1f} %, {first.gain:+.1f} "
            "points): leave the encoder as it is"
        )
    text = f"{first.gain:.1f} points above the frozen encoder ({100 * first.frozen:.1f} %)"
    losses = [each for each in others if each.gain < -0.5]
    if losses:
        worst = min(losses, key=lambda each: each.gain)
        text += f", at the cost of {-worst.gain:.1f} in {describe_metric(worst.metric)}"
    return f"That is {text}"


def _mean(trials: Sequence[Trial], name: str) -> float | None:
    values = [t[name] for t in trials if t.get(name) is not None and math.isfinite(t[name])]
    return fmean(values) if values else None
