"""Everything that runs on Ray: sweeps with Ray Tune, data-parallel trials with Ray Train."""

from clinfonce.scaling.session import terminal_apart
from clinfonce.scaling.sweep import prepare_sweep, run_sweep

__all__ = ["prepare_sweep", "run_sweep", "terminal_apart"]
