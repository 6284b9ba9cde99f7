"""What is damaged is named when it is opened, and what was found right is not read again."""

import os
import pickle

import numpy as np
import pytest
from PIL import Image

from clinfonce.data import load, prepare_folder
from clinfonce.data.storage import checks, shards
from clinfonce.errors import InputError

N = 12


@pytest.fixture
def out(tmp_path, monkeypatch):
    """A data set of three shards, whose files were never compared on this machine."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 4 * 192)
    root = tmp_path / "root"
    root.mkdir()
    rng = np.random.default_rng(0)
    for i in range(N):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(root / f"{i}.png")
    lines = [f"{i}.png,{'ab'[i % 2]},{i / 2}" for i in range(N)]
    (tmp_path / "t.csv").write_text("\n".join(["path,label,price", *lines]))
    prepare_folder(root, tmp_path / "t.csv", tmp_path / "out", image_size=8, threads=1)
    (tmp_path / "out").rename(tmp_path / "copy")
    return tmp_path / "copy"


def flip(file, bit):
    content = bytearray(file.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)


@pytest.mark.parametrize("name", ["images-00001.arrow", "table.parquet", "metadata.json"])
def test_a_flipped_bit_anywhere_is_noticed(out, name):
    file = out / name
    content = file.read_bytes()
    load(out)
    rng = np.random.default_rng(0)
    for bit in rng.choice(8 * len(content), 100, replace=False).tolist():
        flip(file, bit)
        with pytest.raises(InputError, match=r"images-00001.arrow: damaged|not a complete|format"):
            load(out)
        file.write_bytes(content)
    load(out)


def test_pixels_that_were_inverted_are_noticed(out):
    file = out / "images-00002.arrow"
    content = file.read_bytes()
    pixels = load(out).images[8:12].tobytes()
    assert content.count(pixels) == 1
    file.write_bytes(content.replace(pixels, bytes(255 - b for b in pixels)))
    with pytest.raises(InputError, match=r"images-00002.arrow: damaged, its content is not what"):
        load(out)


def test_a_file_is_compared_once_as_long_as_it_does_not_change(out, monkeypatch):
    compared = []
    real = checks._compare
    monkeypatch.setattr(checks, "_compare", lambda f, s: compared.append(f.name) or real(f, s))
    table = load(out)
    assert sorted(compared) == [f"images-0000{i}.arrow" for i in range(3)]
    load(out)
    sent = pickle.loads(pickle.dumps(table))
    assert len(compared) == 3
    os.utime(out / "images-00001.arrow", ns=(1, 1))
    assert np.array_equal(load(out).images[:], sent.images[:])
    assert compared[3:] == ["images-00001.arrow"]


def test_what_was_just_prepared_is_not_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "_compare", lambda *_: pytest.fail("read again"))
    (tmp_path / "root").mkdir()
    for i in range(6):
        Image.new("RGB", (4, 4), (i, i, i)).save(tmp_path / f"root/{i}.png")
    (tmp_path / "t.csv").write_text("path\n" + "".join(f"{i}.png\n" for i in range(6)))
    load(prepare_folder(tmp_path / "root", tmp_path / "t.csv", tmp_path / "out",
                        image_size=4).folder)  # fmt: skip


def test_workers_trust_what_their_sender_compared_without_a_cache(out, monkeypatch, tmp_path):
    """A read-only home: nothing can be remembered, and nothing fails."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    table = load(out)
    sent = pickle.dumps(table)
    monkeypatch.setattr(checks, "_compare", lambda *_: pytest.fail("compared again"))
    assert len(pickle.loads(sent)) == N
