import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfonce.losses import FORMS, cl_infonce
from clinfonce.losses._kin import _rank, _unique
from clinfonce.losses._tiles import Task
from tests.losses.reference import unit, value_and_gradient

SETTINGS = settings(max_examples=60, deadline=None)


@st.composite
def batches(draw):
    """Embeddings, clusters with a positive somewhere, temperature and form."""
    clusters = draw(st.lists(st.integers(0, 5), min_size=2, max_size=17))
    clusters[1] = clusters[0]
    z = unit(len(clusters), draw(st.integers(1, 9)), draw(st.integers(0, 999)))
    temperature = draw(st.floats(0.02, 2))
    return z, torch.tensor(clusters), temperature, draw(st.sampled_from(FORMS))


def evaluate(z, clusters, temperature, form):
    return value_and_gradient(
        lambda e: cl_infonce(e, clusters, temperature=temperature, form=form), z
    )


@given(batches(), st.randoms())
@SETTINGS
def test_order_of_the_batch_does_not_matter(batch, random):
    z, clusters, *rest = batch
    value, gradient = evaluate(z, clusters, *rest)
    order = torch.tensor(random.sample(range(len(z)), len(z)))
    shuffled, shuffled_gradient = evaluate(z[order], clusters[order], *rest)
    torch.testing.assert_close(shuffled, value)
    torch.testing.assert_close(shuffled_gradient, gradient[order], rtol=1e-6, atol=1e-9)


@given(batches(), st.integers(1, 20))
@SETTINGS
def test_height_of_a_tile_does_not_matter(batch, height):
    value, gradient = evaluate(*batch)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Task, "tile_height", height)
        tiled, tiled_gradient = evaluate(*batch)
    torch.testing.assert_close(tiled, value)
    torch.testing.assert_close(tiled_gradient, gradient, rtol=1e-6, atol=1e-9)


@given(batches(), st.lists(st.integers(0, 2**63 - 1), min_size=6, max_size=6, unique=True))
@SETTINGS
def test_names_of_the_clusters_do_not_matter(batch, names):
    z, clusters, *rest = batch
    value, gradient = evaluate(z, clusters, *rest)
    renamed, renamed_gradient = evaluate(z, torch.tensor(names)[clusters], *rest)
    torch.testing.assert_close(renamed, value)
    torch.testing.assert_close(renamed_gradient, gradient, rtol=1e-6, atol=1e-9)


@given(batches())
@SETTINGS
def test_rotating_all_embeddings_does_not_matter(batch):
    z, clusters, *rest = batch
    rotation, _ = torch.linalg.qr(unit(z.shape[1], z.shape[1], seed=1))
    value, gradient = evaluate(z, clusters, *rest)
    rotated, rotated_gradient = evaluate(z @ rotation, clusters, *rest)
    torch.testing.assert_close(rotated, value, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(rotated_gradient, gradient @ rotation, rtol=1e-6, atol=1e-7)


@given(st.lists(st.integers(0, 2**63 - 1) | st.integers(0, 4), min_size=1, max_size=30))
@SETTINGS
def test_clusters_are_ranked_alike_with_and_without_waiting_for_the_device(clusters):
    (ids, sizes), (unique_ids, unique_sizes) = (f(torch.tensor(clusters)) for f in (_rank, _unique))
    assert ids.equal(unique_ids)
    assert sizes[: len(unique_sizes)].equal(unique_sizes)
    assert not sizes[len(unique_sizes) :].any()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("temperature", [1e-30, 1e-4, 0.005, 1e4, 1e30])
@pytest.mark.parametrize("arrangement", ["random", "all alike", "positives opposite"])
def test_extreme_temperatures_stay_finite(form, temperature, arrangement):
    z, clusters = unit(16, 4, seed=0, dtype=torch.float32), torch.arange(16) % 5
    clusters[3] = 9
    if arrangement == "all alike":
        z = z[:1].repeat(16, 1)
    if arrangement == "positives opposite":
        z = z[:1] * (1 - 2 * (torch.arange(16) % 2))[:, None]
        clusters = torch.arange(16) // 2
    value, gradient = evaluate(z, clusters, temperature, form)
    assert value.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(form, dtype):
    z, clusters = unit(64, 16, seed=0, dtype=dtype), torch.arange(64) % 9
    value, gradient = evaluate(z, clusters, 0.05, form)
    expected, slope = evaluate(z.float(), clusters, 0.05, form)
    assert value.dtype == torch.float32
    assert gradient.dtype == dtype
    assert value == expected
    assert gradient.equal(slope.to(dtype))


@pytest.mark.parametrize("form", FORMS)
def test_autocast_does_not_lower_the_precision(form):
    z, clusters = unit(64, 16, seed=0, dtype=torch.float32), torch.arange(64) % 9
    value, gradient = evaluate(z, clusters, 0.05, form)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast, cast_gradient = evaluate(z, clusters, 0.05, form)
    assert cast == value
    assert cast_gradient.equal(gradient)
