"""A training process that is killed, by SIGKILL and anywhere, and started again."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from clinfonce.config import TrialSpec
from clinfonce.training.images import ImageSource
from clinfonce.training.inputs import ImageInputs
from clinfonce.training.loop import Pretraining

N, SIDE = 61, 8
SPEC = TrialSpec.model_validate(
    {
        "augmentation": "digits",
        "encoder": {"width": 4},
        "head": {"hidden_dim": 16, "out_dim": 8},
        "sampler": {"batch_size": 8, "images_per_cluster": 3},
        "epochs": 25,
    }
)
STEPS = 25 * 8


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


def outcome(training: Pretraining) -> dict[str, object]:
    """Everything that two trainings have to have in common."""
    epochs = [(e.epoch, e.step, e.loss, e.learning_rate) for e in training.epochs()]
    return {
        "epochs": epochs,
        "encoder": training.encoder.state_dict(),
        "probe": training.probe.state(),
    }


def main(folder: str) -> None:
    """Train with a checkpoint after every step, and write what came out."""
    torch.set_num_threads(1)
    result = outcome(pretraining(Path(folder) / "trial.pt", save_every=0.0))
    torch.save(result, Path(folder) / "result.pt")


def steps_done(checkpoint: Path) -> int:
    if not checkpoint.exists():
        return 0
    return int(torch.load(checkpoint, weights_only=True)["position"]["step"])


def test_a_process_killed_at_random_steps_ends_with_the_same_bits(tmp_path):
    seed = int(time.time())
    draw = random.Random(seed)
    checkpoint, code = (
        tmp_path / "trial.pt",
        f"from {__name__} import main; main({str(tmp_path)!r})",
    )
    root = Path(__file__).parents[2]
    for last in (60, STEPS - 40):
        target = draw.randint(min(steps_done(checkpoint) + 1, last), last)
        process = subprocess.Popen([sys.executable, "-c", code], cwd=root)
        while steps_done(checkpoint) < target:
            assert process.poll() is None, f"ended before step {target}, seed {seed}"
        os.kill(process.pid, 9)
        assert process.wait() == -9
    killed_at = steps_done(checkpoint)
    assert 0 < killed_at < STEPS, f"seed {seed}"
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
    resumed = torch.load(tmp_path / "result.pt", weights_only=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        undisturbed = outcome(pretraining(None, 60.0))
    finally:
        torch.set_num_threads(threads)
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
