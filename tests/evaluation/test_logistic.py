import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from sklearn.linear_model import LogisticRegression

from clinfonce.evaluation.logistic import solve
from tests.evaluation.problems import blobs

STRENGTHS = (10.0, 0.1, 1e-3)


def standardized(n: int, d: int, classes: int, seed: int = 0, distance: float = 0.3):
    x, y = blobs(n, d, classes, seed=seed, distance=distance)
    return ((x - x.mean(0)) / x.std(0)).double(), y


@pytest.mark.parametrize(
    ("n", "d", "classes"), [(200, 10, 3), (40, 60, 5), (60, 60, 2), (300, 5, 12)]
)
def test_same_optimum_as_scikit_learn(n, d, classes):
    x, y = standardized(n, d, classes)
    solutions = solve(x[None], y[None], n_classes=classes, strengths=STRENGTHS, tolerance=1e-12,
                      max_steps=2000)  # fmt: skip
    for solution in solutions:
        # With two classes scikit-learn has one vector of weights, the difference of our two.
        inverse = n * solution.strength / (2 if classes == 2 else 1)
        theirs = LogisticRegression(C=1 / inverse, tol=1e-10, max_iter=20000)
        theirs.fit(x.numpy(), y.numpy())
        ours = (x @ solution.weights[0] + solution.intercepts[0]).log_softmax(1)
        expected = torch.from_numpy(theirs.predict_log_proba(x.numpy()))
        torch.testing.assert_close(ours.exp(), expected.exp(), rtol=0, atol=2e-4)


def objective(solution, x, y):
    logits = x @ solution.weights[0] + solution.intercepts[0]
    return F.cross_entropy(logits, y) + solution.strength / 2 * solution.weights.square().sum()


@pytest.mark.parametrize("tolerance", [1e-3, 1e-5, 1e-7])
def test_tolerance_bounds_the_distance_to_the_minimum(tolerance):
    x, y = standardized(300, 20, 6)
    kwargs = {"n_classes": 6, "strengths": STRENGTHS}
    rough = solve(x[None], y[None], tolerance=tolerance, **kwargs)
    exact = solve(x[None], y[None], tolerance=1e-14, max_steps=5000, **kwargs)
    for near, best in zip(rough, exact, strict=True):
        assert near.strength == best.strength
        # The bound is an estimate: the metric is the Hessian's only nearly.
        assert -1e-12 < objective(near, x, y) - objective(best, x, y) < 5 * tolerance


def test_gradient_vanishes_at_the_solution():
    x, y = standardized(100, 8, 4)
    for solution in solve(x[None], y[None], n_classes=4, strengths=STRENGTHS, tolerance=1e-14):
        weights = solution.weights.clone().requires_grad_()
        intercepts = solution.intercepts.clone().requires_grad_()
        loss = F.cross_entropy(x @ weights[0] + intercepts[0], y)
        loss = loss + solution.strength / 2 * weights.square().sum()
        for gradient in torch.autograd.grad(loss, (weights, intercepts)):
            assert gradient.abs().max() < 1e-6


def test_problems_do_not_touch_each_other():
    # Of different difficulty, so that some are solved and wait while others go on.
    problems = [
        standardized(60, 80, 3, seed=seed, distance=distance)
        for seed, distance in enumerate((0.01, 0.1, 1.0, 5.0))
    ]
    x, y = (torch.stack(parts) for parts in zip(*problems, strict=True))
    together = list(solve(x, y, n_classes=3, strengths=STRENGTHS))
    for p in range(len(problems)):
        alone = solve(x[p : p + 1], y[p : p + 1], n_classes=3, strengths=STRENGTHS)
        for one, all_of_them in zip(alone, together, strict=True):
            torch.testing.assert_close(one.weights[0], all_of_them.weights[p], rtol=1e-6, atol=1e-8)


def test_constant_and_repeated_features_do_no_harm():
    x, y = standardized(50, 4, 3)
    x = torch.cat((x, torch.zeros(50, 2), x[:, :2]), 1)
    for solution in solve(x[None].float(), y[None], n_classes=3, strengths=STRENGTHS):
        assert torch.isfinite(solution.weights).all()
        assert solution.weights[0, 4:6].abs().max() < 1e-5


@pytest.mark.parametrize("n", [1, 2])
def test_almost_no_points(n):
    x = torch.ones(1, n, 3)
    for solution in solve(x, torch.zeros(1, n, dtype=torch.int64), n_classes=2, strengths=(1.0,)):
        logits = x[0, 0] @ solution.weights[0] + solution.intercepts[0]
        assert torch.isfinite(logits).all()
        assert logits[0] > logits[1]


def test_one_class_is_no_problem():
    x, y = standardized(20, 4, 1)
    (solution,) = solve(x[None], y[None], n_classes=1, strengths=(1.0,))
    assert solution.weights.shape == (1, 4, 1)
    assert torch.isfinite(solution.weights).all()
