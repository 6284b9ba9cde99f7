"""Trials in the trackers that people look at: MLflow, TensorBoard, Weights & Biases."""

from clinfonce.results.track.live import Live
from clinfonce.results.track.open import TRACKERS, open_tracker
from clinfonce.results.track.runs import Run, runs_of

__all__ = ["TRACKERS", "Live", "Run", "open_tracker", "runs_of"]
