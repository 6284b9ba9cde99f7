"""Encoders, the projection head, and batch norm over several workers."""

from clinfonce.models.build import build_encoder
from clinfonce.models.encoder import Encoder
from clinfonce.models.head import ProjectionHead
from clinfonce.models.sync_batch_norm import SyncBatchNorm, synchronize_batch_norm

__all__ = ["Encoder", "ProjectionHead", "SyncBatchNorm", "build_encoder", "synchronize_batch_norm"]
