"""One operation at a time, beside torchvision with the same numbers."""

import itertools

import numpy as np
import pytest
import torch

from clinfonce.augment import Policy, pixels, two_views
from clinfonce.torchvision_import import import_torchvision
from tests.augment.images import generator, random_images, smooth_images, to_unit

import_torchvision()
from torchvision.transforms.v2 import functional as TF  # noqa: E402, N812


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
            lift = lift[:, None] * pixels.luma_weights(3, lift.device)
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


@pytest.mark.parametrize(("height", "width", "radius"), [(40, 31, 6), (7, 9, 6), (5, 5, 0)])
def test_both_ways_to_blur_agree(height, width, radius):
    views = torch.rand(4, 3, height, width)
    sigma = torch.tensor([0.0, 0.4, 2.0, 9.0])
    by_sums = pixels._blur_by_sums(views, sigma, radius)
    torch.testing.assert_close(pixels._blur_by_products(views, sigma, radius), by_sums)
    torch.testing.assert_close(by_sums[0], views[0])
