"""Pretraining in plain PyTorch: which images share a batch, the loop, its checkpoints."""
