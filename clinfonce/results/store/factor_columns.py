"""The columns of the table `factors`: what of each target and column features let one read."""

import pyarrow as pa

from clinfonce.results.store.column import Column

_EVALUATION = "clinfonce.evaluation"

FACTORS = (
    Column("trial_id", pa.string(), "Key into trials", source="specification", required=True),
    Column(
        "factor",
        pa.string(),
        "What is read from the features: a target, a label of a target of several (target/label, "
        "the 40 that most images have), an auxiliary column, or a level of a hierarchy "
        "(name/level)",
        source="data",
        required=True,
    ),
    Column(
        "kind",
        pa.string(),
        "target, or the kind of the column: boolean, categorical, numeric, tags (of which the one "
        "that most images have is read), hierarchy",
        source="data",
    ),
    Column(
        "stage",
        pa.string(),
        "before training: the features that it starts from; or after: those that are probed",
        source="training",
        required=True,
    ),
    Column("measure", pa.string(), "bits, accuracy or r2", source=_EVALUATION, required=True),
    Column(
        "value",
        pa.float64(),
        "What a ridge regression on the features reaches on training images, each predicted "
        "without it: usable bits (of numbers those of a Gaussian of this R²), accuracy, or R²",
        "bits, or share",
        _EVALUATION,
    ),
    Column(
        "chance", pa.float64(), "What is reached without features", "bits, or share", _EVALUATION
    ),
    Column(
        "most",
        pa.float64(),
        "The most that can be reached: the entropy of the factor, or 1; null of bits of numbers",
        "bits, or share",
        _EVALUATION,
    ),
    Column("n_images", pa.int64(), "Images looked at, at most 2,000", "images", _EVALUATION),
)
