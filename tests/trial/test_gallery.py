"""Test images as encoders see them."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image

from clinfonce import data, results
from clinfonce.cli import main
from clinfonce.data import TEST, Column
from clinfonce.errors import InputError
from clinfonce.models.saved import encoder_file
from clinfonce.trial.gallery import _recall, _texts_of, gallery_of

TRIAL = """\
name: one
data: {name: digits}
trial:
  clustering: {source: attributes, attributes: [loop, even]}
  augmentation: digits
  encoder: {width: 4}
  evaluation: {every: 1, draws: 2}
  epochs: 1
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A store with a trained trial, and one of instances with the same encoder."""
    folder = tmp_path_factory.mktemp("store")
    (folder / "one.yaml").write_text(TRIAL)
    home = folder / "results"
    assert main(["pretrain", str(folder / "one.yaml"), "--results", str(home)]) == 0
    opened = results.open(home)
    (row,) = opened.store.finished().values()
    other = {"trial_id": "0123456789ab", "source": "instances", "name": "InfoNCE"}
    other |= {"clustering": "instances", "clustering_id": "i" * 12, "number": 1}
    opened.store.write_trial({**row, **other}, [], None)
    shutil.copy(str(encoder_file(opened.store.folder, row["trial_id"])),
                str(encoder_file(opened.store.folder, "0123456789ab")))  # fmt: skip
    return home


@pytest.fixture(scope="module")
def gallery(home):
    return gallery_of(results.open(home))


def test_both_encoders_place_all_images_in_the_square(gallery):
    assert list(gallery.maps) == ["InfoNCE", "attributes(loop, even)"]
    assert gallery.n == len(data.load("digits").rows(TEST))
    for places in gallery.maps.values():
        assert np.shape(places) == (gallery.n, 2)
        assert (np.min(places, axis=0), np.max(places, axis=0)) == (
            pytest.approx([0, 0]),
            pytest.approx([1, 1]),
        )


def test_thumbnails_are_the_images_in_their_order(gallery):
    sheet = np.asarray(Image.open(io.BytesIO(gallery.atlas)).convert("L"), dtype=float)
    table, rows = data.load("digits"), np.sort(data.load("digits").rows(TEST))
    for place in (0, 30, gallery.n - 1):
        y, x = place // gallery.across * gallery.tile, place % gallery.across * gallery.tile
        tile = sheet[y : y + gallery.tile, x : x + gallery.tile]
        small = tile.reshape(8, gallery.tile // 8, 8, -1).mean(axis=(1, 3))
        assert np.abs(small - table.images[rows[place], 0]).mean() < 6


def test_neighbours_are_of_as_many_labels_as_possible_and_do_not_hold_the_image(gallery):
    labels = gallery.columns["label"]
    (one, two) = gallery.neighbours.values()
    assert one == two  # of the same encoder
    asked = [row[0] for row in one]
    assert len({labels[i] for i in asked}) == 10
    assert all(len(set(row)) == len(row) == 9 for row in one)
    assert all(0 < share <= 1 for share in gallery.recall.values())


def test_recall_is_the_share_of_equal_labels():
    assert _recall([[0, 1, 2], [2, 1, 0]], ["a", "a", "b"]) == 0.25


def test_values_are_few_texts():
    rows = np.arange(40)
    number = Column("n", "numeric", np.arange(40.0), missing=rows == 3)
    found = _texts_of(number, rows)
    assert (found[0], found[3], found[39]) == ("0 to 10.5", "unknown", "29.5 to 39")
    many = Column("m", "categorical", np.array([f"v{max(0, i - 20)}" for i in rows]))
    texts = _texts_of(many, rows)
    assert texts[0] == "v0"
    assert len(set(texts)) == 13


def test_the_page_holds_it(home, tmp_path, capsys):
    out = tmp_path / "page.html"
    assert main(["report", "--images", "--results", str(home), "--out", str(out)]) == 0
    text = out.read_text()
    for words in ("Map of test images", "Nearest neighbours", "data:image/jpeg;base64,"):
        assert words in text
    assert main(["report", "--results", str(home), "--out", str(out)]) == 0
    assert "Map of test images" not in out.read_text()


def test_an_encoder_that_was_not_kept_is_named(home, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(home, copy)
    for file in (copy / "encoders").glob("*.safetensors"):
        file.unlink()
    with pytest.raises(InputError, match="the encoder of this trial was not kept"):
        gallery_of(results.open(copy))
