"""Any table at all: a data set comes out, or one line that says what is wrong."""

import csv
import io
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from clinfonce.data import load, prepare_folder
from clinfonce.errors import InputError
from clinfonce.information.columns import measure_columns

N = 6
VALUES = st.one_of(
    st.sampled_from(
        ["", "NA", "nan", "1", "0", "yes", "-1", "a|b", "a/b", "a/b|c/d", ";", "/", "1e999", "inf"]
    ),
    st.floats().map(str),
    st.integers().map(str),
    st.text(max_size=8),
)
NAMES = st.sampled_from(["label", "split", "colour", "price", "tags", "path", "", "label ", "ä"])
PATHS = st.one_of(
    st.sampled_from([*(f"{i}.png" for i in range(N)), "../0.png", "/etc/passwd", "text.jpg", "."]),
    st.text(max_size=6),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "photos").mkdir()
    for i in range(N):
        Image.new("RGB", (4, 4), (40 * i, 0, 0)).save(folder / f"photos/{i}.png")
    (folder / "photos/text.jpg").write_text("no picture")
    return folder


@st.composite
def tables(draw):
    """A CSV whose paths are right more often than not."""
    names = draw(st.lists(NAMES, max_size=4, unique=True))
    good = draw(st.booleans())
    n = draw(st.integers(0, 8))
    rows = [
        [f"{i % N}.png" if good else draw(PATHS), *(draw(VALUES) for _ in names)] for i in range(n)
    ]
    text = io.StringIO()
    csv.writer(text).writerows([["path", *names], *rows])
    return text.getvalue().encode("utf-8", "replace")


def check_line(error):
    assert len(str(error).splitlines()) == 1, str(error)


def check(root: Path, content: bytes, skip_bad: bool) -> None:
    table, out = root / "table.csv", root / "out"
    table.write_bytes(content)
    try:
        made = prepare_folder(
            root / "photos", table, out, image_size=2, threads=1, skip_bad=skip_bad
        )
        loaded = load(made.folder)
        assert len(loaded) == made.n_images > 0
        assert loaded.images[:].shape == loaded.images.shape
        assert loaded.fingerprint == made.table.fingerprint
        for column in loaded.columns.values():
            assert column.values.tolist() == made.table.columns[column.name].values.tolist()
    except InputError as error:
        check_line(error)
        assert not out.exists()
    finally:
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(root / "out.partial", ignore_errors=True)


FUZZ = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(content=tables(), skip_bad=st.booleans())
def test_any_table(root, content, skip_bad):
    check(root, content, skip_bad)


@FUZZ
@given(content=st.binary(max_size=60), skip_bad=st.booleans())
def test_any_bytes(root, content, skip_bad):
    check(root, b"path,x\n0.png," + content, skip_bad)
    check(root, content, skip_bad)


@FUZZ
@given(content=tables())
def test_information_of_any_table(root, content):
    table = root / "table.csv"
    table.write_bytes(content)
    try:
        (found,) = measure_columns(table, ["price"], "label")
        assert found.estimate.information.h_z >= 0
    except InputError as error:
        check_line(error)
