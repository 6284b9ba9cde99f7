"""Probes of frozen features: a linear classifier and kNN, with all labels and with few."""

from clinfonce.evaluation.features import encode
from clinfonce.evaluation.few_labels import few_label_draws
from clinfonce.evaluation.knn import knn_accuracy, knn_predict
from clinfonce.evaluation.linear import LinearProbe, linear_probe
from clinfonce.evaluation.protocol import evaluate

__all__ = [
    "LinearProbe",
    "encode",
    "evaluate",
    "few_label_draws",
    "knn_accuracy",
    "knn_predict",
    "linear_probe",
]
