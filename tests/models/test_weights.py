"""Weights of all the layouts that people have, and those that must be refused."""

import os
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from clinfonce.errors import InputError, RunError
from clinfonce.models import build_encoder, load_encoder, read_weights, save_encoder
from clinfonce.models.weights import _digest
from clinfonce.torchvision_import import import_torchvision

RESNET = {"name": "resnet18", "channels": 3, "image_size": 96, "stem": None, "width": None}
VIT = {"name": "timm:test_vit", "channels": 3, "image_size": 64, "stem": None, "width": None}


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    return import_torchvision("torchvision.models").resnet18().eval()


def as_moco(state):
    both = {f"module.encoder_q.{n}": t for n, t in state.items()}
    both |= {f"module.encoder_k.{n}": torch.zeros_like(t) for n, t in state.items()}
    return {"epoch": 200, "arch": "resnet18", "state_dict": both}


def as_dino(state):
    teacher = {f"backbone.{n}": t for n, t in state.items()}
    student = {f"module.backbone.{n}": torch.zeros_like(t) for n, t in state.items()}
    return {"student": student, "teacher": teacher | {"head.mlp.0.weight": torch.zeros(2, 2)}}


LAYOUTS = {
    "torchvision": lambda state: state,
    "data parallel": lambda state: {f"module.{n}": t for n, t in state.items()},
    "lightly": lambda state: {"state_dict": {f"backbone.{n}": t for n, t in state.items()}},
    "trainer": lambda state: {"model": state, "lr": 0.1},
    "moco": as_moco,
    "dino": as_dino,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_any_layout_gives_the_network_that_was_saved(tmp_path, resnet, layout, ending):
    held = LAYOUTS[layout](resnet.state_dict())
    path = tmp_path / f"w{ending}"
    if ending == ".pth":
        torch.save(held, path)
    else:
        flat = held if layout in ("torchvision", "data parallel") else None
        if flat is None:
            pytest.skip("safetensors are flat")
        save_file({n: t.contiguous() for n, t in flat.items()}, path)
    found = read_weights(str(path), RESNET)
    network = found.build().eval()
    pixels = torch.rand(2, 3, 96, 96)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    theirs = nn.Sequential(*list(resnet.children())[:-1], nn.Flatten())
    with torch.no_grad():  # ours takes [-1, 1] and brings that to ImageNet's statistics
        expected, made = theirs((pixels - mean) / std), network(pixels * 2 - 1)
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-4)
    assert len(found.sha256) == 64
    assert "fc.weight" in found.report or layout == "dino"


def test_filters_fold_into_other_channels(tmp_path, resnet):
    torch.save(resnet.state_dict(), tmp_path / "w.pth")
    grey = read_weights(tmp_path.joinpath("w.pth").as_posix(), {**RESNET, "channels": 1})
    assert "conv1.weight folded from 3 to 1" in grey.report
    torch.testing.assert_close(grey.state["conv1.weight"], resnet.conv1.weight.sum(1, keepdim=True))
    five = read_weights(str(tmp_path / "w.pth"), {**RESNET, "channels": 5})
    image = torch.rand(1, 1, 96, 96).expand(-1, 5, -1, -1)
    torch.testing.assert_close(  # a grey image makes nearly the same response
        nn.functional.conv2d(image, five.state["conv1.weight"]).mean(),
        nn.functional.conv2d(image[:, :3], resnet.conv1.weight).mean(),
        rtol=0.5,
        atol=0.05,
    )


def test_positions_are_resampled_to_the_size(tmp_path):
    torch.manual_seed(1)
    large = build_encoder("timm:test_vit", channels=3, image_size=128)
    torch.save({"model": large.state_dict()}, tmp_path / "w.pth")
    small = read_weights(str(tmp_path / "w.pth"), VIT)
    assert "pos_embed resampled" in small.report
    assert small.build()(torch.zeros(1, 3, 64, 64)).shape == (1, large.feature_dim)


def test_a_saved_encoder_brings_its_own_size_and_stem(tmp_path):
    torch.manual_seed(0)
    described = {"name": "small_cnn", "channels": 1, "image_size": 8, "stem": None, "width": 6}
    network = build_encoder(**described)
    save_encoder(tmp_path / "e.safetensors", network.state_dict(), described)
    found = read_weights(str(tmp_path / "e.safetensors"), {**described, "width": None})
    assert found.build().feature_dim == network.feature_dim
    assert torch.equal(
        load_encoder(tmp_path / "e.safetensors").network(torch.ones(1, 1, 8, 8)),
        found.build().eval()(torch.ones(1, 1, 8, 8)),
    )


def test_equal_files_have_equal_digests_and_others_another(tmp_path, resnet):
    torch.save(resnet.state_dict(), tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes((tmp_path / "a.pth").read_bytes())
    other = {**resnet.state_dict(), "conv1.weight": resnet.conv1.weight + 1}
    torch.save(other, tmp_path / "c.pth")
    a, b, c = (read_weights(str(tmp_path / f"{n}.pth"), RESNET).sha256 for n in "abc")
    assert a == b != c


def test_how_weights_lie_in_memory_is_no_part_of_their_digest(resnet):
    last = {
        name: w.to(memory_format=torch.channels_last) if w.ndim == 4 else w
        for name, w in resnet.state_dict().items()
    }
    assert any(w.stride(-1) != 1 for w in last.values() if w.ndim and w.shape[-1] == 1)
    assert _digest(last) == _digest(resnet.state_dict())


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/clinfonce-was-here",)


def test_what_is_no_state_is_refused_in_a_line_and_never_run(tmp_path, resnet):
    torch.save({"x": Evil()}, tmp_path / "evil.pth")
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps(Evil()))
    torch.save(resnet.state_dict(), tmp_path / "whole.pth")
    content = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(content[: len(content) // 2])
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "other.safetensors").read_bytes()[:40])
    (tmp_path / "text.safetensors").write_text("no tensors here, only words")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "w.npz").write_bytes(b"")
    for name, words in (
        ("evil.pth", "code in it would run"),
        ("pickle.pth", "w"),
        ("cut.pth", "damaged"),
        ("other.safetensors", "do not fit the encoder: 0 of its"),
        ("cut.safetensors", "damaged"),
        ("text.safetensors", "damaged"),
        ("list.pth", "no tensors"),
        ("w.npz", "must end on"),
        ("none.pth", "no such file"),
    ):
        with pytest.raises(InputError, match=words) as told:
            read_weights(str(tmp_path / name), RESNET)
        assert "\n" not in str(told.value)
        assert name in str(told.value)
    assert not os.path.exists("/tmp/clinfonce-was-here")  # noqa: PTH110


def test_weights_of_another_network_are_refused(tmp_path, resnet):
    torch.save(resnet.state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"do not fit the encoder: \d+ of its \d+ tensors"):
        read_weights(str(tmp_path / "w.pth"), {**RESNET, "name": "resnet50"})
    with pytest.raises(InputError, match=r"encoder\.stem: large may be it"):
        read_weights(str(tmp_path / "w.pth"), {**RESNET, "stem": "small"})


@pytest.mark.parametrize("name", ["resnet18", "timm:test_vit"])
def test_without_a_connection_it_is_said_what_to_fetch(name, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def nobody(*_args, **_rest):
        raise OSError("Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", nobody)
    with pytest.raises(RunError, match=r"cannot be downloaded .* fetch ") as told:
        read_weights("pretrained", {**RESNET, "name": name})
    assert "\n" not in str(told.value)


def test_who_has_no_pretrained_weights_is_told():
    with pytest.raises(InputError, match="small_cnn has no pretrained weights"):
        read_weights("pretrained", {**RESNET, "name": "small_cnn"})
    with pytest.raises(InputError, match="no weights 'no_such_tag' of resnet18; it has"):
        read_weights("pretrained", {**RESNET, "name": "timm:resnet18.no_such_tag"})
