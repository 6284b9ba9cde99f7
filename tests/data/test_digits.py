"""The digits: fixed content, columns checked against independent measurements."""

import importlib.util

import numpy as np
import pytest
from scipy import ndimage

from clinfonce.data import SPLIT_NAMES, TRAIN, attributes, load
from clinfonce.errors import InputError
from clinfonce.information import measure

CLASS_COLUMNS = [*(f"segment_{s}" for s in "abcdefg"), "loop", "even", "prime", "above_four"]
IMAGE_COLUMNS = ["holes", "ink", "slant", "width", "mass_height", "symmetry"]


@pytest.fixture(scope="module")
def table():
    return load("digits")


def test_shape_and_split(table):
    assert table.images.shape == (1797, 1, 8, 8)
    assert table.images.dtype == np.uint8
    assert table.images.max() == 255
    sizes = [len(table.rows(code)) for code in range(len(SPLIT_NAMES))]
    assert sum(sizes) == 1797
    for code, share in enumerate((0.5, 0.2, 0.3)):
        assert sizes[code] / 1797 == pytest.approx(share, abs=0.005)
        counts = np.bincount(table.labels[table.rows(code)])
        assert counts / np.bincount(table.labels) == pytest.approx(share, abs=0.01)


def test_content_never_changes(table):
    assert table.fingerprint == "77ef29db1d92d007"
    assert table.fingerprint == load("digits").fingerprint


def test_they_are_the_same_where_scikit_learn_keeps_its_file_elsewhere(table, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert load("digits").fingerprint == table.fingerprint


def test_labels_are_no_column(table):
    assert list(table.columns) == CLASS_COLUMNS + IMAGE_COLUMNS
    assert all(c.description.endswith(".") for c in table.columns.values())
    for column in table.columns.values():
        codes = np.unique(column.values, return_inverse=True)[1]
        is_fact = measure(codes, table.labels).h_z_given_t == 0
        assert is_fact == (column.level == "class"), column.name
        assert column.name in (CLASS_COLUMNS if is_fact else IMAGE_COLUMNS)


def test_segments_tell_the_digits_apart(table):
    segments = [table.columns[f"segment_{s}"].values for s in "abcdefg"]
    first = [np.flatnonzero(table.labels == digit)[0] for digit in range(10)]
    lit = np.array(segments)[:, first].T
    assert lit.sum(axis=1).tolist() == [6, 2, 5, 5, 4, 5, 6, 3, 7, 6]
    assert len({tuple(row) for row in lit.tolist()}) == 10


def test_holes_as_scipy_labels_them(table):
    background = np.pad(table.images[:, 0] < 128, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    expected = [ndimage.label(image)[1] - 1 for image in background]
    assert table.columns["holes"].values.tolist() == expected
    zeros = table.labels == 0
    assert np.mean(table.columns["holes"].values[zeros] == 1) > 0.7


def test_statistics_as_a_plain_computation(table):
    y, x = np.mgrid[7:-1:-1, 0:8].astype(float)
    for row in range(0, 1797, 97):
        pixels = table.images[row, 0].astype(float)
        w = pixels / pixels.sum()
        mean_x, mean_y = (w * x).sum(), (w * y).sum()
        var_x = (w * (x - mean_x) ** 2).sum()
        var_y = (w * (y - mean_y) ** 2).sum()
        cov = (w * (x - mean_x) * (y - mean_y)).sum()
        found = {name: table.columns[name].values[row] for name in IMAGE_COLUMNS}
        assert found["ink"] == pytest.approx(pixels.mean() / 255)
        assert found["slant"] == pytest.approx(cov / var_y)
        assert found["width"] == pytest.approx(np.sqrt(var_x))
        assert found["mass_height"] == pytest.approx(mean_y / 7)
        mirrored = np.corrcoef(pixels.ravel(), pixels[:, ::-1].ravel())[0, 1]
        assert found["symmetry"] == pytest.approx(mirrored)


def test_numeric_columns_split_at_the_median(table):
    codes = attributes(table, table.rows(TRAIN))
    for name in IMAGE_COLUMNS[1:]:
        assert np.bincount(codes[name]) / len(codes[name]) == pytest.approx(0.5, abs=0.01)


def test_unknown_data_set_is_named():
    with pytest.raises(InputError, match=r"'digit'; did you mean 'digits'"):
        load("digit")
