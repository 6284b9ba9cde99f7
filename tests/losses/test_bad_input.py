import re

import pytest
import torch

from clinfonce.errors import InputError
from clinfonce.losses import ClusterCrossEntropy, cl_infonce, soft_cl_infonce
from tests.losses.reference import unit

Z = unit(4, 3, seed=0, dtype=torch.float32)
PAIRS = torch.tensor([0, 0, 1, 1])


def with_value(value):
    z = Z.clone()
    z[2, 1] = value
    return z


BAD = [
    ({"embeddings": Z[0]}, "embeddings are torch.float32 of shape (3,): must be floating of sh"),
    ({"embeddings": Z[None]}, "embeddings are torch.float32 of shape (1, 4, 3): must be floating"),
    ({"embeddings": Z.long()}, "embeddings are torch.int64 of shape (4, 3): must be floating"),
    ({"embeddings": 1.1 * Z}, "embeddings row 0 has length 1.1: every row must be finite and L2-"),
    ({"embeddings": with_value(torch.nan)}, "embeddings row 2 has length nan: every row must be"),
    ({"embeddings": with_value(torch.inf)}, "embeddings row 2 has length inf: every row must be"),
    ({"embeddings": 0 * Z}, "embeddings row 0 has length 0: every row must be finite"),
    ({"embeddings": Z.double() * 1.001}, "embeddings row 0 has length 1.001: every row"),
    ({"embeddings": Z[:1], "clusters": PAIRS[:1]}, "embeddings have n = 1 rows: at least 2 are"),
    ({"embeddings": Z[:0], "clusters": PAIRS[:0]}, "embeddings have n = 0 rows: at least 2 are"),
    ({"clusters": PAIRS[:3]}, "clusters are torch.int64 of shape (3,): must be torch.int64 of s"),
    ({"clusters": PAIRS[:, None]}, "clusters are torch.int64 of shape (4, 1): must be torch.int6"),
    ({"clusters": PAIRS.int()}, "clusters are torch.int32 of shape (4,): must be torch.int64 of "),
    ({"clusters": PAIRS - 1}, "clusters row 0 is -1: ids must be 0 or above"),
    ({"clusters": PAIRS.to("meta")}, "clusters are on meta: must be where the embeddings are, cpu"),
    ({"clusters": torch.arange(4)}, "clusters give none of the 4 embeddings a positive: at least"),
    ({"temperature": 0.0}, "temperature is 0.0: must be a finite number above 0"),
    ({"temperature": -1.0}, "temperature is -1.0: must be a finite number above 0"),
    ({"temperature": float("nan")}, "temperature is nan: must be a finite number above 0"),
    ({"temperature": float("inf")}, "temperature is inf: must be a finite number above 0"),
    ({"form": "both"}, "form is 'both': must be one of 'out', 'in', 'sincere'"),
    ({"weights": torch.ones(3)}, "weights are torch.float32 of shape (3,): must be floating of s"),
    ({"weights": torch.ones(4).int()}, "weights are torch.int32 of shape (4,): must be floating"),
    ({"weights": torch.arange(4.0) - 1}, "weights row 0 holds -1.0: must be finite and 0 or above"),
    ({"weights": torch.ones(4) / 0}, "weights row 0 holds inf: must be finite and 0 or above"),
    ({"weights": torch.zeros(4)}, "clusters give none of the 4 embeddings a positive: at least"),
    ({"instances": PAIRS[:3]}, "instances are torch.int64 of shape (3,): must be torch.int64"),
    ({"instances": PAIRS - 1}, "instances row 0 is -1: ids must be 0 or above"),
    ({"instance_weight": 1.0}, "instance_weight is 1.0 without instances: say which image"),
    ({"instance_weight": -1.0}, "instance_weight is -1.0: must be a finite number, 0 or above"),
    ({"memory": (Z, PAIRS[:3])}, "memory clusters are torch.int64 of shape (3,): must be torch."),
    ({"memory": (Z[:, :2], PAIRS)}, "memory are torch.float32 of shape (4, 2): must have d = 3"),
    ({"memory": (2 * Z, PAIRS)}, "memory row 0 has length 2: every row must be finite and L2-"),
    ({"memory": (with_value(torch.nan), PAIRS)}, "memory row 2 has length nan: every row must be"),
    ({"memory": (Z, PAIRS - 1)}, "memory clusters row 0 is -1: ids must be 0 or above"),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_named_with_its_value_and_the_rule(change, message):
    arguments = {"embeddings": Z, "clusters": PAIRS, "temperature": 0.1, **change}
    with pytest.raises(InputError, match="^" + re.escape(message)):
        cl_infonce(**arguments)


def test_embeddings_normalised_in_their_own_precision_are_good():
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        z = torch.nn.functional.normalize(unit(200, 512, seed=0).to(dtype), dim=1)
        cl_infonce(z, torch.arange(200) // 2, temperature=0.1)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (torch.ones(3, 2), "attributes are torch.float32 of shape (3, 2): must be boolean or"),
        (torch.ones(4), "attributes are torch.float32 of shape (4,): must be boolean or floating"),
        (torch.ones(4, 2).int(), "attributes are torch.int32 of shape (4, 2): must be boolean or"),
        (-torch.ones(4, 2), "attributes row 0 holds -1.0: must be finite and 0 or above"),
        (torch.eye(4), "attributes: no two of the 4 embeddings share any"),
    ],
)
def test_bad_attributes(attributes, message):
    with pytest.raises(InputError, match="^" + re.escape(message)):
        soft_cl_infonce(Z, attributes, temperature=0.1)


def test_bad_clusters_of_the_classifier():
    objective = ClusterCrossEntropy(3, 2)
    with pytest.raises(InputError, match="clusters row 1 is 2: must be 0 to 1"):
        objective(Z, torch.tensor([0, 2, 1, 1]))
    with pytest.raises(InputError, match=r"clusters are torch.int64 of shape \(3,\)"):
        objective(Z, PAIRS[:3])
    with pytest.raises(InputError, match="feature_dim is 3 and n_clusters 1"):
        ClusterCrossEntropy(3, 1)
    assert ClusterCrossEntropy(1, 2)(Z[:, :1], PAIRS.clamp(max=1)).isfinite()
