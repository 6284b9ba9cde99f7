"""How large a sweep is, by what there is time for."""

import pytest

from clinfonce.setup.budget import Pace, plan

FAST, SLOW = Pace(0.5, 2.0, 0.0, 2), Pace(60.0, 30.0, 0.0, 2)


def planned(pace, minutes, **changes):
    return plan(
        pace, minutes, **{"fixed": 3, "searches": True, "wanted": 20, "most": 200} | changes
    )


def test_more_time_makes_a_larger_sweep():
    short, long = planned(FAST, 2), planned(FAST, 30)
    assert (short.seeds, short.trials) < (long.seeds, long.trials)
    assert short.epochs <= long.epochs


def test_the_time_is_kept_where_it_can_be():
    for minutes in (5, 10, 60):
        assert planned(FAST, minutes).seconds <= 60 * minutes


def test_no_trial_is_longer_than_it_needs_to_be():
    budget = planned(FAST, 1000)
    assert (budget.seeds, budget.trials, budget.epochs) == (3, 36, 200)
    assert budget.seconds < 60 * 1000


def test_too_little_time_makes_the_smallest_and_says_what_it_takes():
    budget = planned(SLOW, 5)
    assert (budget.trials, budget.epochs) == (6, 2)
    assert budget.seconds > 5 * 60


def test_without_a_search_all_time_goes_to_the_fixed_trials():
    budget = planned(FAST, 5, searches=False)
    assert (budget.trials, budget.seeds) == (0, 3)
    assert budget.epochs > planned(FAST, 5).epochs


def test_features_that_are_made_once_leave_less():
    assert planned(Pace(1.0, 1.0, 200.0, 2), 5).epochs < planned(Pace(1.0, 1.0, 0.0, 2), 5).epochs


@pytest.mark.parametrize("at_once", [1, 8])
def test_trials_at_a_time_share_the_work(at_once):
    pace = Pace(2.0, 1.0, 0.0, at_once)
    budget = planned(pace, 10, most=10)
    trials = budget.seeds * 4 + budget.trials * 0.65
    assert budget.seconds >= trials * budget.epochs * 2 / at_once
