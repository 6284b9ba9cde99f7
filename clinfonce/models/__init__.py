"""Encoders, what they start from and stand on, the projection head, files of encoders.

A new architecture is a module with a `build_…` that `build` calls.
"""

from clinfonce.models.adapter import AdaptedEncoder, Adapter
from clinfonce.models.build import build_encoder
from clinfonce.models.encoder import Encoder
from clinfonce.models.head import ProjectionHead
from clinfonce.models.saved import SavedEncoder, load_encoder, save_encoder
from clinfonce.models.sync_batch_norm import SyncBatchNorm, synchronize_batch_norm
from clinfonce.models.weights import Weights, read_weights

__all__ = [
    "AdaptedEncoder",
    "Adapter",
    "Encoder",
    "ProjectionHead",
    "SavedEncoder",
    "SyncBatchNorm",
    "Weights",
    "build_encoder",
    "load_encoder",
    "read_weights",
    "save_encoder",
    "synchronize_batch_norm",
]
