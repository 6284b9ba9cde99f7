import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clinfonce.errors import InputError
from clinfonce.evaluation import few_label_draws

LABELS = torch.tensor([2, 0, 1, 1, 0, 2, 2, 0, 1, 0, 2, 1, 0])


@given(seed=st.integers(0, 99), number=st.integers(1, 4), n_draws=st.integers(1, 5))
def test_every_draw_has_the_same_number_of_each_class_and_no_image_twice(seed, number, n_draws):
    draws = few_label_draws(LABELS, number, n_draws, seed)
    assert draws.shape == (n_draws, 3 * number)
    for drawn in draws:
        assert LABELS[drawn].tolist() == sorted([0, 1, 2] * number)
        assert len(drawn.unique()) == len(drawn)


def test_fixed_by_the_seed():
    expected = few_label_draws(LABELS, 2, 3, 7)
    assert torch.equal(few_label_draws(LABELS, 2, 3, 7), expected)
    assert not torch.equal(few_label_draws(LABELS, 2, 3, 8), expected)
    # Rows of published results depend on them: a change here is a change of the protocol.
    assert few_label_draws(LABELS, 1, 4, 0).tolist() == [
        [1, 11, 6],
        [7, 8, 0],
        [9, 8, 6],
        [9, 2, 0],
    ]


def test_fewer_labels_are_a_part_of_more():
    small, large = few_label_draws(LABELS, 1, 5, 0), few_label_draws(LABELS, 3, 5, 0)
    for few, many in zip(small, large, strict=True):
        assert set(few.tolist()) < set(many.tolist())


def test_every_image_is_as_likely():
    labels = torch.zeros(10, dtype=torch.int64)
    counts = torch.bincount(few_label_draws(labels, 3, 4000, 0).flatten(), minlength=10)
    # 1,200 expected of each; six deviations of a binomial of 4,000 at 0.3.
    assert (counts - 1200).abs().max() < 6 * (4000 * 0.3 * 0.7) ** 0.5


def test_too_few_images_name_the_class():
    with pytest.raises(InputError, match="class 1 has 4 images; 5 labels"):
        few_label_draws(LABELS, 5, 2, 0)
    with pytest.raises(InputError, match="at least 1"):
        few_label_draws(LABELS, 0, 2, 0)
