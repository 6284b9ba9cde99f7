"""Adapters: what they keep of the frozen features, and encoders with them in files."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from clinfonce.errors import InputError
from clinfonce.files import Folder
from clinfonce.models import AdaptedEncoder, Adapter, build_encoder, load_encoder, save_encoder
from clinfonce.models.saved import encoder_file, weights_file

CNN = {"name": "small_cnn", "channels": 1, "image_size": 8, "stem": None, "width": 4}


@pytest.fixture
def features():
    torch.manual_seed(0)
    x = torch.randn(50, 16) * torch.arange(1.0, 17) + 3
    x[:, 5] = 2.0
    return x


def fitted(features, **options):
    adapter = Adapter(16, hidden_dim=8, out_dim=5, **options)
    adapter.standardise_by(features.mean(0), features.std(0, correction=0))
    return adapter.eval()


def test_features_are_standardised_and_constant_ones_left_out(features):
    x = fitted(features).standardised(features)
    torch.testing.assert_close(x.mean(0), torch.zeros(16), atol=1e-5, rtol=0)
    deviations = x.std(0, correction=0)
    assert deviations[5] == 0
    torch.testing.assert_close(deviations[torch.arange(16) != 5], torch.ones(15))


def test_join_keeps_the_features_beside_its_output(features):
    adapter = fitted(features, output="join")
    made = adapter(features)
    assert made.shape == (50, 21)
    assert (adapter.kept_dim, adapter.feature_dim) == (16, 21)
    torch.testing.assert_close(made[:, :16], F.normalize(adapter.standardised(features), dim=1))
    torch.testing.assert_close(made[:, 16:].norm(dim=1), torch.ones(50))


def test_add_starts_as_the_features(features):
    adapter = fitted(features, output="add")
    torch.testing.assert_close(adapter(features), adapter.standardised(features))


def test_replace_has_the_output_alone(features):
    assert fitted(features, output="replace")(features).shape == (50, 5)
    with pytest.raises(InputError, match="hidden_dim 0"):
        Adapter(16, hidden_dim=0)


def test_an_adapted_encoder_is_loaded_as_one_network(tmp_path):
    torch.manual_seed(0)
    frozen = build_encoder(**CNN).eval()
    adapter = Adapter(frozen.feature_dim, hidden_dim=8, out_dim=5).eval()
    home = Folder.at(tmp_path)
    save_encoder(weights_file(home, "ab"), frozen.state_dict(), CNN)
    described = {"encoder": CNN, "adapter": adapter.description, "weights_sha256": "ab"}
    state = {f"adapter.{n}": t for n, t in adapter.state_dict().items()}
    save_encoder(encoder_file(home, "trial"), state, described)
    images = torch.rand(3, 1, 8, 8)
    found = load_encoder(tmp_path / "encoders/trial.safetensors")
    with torch.no_grad():
        expected = AdaptedEncoder(frozen, adapter).eval()(images)
        torch.testing.assert_close(found.network(images), expected)
    assert (found.channels, found.image_size) == (1, 8)
    weights_file(home, "ab").remove()
    with pytest.raises(InputError, match=r"is an adapter, and the weights .* are not in"):
        load_encoder(tmp_path / "encoders/trial.safetensors")
