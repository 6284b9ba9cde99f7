"""Everything that runs on Ray: sweeps with Ray Tune, data-parallel trials with Ray Train."""
