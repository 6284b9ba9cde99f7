"""Augmentation that a user changes: what is named changes, all else is drawn as before."""

import pytest
import torch

from clinfonce.augment import Policy, two_views
from clinfonce.config import SweepSpec, TrialSpec, change_trial
from clinfonce.errors import InputError
from clinfonce.training.inputs import policy_of

CHANGED = {"policy": "simclr", "flip": 0.0, "vertical_flip": 0.5, "rotate": 180.0, "colour": 0.0}


def images(n=6, side=24):
    return torch.randint(0, 256, (n, 3, side, side), generator=seeded(9)).to(torch.uint8)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def trial(augmentation):
    return TrialSpec.model_validate({"augmentation": augmentation})


def test_what_is_named_is_changed_and_nothing_else():
    found = policy_of(trial(CHANGED))
    base = Policy.named("simclr")
    assert (found.flip, found.vertical_flip, found.rotation) == (0.0, 0.5, 180.0)
    assert (found.jitter, found.grey, found.brightness, found.hue) == (0.0, 0.0, 0.0, 0.0)
    assert (found.crop_area, found.blur) == (base.crop_area, base.blur)
    assert policy_of(trial("simclr")) == base
    assert policy_of(trial({"policy": "paper"})) == Policy.named("paper")


def test_half_of_the_colour_is_half_of_its_strength():
    found, base = policy_of(trial({"policy": "simclr", "colour": 0.5})), Policy.named("simclr")
    assert found.brightness == base.brightness / 2
    assert found.grey == base.grey / 2
    assert found.jitter == base.jitter


def test_a_vertical_flip_turns_images_upside_down_and_leaves_other_draws():
    whole = images()
    upright = Policy().apply(whole, Policy().sample(6, seeded()))
    always = Policy(vertical_flip=1.0)
    flipped = always.apply(whole, always.sample(6, seeded()))
    torch.testing.assert_close(flipped, upright.flip(2), atol=1e-4, rtol=0)
    base = Policy.named("simclr")
    half = Policy.changed("simclr", {"vertical_flip": 0.5})
    before, after = base.sample(200, seeded()), half.sample(200, seeded())
    assert torch.equal(before.values[..., :-1], after.values[..., :-1])
    share = float((after["vertical_flip"] == -1).float().mean())
    assert 0.4 < share < 0.6


def test_no_colour_keeps_colours():
    policy = policy_of(trial({"policy": "simclr", "colour": 0.0, "blur": 0.0}))
    flat = torch.full((4, 3, 16, 16), 77, dtype=torch.uint8)
    flat[:, 1] = 200
    views = two_views(flat, policy, seeded())
    torch.testing.assert_close(views[:, 0], torch.full_like(views[:, 0], 77 / 127.5 - 1))
    torch.testing.assert_close(views[:, 1], torch.full_like(views[:, 1], 200 / 127.5 - 1))


def test_a_change_of_a_trial_keeps_its_policy():
    base = trial("digits")
    changed = change_trial(base, {"augmentation": {"flip": 0.5}})
    assert changed.augmentation.policy == "digits"
    assert policy_of(changed).rotation == Policy.named("digits").rotation
    again = change_trial(changed, {"augmentation": {"noise": 0.0}})
    assert (again.augmentation.flip, again.augmentation.noise) == (0.5, 0.0)


def test_fields_of_an_augmentation_are_searched():
    sweep = SweepSpec.model_validate(
        {
            "name": "s",
            "data": {"name": "digits"},
            "trial": {"augmentation": "digits"},
            "search": {
                "trials": 2,
                "space": {"augmentation.rotate": {"low": 0.0, "high": 90.0}},
            },
        }
    )
    found = sweep.searched_trial({"augmentation.rotate": 45.0}, 0)
    assert (found.augmentation.policy, found.augmentation.rotate) == ("digits", 45.0)


@pytest.mark.parametrize(
    ("augmentation", "words"),
    [
        ({"flip": 2}, "less than or equal to 1"),
        ({"rotate": 181}, "less than or equal to 180"),
        ({"flipp": 0.5}, "Extra inputs"),
    ],
)
def test_bad_changes_are_told(augmentation, words):
    with pytest.raises(ValueError, match=words):
        trial(augmentation)


def test_values_that_do_not_fit_each_other_are_told():
    with pytest.raises(InputError, match="crop_area"):
        policy_of(trial({"crop_area": [0.9, 0.2]}))
    with pytest.raises(InputError, match="unknown augmentation 'simclear'"):
        policy_of(trial({"policy": "simclear"}))
