"""A training process that is killed, by SIGKILL and anywhere, and started again."""

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clinfonce.config import TrialSpec
from clinfonce.training.images import ImageSource
from clinfonce.training.inputs import ImageInputs
from clinfonce.training.loop import Pretraining
from tests.gloo import fork_server

N, SIDE = 61, 8
SPEC = TrialSpec.model_validate(
    {
        "augmentation": "digits",
        "encoder": {"width": 4},
        "head": {"hidden_dim": 16, "out_dim": 8},
        "sampler": {"batch_size": 8, "images_per_cluster": 3},
        "epochs": 10,
    }
)
STEPS = 10 * 8


def pretraining(checkpoint: Path | None, save_every: float) -> Pretraining:
    images = np.random.default_rng(0).integers(0, 256, (N, 1, SIDE, SIDE), dtype=np.uint8)
    device = torch.device("cpu")
    return Pretraining(
        SPEC,
        ImageInputs.of(SPEC, ImageSource(images, np.arange(N), device)),
        np.arange(N) % 7,
        device=device,
        checkpoint=checkpoint,
        labels=np.arange(N) % 3,
        save_every=save_every,
    )


def outcome(training: Pretraining) -> dict[str, Any]:
    """Everything that two trainings have to have in common."""
    epochs = [(e.epoch, e.step, e.loss, e.learning_rate) for e in training.epochs()]
    return {
        "epochs": epochs,
        "encoder": training.encoder.state_dict(),
        "probe": training.probe.state(),
    }


def train_on(folder: Path) -> None:
    """Train, or go on, with a checkpoint after every step."""
    torch.set_num_threads(1)
    outcome(pretraining(folder / "trial.pt", save_every=0.0))


def steps_done(checkpoint: Path) -> int:
    if not checkpoint.exists():
        return 0
    return int(torch.load(checkpoint, weights_only=True)["position"]["step"])


def killed_after(step: int, folder: Path, why: str) -> None:
    """Have a process train until its checkpoint is of this step or a later one, and kill it."""
    process = fork_server().Process(target=train_on, args=(folder,))
    process.start()
    while steps_done(folder / "trial.pt") < step:
        assert process.exitcode is None, f"ended before step {step}, {why}"
        time.sleep(0.003)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums of several threads have other last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_a_process_killed_at_random_steps_ends_with_the_same_bits(tmp_path):
    seed = int(time.time())
    draw, checkpoint = random.Random(seed), tmp_path / "trial.pt"
    for last in (STEPS // 3, STEPS - 20):
        step = draw.randint(min(steps_done(checkpoint) + 1, last), last)
        killed_after(step, tmp_path, f"seed {seed}")
    assert 0 < steps_done(checkpoint) < STEPS, f"seed {seed}"
    resumed, undisturbed = outcome(pretraining(checkpoint, 60.0)), outcome(pretraining(None, 60.0))
    assert resumed["epochs"] == undisturbed["epochs"], f"seed {seed}"
    for name, value in undisturbed["encoder"].items():
        assert torch.equal(resumed["encoder"][name], value), f"{name}, seed {seed}"
    assert torch.equal(resumed["probe"]["weights"], undisturbed["probe"]["weights"])


@pytest.mark.parametrize(("save_every", "saved"), [(0.0, 8), (60.0, 0)])
def test_a_long_epoch_is_saved_on_the_way(tmp_path, monkeypatch, save_every, saved):
    training = pretraining(tmp_path / "trial.pt", save_every)
    saves = []
    monkeypatch.setattr(training, "save", lambda: saves.append(training._position.step))
    next(iter(training.epochs()))
    assert saves == list(range(saved))
