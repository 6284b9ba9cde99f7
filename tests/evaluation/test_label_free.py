"""Measures without labels against plain loops, and on features whose answer is known."""

import math

import pytest
import torch

from clinfonce.evaluation.label_free import alignment, lidar, rankme, uniformity
from clinfonce.evaluation.readable import readable
from tests.evaluation.test_targets import parts, problem, several, space_of


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def entropy_of(values):
    shares = [v / sum(values) + 1e-7 for v in values]
    return math.exp(-sum(s * math.log(s) for s in shares))


@pytest.mark.parametrize("shape", [(50, 8), (8, 50)])
def test_rankme_is_the_entropy_of_singular_values(shape):
    x = random(*shape)
    expected = entropy_of(torch.linalg.svdvals(x.double()).tolist())
    assert rankme(x) == pytest.approx(expected, rel=1e-5)
    assert rankme(10 * x) == pytest.approx(expected, rel=1e-5)


def test_rankme_counts_directions():
    few = random(200, 3) @ random(3, 20, seed=1)
    assert rankme(few) < 3.01
    assert rankme(random(2000, 20)) == pytest.approx(20, abs=0.1)
    assert rankme(torch.zeros(5, 4)) == 1.0


def test_lidar_is_that_of_the_paper():
    views = random(30, 6, 5) + 2 * random(30, 1, 5, seed=1)
    x = views.double()
    middle = [x[i].mean(0) for i in range(30)]
    overall = x.reshape(-1, 5).mean(0)
    within = 1e-4 * torch.eye(5, dtype=torch.float64)
    between = torch.zeros(5, 5, dtype=torch.float64)
    for i in range(30):
        between += torch.outer(middle[i] - overall, middle[i] - overall) / 30
        for j in range(6):
            within += torch.outer(x[i, j] - middle[i], x[i, j] - middle[i]) / 180
    values, axes = torch.linalg.eigh(within)
    half = axes @ torch.diag(values**-0.5) @ axes.T
    expected = entropy_of(torch.linalg.eigvalsh(half @ between @ half).tolist())
    assert lidar(views) == pytest.approx(expected, rel=1e-6)


def test_lidar_does_not_count_what_tells_views_apart():
    shared = torch.cat((random(200, 1, 4), torch.zeros(200, 1, 4)), 2)
    views = shared + 0.1 * random(200, 10, 8, seed=1) * torch.tensor([1.0] * 4 + [30.0] * 4)
    assert lidar(views) == pytest.approx(4, abs=0.3)
    assert rankme(views.flatten(0, 1)) > 6


def test_alignment_and_uniformity_are_means_over_pairs():
    views = random(12, 3, 4)
    x = torch.nn.functional.normalize(views.double(), dim=2)
    near = [(x[i, a] - x[i, b]).square().sum() for i in range(12) for a in range(3)
            for b in range(3) if a != b]  # fmt: skip
    assert alignment(views) == pytest.approx(float(torch.stack(near).mean()))
    assert alignment(views[:, :1].expand(-1, 4, -1)) == pytest.approx(0, abs=1e-12)
    each = x[:, 0]
    far = [torch.exp(-2 * (each[i] - each[j]).square().sum()) for i in range(12)
           for j in range(12) if i != j]  # fmt: skip
    assert uniformity(views[:, 0]) == pytest.approx(float(torch.stack(far).mean().log()))


def test_what_can_be_read_is_between_nothing_and_all():
    space, y = problem()
    assert 0.1 < readable(space, "class", y)["test"] < 0.9
    nothing = parts(torch.randint(2, (450,), generator=torch.Generator().manual_seed(0)))
    assert readable(space, "class", nothing)["test"] < 0.15
    space, y = several()
    assert 0.3 < readable(space, "multilabel", y)["test"] < 1
    x = random(450, 6)
    assert readable(space_of(x), "number", parts(x[:, 0].double()))["test"] > 0.99
    assert readable(space_of(x), "number", parts(random(450, seed=5).double()))["test"] == 0
    assert readable(space_of(x), "class", parts((x[:, 1] > 0).long()))["test"] > 0.9
