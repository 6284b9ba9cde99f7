import re

import numpy as np
import pytest
import torch

from clinfonce.errors import InputError
from clinfonce.losses import weighted_cl_infonce
from clinfonce.similarity import combine, equal, gaussian, jaccard
from tests.losses.reference import unit

Z = unit(4, 3, seed=0, dtype=torch.float32)
IMAGES = torch.tensor([0, 1, 0, 1])
NUMBERS = combine({"x": gaussian([0.0, 1.0, 5.0])})
CLUSTERS = combine({"x": equal([0, 1, 2])})
STRANGERS = combine({"x": jaccard([("a",), ("b",), ("c",)])})


def with_nan():
    z = Z.clone()
    z[2, 1] = torch.nan
    return z


BAD = [
    ({"embeddings": 2 * Z}, "embeddings row 0 has length 2: every row must be finite and L2-norm"),
    ({"embeddings": with_nan()}, "embeddings row 2 has length nan: every row must be finite"),
    ({"embeddings": Z[0]}, "embeddings are torch.float32 of shape (3,): must be floating of shape"),
    ({"embeddings": Z[:1], "images": IMAGES[:1]}, "embeddings have n = 1 rows: at least 2 are"),
    ({"images": IMAGES[:3]}, "images are torch.int64 of shape (3,): must be torch.int64 of shape"),
    ({"images": IMAGES.int()}, "images are torch.int32 of shape (4,): must be torch.int64 of shap"),
    ({"images": IMAGES + 2}, "images row 1 is 3: must be 0 to 2"),
    ({"images": IMAGES - 1}, "images row 0 is -1: must be 0 to 2"),
    ({"form": "in"}, "form is 'in': with weights it must be one of 'out', 'sincere'"),
    ({"temperature": 0.0}, "temperature is 0.0: must be a finite number above 0"),
    ({"instance_weight": -1.0}, "instance_weight is -1.0: must be a finite number, 0 or above"),
    ({"weights": torch.ones(3)}, "weights are torch.float32 of shape (3,): must be floating of sh"),
    ({"weights": -torch.ones(4)}, "weights row 0 holds -1.0: must be finite and 0 or above"),
    ({"condition": combine({"c": equal([0, 1])})}, "similarity knows 3 images and condition 2: mu"),
    ({"memory": (Z, IMAGES + 2)}, "memory images row 1 is 3: must be 0 to 2"),
    ({"memory": (2 * Z, IMAGES)}, "memory row 0 has length 2: every row must be finite"),
    ({"memory": (Z[:, :2], IMAGES)}, "memory are torch.float32 of shape (4, 2): must have d = 3"),
]


@pytest.mark.parametrize("similarity", [NUMBERS, CLUSTERS], ids=["kernel", "partition"])
@pytest.mark.parametrize(("change", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_named_with_its_value_and_the_rule(change, message, similarity):
    arguments = {"embeddings": Z, "images": IMAGES, "temperature": 0.1, **change}
    with pytest.raises(InputError, match="^" + re.escape(message)):
        weighted_cl_infonce(similarity=similarity, **arguments)


@pytest.mark.parametrize("form", ["out", "sincere"])
@pytest.mark.parametrize("change", [{}, {"weights": torch.zeros(3)}])
def test_a_batch_in_which_nothing_is_alike(form, change):
    images = torch.arange(3) if not change else torch.zeros(3, dtype=torch.int64)
    with pytest.raises(InputError, match="similarity gives none of the 3 embeddings a positive"):
        weighted_cl_infonce(Z[:3], images, STRANGERS, temperature=0.1, form=form, **change)


def test_a_similarity_elsewhere():
    with pytest.raises(InputError, match="similarity is on meta: must be where the embeddings are"):
        weighted_cl_infonce(Z, IMAGES, NUMBERS.to("meta"), temperature=0.1)


def test_a_bad_row_on_one_worker_raises_on_all(gloo):
    answers = gloo.run(2, one_bad_worker)
    assert answers[0] == "the input of 1 other worker(s) is bad: see the error there"
    assert answers[1] == "images row 1 is 9: must be 0 to 2"


def one_bad_worker():
    from clinfonce.losses import Workers

    workers = Workers.of()
    images = torch.tensor([0, 1] if workers.rank == 0 else [0, 9])
    try:
        weighted_cl_infonce(Z[:2], images, NUMBERS, temperature=0.1, workers=workers)
    except InputError as error:
        return str(error)
    return "no error"


def test_weights_of_numpy_are_no_reason_to_fail():
    values = np.array([0.0, np.float64(1), 2])
    loss = weighted_cl_infonce(Z, IMAGES, combine({"x": gaussian(values)}), temperature=0.1).loss
    assert loss.isfinite()
