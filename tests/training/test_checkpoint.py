"""Checkpoints: whole or not at all, and nothing that could run code."""

import errno
import os

import pytest
import torch
from safetensors.torch import load_file

from clinfonce.errors import InputError, StorageError
from clinfonce.models.build import build_encoder
from clinfonce.models.saved import load_encoder, save_encoder
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


def flipped(content, places):
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 4
        yield bytes(damaged)


def test_no_flipped_bit_of_a_checkpoint_is_loaded(tmp_path):
    path = tmp_path / "trial.pt"
    save_checkpoint(path, {"w": torch.arange(100.0), "epoch": 3})
    whole = path.read_bytes()
    unseen = 0
    for damaged in flipped(whole, range(0, len(whole), 7)):
        path.write_bytes(damaged)
        try:
            state = load_checkpoint(path)
        except StorageError as error:
            assert f"the checkpoint {path} is damaged" in str(error)  # noqa: PT017
        else:
            unseen += 1
            assert torch.equal(state["w"], torch.arange(100.0))
    assert unseen <= 4  # in the mark of the digest


def test_a_checkpoint_of_a_version_without_digests_is_loaded(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "trial.pt")
    assert load_checkpoint(tmp_path / "trial.pt") == {"epoch": 3}


def test_no_flipped_bit_of_an_encoder_is_loaded(tmp_path):
    path = tmp_path / "a.safetensors"
    description = {"name": "small_cnn", "width": 4, "channels": 1, "image_size": 8}
    network = build_encoder(**description)
    save_encoder(path, network.state_dict(), description)
    loaded = load_encoder(path).network.state_dict()
    assert all(torch.equal(loaded[name], w) for name, w in network.state_dict().items())
    whole = path.read_bytes()
    for damaged in flipped(whole, range(0, len(whole), len(whole) // 60)):
        path.write_bytes(damaged)
        with pytest.raises((StorageError, InputError)) as caught:
            load_encoder(path)
        assert str(path) in str(caught.value)


def test_an_encoder_is_saved_as_safetensors(tmp_path):
    weights = {"conv.weight": torch.randn(2, 3)[:, ::2], "count": torch.tensor(3)}
    save_encoder(tmp_path / "encoders" / "a.safetensors", weights)
    again = load_file(tmp_path / "encoders" / "a.safetensors")
    assert again.keys() == weights.keys()
    assert all(torch.equal(again[name], weights[name]) for name in weights)
