"""Every measure that a trial reports, of all targets and without any."""

from clinfonce.config import EvaluationSpec
from clinfonce.data import ImageTable
from clinfonce.evaluation import knn_accuracy
from clinfonce.evaluation.space import Space
from clinfonce.training.online_probe import OnlineProbe
from clinfonce.trial.encoding import Encode, EncodedOnce, EncodeViews
from clinfonce.trial.finetuning import finetuned_rows
from clinfonce.trial.label_free import held_out_rows, label_free_rows
from clinfonce.trial.rows import Row, first_target
from clinfonce.trial.targets import SPLITS, rows_of, target_rows, targets_by_rows, values_on


def probe(
    encoded: Encode, views: EncodeViews, table: ImageTable, spec: EvaluationSpec
) -> list[Row]:
    """The rows of `scores` of a trial; the one place where the test split is used.

    Args:
        encoded: gives features of images.
        views: gives features of views of images.
        table: the data set.
        spec: how features are probed.
    """
    once = EncodedOnce(encoded, len(table))
    found: list[Row] = []
    for rows, targets in targets_by_rows(table):
        space = Space(*(once(rows[split]) for split in SPLITS), k=spec.neighbors)
        for target in targets:
            found += target_rows(target, table, rows, space, spec)
            if spec.finetune and target.name == first_target(table) and target.kind == "class":
                found += finetuned_rows(once, views, table, target)
    found += held_out_rows(once, table, spec)
    found += label_free_rows(once, views, table, spec)
    return found


def validate(
    encoded: Encode, table: ImageTable, spec: EvaluationSpec, online: OnlineProbe | None
) -> tuple[float | None, float | None]:
    """Accuracy on the validation split of kNN and of the probe that learns beside the encoder.

    None where the data have no labels.
    """
    if table.labels is None:
        return None, None
    label = next(target for target in table.targets.values() if target.values is table.labels)
    rows = rows_of(table, label)
    features = {split: encoded(rows[split]) for split in ("train", "val")}
    labels = values_on(label, rows, features["train"].device)
    parts = (features["train"], labels["train"], features["val"], labels["val"])
    knn = knn_accuracy(*parts, k=spec.neighbors, n_classes=len(table.label_names))[1]
    return knn, None if online is None else online.accuracy(features["val"], labels["val"])
