import pytest
import torch
from torch.nn.functional import cross_entropy

from clinfonce.losses import ClusterCrossEntropy, Workers
from tests.losses.reference import unit


def test_loss_is_the_cross_entropy_of_its_classifier():
    features, clusters = unit(6, 4, seed=0, dtype=torch.float32), torch.arange(6) % 3
    objective = ClusterCrossEntropy(4, 3)
    loss = objective(features, clusters)
    logits = features @ objective.classifier.weight.T + objective.classifier.bias
    torch.testing.assert_close(loss, cross_entropy(logits, clusters))
    loss.backward()
    assert objective.classifier.weight.grad.abs().sum() > 0


def step(lengths):
    torch.manual_seed(0)
    workers = Workers.of()
    features, clusters = unit(6, 4, seed=0, dtype=torch.float32), torch.arange(6) % 3
    start = sum(lengths[: workers.rank])
    own = slice(start, start + lengths[workers.rank])
    objective = ClusterCrossEntropy(4, 3, workers=workers)
    parallel = torch.nn.parallel.DistributedDataParallel(objective)
    loss = parallel(features[own], clusters[own])
    loss.backward()
    return loss.detach(), objective.classifier.weight.grad


@pytest.mark.parametrize("lengths", [[5, 1], [2, 2, 2], [0, 5, 1]])
def test_workers_get_the_value_and_gradient_of_one_process(gloo, lengths):
    torch.manual_seed(0)
    objective = ClusterCrossEntropy(4, 3)
    expected = objective(unit(6, 4, seed=0, dtype=torch.float32), torch.arange(6) % 3)
    expected.backward()
    for loss, gradient in gloo.run(len(lengths), step, lengths):
        torch.testing.assert_close(loss, expected.detach())
        torch.testing.assert_close(gradient, objective.classifier.weight.grad)
