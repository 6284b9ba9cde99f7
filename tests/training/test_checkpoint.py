"""Checkpoints: whole or not at all, and nothing that could run code."""

import errno
import os

import pytest
import torch
from safetensors.torch import load_file

from clinfonce.errors import StorageError
from clinfonce.models.saved import save_encoder
from clinfonce.training.checkpoint import load_checkpoint, save_checkpoint


def test_a_state_comes_back(tmp_path):
    state = {"model": {"w": torch.arange(3.0)}, "position": {"epoch": 2, "loss": 0.5}}
    path = tmp_path / "new" / "trial.pt"
    save_checkpoint(path, state)
    again = load_checkpoint(path)
    assert torch.equal(again["model"]["w"], state["model"]["w"])
    assert again["position"] == state["position"]
    assert [p.name for p in path.parent.iterdir()] == ["trial.pt"]


def test_no_file_is_no_state(tmp_path):
    assert load_checkpoint(tmp_path / "none.pt") is None


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "trial.pt"
    save_checkpoint(path, {"epoch": 1})

    def full_disk(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(StorageError, match=f"no space left in {tmp_path}: make room"):
        save_checkpoint(path, {"epoch": 2})
    assert load_checkpoint(path) == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["trial.pt"]


def test_code_in_a_checkpoint_is_not_run(tmp_path, capsys):
    class Evil:
        def __reduce__(self):
            return (print, ("run",))

    path = tmp_path / "trial.pt"
    torch.save({"model": Evil()}, path)
    with pytest.raises(StorageError, match="no checkpoint of clinfonce; remove it"):
        load_checkpoint(path)
    assert "run" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"PK", b"half of it"])
def test_a_damaged_checkpoint_is_named(tmp_path, content):
    path = tmp_path / "trial.pt"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=f"the checkpoint {path} is damaged") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


def test_an_encoder_is_saved_as_safetensors(tmp_path):
    weights = {"conv.weight": torch.randn(2, 3)[:, ::2], "count": torch.tensor(3)}
    save_encoder(tmp_path / "encoders" / "a.safetensors", weights)
    again = load_file(tmp_path / "encoders" / "a.safetensors")
    assert again.keys() == weights.keys()
    assert all(torch.equal(again[name], weights[name]) for name in weights)
