"""What every kernel keeps, whatever it compares."""

import numpy as np
import pytest
import torch

from clinfonce.errors import InputError
from clinfonce.similarity import Similarity, combine
from tests.similarity.kernels import CASES, N

ALL = torch.arange(N)
UNKNOWN = np.arange(N) % 5 == 2


def similarity(name, dtype=torch.float64, **more):
    case = CASES[name]
    return combine({"it": case.encode(case.values, **more)}, dtype=dtype)


def expected(name):
    case = CASES[name]
    rows = [[case.weight(a, b) for b in case.values] for a in case.values]
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("name", CASES)
def test_weights_are_those_of_the_definition(name):
    torch.testing.assert_close(
        similarity(name).weights(ALL, ALL), expected(name), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("name", CASES)
def test_single_precision_comes_near(name):
    found = similarity(name, torch.float32).weights(ALL, ALL)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected(name).float(), rtol=0, atol=2e-6)


@pytest.mark.parametrize("missing", ["apart", "alike", "average"])
@pytest.mark.parametrize("name", CASES)
def test_weights_are_symmetric_within_bounds_and_one_with_oneself(name, missing):
    found = similarity(name, torch.float32, unknown=UNKNOWN, missing=missing).weights(ALL, ALL)
    torch.testing.assert_close(found, found.T)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    assert found.diagonal().eq(1).all()


@pytest.mark.parametrize("name", CASES)
def test_tiles_are_parts_of_the_whole(name):
    one = similarity(name)
    rows, columns = torch.tensor([3, 20, 3]), torch.tensor([7, 3, 0, 22])
    torch.testing.assert_close(one.weights(rows, columns), one.weights(ALL, ALL)[rows][:, columns])
    assert one.weights(rows[:0], columns).shape == (0, 4)


@pytest.mark.parametrize("name", CASES)
def test_images_of_equal_values_share_a_profile(name):
    case = CASES[name]
    twice = combine({"it": case.encode(type_of(case.values, [*case.values, *case.values]))})
    assert twice.n_profiles == similarity(name).n_profiles
    assert twice.profiles[:N].equal(twice.profiles[N:])
    assert twice.profiles.unique().equal(torch.arange(twice.n_profiles))
    alike = twice.profiles[:N, None] == twice.profiles[:N]
    assert expected(name)[alike].allclose(torch.ones(1, dtype=torch.float64))


@pytest.mark.parametrize("missing", ["apart", "alike", "average"])
@pytest.mark.parametrize("name", CASES)
def test_a_missing_value_means_what_is_said(name, missing):
    found = similarity(name, unknown=UNKNOWN, missing=missing).weights(ALL, ALL)
    unknown = torch.from_numpy(UNKNOWN)
    both_known = ~unknown[:, None] & ~unknown
    # What is known is compared as if nothing else were there; but for what is measured of all.
    known = [each for each, absent in zip(CASES[name].values, UNKNOWN, strict=True) if not absent]
    case = CASES[name]
    alone = combine({"it": case.encode(type_of(case.values, known))}, dtype=torch.float64)
    rows = torch.arange(len(known))
    torch.testing.assert_close(found[both_known].reshape(len(known), -1), alone.weights(rows, rows))
    others = ~both_known & ~torch.eye(N, dtype=torch.bool)
    if missing == "apart":
        assert not found[others].any()
    if missing == "alike":
        assert found[others].equal((unknown[:, None] & unknown)[others].double())
    if missing == "average":
        tile = alone.weights(rows, rows)
        count = len(known)
        mean = (tile.sum() - count) / (count * (count - 1))
        torch.testing.assert_close(found[others], mean.expand(int(others.sum())))


def type_of(values, chosen):
    return np.array(chosen) if isinstance(values, np.ndarray) else chosen


@pytest.mark.parametrize("name", CASES)
def test_everything_missing_is_everyone_for_oneself(name):
    one = similarity(name, unknown=np.ones(N, dtype=bool))
    assert one.weights(ALL, ALL).equal(torch.eye(N, dtype=torch.float64))


@pytest.mark.parametrize("name", CASES)
def test_only_a_kernel_of_zero_and_one_is_a_partition(name):
    one = similarity(name)
    assert one.partition == (name == "equal")
    if one.partition:
        assert set(one.weights(ALL, ALL).unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("name", CASES)
def test_a_mask_that_does_not_fit_and_an_unknown_meaning_are_refused(name):
    case = CASES[name]
    with pytest.raises(
        InputError, match=rf"taken: unknown is bool of shape \(3,\): must be bool of \({N},\)"
    ):
        case.encode(case.values, unknown=np.zeros(3, dtype=bool), name="taken")
    with pytest.raises(
        InputError, match="taken: missing is 'guess': must be one of 'apart', 'alike'"
    ):
        case.encode(case.values, missing="guess", name="taken")


@pytest.mark.parametrize("name", CASES)
def test_it_goes_to_another_device(name):
    one = similarity(name, unknown=UNKNOWN).to("meta")
    assert isinstance(one, Similarity)
    assert {each.device.type for column in one.columns for each in column.codes} == {"meta"}
    assert one.between(ALL.to("meta"), ALL[:4].to("meta")).shape == (N, 4)
