import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode

from clinfonce.losses import FORMS, cl_infonce, cl_infonce_terms
from clinfonce.losses._tiles import Task
from tests.losses.reference import loop, unit, value_and_gradient

STRUCTURES = {
    "pairs": lambda n: torch.arange(n) // 2,
    "one cluster": lambda n: torch.zeros(n, dtype=torch.int64),
    "a few": lambda n: torch.arange(n) // 2 * 7 % 3,
    "with singletons": lambda n: torch.where(torch.arange(n) < max(2, n // 2), 5, torch.arange(n)),
    "far apart": lambda n: (torch.arange(n) % 3 // 2) * (2**62),
}
TILES = [1, 3, 8, 100]


def assert_close(got, expected, *, dtype=torch.float64, temperature=1.0):
    """Compare (value, gradient); a similarity rounds in proportion to 1/τ, its slope to 1/τ²."""
    tolerance = 1e-9 if dtype == torch.float64 else 1e-6
    scale = max(1, 1 / temperature)
    for power, (left, right) in enumerate(zip(got, expected, strict=True), start=1):
        torch.testing.assert_close(left.double(), right, rtol=0, atol=tolerance * scale**power)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("temperature", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("n", [2, 8, 19])
def test_value_and_gradient_are_those_of_the_definition(
    form, structure, temperature, n, monkeypatch
):
    clusters = STRUCTURES[structure](n)
    z = unit(n, 5, seed=n)
    expected = value_and_gradient(lambda e: loop(e, clusters, temperature, form), z)
    for tile in TILES:
        monkeypatch.setattr(Task, "tile_height", tile)
        for dtype in (torch.float64, torch.float32):
            got = value_and_gradient(
                lambda e: cl_infonce(e, clusters, temperature=temperature, form=form), z.to(dtype)
            )
            assert got[0].dtype == got[1].dtype == dtype
            assert_close(got, expected, dtype=dtype, temperature=temperature)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tile", [3, 100])
def test_weights_make_a_weighted_mean(form, tile, monkeypatch):
    monkeypatch.setattr(Task, "tile_height", tile)
    z, clusters = unit(11, 5, seed=0), torch.arange(11) % 4
    weights = torch.linspace(0, 3, 11, dtype=torch.float64)
    assert_close(
        value_and_gradient(
            lambda e: cl_infonce(e, clusters, temperature=0.1, form=form, weights=weights), z
        ),
        value_and_gradient(lambda e: loop(e, clusters, 0.1, form, weights), z),
        temperature=0.1,
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_cluster_per_image_is_nt_xent(form):
    z = unit(12, 6, seed=0)

    def nt_xent(e):
        s = (e @ e.T / 0.3).masked_fill(torch.eye(12, dtype=torch.bool), -torch.inf)
        return cross_entropy(s, (torch.arange(12) + 6) % 12)

    assert_close(
        value_and_gradient(
            lambda e: cl_infonce(e, torch.arange(6).repeat(2), temperature=0.3, form=form), z
        ),
        value_and_gradient(nt_xent, z),
        temperature=0.3,
    )


def test_labels_as_clusters_are_supcon():
    z, labels = unit(20, 6, seed=1), torch.arange(20) % 3

    def supcon(e):
        others = ~torch.eye(20, dtype=torch.bool)
        positives = (labels[:, None] == labels) & others
        s = e @ e.T / 0.07
        log_probability = s - s.exp().mul(others).sum(1, keepdim=True).log()
        return -((log_probability * positives).sum(1) / positives.sum(1)).mean()

    assert_close(
        value_and_gradient(lambda e: cl_infonce(e, labels, temperature=0.07), z),
        value_and_gradient(supcon, z),
        temperature=0.07,
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_instance_term_is_info_nce_on_the_other_views(form, weight):
    z, clusters, images = unit(10, 5, seed=2), torch.arange(10) % 5 // 2, torch.arange(10) % 5

    def with_instances(e):
        return cl_infonce(
            e, clusters, temperature=0.2, form=form, instances=images, instance_weight=weight
        )

    assert_close(
        value_and_gradient(with_instances, z),
        value_and_gradient(
            lambda e: loop(e, clusters, 0.2, form) + weight * loop(e, images, 0.2), z
        ),
        temperature=0.2,
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tile", [3, 100])
def test_memory_attracts_and_repels_but_is_no_anchor(form, tile, monkeypatch):
    monkeypatch.setattr(Task, "tile_height", tile)
    z, old = unit(6, 5, seed=3), unit(7, 5, seed=4)
    clusters, old_clusters = torch.tensor([0, 0, 1, 2, 2, 9]), torch.arange(7) % 4
    anchors_only = torch.cat([torch.ones(6), torch.zeros(7)]).double()

    def dense(e):
        everything = torch.cat([clusters, old_clusters])
        return loop(torch.cat([e, old]), everything, 0.2, form, anchors_only)

    def ours(e):
        return cl_infonce(e, clusters, temperature=0.2, form=form, memory=(old, old_clusters))

    assert_close(value_and_gradient(ours, z), value_and_gradient(dense, z), temperature=0.2)
    terms = cl_infonce_terms(z, clusters, temperature=0.2, memory=(old, old_clusters))
    assert (terms.anchors, terms.anchors_without_positive) == (5, 1)


def test_memory_holds_no_other_view_of_an_image():
    z, old, pairs = unit(4, 5, seed=5), unit(3, 5, seed=6), torch.tensor([0, 1, 0, 1])

    def ours(instance_weight):
        return cl_infonce(
            z,
            pairs,
            temperature=0.2,
            instances=pairs,
            instance_weight=instance_weight,
            memory=(old, torch.tensor([5, 6, 7])),
        )

    # With strangers in the memory both terms are the same InfoNCE.
    torch.testing.assert_close(ours(1.0), 2 * ours(0.0))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tile", [4, 100])
def test_gradcheck(form, tile, monkeypatch):
    monkeypatch.setattr(Task, "tile_height", tile)
    z = unit(9, 4, seed=0).requires_grad_()
    clusters = torch.tensor([2, 2, 0, 0, 0, 7, 2, 7, 5])

    def objective(e):
        return 3 * cl_infonce(e, clusters, temperature=0.5, form=form, check=False)

    assert torch.autograd.gradcheck(objective, (z,))


def test_counts():
    terms = cl_infonce_terms(unit(6, 4, 0), torch.tensor([4, 4, 4, 0, 9, 9]), temperature=0.1)
    assert (terms.anchors, terms.anchors_without_positive) == (5, 1)
    assert terms.positives_per_anchor == pytest.approx(8 / 6)


def test_without_gradient_the_value_is_the_same():
    z, clusters = unit(12, 4, seed=0), torch.arange(12) % 5
    for form in FORMS:
        plain = cl_infonce(z, clusters, temperature=0.1, form=form)
        assert not plain.requires_grad
        leaf = z.clone().requires_grad_()
        assert cl_infonce(leaf, clusters, temperature=0.1, form=form) == plain
        with torch.no_grad():
            assert not cl_infonce(leaf, clusters, temperature=0.1, form=form).requires_grad


@pytest.mark.parametrize("form", FORMS)
def test_unchecked_batch_without_positives_teaches_nothing(form):
    loss, gradient = value_and_gradient(
        lambda e: cl_infonce(e, torch.arange(5), temperature=0.1, form=form, check=False),
        unit(5, 3, seed=0),
    )
    assert loss == 0
    assert not gradient.any()


class LargestTensor(TorchDispatchMode):
    """Remembers the most elements that any operation has returned."""

    elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for each in result if isinstance(result, tuple) else (result,):
            if isinstance(each, torch.Tensor):
                self.elements = max(self.elements, each.numel())
        return result


@pytest.mark.parametrize("form", FORMS)
def test_nothing_of_the_batch_squared_is_made(form):
    n = 3000
    z = unit(n, 8, seed=0, dtype=torch.float32).requires_grad_()
    with LargestTensor() as largest:
        cl_infonce(z, torch.arange(n) // 4, temperature=0.1, form=form).backward()
    assert largest.elements <= 256 * n
