import torch
from hypothesis import given
from hypothesis import strategies as st

from clinfonce.evaluation.accuracy import ranks, top


@given(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=6))
def test_rank_is_the_place_in_a_stable_order(rows):
    scores = torch.tensor(rows, dtype=torch.float32)
    for label in range(4):
        labels = torch.full((len(rows),), label)
        order = scores.argsort(dim=1, descending=True, stable=True)
        expected = (order == label).int().argmax(1)
        assert torch.equal(ranks(scores.T, labels), expected)


def test_scores_that_say_nothing_are_no_right_answers():
    labels = torch.arange(5).repeat(4)
    same = ranks(torch.zeros(5, 20), labels)
    assert top(same, 1) == 1 / 5
    nothing = ranks(torch.full((5, 20), torch.nan), labels)
    assert top(nothing, 1) == 0
    assert (nothing == 5).all()


def test_problems_in_front():
    scores = torch.randn(3, 2, 6, 10)
    labels = torch.randint(0, 6, (10,))
    all_at_once = ranks(scores, labels)
    assert all_at_once.shape == (3, 2, 10)
    assert torch.equal(all_at_once[2, 1], ranks(scores[2, 1], labels))
