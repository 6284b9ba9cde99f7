import pytest
import torch

from clinfonce.errors import InputError
from clinfonce.losses import FORMS, cl_infonce, cl_infonce_terms
from tests.losses.reference import loop, unit, value_and_gradient

STRUCTURES = {
    "pairs": lambda n: torch.arange(n) // 2,
    "one cluster": lambda n: torch.zeros(n, dtype=torch.int64),
    "a few": lambda n: torch.arange(n) // 2 * 7 % 3,
    "with singletons": lambda n: torch.where(torch.arange(n) < max(2, n // 2), 5, torch.arange(n)),
    "far apart": lambda n: (torch.arange(n) % 3 // 2) * (2**62),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("temperature", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("n", [2, 8, 19])
def test_value_and_gradient_are_those_of_the_definition(form, structure, temperature, n):
    clusters = STRUCTURES[structure](n)
    z = unit(n, 5, seed=n)
    expected, slope = value_and_gradient(lambda e: loop(e, clusters, temperature, form), z)
    for dtype, tolerance in [(torch.float64, 1e-9), (torch.float32, 1e-6)]:
        loss, gradient = value_and_gradient(
            lambda e: cl_infonce(e, clusters, temperature=temperature, form=form), z.to(dtype)
        )
        assert loss.dtype == dtype
        # A similarity of 1/τ rounds in proportion to 1/τ.
        assert abs(loss - expected) <= tolerance * max(1, 1 / temperature)
        torch.testing.assert_close(
            gradient.double(), slope, rtol=0, atol=tolerance * max(1, 1 / temperature) ** 2
        )


def test_counts():
    terms = cl_infonce_terms(unit(6, 4, 0), torch.tensor([4, 4, 4, 0, 9, 9]), temperature=0.1)
    assert (terms.anchors, terms.anchors_without_positive) == (5, 1)
    assert terms.positives_per_anchor == pytest.approx(8 / 6)


def test_no_positive_anywhere_is_an_error():
    with pytest.raises(InputError, match="none of the 4 embeddings a positive"):
        cl_infonce(unit(4, 4, 0), torch.arange(4), temperature=0.1)
