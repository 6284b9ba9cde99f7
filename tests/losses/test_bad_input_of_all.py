"""The same mistakes, made with every objective: an error that names argument, value and rule."""

import re

import pytest
import torch

from clinfonce.errors import InputError
from clinfonce.losses import (
    FORMS,
    ClusterMemory,
    Prototypes,
    cl_infonce,
    cl_infonce_terms,
    cluster_cross_entropy,
    distributed_cl_infonce,
    proto_nce,
    soft_cl_infonce,
)
from tests.losses.reference import unit

Z = unit(4, 3, seed=0, dtype=torch.float32)
PAIRS = torch.tensor([0, 0, 1, 1])


def one_hot(clusters):
    return torch.nn.functional.one_hot(clusters).float() if clusters.min() >= 0 else clusters


def prototypes(z=Z, clusters=PAIRS, temperature=0.1):
    return Prototypes.of(z, clusters, temperature=temperature)


def forms_of(objective):
    return {
        f"{objective.__name__} {form}": lambda z=Z, clusters=PAIRS, temperature=0.1, form=form: (
            objective(z, clusters, temperature=temperature, form=form)
        )
        for form in FORMS
    }


def soft(z=Z, clusters=PAIRS, temperature=0.1):
    return soft_cl_infonce(z, one_hot(clusters), temperature=temperature)


def to_prototypes(z=Z, clusters=PAIRS):
    return proto_nce(z, clusters, [prototypes()])


def push(z=Z, clusters=PAIRS):
    ClusterMemory(8, 3).push(z, clusters)


CONTRASTS = {
    **forms_of(cl_infonce),
    **forms_of(cl_infonce_terms),
    **forms_of(distributed_cl_infonce),
    "soft": soft,
}
OF_EMBEDDINGS = {**CONTRASTS, "prototypes": prototypes, "proto_nce": to_prototypes, "memory": push}
OF_CLUSTERS = {
    **{name: one for name, one in OF_EMBEDDINGS.items() if name != "soft"},
    "cross_entropy": lambda z=Z, clusters=PAIRS: cluster_cross_entropy(z, clusters),
}
OF_TEMPERATURES = {**CONTRASTS, "prototypes": prototypes}


def nan(z):
    z = z.clone()
    z[2, 1] = torch.nan
    return z


@pytest.mark.parametrize("name", OF_EMBEDDINGS)
@pytest.mark.parametrize(
    ("change", "said"), [(lambda z: 2 * z, "row 0 has length 2"), (nan, "row 2 has length nan")]
)
def test_embeddings_that_are_not_normalised_or_not_numbers(name, change, said):
    with pytest.raises(InputError, match=rf"{said}: every row must be finite and L2-normalised"):
        OF_EMBEDDINGS[name](z=change(Z))


def test_logits_that_are_not_numbers():
    with pytest.raises(InputError, match="logits row 2 holds nan: must be finite"):
        cluster_cross_entropy(nan(Z), PAIRS)


@pytest.mark.parametrize("name", OF_CLUSTERS)
def test_clusters_of_another_length(name):
    with pytest.raises(InputError, match=r"of shape \(3,\): must be torch.int64 of shape \(4,\)"):
        OF_CLUSTERS[name](clusters=PAIRS[:3])


def test_attributes_of_another_length():
    with pytest.raises(InputError, match=r"attributes are .* \(3, 2\): must be .* \(4, m\)"):
        soft(clusters=PAIRS[:3])


@pytest.mark.parametrize("name", OF_CLUSTERS)
def test_negative_ids(name):
    with pytest.raises(InputError, match=r"row 0 is -1: (ids )?must be 0"):
        OF_CLUSTERS[name](clusters=PAIRS - 1)


@pytest.mark.parametrize("name", OF_TEMPERATURES)
@pytest.mark.parametrize("temperature", [0.0, -0.1])
def test_temperatures_not_above_zero(name, temperature):
    said = f"temperature is {temperature}: must be a finite number above 0"
    with pytest.raises(InputError, match="^" + re.escape(said)):
        OF_TEMPERATURES[name](temperature=temperature)


@pytest.mark.parametrize("name", CONTRASTS)
def test_fewer_than_two_embeddings(name):
    with pytest.raises(InputError, match="embeddings have n = 1 rows: at least 2 are needed"):
        CONTRASTS[name](z=Z[:1], clusters=PAIRS[:1])


@pytest.mark.parametrize("name", CONTRASTS)
def test_nothing_but_singletons(name):
    with pytest.raises(InputError, match=r"a positive|share any"):
        CONTRASTS[name](clusters=torch.arange(4))


def test_an_input_error_is_a_value_error():
    assert issubclass(InputError, ValueError)
