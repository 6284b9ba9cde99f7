"""Images of every depth: what is white is found for the whole data set, or asked for."""

import io

import numpy as np
import pytest
import tifffile
from imagecodecs import png_encode
from PIL import Image

from clinfonce.data import load, prepare_folder
from clinfonce.data.image_files.decode import decode, deep_of
from clinfonce.data.image_files.depth import Seen, find_depths, given_range
from clinfonce.data.image_files.rendering import Rendering
from clinfonce.errors import InputError

SIDE = 16
RAMP = np.tile(np.linspace(0, 1, SIDE), (SIDE, 1))
GREY = np.rint(255 * RAMP[0])  # what a ramp from black to white is kept as


def tiff(samples, **options):
    file = io.BytesIO()
    grey = samples.ndim == 2 or samples.shape[2] not in (3, 4)
    options = {"photometric": "minisblack" if grey else "rgb"} | options
    tifffile.imwrite(file, samples, **options)
    return file.getvalue()


def png(samples):
    return png_encode(samples)


def saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def turned(samples):
    """The same, from right to left, so that no two images are alike."""
    return samples[:, ::-1].copy()


@pytest.fixture
def prepare(tmp_path):
    """A function from the contents of image files to the images of the data set."""

    def prepare(*contents, storage="raw", **options):
        (tmp_path / "root").mkdir()
        for i in range(6):
            (tmp_path / f"root/{i}").write_bytes(contents[i % len(contents)])
        (tmp_path / "t.csv").write_text("path\n" + "".join(f"{i}\n" for i in range(6)))
        made = prepare_folder(
            tmp_path / "root", tmp_path / "t.csv", tmp_path / "out",
            image_size=SIDE, storage=storage, threads=1, **options,
        )  # fmt: skip
        return made, load(made.folder).images[:]

    return prepare


def scaled(top, dtype):
    return (RAMP * top).round(0 if np.dtype(dtype).kind in "iu" else 9).astype(dtype)


DEPTHS = {
    "8 bits": (scaled(255, "u1"), tiff),
    "10 bits in 16": (scaled(1023, "u2"), tiff),
    "12 bits in 16": (scaled(4095, "u2"), tiff),
    "12 bits in 16, PNG": (scaled(4095, "u2"), png),
    "14 bits in 16": (scaled(16383, "u2"), tiff),
    "16 bits": (scaled(65535, "u2"), tiff),
    "16 bits, PNG": (scaled(65535, "u2"), png),
    "8 bits in 16": (scaled(255, "u2"), tiff),
    "1 bit in 16": ((RAMP > 0.5).astype("u2"), tiff),
    "8 bits in int32": (scaled(255, "i4"), tiff),
    "16 bits in int32": (scaled(65535, "i4"), tiff),
    "24 bits in uint32": (scaled(2**24 - 1, "u4"), tiff),
    "12 bits in int16": (scaled(4095, "i2"), tiff),
    "15 bits in int16": (scaled(32767, "i2"), tiff),
    "float to 1": (scaled(1, "f4"), tiff),
    "half float to 1": (scaled(1, "f2"), tiff),
    "double to 1": (scaled(1, "f8"), tiff),
    "float to 255": (scaled(255, "f4"), tiff),
    "float to 65535": (scaled(65535, "f4"), tiff),
    "float from -1 to 1": ((2 * RAMP - 1).astype("f4"), tiff),
    "12 bits packed": (scaled(4095, "u2"), lambda s: tiff(s, bitspersample=12)),
    "compressed": (scaled(4095, "u2"), lambda s: tiff(s, compression="lzw", predictor=True)),
    "PGM of 12 bits": (
        scaled(4095, "u2"), lambda s: b"P5 16 16 4095\n" + s.astype(">u2").tobytes()),
    "colour of 16 bits": (np.stack([scaled(65535, "u2")] * 3, 2), tiff),
    "colour of 12 bits in 16": (np.stack([scaled(4095, "u2")] * 3, 2), tiff),
    "colour of 12 bits in 16, PNG": (np.stack([scaled(4095, "u2")] * 3, 2), png),
    "colour of floats": (np.stack([scaled(1, "f4")] * 3, 2), tiff),
    "planes of 16 bits": (np.stack([scaled(4095, "u2")] * 3), lambda s: tiff(
        s, photometric="rgb", planarconfig="separate")),
}  # fmt: skip


@pytest.mark.parametrize("name", DEPTHS)
@pytest.mark.parametrize("storage", ["raw", "encoded"])
def test_black_to_white_is_kept_as_0_to_255(prepare, name, storage):
    samples, encode = DEPTHS[name]
    try:
        files = encode(samples), encode(turned(samples))
    except NotImplementedError:
        pytest.skip("this version of imagecodecs reads what it cannot write")
    made, images = prepare(*files, storage=storage)
    wanted = np.where(GREY > 127, 255, 0) if "1 bit" in name else GREY
    if name == "planes of 16 bits":  # whose rows are turned
        assert np.abs(images[0] - wanted).max() <= 1
        return
    assert np.abs(images[0] - wanted[None, None]).max() <= 1
    assert np.abs(images[1] - wanted[None, None, ::-1]).max() <= 1
    assert bool(made.notes) == (name not in ("8 bits", "12 bits packed"))


def test_white_is_that_of_the_data_set_not_of_the_image(prepare):
    """A dark image stays dark beside a bright one."""
    _, images = prepare(tiff(scaled(1000, "u2")), tiff(scaled(4000, "u2")))
    assert [int(images[i].max()) for i in (0, 1)] == [62, 249]


def test_depths_that_are_mixed_are_told_apart_by_where_they_end(prepare):
    made, images = prepare(
        *(tiff(scaled(top, "u2")) for top in (4095, 65535)),
        *(tiff(scaled(top, "f4")) for top in (1, 60000)),
    )
    assert np.abs(images[:3] - GREY).max() <= 1
    assert images[3].max() == round(255 * 60000 / 65535)
    assert "uint16 samples: 0 is black and 65535 is white" in made.notes[1]
    assert "4095 in the 2 that end there" in made.notes[1]


def test_the_user_says_what_is_white(prepare):
    _, images = prepare(tiff(scaled(1000, "u2")), depth="10")
    assert images.max() == round(255 * 1000 / 1023)


def test_the_user_says_what_is_black_and_white(prepare):
    _, images = prepare(tiff((RAMP * 2000 - 1000).astype("i2")), depth="-1000:1000")
    assert np.abs(images[0] - GREY).max() <= 1


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (scaled(4000, "i2") - 1000, "int16 samples go down to -1000 .'0'.: .*--depth -1000:3000"),
        (scaled(300, "f4") - 5, "float32 samples go down to -5"),
        (scaled(20, "u2"), "uint16 samples reach 20 at most .*--depth 0:20"),
        (scaled(3.7, "f4"), "float32 samples reach 3.7 at most"),
        (scaled(0.05, "f4"), "float32 samples reach 0.05 at most"),
    ],
)
def test_what_cannot_be_found_is_asked(prepare, samples, message):
    with pytest.raises(InputError, match=message):
        prepare(tiff(samples))


@pytest.mark.parametrize(
    "text", ["0", "33", "x", "5:", "5:5", "9:3", "0:inf", "nan:1", "", "1:2:3"][:]
)
def test_depths_that_are_refused(text):
    with pytest.raises(InputError, match="depth"):
        given_range(text)


def test_depths_that_are_given():
    assert given_range("12") == (0, 4095)
    assert given_range("-1000:3000.5") == (-1000, 3000.5)


def test_a_black_image_is_of_no_depth():
    depths = find_depths([Seen("a", "uint16", 0, 0), Seen("b", "uint16", 0, 4000)], None)
    assert depths.ranges == {"uint16": ((0, 4095),)}
    assert find_depths([Seen("a", "float32", 0, 0)], None).ranges == {"float32": ((0, 1),)}


def test_values_that_are_no_numbers_are_black(prepare):
    samples = scaled(1, "f4")
    samples[0, 8], samples[1, 8] = np.nan, np.inf
    _, images = prepare(tiff(samples))
    assert images[0, 0, 0, 8] == 0
    assert images[0, 0, 1, 8] == 255


def test_what_a_file_says_of_its_white_counts():
    content = tiff(scaled(2000, "u2"), extratags=[(281, 3, 1, 4095, True)])
    assert deep_of(io.BytesIO(content)).white == 4095
    ranges = {"uint16": ((0.0, 65535.0),)}
    pixels = decode(io.BytesIO(content), Rendering(SIDE, ranges=ranges))
    assert pixels.max() == round(255 * 2000 / 4095)
    pixels = decode(io.BytesIO(content), Rendering(SIDE, ranges=ranges, trusts_files=False))
    assert pixels.max() == round(255 * 2000 / 65535)
    brightest = tiff(scaled(2000, "u2"), extratags=[(281, 3, 1, 2000, True)])
    assert deep_of(io.BytesIO(brightest)).white is None


def test_inverted_and_turned_files_are_upright():
    ranges = {"uint16": ((0.0, 65535.0),)}
    samples = scaled(65535, "u2")
    plain = decode(io.BytesIO(tiff(samples)), Rendering(SIDE, ranges=ranges))
    content = tiff(samples, photometric="miniswhite")
    assert np.array_equal(255 - plain, decode(io.BytesIO(content), Rendering(SIDE, ranges=ranges)))
    for turn, wanted in ((3, plain[:, ::-1, ::-1]), (6, np.rot90(plain, -1, (1, 2))),
                         (8, np.rot90(plain, 1, (1, 2))), (2, plain[:, :, ::-1]),
                         (5, plain.transpose(0, 2, 1))):  # fmt: skip
        content = tiff(samples, extratags=[(274, 3, 1, turn, True)])
        found = decode(io.BytesIO(content), Rendering(SIDE, ranges=ranges))
        assert np.array_equal(found, wanted), turn


def test_ordinary_files_are_not_deep(tmp_path):
    image = Image.new("RGB", (4, 4))
    for format in ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"):
        assert deep_of(io.BytesIO(saved(image, format))) is None, format
    for mode in ("1", "L", "LA", "P", "RGBA", "CMYK"):
        format = "TIFF" if mode == "CMYK" else "PNG"
        assert deep_of(io.BytesIO(saved(Image.new(mode, (4, 4)), format))) is None, mode


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            lambda: tiff(np.zeros((4, 4, 5), "u2"), planarconfig="contig"),
            "5 channels; --channels 5 keeps them",
        ),
        (lambda: tiff(np.zeros((4, 4, 4), "u2"), photometric="separated"), "colours of SEPARATED"),
        (lambda: tiff(np.zeros((4, 4), "c8")), "samples of type complex64"),
        (lambda: tiff(np.ones((40, 40), "f4"))[:300], "not a readable image|not an image"),
        (lambda: b"II*\0" + bytes(40), "not a readable image|not an image"),
    ],
)
def test_deep_files_that_cannot_be_read(prepare, content, message):
    with pytest.raises(InputError, match=message):
        prepare(content())


def test_a_bomb_of_deep_samples(prepare):
    content = bytearray(tiff(np.zeros((4, 4, 3), "f2")))
    with tifffile.TiffFile(io.BytesIO(bytes(content))) as file:
        for name in ("ImageWidth", "ImageLength"):
            tag = file.pages[0].tags[name]
            size = 2 if tag.dtype == 3 else 4
            content[tag.valueoffset : tag.valueoffset + size] = (60_000).to_bytes(size, "little")
    with pytest.raises(InputError, match="60000 x 60000 pixels are more than"):
        prepare(bytes(content))


def test_old_data_sets_are_read_as_they_were(prepare, tmp_path):
    """Those that do not say how: 16 bits are whole, transparency is dropped."""
    import json

    clear = np.zeros((SIDE, SIDE, 4), "u1")
    clear[..., 0] = 77
    made, _ = prepare(
        png(scaled(4095, "u2")), saved(Image.fromarray(clear), "PNG"), storage="encoded"
    )
    file = tmp_path / "out/metadata.json"
    metadata = json.loads(file.read_text())
    for name in ("rendering", "digest", "table_digest"):
        del metadata[name]
    for shard in metadata["shards"]:
        del shard["content"]
    file.write_text(json.dumps(metadata | {"format": 2}))
    table = load(made.folder)
    assert table.images[0].max() == 16
    assert table.images[1, :, 0, 0].tolist() == [77, 0, 0]
    assert table.fingerprint == metadata["fingerprint"]
    shard = tmp_path / "out/images-00000.arrow"
    content = shard.read_bytes()
    place = content.index(b"IHDR")
    shard.write_bytes(content[:place] + b"X" + content[place + 1 :])
    with pytest.raises(InputError, match=r"images-00000.arrow: damaged"):
        load(made.folder)
