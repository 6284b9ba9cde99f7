"""What a group of workers asks of Ray Train, without Ray running."""

import pytest

from clinfonce.scaling.execution.capacity import WorkerResources
from clinfonce.scaling.execution.train_workers import make_trainer, reason_of


def trainer(tmp_path, per_worker, workers=2):
    return make_trainer(None, "demo", workers, per_worker, None, str(tmp_path))


@pytest.mark.parametrize(
    ("gpus", "backend"), [(0.0, "gloo"), (1.0, "cpu:gloo,cuda:nccl")], ids=["cpu", "gpu"]
)
def test_workers_with_gpus_talk_over_nccl_and_others_over_gloo(tmp_path, gpus, backend):
    made = trainer(tmp_path, WorkerResources(3.0, gpus))
    assert made.backend_config.backend == backend
    assert made.scaling_config.use_gpu == (gpus > 0)
    assert made.scaling_config.num_workers == 2
    assert made.scaling_config.resources_per_worker == WorkerResources(3.0, gpus).resources


def test_a_group_that_may_shrink_says_how_far(tmp_path):
    made = trainer(tmp_path, WorkerResources(1.0, 0.0, at_least=2), workers=4)
    assert made.scaling_config.num_workers == (2, 4)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no memory", "no memory"),
        ("The actor died unexpectedly.\n\tclass_name: X", "The actor died unexpectedly."),
        ("Traceback (most recent call last):\n  File 'a.py'\nKeyError: 1\n", "KeyError: 1"),
        ("The actor died in its creation task\n  File 'a.py'\nOSError: full", "OSError: full"),
        ("", "RuntimeError"),
    ],
)
def test_the_reason_of_an_end_is_a_line(text, reason):
    assert reason_of(RuntimeError(text)) == reason
