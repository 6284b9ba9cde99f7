import math

import pytest
import torch

from clinfonce.errors import InputError
from clinfonce.losses import Prototypes, Workers, proto_nce
from tests.losses.reference import unit, value_and_gradient

ASSIGNMENTS = torch.tensor([0, 1, 1, 2, 0, 2, 2, 3])


def prototypes(temperature=0.3):
    return Prototypes.of(unit(8, 4, seed=0), ASSIGNMENTS, temperature=temperature)


def test_centroids_are_the_directions_of_the_cluster_means():
    v = unit(8, 4, seed=0)
    mean = (v[3] + v[5] + v[6]) / 3
    torch.testing.assert_close(prototypes().centroids[2], mean / mean.norm())


def test_concentrations_follow_the_paper():
    v = unit(8, 4, seed=0)
    raw = []
    for cluster in range(3):
        members = v[cluster == ASSIGNMENTS]
        distances = (members - members.mean(0)).norm(dim=1)
        raw.append(float(distances.sum()) / (len(members) * math.log(len(members) + 10)))
    raw.append(max(raw))  # the cluster of one
    values = torch.tensor(raw, dtype=torch.float64)
    clipped = values.clamp(values.quantile(0.1), values.quantile(0.9))
    torch.testing.assert_close(prototypes().concentrations, 0.3 * clipped / clipped.mean())


def test_points_without_spread_get_the_temperature():
    found = Prototypes.of(unit(4, 3, seed=0), torch.arange(4), temperature=0.2)
    torch.testing.assert_close(found.concentrations, torch.full((4,), 0.2, dtype=torch.float64))


def test_loss_is_that_of_the_definition():
    fine, coarse = (
        prototypes(),
        Prototypes.of(unit(8, 4, seed=0), ASSIGNMENTS // 2, temperature=0.1),
    )
    z, images = unit(5, 4, seed=1), torch.tensor([7, 0, 3, 3, 2])
    terms = []
    for row, image in zip(z, images.tolist(), strict=True):
        for each in (fine, coarse):
            logits = each.centroids @ row / each.concentrations
            terms.append(torch.logsumexp(logits, 0) - logits[each.assignments[image]])
    torch.testing.assert_close(proto_nce(z, images, [fine, coarse]), torch.stack(terms).mean())


def test_gradient_reaches_the_embeddings():
    z, images = unit(3, 4, seed=1).requires_grad_(), torch.tensor([7, 0, 3])
    assert torch.autograd.gradcheck(lambda e: proto_nce(e, images, [prototypes()], check=False), z)


IMAGES = torch.tensor([7, 0, 3, 3, 2])


def spread(lengths):
    workers = Workers.of()
    start = sum(lengths[: workers.rank])
    own = slice(start, start + lengths[workers.rank])
    return value_and_gradient(
        lambda e: proto_nce(e, IMAGES[own], [prototypes()], workers=workers),
        unit(5, 4, seed=1)[own],
    )


@pytest.mark.parametrize("lengths", [[4, 1], [2, 2, 1], [0, 4, 1]])
def test_workers_get_the_value_and_gradient_of_one_process(gloo, lengths):
    value, gradient = value_and_gradient(
        lambda e: proto_nce(e, IMAGES, [prototypes()]), unit(5, 4, seed=1)
    )
    answers = gloo.run(len(lengths), spread, lengths)
    for got, _ in answers:
        torch.testing.assert_close(got, value)
    joined = torch.cat([each for _, each in answers])
    torch.testing.assert_close(joined, len(lengths) * gradient)


def test_bad_input():
    z, images = unit(3, 4, seed=1), torch.tensor([7, 0, 8])
    with pytest.raises(InputError, match="images row 2 is 8: must be 0 to 7"):
        proto_nce(z, images, [prototypes()])
    with pytest.raises(InputError, match="granularities are empty"):
        proto_nce(z, images, [])
    with pytest.raises(InputError, match=r"centroids are .* must have d = 3"):
        proto_nce(unit(3, 3, seed=0), images, [prototypes()])
    with pytest.raises(InputError, match="1 of 0 to 2 is empty"):
        Prototypes.of(z, torch.tensor([0, 2, 2]), temperature=0.1)
