"""Transparent images, and images that look wrong or alike."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from clinfonce.data import load, prepare_folder
from clinfonce.data.image_files.decode import decode
from clinfonce.data.image_files.looks import Looks, look_of
from clinfonce.data.image_files.rendering import Rendering, colour
from clinfonce.errors import InputError

SIDE = 8
# A half that is opaque and red (grey), a half that is transparent and black.
RGBA = np.zeros((SIDE, SIDE, 4), np.uint8)
RGBA[:, :4] = (200, 0, 0, 255)


def saved(image, format="PNG", **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def palette():
    image = Image.new("P", (SIDE, SIDE), 1)
    image.putpalette([200, 0, 0, 0, 0, 0])
    image.paste(0, (0, 0, 4, SIDE))
    return image


def one_bit():
    image = Image.new("1", (SIDE, SIDE), 0)
    image.paste(1, (0, 0, 4, SIDE))
    return image


TRANSPARENT = {
    "RGBA": saved(Image.fromarray(RGBA)),
    "RGBA, TIFF": saved(Image.fromarray(RGBA), "TIFF"),
    "RGBA, WebP": saved(Image.fromarray(RGBA), "WEBP", lossless=True),
    "LA": saved(Image.fromarray(RGBA[..., [0, 3]].copy(), "LA")),
    "palette": saved(palette(), transparency=1),
    "palette, shades": saved(palette(), transparency=bytes([255, 0])),
    "GIF": saved(palette(), "GIF", transparency=1),
    "RGB with a clear colour": saved(Image.fromarray(RGBA[..., :3].copy()), transparency=(0, 0, 0)),
    "grey with a clear shade": saved(Image.fromarray(RGBA[..., 0].copy()), transparency=0),
    "1 bit with a clear shade": saved(one_bit(), transparency=0),
}


def deep_png(samples, clear=None):
    """A PNG of 16 bits a sample, with a clear colour."""
    import struct
    import zlib

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    height, width, channels = samples.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    marks = b"" if clear is None else chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + marks
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))  # fmt: skip


DEEP = RGBA.astype(np.uint16) * 257
TRANSPARENT |= {
    "RGBA of 16 bits": deep_png(DEEP),
    "LA of 16 bits": deep_png(DEEP[..., [0, 3]]),
    "RGB of 16 bits with a clear colour": deep_png(DEEP[..., :3], clear=(0, 0, 0)),
    "grey of 16 bits with a clear shade": deep_png(DEEP[..., :1], clear=(0,)),
}


@pytest.mark.parametrize("name", TRANSPARENT)
@pytest.mark.parametrize(("ground", "shade"), [("white", 255), ("#0a0a0a", 10)])
def test_transparent_images_are_laid_on_a_ground(name, ground, shade):
    ranges = {"uint16": ((0.0, 65535.0),)}
    pixels = decode(io.BytesIO(TRANSPARENT[name]), Rendering(SIDE, 3, colour(ground), ranges))
    assert np.unique(pixels[:, :, 6]).tolist() == [shade]
    assert pixels[0, 0, 1] == (255 if "1 bit" in name else 200)


def test_half_transparent_pixels_are_mixed():
    image = Image.new("RGBA", (SIDE, SIDE), (0, 100, 200, 51))
    pixels = decode(io.BytesIO(saved(image)), Rendering(SIDE))
    assert pixels[:, 0, 0].tolist() == [204, 224, 244]


def test_colours():
    assert colour("White") == (255, 255, 255)
    assert colour("#0A10ff") == colour("0a10FF") == (10, 16, 255)
    for text in ("", "#fff", "#12345g", "green-ish"):
        with pytest.raises(InputError, match="background"):
            colour(text)


def photo(seed, side=96):
    """A drawing that is unlike all others."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (side, side), tuple(rng.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        a, b = rng.integers(0, side, (2, 2))
        box = [*np.minimum(a, b).tolist(), *np.maximum(a, b).tolist()]
        draw.ellipse(box, fill=tuple(rng.integers(0, 256, 3).tolist()))
    return image


def test_findings_are_counted_named_and_listed(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    images = {f"{i}.png": photo(i) for i in range(6)}
    images |= {
        "grey.png": Image.new("RGB", (9, 9), (90, 90, 90)),
        "dark.png": Image.fromarray((np.asarray(photo(7)) // 9).astype(np.uint8)),
        "copy.png": photo(1),
        "small.jpg": photo(2).resize((60, 60)),
        "brighter.png": Image.fromarray((np.asarray(photo(3)) // 2 + 60).astype(np.uint8)),
        "mirrored.png": photo(4).transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    }
    test = {"grey.png", "dark.png", "copy.png", "small.jpg", "brighter.png", "mirrored.png"}
    lines = ["path,split"]
    for name, image in images.items():
        image.save(root / name, quality=60)
        split = "validation" if name == "5.png" else "test" if name in test else "train"
        lines.append(f"{name},{split}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    made = prepare_folder(root, tmp_path / "t.csv", tmp_path / "out", image_size=64)
    found = made.to_json()["images"]
    assert found["constant"] == {"n": 1, "such_as": ["grey.png"]}
    assert found["nearly_black"] == {"n": 1, "such_as": ["dark.png"]}
    assert found["equal"] == {"n": 1, "such_as": [["1.png", "copy.png"]]}
    near = {tuple(pair) for pair in found["near_duplicates_across_splits"]["such_as"]}
    assert near == {("1.png", "copy.png"), ("2.png", "small.jpg"), ("3.png", "brighter.png")}
    summary = "\n".join(made.summary)
    for text in ("1 image is of one colour all over, such as 'grey.png'",
                 "1 image is nearly black, such as 'dark.png'",
                 "1 image equals an earlier one, such as 'copy.png' (as '1.png')",
                 "3 images are near-duplicates of one in another split, such as",
                 "'copy.png' (test) of '1.png' (train)",
                 "lookalikes.csv"):  # fmt: skip
        assert text in summary
    with (tmp_path / "out/lookalikes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert rows[-2] == {
        "kind": "near-duplicate", "path": "small.jpg", "split": "test",
        "other_path": "2.png", "other_split": "train",
    }  # fmt: skip
    assert load(made.folder).name == "out"


def test_nothing_is_said_of_a_folder_without_them(tmp_path):
    (tmp_path / "root").mkdir()
    for i in range(6):
        photo(i).save(tmp_path / f"root/{i}.png")
    (tmp_path / "t.csv").write_text("path\n" + "".join(f"{i}.png\n" for i in range(6)))
    made = prepare_folder(tmp_path / "root", tmp_path / "t.csv", tmp_path / "out", image_size=64)
    assert len(made.summary) == 1
    assert not (tmp_path / "out/lookalikes.csv").exists()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_near_duplicates_are_those_of_a_plain_loop(data):
    """Noisy copies of two drawings, and a flat one."""
    n = data.draw(st.integers(1, 12))
    rng = np.random.default_rng(data.draw(st.integers(0, 3)))
    drawings = [*rng.integers(40, 200, (2, 8, 9)), np.full((8, 9), 90)]
    picked = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    noise = data.draw(st.sampled_from([0, 2, 8, 20]))
    thumbnails = np.stack([drawings[k] + rng.integers(-noise, noise + 1, (8, 9)) for k in picked])
    split = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), np.int8)
    looks = Looks([b""] * n, thumbnails.astype(np.uint8), *np.zeros((2, n), np.bool_))
    found = looks.near(split)
    wanted = {(row, code): best for row in range(n) for code in range(split[row])
              if (best := nearest(thumbnails, split, row, code)) is not None}  # fmt: skip
    assert len(found) == len(wanted)
    for earlier, later in found:
        best = wanted[later, split[earlier]]
        assert correlation(thumbnails, earlier, later) == pytest.approx(best, abs=1e-9)


def correlation(thumbnails, a, b):
    return np.corrcoef(thumbnails[a].ravel(), thumbnails[b].ravel())[0, 1]


def nearest(thumbnails, split, row, code):
    varied = [i for i in range(len(split)) if thumbnails[i].std() > 2]
    others = [i for i in varied if split[i] == code]
    if row not in varied or not others:
        return None
    best = max(correlation(thumbnails, i, row) for i in others)
    return best if best >= 0.985 else None


def test_a_look_says_the_pixels_and_the_flags():
    black, dark, bright = (np.zeros((3, 4, 4), np.uint8) for _ in range(3))
    dark[0, 0, 0], bright[0, 0, 0] = 31, 32
    looks = Looks.of_texts([look_of(pixels) for pixels in (black, dark, bright, black)])
    assert looks.constant.tolist() == [True, False, False, True]
    assert looks.dark.tolist() == [True, True, False, True]
    assert looks.equal() == [(0, 3)]
