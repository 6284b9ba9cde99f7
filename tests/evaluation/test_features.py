import numpy as np
import pytest
import torch

from clinfonce.augment import normalize
from clinfonce.data import load
from clinfonce.errors import InputError
from clinfonce.evaluation import encode
from clinfonce.models import build_encoder


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return build_encoder("small_cnn", channels=3, image_size=8)


IMAGES = torch.randint(0, 256, (11, 3, 8, 8), dtype=torch.uint8)


def test_features_are_those_of_evaluation_mode(encoder):
    encoder(torch.randn(20, 3, 8, 8))  # so that the running statistics are not those of a batch
    features = encode(encoder.train(), IMAGES, batch_size=4)
    assert encoder.training
    assert features.shape == (11, 128)
    assert features.dtype == torch.float32
    assert not features.requires_grad
    torch.testing.assert_close(features, encoder.eval()(normalize(IMAGES)))
    encode(encoder, IMAGES)
    assert not encoder.training


def test_arrays_are_taken_as_tensors_are(encoder):
    features = encode(encoder, IMAGES)
    array = IMAGES.numpy().copy()
    array.flags.writeable = False
    for images in (array, array[:, :, ::-1][:, :, ::-1]):
        torch.testing.assert_close(encode(encoder, images, batch_size=4), features)
    digits = load("digits").images
    network = build_encoder("small_cnn", channels=1, image_size=8)
    assert encode(network, digits[:20]).shape == (20, 128)
    with pytest.raises(InputError, match="needed is uint8"):
        encode(encoder, array.astype(np.float32))


def test_encoder_and_its_statistics_are_left_as_they_were(encoder):
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encode(encoder, IMAGES, device="cpu")
    torch.testing.assert_close(encoder.state_dict(), before, rtol=0, atol=0)


def test_wrong_images_are_refused_and_the_mode_restored(encoder):
    with pytest.raises(InputError, match="needed is uint8"):
        encode(encoder, IMAGES.float())
    with pytest.raises(InputError, match="needed is uint8"):
        encode(encoder, IMAGES[:0])
    assert encoder.training
