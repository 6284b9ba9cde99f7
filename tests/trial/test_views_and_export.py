"""`clinfonce views` and `clinfonce export`."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from clinfonce.cli import main
from clinfonce.errors import InputError
from clinfonce.models import build_encoder
from clinfonce.models.export import export_encoder
from clinfonce.models.saved import save_encoder
from clinfonce.torchvision_import import import_torchvision

SWEEP = """\
name: s
data: {name: digits}
trial: {augmentation: digits}
fixed: [{name: InfoNCE, trial: {}}]
"""


def test_views_writes_a_sheet_of_images_and_views(tmp_path, capsys):
    out = tmp_path / "new" / "views.png"
    assert main(["views", "--policy", "digits", "--data", "digits", "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    sheet = np.asarray(Image.open(out))
    # Eight rows and nine columns of 8 × 8 pixels, each pixel eight wide.
    assert sheet.shape == (8 * 66 + 2, 9 * 64 + 4 * 2 + 4 * 10 + 2 * 2, 3)
    first, second = sheet[2:66, 76:140], sheet[2:66, 142:206]
    assert not np.array_equal(first, second)
    assert len(np.unique(sheet)) > 10


@pytest.mark.parametrize("text", [SWEEP, SWEEP.split("fixed")[0]], ids=["sweep", "trial"])
def test_views_takes_policy_and_data_of_a_specification(tmp_path, text):
    (tmp_path / "s.yaml").write_text(text)
    by_spec, by_name = tmp_path / "a.png", tmp_path / "b.png"
    assert main(["views", str(tmp_path / "s.yaml"), "--out", str(by_spec)]) == 0
    assert main(["views", "--policy=digits", "--data=digits", "--out", str(by_name)]) == 0
    assert by_spec.read_bytes() == by_name.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--policy", "digits"], "both --policy and --data"),
        (["--policy", "nothing", "--data", "digits"], "nothing"),
        (["--policy", "digits", "--data", "digits", "--out", "a.gif"], "is a .png"),
        (["missing.yaml"], "missing.yaml"),
    ],
)
def test_views_answers_a_mistake_in_one_line(capsys, arguments, problem):
    assert main(["views", *arguments]) == 2
    line = capsys.readouterr().err
    assert problem in line
    assert line.count("\n") == 1


def saved(home, name, trial, channels=3, image_size=32):
    torch.manual_seed(0)
    encoder = build_encoder(name, channels=channels, image_size=image_size).eval()
    description = {"name": name, "channels": channels, "image_size": image_size}
    save_encoder(home / "encoders" / f"{trial}.safetensors", encoder.state_dict(), description)
    return encoder


def test_an_exported_resnet_loads_into_torchvision(tmp_path):
    encoder = saved(tmp_path, "resnet18", "abc123", image_size=96)
    out = export_encoder(tmp_path, "abc", tmp_path / "out" / "r.safetensors")
    network = import_torchvision("torchvision.models").resnet18()
    missing, unexpected = network.load_state_dict(load_file(out), strict=False)
    assert (missing, unexpected) == (["fc.weight", "fc.bias"], [])
    network.fc = torch.nn.Identity()
    images = torch.randn(2, 3, 96, 96)
    torch.testing.assert_close(network.eval()(images), encoder(images), atol=1e-4, rtol=1e-4)
    with safe_open(out, framework="pt") as file:
        assert file.metadata()["image_size"] == "96"


@pytest.mark.filterwarnings("ignore")  # of the exporter's packages
@pytest.mark.parametrize(
    "name", ["small_cnn", "resnet18", pytest.param("vit_s8", marks=pytest.mark.slow)]
)
def test_an_exported_onnx_network_computes_the_same_features(tmp_path, capsys, name):
    pytest.importorskip("onnx", reason="the extra export is not installed")
    pytest.importorskip("onnxscript", reason="the extra export is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    encoder = saved(tmp_path, name, "abc123", channels=1)
    out = tmp_path / "e.onnx"
    assert main(["export", "abc123", "--results", str(tmp_path), "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip().splitlines()[-1] == str(out)
    session = runtime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["mean"] == "0.5"
    for n in (1, 5):
        images = torch.randn(n, 1, 32, 32)
        (features,) = session.run(["features"], {"images": images.numpy()})
        with torch.no_grad():
            expected = encoder(images).numpy()
        np.testing.assert_allclose(features, expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("trial", "out", "problem"),
    [
        ("zzz", "e.safetensors", "has no encoder"),
        ("abc", "e.safetensors", "not unique: abc1, abc2"),
        ("abc1", "e.pt", "must end on .safetensors or .onnx"),
    ],
)
def test_export_answers_a_mistake(tmp_path, trial, out, problem):
    for name in ("abc1", "abc2"):
        saved(tmp_path, "small_cnn", name)
    with pytest.raises(InputError, match=problem):
        export_encoder(tmp_path, trial, tmp_path / out)
    assert not list(tmp_path.glob("*.*"))


def test_onnx_without_its_packages_is_refused(tmp_path, monkeypatch):
    saved(tmp_path, "small_cnn", "abc1")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"onnx and onnxscript: pip install 'clinfonce\[export\]'"):
        export_encoder(tmp_path, "abc1", tmp_path / "e.onnx")
