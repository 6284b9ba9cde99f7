"""Images of 1 to 16 channels."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from clinfonce.cli import main
from clinfonce.data import load, prepare_folder
from clinfonce.errors import InputError

SIDE, N = 8, 6
RNG = np.random.default_rng(0)


@pytest.fixture
def prepare(tmp_path):
    """A function from the contents of image files and options to the images of the data set."""

    def prepare(*contents, **options):
        (tmp_path / "root").mkdir()
        for i in range(N):
            (tmp_path / f"root/{i}").write_bytes(contents[i % len(contents)])
        (tmp_path / "t.csv").write_text("path\n" + "".join(f"{i}\n" for i in range(N)))
        made = prepare_folder(
            tmp_path / "root", tmp_path / "t.csv", tmp_path / "out",
            image_size=SIDE, threads=1, **options,
        )  # fmt: skip
        return load(made.folder).images

    return prepare


def tiff(samples, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **({"photometric": "minisblack"} | options))
    return file.getvalue()


def saved(image, format="PNG"):
    file = io.BytesIO()
    image.save(file, format)
    return file.getvalue()


@pytest.mark.parametrize("storage", ["raw", "encoded"])
@pytest.mark.parametrize("channels", [2, 4, 5, 13, 16])
@pytest.mark.parametrize("layout", ["contig", "separate", "pages"])
def test_channels_are_kept_as_they_are(prepare, channels, layout, storage):
    samples = RNG.integers(0, 256, (SIDE, SIDE, channels), np.uint8)
    planes = np.ascontiguousarray(samples.transpose(2, 0, 1))
    if layout == "contig":
        content = tiff(samples, planarconfig="contig", extrasamples=[0] * (channels - 1))
    elif layout == "separate":
        content = tiff(planes, planarconfig="separate", extrasamples=[0] * (channels - 1))
    else:
        content = tiff(planes)
    images = prepare(content, channels=channels, storage=storage)
    assert images.shape == (N, channels, SIDE, SIDE)
    assert np.array_equal(images[0], planes)


def test_channels_of_16_bits_share_a_range(prepare):
    samples = (RNG.random((SIDE, SIDE, 5)) * 4095).round().astype(np.uint16)
    images = prepare(tiff(samples, planarconfig="contig"), channels=5)
    assert np.array_equal(images[1].transpose(1, 2, 0), np.rint(samples / 4095 * 255))


def test_alpha_is_a_channel_if_it_is_asked_for(prepare):
    samples = RNG.integers(0, 256, (SIDE, SIDE, 4), np.uint8)
    images = prepare(saved(Image.fromarray(samples)), tiff(samples, photometric="rgb"), channels=4)
    assert np.array_equal(images[0].transpose(1, 2, 0), samples)
    assert np.array_equal(images[1].transpose(1, 2, 0), samples)


def test_grey(prepare):
    samples = RNG.integers(0, 256, (SIDE, SIDE), np.uint8)
    red = Image.new("RGB", (SIDE, SIDE), (200, 0, 0))
    clear = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    images = prepare(saved(Image.fromarray(samples)), saved(red), saved(clear), channels=1)
    assert images.shape == (N, 1, SIDE, SIDE)
    assert np.array_equal(images[0, 0], samples)
    assert np.unique(images[1]).tolist() == [60]  # 0.299 of 200
    assert np.unique(images[2]).tolist() == [255]


@pytest.mark.parametrize(
    ("content", "channels", "message"),
    [
        (saved(Image.new("RGB", (SIDE, SIDE))), 4, r"3 channels .RGB., not 4"),
        (tiff(np.zeros((SIDE, SIDE, 5), np.uint8), planarconfig="contig"), 4, "5 channels, not 4"),
        (tiff(np.zeros((SIDE, SIDE, 5), np.uint8), planarconfig="contig"), 3,
         "5 channels; --channels 5 keeps them"),
        (saved(Image.new("L", (SIDE, SIDE))), 0, "channels must be 1 to 16, got 0"),
        (saved(Image.new("L", (SIDE, SIDE))), 17, "channels must be 1 to 16, got 17"),
    ],
)  # fmt: skip
def test_other_numbers_are_refused(prepare, content, channels, message):
    with pytest.raises(InputError, match=message):
        prepare(content, channels=channels)


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p").mkdir()
    for i in range(N):
        Image.new("L", (SIDE, SIDE), i).save(f"p/{i}.png")
    (tmp_path / "t.csv").write_text("path\n" + "".join(f"{i}.png\n" for i in range(N)))
    command = ["prepare", "folder", "--root", "p", "--table", "t.csv", "--size", "4"]
    assert main([*command, "--channels", "1", "--out", "out"]) == 0
    assert "of 1 x 4 x 4" in capsys.readouterr().out
    assert load("out").images.shape == (N, 1, 4, 4)
