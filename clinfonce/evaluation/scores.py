"""What probes of features reached: one measure a score."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """One measure of one target.

    Attributes:
        split: val or test.
        probe: what was fitted to the features.
        labels: how many of each class the probe had, or all.
        measure: its name, such as top1.
        value: the mean over the draws of labelled images.
        spread: sample standard deviation over the draws; None where all labels are there.
        grouped_by: what images were grouped by; None where all count as one.
        group: which group; None for all of them.
        low: lower end of the 95 % interval over images; None where it was not made.
        high: its upper end.
        images: that it is of.
    """

    split: str
    probe: str
    labels: str
    measure: str
    value: float
    spread: float | None = None
    grouped_by: str | None = None
    group: str | None = None
    low: float | None = None
    high: float | None = None
    images: int | None = None
