"""What a group of workers asks of Ray Train, without Ray running."""

import pytest

from clinfonce.scaling.capacity import Share
from clinfonce.scaling.crew import make_trainer


def trainer(tmp_path, share, workers=2):
    return make_trainer(None, "demo", workers, share, None, str(tmp_path))


@pytest.mark.parametrize(
    ("gpus", "backend"), [(0.0, "gloo"), (1.0, "cpu:gloo,cuda:nccl")], ids=["cpu", "gpu"]
)
def test_workers_with_gpus_talk_over_nccl_and_others_over_gloo(tmp_path, gpus, backend):
    made = trainer(tmp_path, Share(3.0, gpus))
    assert made.backend_config.backend == backend
    assert made.scaling_config.use_gpu == (gpus > 0)
    assert made.scaling_config.num_workers == 2
    assert made.scaling_config.resources_per_worker == Share(3.0, gpus).resources


def test_a_group_that_may_shrink_says_how_far(tmp_path):
    made = trainer(tmp_path, Share(1.0, 0.0, at_least=2), workers=4)
    assert made.scaling_config.num_workers == (2, 4)
