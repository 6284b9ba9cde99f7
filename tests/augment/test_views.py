"""What `two_views` promises, whatever the policy; contact sheets; a user's mistakes."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfonce.augment import POLICIES, Policy, contact_sheet, normalize, two_views
from clinfonce.errors import InputError
from tests.augment.images import EVERYTHING, UPRIGHT, generator, random_images, to_unit


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize(
    ("channels", "height", "width"), [(3, 32, 32), (1, 8, 8), (3, 20, 31), (4, 9, 7)]
)
def test_views_have_documented_shape_range_and_dtype(name, channels, height, width):
    views = two_views(random_images(5, channels, height, width), name, generator())
    assert views.shape == (10, channels, height, width)
    assert views.dtype == torch.float32
    assert views.is_contiguous()
    assert views.min() >= -1
    assert views.max() <= 1
    assert torch.isfinite(views).all()


@pytest.mark.parametrize("policy", [EVERYTHING, UPRIGHT, *POLICIES.values()])
def test_same_generator_same_views(policy):
    images = random_images(6, 3, 16, 16)
    first, again, other = (two_views(images, policy, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    if policy != Policy():
        assert not torch.equal(first, other)
        assert not torch.equal(first[:6], first[6:])


@pytest.mark.parametrize("policy", [EVERYTHING, UPRIGHT, *POLICIES.values()])
@pytest.mark.parametrize("size", [16, 40])
def test_selected_rows_give_the_rows_of_the_whole_batch(policy, size):
    images = random_images(11, 3, size, size)
    parameters = policy.sample(11, generator())
    whole = policy.apply(images, parameters).unflatten(0, (2, 11))
    for rows in ([3], [10, 0, 4], torch.arange(4, 11), slice(2, 9), []):
        if len(part := images[rows]) == 0:
            continue
        views = policy.apply(part, parameters.select(rows)).unflatten(0, (2, len(part)))
        torch.testing.assert_close(views, whole[:, rows], rtol=0, atol=1e-5)


def test_chunks_give_the_whole(monkeypatch):
    images = random_images(23, 3, 16, 16)
    whole = two_views(images, EVERYTHING, generator())
    monkeypatch.setattr("clinfonce.augment.policy._CHUNK_VALUES", {"cpu": 4 * 3 * 16 * 16})
    torch.testing.assert_close(two_views(images, EVERYTHING, generator()), whole, rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5), st.sampled_from([1, 2, 3]), st.integers(1, 40), st.integers(1, 40))
def test_policy_without_changes_gives_the_image_back(n, channels, height, width):
    images = random_images(n, channels, height, width)
    views = two_views(images, Policy(), generator())
    assert torch.equal(views, normalize(images).repeat(2, 1, 1, 1))
    assert torch.equal((to_unit(views[:n]) * 255).round().to(torch.uint8), images)


def test_normalize_is_documented_scaling():
    images = random_images(2, 3, 8, 8)
    expected = (images.double() / 255 - 0.5) / 0.5
    torch.testing.assert_close(normalize(images).double(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("policy", [EVERYTHING, UPRIGHT])
def test_every_stage_with_still_parameters_gives_the_image_back(policy):
    images = random_images(4, 3, 24, 24)
    views = policy.apply(images, Policy().sample(4, generator()))
    torch.testing.assert_close(views, normalize(images).repeat(2, 1, 1, 1), rtol=0, atol=1e-4)


def test_separable_products_and_sampling_grid_agree(monkeypatch):
    images = random_images(8, 3, 30, 22)
    policy = Policy(crop_area=(0.3, 1.0), flip=0.5, shift=0.2, zoom=(1.0, 1.4))
    fast = two_views(images, policy, generator())
    monkeypatch.setattr("clinfonce.augment.policy._SEPARABLE_UP_TO", 0)
    torch.testing.assert_close(two_views(images, policy, generator()), fast, rtol=0, atol=1e-4)


def test_uint8_memory_map_that_cannot_be_written(tmp_path):
    path = tmp_path / "images.npy"
    np.save(path, random_images(6, 3, 8, 8).numpy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of every read-only array
        images = torch.from_numpy(np.load(path, mmap_mode="r"))
    for policy in (EVERYTHING, Policy()):
        views = two_views(images, policy, generator())
        assert torch.equal(views, two_views(images.clone(), policy, generator()))
    assert torch.equal(normalize(images), normalize(images.clone()))


def test_input_is_left_as_it_is():
    images = random_images(4, 3, 16, 16)
    before = images.clone()
    two_views(images, EVERYTHING, generator())
    assert torch.equal(images, before)


# Pictures.


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_contact_sheet_shows_images_and_pairs_of_views(channels):
    images = random_images(2, channels, 80, 64)
    sheet = contact_sheet(images, Policy(), generator(), pairs=2)
    # Two pixels of white between pictures, ten between the image and pairs of views.
    assert sheet.shape == (2 * 82 + 2, 5 * 64 + 2 * 2 + 2 * 10 + 2 * 2, 3)
    assert sheet.dtype == np.uint8
    first = images[1] if channels == 3 else images[1, :1].expand(3, -1, -1)
    lefts = (2, 76, 142, 216, 282)
    for left in lefts:  # views under a policy without changes are the image
        picture = torch.from_numpy(sheet[84:164, left : left + 64].copy())
        assert torch.equal(picture.permute(2, 0, 1), first)
        sheet[84:164, left : left + 64] = 255
    assert (sheet[82:] == 255).all()


def test_contact_sheet_magnifies_small_images():
    images = random_images(3, 1, 8, 8)
    sheet = contact_sheet(images, Policy(), generator(), pairs=1)
    assert sheet.shape == (3 * 66 + 2, 3 * 64 + 2 + 10 + 2 + 2, 3)
    picture = torch.from_numpy(sheet[2:66:8, 2:66:8, 0].copy())
    assert torch.equal(picture, images[0, 0])
    assert torch.equal(torch.from_numpy(sheet[9:66:8, 9:66:8, 0].copy()), images[0, 0])


def test_contact_sheet_of_smaller_views():
    images = random_images(3, 3, 64, 64)
    sheet = contact_sheet(images, Policy(image_size=32), generator(), pairs=1)
    assert (sheet[2 + 32 : 2 + 64, 76:] == 255).all()
    assert (sheet[2 : 2 + 32, 76 : 76 + 32] != 255).any()


# A user's mistakes.


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(2, 3, 8, 8),
        torch.zeros(3, 8, 8, dtype=torch.uint8),
        torch.zeros(0, 3, 8, 8, dtype=torch.uint8),
    ],
)
def test_wrong_images_are_refused(images):
    with pytest.raises(InputError, match="needed is uint8"):
        two_views(images, "simclr", generator())
    with pytest.raises(InputError, match="needed is uint8"):
        normalize(images)


def test_unknown_policy_lists_the_known():
    with pytest.raises(InputError, match="'simclar'; known are none, simclr, moco-v2, paper"):
        two_views(random_images(2, 3, 8, 8), "simclar", generator())


def test_parameters_of_another_number_of_images_are_refused():
    policy = POLICIES["simclr"]
    with pytest.raises(InputError, match="3 images and augmentation parameters of 2"):
        policy.apply(random_images(3, 3, 8, 8), policy.sample(2, generator()))
    with pytest.raises(InputError, match="0 images"):
        policy.sample(0, generator())


@pytest.mark.parametrize(
    "field",
    [
        {"flip": 1.2},
        {"crop_area": (0.0, 1.0)},
        {"crop_area": (0.5, 0.4)},
        {"hue": 0.6},
        {"fill": "white"},
        {"image_size": 0},
        {"zoom": (0.0, 1.0)},
        {"noise": float("nan")},
    ],
)
def test_value_out_of_range_names_the_field(field):
    with pytest.raises(InputError, match=next(iter(field))):
        Policy(**field)
