import pytest
import torch
from torch.nn.functional import normalize

from clinfonce.errors import InputError
from clinfonce.losses import Attribute, Field, MetadataGuides, PrototypeGuide, Workers, equalised
from tests.losses.reference import value_and_gradient
from tests.losses.test_attributes import ATTRIBUTES, FEATURES, VALUES

CATEGORIES = torch.tensor([0, 3, -1, 1, 2, -1, 0])


def guide(momentum=0.9, workers=None):
    torch.manual_seed(0)
    one = PrototypeGuide(5, 5, temperature=0.5, momentum=momentum, dropout=0.0, workers=workers)
    return one.double()


def means(one, features, categories):
    outputs = normalize(one.head(features), dim=1)
    return {k: normalize(outputs[categories == k].mean(0), dim=0) for k in range(4)}


def test_prototypes_begin_as_batch_means_and_follow_with_momentum():
    one = guide()
    with torch.no_grad():
        first = means(one, FEATURES, CATEGORIES)
        assert one(FEATURES, CATEGORIES) == 0  # nothing was seen before
        assert one.seen.tolist() == [True, True, True, True, False]
        for k, mean in first.items():
            torch.testing.assert_close(one.prototypes[k], mean)
        other = FEATURES.flip(0)
        second = means(one, other, CATEGORIES)
        one(other, CATEGORIES)
        for k, mean in second.items():
            expected = normalize(0.9 * first[k] + 0.1 * mean, dim=0)
            torch.testing.assert_close(one.prototypes[k], expected)


def test_the_loss_contrasts_with_what_was_seen():
    one = guide()
    one(FEATURES, CATEGORIES)
    one.eval()
    before = one.prototypes.clone()
    outputs = normalize(one.head(FEATURES), dim=1)
    terms = []
    for g, k in zip(outputs, CATEGORIES.tolist(), strict=True):
        if k >= 0:
            s = torch.stack([g @ one.prototypes[j] / 0.5 for j in range(4)])
            terms.append(torch.logsumexp(s, 0) - s[k])
    torch.testing.assert_close(one(FEATURES, CATEGORIES), torch.stack(terms).mean())
    assert one.prototypes.equal(before)
    unseen = torch.full_like(CATEGORIES, 4)
    assert one(FEATURES, unseen) == 0


def test_equalised_gradients_have_equal_norms_and_their_mean():
    pulls = [torch.randn(7, 5, generator=torch.Generator().manual_seed(i)).double() * 10**i
             for i in range(3)]  # fmt: skip
    strengths = [1.0, -0.5, 1.0]
    gradient = value_and_gradient(
        lambda f: sum((b * p).sum() for b, p in zip(equalised(f, strengths), pulls, strict=True)),
        FEATURES,
    )[1]
    norms = [p.norm() for p in pulls]
    mean = sum(norms) / 3
    expected = sum(s * p * mean / n for s, p, n in zip(strengths, pulls, norms, strict=True))
    torch.testing.assert_close(gradient, expected)


def test_a_branch_without_gradient_does_not_count():
    gradient = value_and_gradient(lambda f: 0 * equalised(f, [1, 1])[0].sum()
                                  + (3 * equalised(f, [1, 1])[1]).sum(), FEATURES)[1]  # fmt: skip
    torch.testing.assert_close(gradient, torch.full_like(FEATURES, 3.0))


def guides(**more):
    torch.manual_seed(1)
    fields = {name: Field(each) for name, each in ATTRIBUTES.items()}
    fields["year"] = Field(ATTRIBUTES["year"], role="suppress")
    return MetadataGuides(5, fields, dropout=0.0, **more).double()


def test_a_nuisance_pushes_more_as_training_goes_on():
    one = guides().eval()
    one.guides[1].seen.fill_(True)

    def only_year(progress):
        values = {**VALUES, "marks": VALUES["marks"] * torch.nan, "scene.kind": 0 * CATEGORIES - 1}
        return value_and_gradient(lambda f: one(f, values, progress=progress), FEATURES)

    (start, nothing), (end, reversed_) = only_year(0.0), only_year(1.0)
    assert start == end > 0
    assert not nothing.any()
    towards = value_and_gradient(
        lambda f: 0.03 * one.guides[2](f, VALUES["year"]), FEATURES
    )[1]  # fmt: skip
    torch.testing.assert_close(reversed_, -towards, rtol=1e-3, atol=0)


def one_step(lengths, progress):
    workers = Workers.of()
    own = slice(sum(lengths[: workers.rank]), sum(lengths[: workers.rank + 1]))
    one = guides(workers=workers)
    values = {name: each[own] for name, each in VALUES.items()}
    one(FEATURES[own], values, progress=progress)  # the first step sees all categories
    loss, gradient = value_and_gradient(lambda f: one(f, values, progress=progress), FEATURES[own])
    return loss, gradient, one.guides[1].prototypes


@pytest.mark.parametrize("lengths", [[4, 3], [1, 0, 6]])
def test_workers_get_the_value_gradient_and_prototypes_of_one_process(gloo, lengths):
    loss, gradient, prototypes = one_step([7], 0.7)
    answers = gloo.run(len(lengths), one_step, lengths, 0.7)
    for got, _, bank in answers:
        torch.testing.assert_close(got, loss)
        torch.testing.assert_close(bank, prototypes)
    joined = torch.cat([each for _, each, _ in answers])
    torch.testing.assert_close(joined, len(lengths) * gradient, rtol=1e-5, atol=1e-8)


def test_bad_fields_are_named():
    with pytest.raises(InputError, match="fields are empty"):
        MetadataGuides(5, {})
    with pytest.raises(InputError, match=r"unknown field: 'scene\.kind'"):
        guides()(FEATURES, {"marks": VALUES["marks"]}, progress=0.0)
    with pytest.raises(InputError, match="categories: row 1 holds 9: must be 0 to 4, or -1"):
        guide()(FEATURES[:2], torch.tensor([0, 9]))
    assert Attribute("categorical", 5) == Field(Attribute("categorical", 5)).attribute
