"""Distributions, beside torchvision drawing image by image."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.datasets import load_sample_images
from torch import Tensor

from clinfonce.augment import POLICIES, Policy, two_views
from clinfonce.torchvision_import import import_torchvision
from tests.augment.images import EVERYTHING, generator, to_unit

import_torchvision()
from torchvision.transforms import v2  # noqa: E402
from torchvision.transforms.v2 import functional as TF  # noqa: E402, N812


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


def test_affine_draws_follow_torchvision():
    n, side = 2000, 1000
    p = Policy(rotation=15.0, shear=10.0, zoom=(0.8, 1.3), shift=0.1).sample(n // 2, generator())
    torch.manual_seed(0)
    theirs = v2.RandomAffine(15.0, (0.1, 0.1), (0.8, 1.3), (-10, 10, -10, 10))
    image = torch.empty(1, side, side, device="meta")
    drawn = [theirs.make_params([image]) for _ in range(n)]
    assert same_distribution(p["angle"].rad2deg(), [d["angle"] for d in drawn])
    assert same_distribution(p["zoom"], [d["scale"] for d in drawn])
    for place, axis in enumerate("xy"):
        shear = p[f"shear_{axis}"].rad2deg()
        assert same_distribution(shear, [d["shear"][place] for d in drawn])
        shift = (p[f"shift_{axis}"] * side).round()
        assert same_distribution(shift, [d["translate"][place] for d in drawn])


def test_blur_widths_follow_torchvision():
    n, side = 2000, 224
    p = Policy(blur=1.0).sample(n // 2, generator())
    torch.manual_seed(0)
    theirs = v2.GaussianBlur(23, (0.1, 2.0))
    assert same_distribution(
        p["blur"] * side, [theirs.make_params([])["sigma"][0] for _ in range(n)]
    )


def test_erased_boxes_follow_torchvision():
    n, side = 2000, 2000
    boxes = Policy(erase=1.0).sample(n // 2, generator()).erase_boxes() * side
    torch.manual_seed(0)
    theirs = v2.RandomErasing(1.0, (0.02, 0.33), (3 / 10, 10 / 3))
    image = torch.empty(1, side, side, device="meta")
    drawn = [theirs.make_params([image]) for _ in range(n)]
    i, j, height, width = np.array([[d[key] for key in "ijhw"] for d in drawn]).T
    left, top, w, h = boxes.round().double().T
    assert same_distribution(w * h, width * height)
    assert same_distribution((w / h).log(), np.log(width / height))
    assert same_distribution(left, j)
    assert same_distribution(top, i)


# Whole policies: what the views of a photograph look like.

N_VIEWS, SIDE = 600, 64


def photograph(policy: Policy) -> Tensor:
    """Dark enough that little is clamped: torchvision clamps after each step, we once."""
    image = torch.from_numpy(load_sample_images().images[0].copy()).permute(2, 0, 1)
    image = TF.resize(image[:, :427, 100:527], [SIDE, SIDE], antialias=True)
    if policy == POLICIES["digits"]:  # of grey glyphs
        image = image.float().mean(0, keepdim=True).expand(3, -1, -1)
    return (image * 0.6).to(torch.uint8)


def by_torchvision(policy: Policy) -> v2.Compose:
    crop = v2.RandomResizedCrop(SIDE, policy.crop_area)
    shear = (-policy.shear, policy.shear) * 2
    bilinear = TF.InterpolationMode.BILINEAR
    move = v2.RandomAffine(policy.rotation, (policy.shift,) * 2, policy.zoom, shear, bilinear)
    jitter = v2.ColorJitter(policy.brightness, policy.contrast, policy.saturation, policy.hue)
    sigma = tuple(SIDE * share for share in policy.blur_sigma)
    return v2.Compose(
        [
            *([crop] if policy.crop_area != (1.0, 1.0) else []),
            *([move] if policy.rotation else []),
            v2.RandomHorizontalFlip(policy.flip),
            v2.ToDtype(torch.float32, scale=True),
            v2.RandomApply([jitter], policy.jitter),
            v2.RandomGrayscale(policy.grey),
            v2.RandomApply([v2.GaussianBlur(7, sigma)], policy.blur),
            v2.Lambda(lambda x: x + torch.randn_like(x) * torch.rand(()) * policy.noise),
            v2.Lambda(lambda x: x.clamp(0, 1)),
        ]
    )


def look(views: Tensor) -> dict[str, Tensor]:
    """Numbers (n,) that tell views in [0, 1] apart, each by another part of a policy."""
    red, green, blue = views.mean((2, 3)).T
    luma, half = views.mean(1), SIDE // 2
    return {
        "red": red,
        "green": green,
        "blue": blue,
        "red against blue": red - blue,
        "green against both": (green - (red + blue) / 2) / (red + green + blue),
        "colour": ((views.amax(1) - views.amin(1)) / (views.amax(1) + 0.01)).mean((1, 2)),
        "contrast": luma.flatten(1).std(1),
        "edges": (views[..., 1:] - views[..., :-1]).abs().mean((1, 2, 3)),
        "left against right": luma[..., :half].mean((1, 2)) - luma[..., half:].mean((1, 2)),
        "top against bottom": luma[:, :half].mean((1, 2)) - luma[:, half:].mean((1, 2)),
    }


@pytest.fixture(autouse=True)
def one_thread():
    """Small operations on a busy machine wait for threads longer than they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def p_values(policy: Policy, theirs: Policy) -> dict[str, float]:
    image = photograph(policy)
    images = image.expand(N_VIEWS // 2, -1, -1, -1).contiguous()
    ours = look(to_unit(two_views(images, policy, generator())))
    torch.manual_seed(0)
    transform = by_torchvision(theirs)
    beside = look(torch.stack([transform(image) for _ in range(N_VIEWS)]))
    return {name: stats.ks_2samp(ours[name].numpy(), beside[name].numpy()).pvalue for name in ours}


@pytest.mark.parametrize("name", [name for name in POLICIES if name != "none"])
def test_views_of_a_policy_look_as_torchvision_s(name):
    found = p_values(POLICIES[name], POLICIES[name])
    assert min(found.values()) > 0.01 / len(found), found


@pytest.mark.parametrize(
    "change",
    [
        {"crop_area": (0.3, 1.0)},
        {"flip": 0.3},
        {"jitter": 0.4},
        {"brightness": 0.5},
        {"contrast": 0.2},
        {"hue": 0.03},
        {"grey": 0.05},
        {"blur_sigma": (2 / 224, 8 / 224)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_policy_that_is_another_looks_different(change):
    simclr = POLICIES["simclr"]
    found = p_values(simclr, dataclasses.replace(simclr, **change))
    assert min(found.values()) < 0.01 / len(found), found
