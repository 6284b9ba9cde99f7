import itertools
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from clinfonce.augment import POLICIES, Policy, contact_sheet, normalize, pixels, two_views
from clinfonce.errors import InputError
from clinfonce.torchvision_import import import_torchvision

import_torchvision()
from torchvision.transforms import v2  # noqa: E402
from torchvision.transforms.v2 import functional as TF  # noqa: E402, N812

EVERYTHING = Policy(
    crop_area=(0.2, 1.0),
    flip=0.5,
    rotation=20.0,
    shear=8.0,
    zoom=(0.8, 1.2),
    shift=0.1,
    jitter=0.8,
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    hue=0.1,
    grey=0.2,
    blur=0.5,
    blur_sigma=(0.01, 0.1),
    solarise=0.3,
    noise=0.1,
    erase=0.5,
)
UPRIGHT = Policy(crop_area=(0.2, 1.0), flip=0.5, jitter=0.8, contrast=0.4, hue=0.1)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_images(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator(seed))


def smooth_images(n: int, channels: int, height: int, width: int) -> Tensor:
    """Images whose mid-range values stay clear of 0 and 1 under mild changes of colour."""
    coarse = torch.rand(n, channels, 4, 4, generator=generator(3)) * 0.3 + 0.35
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return (fine.clamp(0, 1) * 255).round().to(torch.uint8)


def to_unit(views: Tensor) -> Tensor:
    """Values in [0, 1] of views in [-1, 1]."""
    return (views + 1) / 2


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


# Distributions, against torchvision drawing image by image.


def same_distribution(ours, theirs) -> bool:
    return stats.ks_2samp(np.asarray(ours), np.asarray(theirs)).pvalue > 0.01


@pytest.mark.parametrize(("height", "width"), [(2000, 2000), (1200, 2000), (3000, 1000)])
@pytest.mark.parametrize("area", [(0.08, 1.0), (0.4, 1.0)])
def test_crops_follow_torchvision(height, width, area):
    n = 2000
    parameters = Policy(crop_area=area).sample(n, generator())
    boxes = parameters.crop_boxes(height, width, (3 / 4, 4 / 3))
    left, top, w, h = (boxes * torch.tensor([width, height, width, height])).double().round().T
    torch.manual_seed(0)
    image = torch.empty(1, height, width, device="meta")
    crop = v2.RandomResizedCrop(8, area)
    drawn = [crop.make_params([image]) for _ in range(n)]
    theirs = np.array([[d[key] for key in ("top", "left", "height", "width")] for d in drawn])
    t, i, t_h, t_w = theirs.T
    assert same_distribution(w * h, t_h * t_w)
    assert same_distribution((w / h).log(), np.log(t_w / t_h))
    assert same_distribution(left, i)
    assert same_distribution(top, t)
    assert (left >= 0).all()
    assert (top >= 0).all()
    assert (left + w <= width + 1).all()
    assert (top + h <= height + 1).all()


def test_chances_are_met():
    n = 4000
    policy = Policy(
        flip=0.3, jitter=0.8, brightness=0.4, grey=0.2, blur=0.6, solarise=0.1, erase=0.7
    )
    p = policy.sample(n, generator())
    seen = {
        0.3: p["flip"] == -1,
        0.8: p["brightness"] != 1,
        0.2: p["saturation"] == 0,
        0.6: p["blur"] > 0,
        0.1: p["solarise"] == 1,
        0.7: p["erase_area"] > 0,
    }
    for chance, happened in seen.items():
        assert stats.binomtest(int(happened.sum()), 2 * n, chance).pvalue > 0.01


def test_jitter_factors_follow_torchvision():
    n = 3000
    policy = Policy(jitter=1.0, brightness=0.4, contrast=0.7, saturation=1.6, hue=0.1)
    p = policy.sample(n, generator())
    torch.manual_seed(0)
    theirs = v2.ColorJitter(0.4, 0.7, 1.6, 0.1)
    drawn = [theirs.make_params([]) for _ in range(n)]
    for name in ("brightness", "contrast", "saturation", "hue"):
        assert same_distribution(p[name], [float(d[f"{name}_factor"]) for d in drawn])


def test_views_and_rows_are_independent():
    p = EVERYTHING.sample(5000, generator())
    values = p.values.flatten(0, 1).double()
    varying = values[:, values.std(0) > 0]
    correlation = torch.corrcoef(varying.T) - torch.eye(varying.shape[1])
    # Factors that happen or not together, and the two dependent columns, aside.
    assert correlation.abs().median() < 0.02
    first, second = p["angle"].view(2, -1)
    assert abs(float(torch.corrcoef(torch.stack((first, second)))[0, 1])) < 0.05


# One operation at a time, against torchvision with the same numbers.


@pytest.mark.parametrize(
    ("name", "theirs", "factor"),
    [
        ("brightness", TF.adjust_brightness, 1.2),
        ("brightness", TF.adjust_brightness, 0.7),
        ("contrast", TF.adjust_contrast, 1.3),
        ("contrast", TF.adjust_contrast, 0.5),
        ("saturation", TF.adjust_saturation, 1.4),
        ("saturation", TF.adjust_saturation, 0.2),
        ("saturation", TF.adjust_saturation, 0.0),
    ],
)
def test_colour_factor_as_torchvision(name, theirs, factor):
    images = smooth_images(4, 3, 24, 24)
    policy = Policy(jitter=1.0, brightness=0.1)
    views = policy.apply(images, Policy().sample(4, generator()).replace(**{name: factor}))
    expected = theirs(images.float() / 255, factor)
    torch.testing.assert_close(to_unit(views[:4]), expected, rtol=0, atol=2e-4)


def test_grey_as_torchvision():
    images = random_images(4, 3, 24, 24)
    views = two_views(images, Policy(grey=1.0), generator())
    expected = TF.rgb_to_grayscale(images.float() / 255, num_output_channels=3)
    torch.testing.assert_close(to_unit(views[:4]), expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("hue", [-0.1, -0.03, 0.05, 0.1])
def test_hue_turns_as_torchvision_and_keeps_luma(hue):
    images = smooth_images(8, 3, 16, 16)
    start = images.float() / 255
    policy = Policy(jitter=1.0, hue=0.1)
    views = policy.apply(images, Policy().sample(8, generator()).replace(hue=hue))
    luma_weights = torch.tensor([0.299, 0.587, 0.114])
    ours, theirs = to_unit(views[:8]) - start, TF.adjust_hue(start, hue) - start
    assert torch.einsum("c,nchw->nhw", luma_weights, ours).abs().max() < 1e-4
    # torchvision keeps the largest channel instead; without that the turns are nearly the same.
    theirs = theirs - torch.einsum("c,nchw->nhw", luma_weights, theirs)[:, None]
    cosine = torch.nn.functional.cosine_similarity(ours.flatten(), theirs.flatten(), dim=0)
    assert cosine > 0.95
    assert 0.9 < ours.norm() / theirs.norm() < 1.1


def test_colour_of_all_at_once_is_any_order_of_one_after_the_other():
    images = smooth_images(3, 3, 16, 16)
    p = Policy().sample(3, generator())
    factors = {"brightness": 1.1, "contrast": 0.8, "saturation": 1.2, "hue": 0.04}
    policy = Policy(jitter=1.0, brightness=0.1)
    fused = to_unit(policy.apply(images, p.replace(**factors))[:3])
    for order in itertools.permutations(factors):
        x = images.float()
        for name in order:
            unchanged = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0}
            f = {n: torch.full((3,), v) for n, v in (unchanged | {name: factors[name]}).items()}
            matrix = pixels.colour_matrix(
                f["brightness"] * f["contrast"], f["saturation"], f["hue"], 3
            )
            lift = f["brightness"] * (1 - f["contrast"])
            x = pixels.change_colour(x, matrix, lift, 0.0)
        torch.testing.assert_close(x / 255, fused, rtol=0, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_other_than_three_channels_get_brightness_and_contrast(channels):
    images = smooth_images(2, channels, 8, 8)
    policy = Policy(jitter=1.0, brightness=0.2, contrast=0.2, saturation=0.9, hue=0.5, grey=1.0)
    p = policy.sample(2, generator())
    views = to_unit(policy.apply(images, p))
    b, c = (p[name].view(2, 2, 1, 1, 1) for name in ("brightness", "contrast"))
    x = images.float() / 255
    expected = b * (c * x + (1 - c) * x.mean((1, 2, 3), keepdim=True))
    torch.testing.assert_close(views, expected.flatten(0, 1), rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [24, 120])
def test_crop_and_flip_as_torchvision(size):
    images = smooth_images(2, 3, size, size)
    top, left, height, width = size // 6, size // 4, size // 2, size // 3
    box = (
        Policy()
        .sample(2, generator())
        .replace(
            **{f"crop_area_{i}": height * width / size**2 for i in range(10)},
            **{f"crop_log_ratio_{i}": float(np.log(width / height)) for i in range(10)},
            crop_x=left / (size - width),
            crop_y=top / (size - height),
        )
    )
    views = Policy(crop_area=(0.1, 1.0), flip=0.5).apply(images, box)
    expected = TF.resized_crop(images.float() / 255, top, left, height, width, [size, size])
    inner = (..., slice(4, -4), slice(4, -4))  # at its border torchvision repeats the crop's edge
    torch.testing.assert_close(to_unit(views[:2])[inner], expected[inner], rtol=0, atol=1e-4)
    mirrored = Policy(crop_area=(0.1, 1.0), flip=0.5).apply(images, box.replace(flip=-1))
    torch.testing.assert_close(mirrored, views.flip(-1), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("height", "width", "size"), [(40, 40, 16), (50, 33, 20), (16, 16, 40)])
def test_image_size_resizes_as_torchvision(height, width, size):
    images = random_images(3, 3, height, width)
    views = two_views(images, Policy(image_size=size), generator())
    expected = TF.resize(images.float() / 255, [size, size], antialias=True)
    torch.testing.assert_close(to_unit(views[:3]), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(24, 24), (20, 30)])
def test_affine_as_torchvision(height, width):
    images = random_images(2, 3, height, width)
    policy = Policy(rotation=30.0, shear=20.0, zoom=(0.5, 2.0), shift=0.2, fill="black")
    p = (
        Policy()
        .sample(2, generator())
        .replace(
            angle=np.radians(17.0),
            shear_x=np.radians(8.0),
            shear_y=np.radians(-5.0),
            zoom=1.1,
            shift_x=3 / width,
            shift_y=-2 / height,
        )
    )
    expected = TF.affine(
        images.float() / 255,
        angle=17.0,
        translate=[3, -2],
        scale=1.1,
        shear=[8.0, -5.0],
        interpolation=TF.InterpolationMode.BILINEAR,
    )
    torch.testing.assert_close(to_unit(policy.apply(images, p)[:2]), expected, rtol=0, atol=1e-4)


def test_blur_as_torchvision():
    images = random_images(3, 3, 32, 32)
    policy = Policy(blur=1.0, blur_sigma=(0.01, 0.05))
    views = policy.apply(images, Policy().sample(3, generator()).replace(blur=1.2 / 32))
    expected = TF.gaussian_blur(images.float() / 255, [11, 11], [1.2, 1.2])
    torch.testing.assert_close(to_unit(views[:3]), expected, rtol=0, atol=1e-4)


def test_solarise_as_torchvision():
    images = random_images(3, 3, 16, 16)
    views = two_views(images, Policy(solarise=1.0), generator())
    expected = TF.solarize(images.float() / 255, 0.5)
    torch.testing.assert_close(to_unit(views[:3]), expected, rtol=0, atol=1e-5)


def test_noise_has_its_deviation_and_differs_between_views():
    images = torch.full((64, 3, 16, 16), 127, dtype=torch.uint8)
    policy = Policy(noise=0.08)
    p = policy.sample(64, generator())
    noise = to_unit(policy.apply(images, p)) - 127 / 255
    torch.testing.assert_close(noise.flatten(1).std(1), p["noise"], rtol=0.15, atol=1e-3)
    assert abs(float(noise.mean())) < 2e-3
    assert not torch.equal(noise[:64], noise[64:])


def test_erased_box_is_mid_grey_and_of_its_area():
    images = torch.zeros(200, 3, 40, 40, dtype=torch.uint8)
    policy = Policy(erase=1.0, erase_area=(0.1, 0.3))
    p = policy.sample(200, generator())
    views = policy.apply(images, p)
    assert set(views.unique().tolist()) == {-1.0, 0.0}
    share = (views == 0).float().mean((1, 2, 3))
    torch.testing.assert_close(share, p["erase_area"], rtol=0, atol=0.04)


# Pictures.


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_contact_sheet_shows_images_and_pairs_of_views(channels):
    images = random_images(2, channels, 8, 6)
    sheet = contact_sheet(images, Policy(), generator(), pairs=2)
    assert sheet.shape == (2 * 10 + 2, 5 * 8 + 2, 3)
    assert sheet.dtype == np.uint8
    first = images[1] if channels == 3 else images[1, :1].expand(3, -1, -1)
    for left in (2, 10, 18, 26, 34):  # views under a policy without changes are the image
        picture = torch.from_numpy(sheet[12:20, left : left + 6].copy())
        assert torch.equal(picture.permute(2, 0, 1), first)
    assert (sheet[:2] == 255).all()
    assert (sheet[:, 8:10] == 255).all()


def test_contact_sheet_of_smaller_views():
    images = random_images(3, 3, 16, 16)
    sheet = contact_sheet(images, Policy(image_size=8), generator(), pairs=1)
    assert sheet.shape == (3 * 18 + 2, 3 * 18 + 2, 3)
    assert (sheet[2 + 8 : 2 + 16, 20:36] == 255).all()


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
