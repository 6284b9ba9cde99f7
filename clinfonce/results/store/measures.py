"""Names of measures: `test_linear_top1_5` of a trial's own target, `kids:…` of another.

A name says split, probe, measure and labels, and what groups a worst or mean is over:
`val_linear_top1_worst_all_by_camera`. The measures that every version had, top-1 and top-5
accuracy, are columns of the view `trials` too.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from clinfonce.errors import InputError

SPLITS = ("val", "test")
PROBES = ("linear", "knn")
TOPS = (1, 5)
LABELS_PER_CLASS = ("1", "5", "10", "all")

LABEL = "label"  # the target of rows that name none: versions with one target alone wrote them

DURING_TRAINING = "val_knn"  # a column of `trials`

RECALLS = (1, 5, 10)

# Of each measure its name for people. All but errors are better when larger.
MEASURES: Mapping[str, str] = {
    "top1": "accuracy",
    "top5": "accuracy",
    "balanced": "balanced accuracy",
    "macro_f1": "macro F1",
    "map": "mean average precision",
    "label_accuracy": "share of labels that are right",
    "r2": "R²",
    "mae": "mean absolute error",
    "mae_of_mean": "mean absolute error of the mean",
    "recall": "recall",
    **{f"recall_at_{k}": f"recall at {k}" for k in RECALLS},
    "r_precision": "R-precision",
}
# Of groups of images: how what is measured in each makes one number, and of which measures.
_OVER_GROUPS = {"worst": " in the worst group by", "mean": ", mean over groups by"}
_GROUPED: Mapping[str, tuple[str, ...]] = {
    "class": ("top1", "balanced"),
    "multilabel": ("label_accuracy",),
    "number": ("mae",),
}
_OF_GROUPS: Mapping[str, tuple[str, str]] = {
    f"{measure}_{over}": (measure, over)
    for measures in _GROUPED.values()
    for measure in measures
    for over in _OVER_GROUPS
}
# … and of those of the features alone.
LABEL_FREE: Mapping[str, str] = {
    "held_out": "share that can be read of the columns that were held out",
    "rankme": "RankMe, an effective rank",
    "lidar": "LiDAR, an effective rank",
    "alignment": "alignment, the distance of two views",
    "uniformity": "uniformity",
}
_RANKS = ("rankme", "lidar")  # no shares
_LESS_IS_BETTER = ("mae", "mae_of_mean", "alignment", "uniformity")

_RETRIEVAL = (*(f"recall_at_{k}" for k in RECALLS), "r_precision", "map")
_OF_KIND: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "class": {
        "linear": ("top1", "top5", "balanced", "macro_f1"),
        "knn": ("top1", "top5", "balanced", "macro_f1"),
        "retrieval": _RETRIEVAL,
    },
    "multilabel": {"linear": ("map", "macro_f1", "label_accuracy")},
    "number": {"linear": ("r2",)},
}
# Of a kind of target the measure that stands for it among others.
MAIN = {"class": "top1", "multilabel": "map", "number": "r2"}

_SPLIT_WORDS = {"val": "validation", "test": "test"}
_PROBE_WORDS = {
    "linear": "linear probe",
    "knn": "kNN probe",
    "retrieval": "retrieval",
    "finetuned": "fine-tuned",
}
_NAME = re.compile(
    f"(?:(.+?):)?({'|'.join(SPLITS)})_({'|'.join(_PROBE_WORDS)})_([a-z0-9_]+?)_([0-9]+|all)"
    "(?:_by_(.+))?",
    re.DOTALL,
)
FEATURES, NO_LABELS = "features", "none"  # probe and labels of what needs no target
_OF_FEATURES = re.compile(f"({'|'.join(SPLITS)})_{FEATURES}_([a-z_]+)")


@dataclass(frozen=True)
class Metric:
    """One measure of a trial.

    Attributes:
        split: val or test.
        probe: what was fitted to the features.
        measure: a key of `MEASURES`, or of `LABEL_FREE`; over groups with _worst or _mean behind.
        labels: how many a class the probe had, or all, or none.
        target: what was predicted; None: the trial's own, its column `target`, or nothing.
        grouped_by: column whose groups a worst or mean is over; None of all images as one.
    """

    split: str
    probe: str
    measure: str
    labels: str
    target: str | None = None
    grouped_by: str | None = None

    @property
    def name(self) -> str:
        """As `parse_metric` reads it."""
        if self.is_label_free:
            return f"{self.split}_{FEATURES}_{self.measure}"
        plain = f"{self.split}_{self.probe}_{self.measure}_{self.labels}"
        plain += "" if self.grouped_by is None else f"_by_{self.grouped_by}"
        return plain if self.target is None else f"{self.target}:{plain}"

    @property
    def is_label_free(self) -> bool:
        """Whether it is of the features alone."""
        return self.probe == FEATURES

    @property
    def on_validation(self) -> "Metric":
        """The same on the validation split."""
        return replace(self, split="val")

    @property
    def words(self) -> str:
        """For people: "test accuracy, linear probe, 5 labels per class"."""
        if self.is_label_free:
            return f"{_SPLIT_WORDS[self.split]} {LABEL_FREE[self.measure]}"
        measure, over = _OF_GROUPS.get(self.measure, (self.measure, None))
        of = "" if self.target is None else f" of {self.target}"
        of += "" if over is None else f"{_OVER_GROUPS[over]} {self.grouped_by}"
        number = "1 label" if self.labels == "1" else f"{self.labels} labels"
        labels = number if self.labels == "all" else f"{number} per class"
        top = ", top 5" if self.measure == "top5" else ""
        return (
            f"{_SPLIT_WORDS[self.split]} {MEASURES[measure]}{of}, "
            f"{_PROBE_WORDS[self.probe]}, {labels}{top}"
        )


def parse_share(name: str) -> Metric:
    """As `parse_metric`, of a measure that can be shown in percent.

    Raises:
        InputError: it is of none.
    """
    if (found := parse_metric(name)).measure in _RANKS:
        raise InputError(
            f"metric {name!r} is an effective rank, no share: ask for it by `clinfonce query` in "
            "the table scores"
        )
    return found


def parse_metric(name: str) -> Metric:
    """The measure that a name is of.

    Raises:
        InputError: it is of none, or of one of which less is better.
    """
    if (found := metric_or_none(name)) is None:
        raise InputError(
            f"metric {name!r} is unknown; allowed: {', '.join(ACCURACIES)}, {DURING_TRAINING}; "
            "of another target TARGET: stands before it, of groups _worst or _mean behind the "
            "measure and _by_COLUMN at the end"
        )
    if _OF_GROUPS.get(found.measure, (found.measure,))[0] in _LESS_IS_BETTER:
        instead = "held_out, rankme or lidar" if found.is_label_free else "r2"
        raise InputError(f"metric {name!r}: of that less is better; take {instead}")
    return found


def metric_or_none(name: str) -> Metric | None:
    """The measure that a name is of; None of any other name."""
    if (free := _OF_FEATURES.fullmatch(name)) is not None and free[2] in LABEL_FREE:
        return Metric(free[1], FEATURES, free[2], NO_LABELS)
    if (found := _NAME.fullmatch(name)) is None:
        return None
    target, split, probe, measure, labels, grouped_by = found.groups()
    if measure not in (MEASURES if grouped_by is None else _OF_GROUPS):
        return None
    return Metric(split, probe, measure, labels, target, grouped_by)


def value_in_words(metric: str, value: float) -> str:
    """A value of a measure for people: shares in percent, ranks as they are."""
    found = metric_or_none(metric)
    is_rank = found is not None and found.measure in _RANKS
    return f"{value:.1f}" if is_rank else f"{value:.1%}"


def metrics_of(
    kind: str, target: str | None, *, few: bool, groups: Sequence[str] = ()
) -> list[str]:
    """What a sweep may maximise of a target: names of measures on the validation split.

    Args:
        kind: of the target.
        target: its name; None: the trial's own.
        few: whether classes are probed with 1, 5 and 10 labels a class by each probe; else with 5
            by the linear one.
        groups: columns that images are grouped by.
    """
    found = []
    for probe, measures in _OF_KIND[kind].items():
        fewer = LABELS_PER_CLASS[:-1] if few else ("5",) if probe == "linear" else ()
        for measure in measures:
            labels = (*fewer, "all") if measure in ("top1", "top5") else ("all",)
            found += [Metric("val", probe, measure, n, target).name for n in labels]
        found += [
            Metric("val", probe, f"{measure}_{over}", "all", target, column).name
            for column in groups
            for measure in _GROUPED[kind]
            if measure in measures
            for over in _OVER_GROUPS
        ]
    return found


def main_metric(kind: str, target: str) -> str:
    """The measure that stands for a target among others, on validation with all labels."""
    return Metric("val", "linear", MAIN[kind], "all", target).name


def describe_metric(name: str) -> str:
    """Say a measure in words: "test accuracy, linear probe, 5 labels per class"."""
    if name == DURING_TRAINING:
        return "validation accuracy, kNN during training"
    return parse_metric(name).words


def accuracy_column(split: str, probe: str, top: int, labels: str, *, std: bool = False) -> str:
    """The name of an accuracy column, such as ``test_linear_top1_5``."""
    return f"{split}_{probe}_top{top}_{labels}" + ("_std" if std else "")


ACCURACIES = tuple(
    accuracy_column(split, probe, top, labels)
    for split in SPLITS
    for probe in PROBES
    for top in TOPS
    for labels in LABELS_PER_CLASS
)
SPREADS = tuple(
    accuracy_column(split, probe, 1, labels, std=True)
    for split in SPLITS
    for probe in PROBES
    for labels in LABELS_PER_CLASS
    if labels != "all"
)
