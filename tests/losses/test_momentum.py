import pytest
import torch

from clinfonce.errors import InputError
from clinfonce.losses import FORMS, Workers, momentum, momentum_contrast
from tests.losses.reference import unit, value_and_gradient

QUERIES, KEYS = unit(7, 4, seed=0), unit(9, 4, seed=1)
CLUSTERS = torch.tensor([0, 1, 1, 2, 0, 6, 5])  # nothing attracts the last
KEY_CLUSTERS = torch.tensor([0, 1, 2, 2, 0, 0, 3, 1, 6])


def of_definition(queries, form, temperature=0.3):
    """A loop over queries and their keys."""
    terms = []
    for query, cluster in zip(queries, CLUSTERS.tolist(), strict=True):
        s = torch.stack([query @ key / temperature for key in KEYS])
        own = [j for j, other in enumerate(KEY_CLUSTERS.tolist()) if other == cluster]
        rest = [j for j in range(len(KEYS)) if j not in own]
        if not own:
            continue
        if form == "out":
            term = torch.stack([s.logsumexp(0) - s[p] for p in own]).mean()
        elif form == "in":
            term = -(s[own].exp().mean() / s.exp().sum()).log()
        else:
            term = torch.stack([s[[*rest, p]].logsumexp(0) - s[p] for p in own]).mean()
        terms.append(term)
    return torch.stack(terms).mean()


def contrast(queries, form="out", rows=slice(None), workers=None, **changes):
    given = {"keys": KEYS, "key_clusters": KEY_CLUSTERS, "temperature": 0.3} | changes
    return momentum_contrast(queries, CLUSTERS[rows], form=form, workers=workers, **given)


@pytest.mark.parametrize("tile", [1, 20, 1 << 22])
@pytest.mark.parametrize("form", FORMS)
def test_value_and_gradient_are_those_of_the_definition(monkeypatch, form, tile):
    monkeypatch.setattr(momentum, "_CPU_TILE", tile)
    value, gradient = value_and_gradient(lambda q: contrast(q, form).loss, QUERIES)
    expected, of_loop = value_and_gradient(lambda q: of_definition(q, form), QUERIES)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, of_loop)


def test_a_key_per_query_is_the_cross_entropy_of_moco():
    ids = torch.arange(9)
    found = momentum_contrast(KEYS, ids, unit(9, 4, seed=2), ids, temperature=0.2).loss
    logits = KEYS @ unit(9, 4, seed=2).T / 0.2
    torch.testing.assert_close(found, torch.nn.functional.cross_entropy(logits, ids))


def test_what_is_counted():
    _, anchors, alone, positives = contrast(QUERIES)
    assert (int(anchors), int(alone)) == (6, 1)
    assert float(positives) == pytest.approx((3 + 2 + 2 + 2 + 3 + 1) / 7)


def test_keys_get_no_gradient():
    queries, keys = QUERIES.clone().requires_grad_(), KEYS.clone().requires_grad_()
    contrast(queries, keys=keys).loss.backward()
    assert queries.grad is not None
    assert keys.grad is None


def spread(lengths, form):
    workers = Workers.of()
    start = sum(lengths[: workers.rank])
    rows = slice(start, start + lengths[workers.rank])
    value, gradient = value_and_gradient(
        lambda q: contrast(q, form, rows, workers).loss, QUERIES[rows]
    )
    return value, gradient, [float(count) for count in contrast(QUERIES[rows], form, rows, workers)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("lengths", [[4, 3], [0, 6, 1]])
def test_workers_get_the_value_and_gradient_of_one_process(gloo, lengths, form):
    value, gradient = value_and_gradient(lambda q: contrast(q, form).loss, QUERIES)
    counts = [float(count) for count in contrast(QUERIES, form)]
    answers = gloo.run(len(lengths), spread, lengths, form)
    for got, _, theirs in answers:
        torch.testing.assert_close(got, value)
        assert theirs == pytest.approx(counts)
    joined = torch.cat([each for _, each, _ in answers])
    torch.testing.assert_close(joined, len(lengths) * gradient)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"keys": 2 * KEYS}, "keys row 0 has length 2: every row must be finite"),
        ({"keys": KEYS[:, :3]}, r"keys are .* must have d = 4"),
        ({"keys": KEYS[:0], "key_clusters": KEY_CLUSTERS[:0]}, "keys have m = 0 rows"),
        ({"key_clusters": KEY_CLUSTERS[1:]}, r"key_clusters are .* must be torch.int64 of shape"),
        ({"key_clusters": KEY_CLUSTERS - 1}, "key_clusters row 0 is -1: ids must be 0 or above"),
        ({"key_clusters": KEY_CLUSTERS + 10}, "none of the 7 embeddings a positive"),
        ({"temperature": 0.0}, "temperature is 0.0: must be"),
        ({"form": "both"}, "form is 'both': must be one of"),
    ],
)
def test_bad_input(changes, said):
    with pytest.raises(InputError, match=said):
        contrast(QUERIES, **changes)
