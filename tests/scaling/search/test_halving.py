"""Successive halving in one bracket and in several."""

import pytest

from clinfonce.config import SchedulerSpec
from clinfonce.scaling.search.halving import Halving, at_rung, brackets, rungs


def test_rungs_grow_by_the_factor_and_end_before_the_last_epoch():
    assert rungs(10, 2, 40) == [10, 20]
    assert rungs(1, 3, 81) == [1, 3, 9, 27]
    assert rungs(2, 1.5, 6) == [2, 3, 4]
    assert rungs(50, 2, 40) == []


def test_brackets_are_dealt_out_in_the_proportions_of_the_paper():
    """Table 1 of Li et al. 2018, R = 81 and η = 3: 81, 34, 15, 8 and 5 configurations."""
    cycle = brackets(4, 3, most=1000)
    assert [cycle.count(bracket) for bracket in range(5)] == [81, 34, 15, 8, 5]
    assert set(cycle[:8]) > {0, 1, 2}  # none waits for the end of another


def test_hyperband_compares_within_a_bracket():
    halving = Halving(SchedulerSpec(name="hyperband", grace_epochs=1, reduction_factor=2), 10)
    cycle = brackets(2, 2, most=10)  # of four epochs: rungs 1 and 2
    first = [i for i, bracket in enumerate(cycle) if bracket == 0]
    second = [i for i, bracket in enumerate(cycle) if bracket == 1]
    halving.settle(first[0], 4, {1: 0.9, 2: 0.9})
    assert halving.should_stop(first[1], 4, {1: 0.1}, 1, visible=first[1])
    assert not halving.should_stop(second[0], 4, {1: 0.1}, 1, visible=second[0])  # no rung there
    assert not halving.should_stop(second[0], 4, {1: 0.1, 2: 0.1}, 2, visible=second[0])
    last = cycle.index(2)
    assert not halving.should_stop(last, 4, {3: 0.0}, 3, visible=last)  # the bracket without rungs


def test_a_trial_is_compared_with_the_visible_ones_alone():
    halving = Halving(SchedulerSpec(name="asha"), 5)
    for index in range(3):
        halving.settle(index, 4, {1: 0.9})
    assert halving.should_stop(4, 4, {1: 0.1}, 1, visible=3)
    assert not halving.should_stop(4, 4, {1: 0.1}, 1, visible=0)


def test_the_accuracy_at_a_rung_is_the_first_at_or_after_it():
    assert at_rung({5: 0.1, 10: 0.2, 15: 0.3}, 7) == 0.2
    assert at_rung({5: 0.1}, 7) is None


def asha(factor, *earlier):
    halving = Halving(SchedulerSpec(name="asha", reduction_factor=factor), 1 + len(earlier))
    for index, accuracy in enumerate(earlier):
        halving.settle(index, 9, {1: accuracy})
    return lambda accuracy: halving.should_stop(
        len(earlier), 9, {1: accuracy}, 1, visible=len(earlier)
    )


def test_as_good_as_the_last_that_goes_on_is_good_enough():
    stops = asha(2, 0.5, 0.5, 0.5)  # four rivals, two places
    assert not stops(0.5)
    assert stops(0.4)
    stops = asha(2, 0.9, 0.5, 0.1)
    assert not stops(0.5)  # one is better
    stops = asha(2, 0.9, 0.6, 0.1)
    assert stops(0.5)  # two are better


@pytest.mark.parametrize(
    ("factor", "rivals", "places"), [(2, 3, 1), (2, 5, 2), (3, 8, 2), (3, 9, 3), (4, 3, 1)]
)
def test_places_are_whole_ones_and_at_least_one(factor, rivals, places):
    earlier = [0.9 - number / 100 for number in range(rivals - 1)]
    stops = asha(factor, *earlier)
    for better in range(rivals):
        accuracy = earlier[better] + 0.001 if better < len(earlier) else 0.0
        assert stops(accuracy) == (better >= places)


def test_a_rung_is_judged_once_at_the_first_measurement_at_or_after_it():
    halving = Halving(SchedulerSpec(name="asha", grace_epochs=4, reduction_factor=2), 4)
    for index in range(3):
        halving.settle(index, 16, {5: 0.9, 10: 0.1})
    assert not halving.should_stop(3, 16, {3: 0.1}, 3, visible=3)  # before the first rung
    assert halving.should_stop(3, 16, {5: 0.1}, 5, visible=3)
    assert not halving.should_stop(3, 16, {5: 0.9, 6: 0.1}, 6, visible=3)  # judged before
    assert not halving.should_stop(3, 16, {5: 0.9, 6: 0.1, 10: 0.2}, 10, visible=3)  # rung 8
    assert halving.should_stop(3, 16, {5: 0.9, 6: 0.1, 10: 0.05}, 10, visible=3)
    assert not halving.should_stop(3, 16, {16: 0.0}, 16, visible=3)  # it is through
