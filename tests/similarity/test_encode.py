import doctest
import importlib

import numpy as np
import pytest
import torch

from clinfonce.errors import InputError
from clinfonce.similarity import KERNELS, combine, encode, gaussian, great_circle, kernel_options


def test_a_kernel_is_found_by_its_name():
    rows = torch.arange(3)
    for named, direct in [
        (encode("gaussian", [1.0, 2, 4], bandwidth=0.5), gaussian([1.0, 2, 4], bandwidth=0.5)),
        (encode("great_circle", [1.0, 2, 4], [9.0, 8, 7]), great_circle([1.0, 2, 4], [9.0, 8, 7])),
    ]:
        one, other = (combine({"x": column}).weights(rows, rows) for column in (named, direct))
        assert one.equal(other)


def test_options_are_those_of_the_kernels():
    assert {name: list(kernel_options(name)) for name in KERNELS} == {
        "equal": ["bandwidth"],
        "differences": ["bandwidth"],
        "jaccard": ["power", "idf"],
        "gaussian": ["bandwidth", "unit"],
        "cyclic": ["period", "bandwidth"],
        "great_circle": ["bandwidth"],
        "common_ancestor": ["power"],
        "cosine": ["bandwidth"],
    }


BAD = [
    (("gausian", [1.0]), {}, "price: unknown kernel: 'gausian'; did you mean 'gaussian'? (known: "),
    (
        ("gaussian", [1.0]),
        {"power": 2},
        "price: unknown option of kernel 'gaussian': 'power' (known",
    ),
    (("cyclic", [1.0]), {}, "price: kernel 'cyclic' needs its period"),
    (
        ("gaussian", [1.0]),
        {"bandwidth": 0},
        "price: bandwidth is 0: must be a finite number above 0",
    ),
    (("cosine", None), {}, "price: a text has no kernel of its own: bring embeddings (n, d) of it"),
]


@pytest.mark.parametrize(("arguments", "options", "message"), BAD, ids=[m for _, _, m in BAD])
def test_mistakes_are_named_with_the_column(arguments, options, message):
    with pytest.raises(InputError) as caught:
        encode(*arguments, name="price", **options)
    assert str(caught.value).startswith(message)


def test_missing_values_go_through():
    column = encode("equal", [1, 2], unknown=np.array([True, False]), missing="alike")
    assert column.unknown.tolist() == [True, False]
    assert column.missing == "alike"


@pytest.mark.parametrize(
    "module",
    ["similarity.dates", "similarity.kernels", "similarity.numbers", "losses.adversary",
     "losses.terms", "information._pairs", "information._conditional"],
)  # fmt: skip
def test_the_examples_in_the_docstrings_are_right(module):
    found = doctest.testmod(importlib.import_module(f"clinfonce.{module}"))
    assert found.attempted > 0
    assert found.failed == 0
