"""The table `scores`: a measure of a target a row."""

import pyarrow as pa

from clinfonce.results.store.column import Column

_EVALUATION = "evaluation"

SCORES = (
    Column("trial_id", pa.string(), "Key into trials", source="specification", required=True),
    Column(
        "target",
        pa.string(),
        "What was predicted; null of measures that need no label",
        source="data",
    ),
    Column("split", pa.string(), "val or test", source=_EVALUATION, required=True),
    Column(
        "probe",
        pa.string(),
        "What was fitted to the features: linear (logistic regression, of several labels one each; "
        "ridge regression of a number), knn, retrieval (training images ranked by cosine), "
        "finetuned (the whole network), or features (nothing)",
        source=_EVALUATION,
        required=True,
    ),
    Column(
        "labels",
        pa.string(),
        "Labels a class that the probe had, or all, or none",
        source=_EVALUATION,
        required=True,
    ),
    Column(
        "measure",
        pa.string(),
        "Of classes: top1 and top5 (share of the images whose class is first, or among the first "
        "five), balanced (mean recall of the classes), macro_f1, recall (of one class), "
        "recall_at_k (share of the queries of which one of the k nearest shares the class), "
        "r_precision, map. Of several labels: map, macro_f1, label_accuracy (share of labels that "
        "are right). Of a number: r2, mae, mae_of_mean (of the training mean). _worst: of the "
        "worst group, _mean: the mean over groups. Of features: held_out (share that can be read "
        "of the columns in evaluation.held_out), rankme, lidar, alignment, uniformity",
        source=_EVALUATION,
        required=True,
    ),
    Column(
        "grouped_by",
        pa.string(),
        "Column or target by whose values images were grouped; null where all count as one",
        source=_EVALUATION,
    ),
    Column("group", pa.string(), "Which group; null for all of them", source=_EVALUATION),
    Column(
        "value",
        pa.float64(),
        "The measure, the mean over the draws of labelled images",
        "of the measure; shares 0–1",
        _EVALUATION,
    ),
    Column(
        "spread",
        pa.float64(),
        "Sample standard deviation over the draws; null where all labels are there",
        "of the measure",
        _EVALUATION,
    ),
    Column(
        "low",
        pa.float64(),
        "Lower end of the 95 % interval over images, by bootstrap; null where it was not made",
        "of the measure",
        _EVALUATION,
    ),
    Column("high", pa.float64(), "Its upper end", "of the measure", _EVALUATION),
    Column("images", pa.int64(), "Images that it is of", "images", _EVALUATION),
)
