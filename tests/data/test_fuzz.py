"""Any table at all: a data set comes out, or one line that says what is wrong."""

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
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


# Whole tables, whose values are known, with images whose colours are: written in a way that some
# spreadsheet, database or script writes, prepared, loaded and compared.

NOTHING = ("", "NA", "#N/A", "<NA>", "None", "null", "-", "?", "NaT", "#DIV/0!")
LABELS = ("cat", "dog", "NA", "null", "café", "cafe\u0301 noir", "7", "True", "a,b", "a;b", 'a"b')
WORDS = ("red", "dark green", "Straße", "NA", "-", 'say "hi"', "two\nlines", "x, y", "=1+1")
TAGS = ("tree", "on table", "Straße", "AC-DC", "x")
STEPS = ("animal", "cat", "große Katze", "7")
PAIRS = (("yes", "no"), ("TRUE", "FALSE"), ("t", "f"), ("1", "0"), ("True", "False"))
KINDS = {
    "boolean": st.booleans(),
    "numeric": st.integers(-4000, 4000).map(lambda i: i + 0.5),
    "categorical": st.sampled_from(WORDS),
    "tags": st.frozensets(st.sampled_from(TAGS), min_size=1, max_size=3),
    "hierarchy": st.lists(st.sampled_from(STEPS), min_size=2, max_size=3).map(tuple),
}


@st.composite
def models(draw):
    """Labels, columns of a kind with some values missing, and a colour an image."""
    n = draw(st.integers(6, 9))
    names = draw(st.lists(st.sampled_from(LABELS), min_size=2, max_size=2, unique=True))
    columns = {}
    for number in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(sorted(KINDS)))
        values = [draw(st.none() | KINDS[kind]) for _ in range(n)]
        values[0] = draw(KINDS[kind])
        columns[f"c{number}" if number else "ein Wért"] = (kind, values)
    images = [draw(st.sampled_from(sorted(IMAGES))) for _ in range(n)]
    shades = [draw(st.integers(0, 255)) for _ in range(n)]
    return [names[i % 2] for i in range(n)], columns, images, shades


def clear_image(shade):
    return Image.new("RGBA", (4, 4), (shade, 0, 0, 0 if shade < 40 else 255))


def palette_image(shade):
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, shade, 10, 20])
    return image


IMAGES = {
    "L": (lambda v: Image.new("L", (4, 4), v), lambda v: [v, v, v], "png"),
    "RGB": (lambda v: Image.new("RGB", (4, 4), (v, 0, 9)), lambda v: [v, 0, 9], "png"),
    "RGBA": (clear_image, lambda v: [255, 255, 255] if v < 40 else [v, 0, 0], "png"),
    "P": (palette_image, lambda v: [v, 10, 20], "gif"),
    "1": (lambda v: Image.new("1", (4, 4), v > 99), lambda v: [255 * (v > 99)] * 3, "png"),
    "I;16": (lambda v: Image.fromarray(np.full((4, 4), 257 * v, np.uint16)),
             lambda v: [v, v, v], "tif"),
}  # fmt: skip


@st.composite
def ways(draw):
    """How a table is written."""
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"]))
    return {
        "delimiter": delimiter,
        "comma": delimiter != "," and draw(st.booleans()),
        "quote_all": draw(st.booleans()),
        "encoding": draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])),
        "end": draw(st.sampled_from(["\n", "\r\n", "\r"])),
        "pair": draw(st.sampled_from(PAIRS)),
        "tags": draw(st.sampled_from(["json", "python", "|", ";"])),
        "nothing": draw(st.lists(st.sampled_from(NOTHING), min_size=1, max_size=3)),
        "blank": draw(st.booleans()),
        "index": draw(st.booleans()),
    }


def written(kind, value, way):
    """A value as a text, without quotes around it."""
    match kind:
        case "boolean":
            return way["pair"][0 if value else 1]
        case "numeric":
            return str(value).replace(".", ",") if way["comma"] else str(value)
        case "tags":
            tags = sorted(value, reverse=True)
            if way["tags"] in "|;":
                return f" {way['tags']} ".join(tags) + way["tags"]
            return json.dumps(tags) if way["tags"] == "json" else str(tags)
        case "hierarchy":
            return " / ".join(value)
    return value


def cell(text, way, is_word=False):
    special = set('"\n\r' + way["delimiter"])
    if way["quote_all"] or is_word or special & set(text) or text in NOTHING:
        return '"' + text.replace('"', '""') + '"'
    return f" {text} " if way["blank"] else text


def as_csv(model, way):
    labels, columns, images, _ = model
    rows = [["", "path", "label", *columns]]
    for i, label in enumerate(labels):
        row = [str(i), cell(f"{i}.{IMAGES[images[i]][2]}", way), cell(label, way, True)]
        for kind, values in columns.values():
            known = values[i] is not None
            row.append(cell(written(kind, values[i], way), way) if known
                       else way["nothing"][i % len(way["nothing"])])  # fmt: skip
        rows.append(row)
    if not way["index"]:
        rows = [row[1:] for row in rows]
    lines = (way["delimiter"].join(row) for row in rows)
    return (way["end"].join(lines) + way["end"]).encode(way["encoding"])


def as_parquet(model, way):
    labels, columns, images, _ = model
    arrays = {"path": [f"{i}.{IMAGES[mode][2]}" for i, mode in enumerate(images)], "label": labels}
    for name, (kind, values) in columns.items():
        if kind == "tags":
            arrays[name] = [None if v is None else list(v) for v in values]
        elif kind == "hierarchy":
            arrays[name] = [None if v is None else "/".join(v) for v in values]
        else:
            arrays[name] = values
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(arrays), sink)
    return sink.getvalue()


def composed(text):
    import unicodedata

    return unicodedata.normalize("NFC", text)


def expected(kind, value):
    if isinstance(value, frozenset):
        return tuple(sorted(value))
    return composed(value) if kind == "categorical" else value


@settings(parent=FUZZ, max_examples=50)
@given(model=models(), way=ways(), typed=st.booleans(), told=st.booleans())
def test_values_that_are_known_arrive(root, model, way, typed, told):
    labels, columns, images, shades = model
    folder, out = root / "drawn", root / "out"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for i, (mode, shade) in enumerate(zip(images, shades, strict=True)):
        draw, _, suffix = IMAGES[mode]
        draw(shade).save(folder / f"{i}.{suffix}")
    table = folder / ("t.parquet" if typed else "t.csv")
    table.write_bytes(as_parquet(model, way) if typed else as_csv(model, way))
    # Words are not told apart from the like of tags without being told; all else is.
    kinds = {name: kind for name, (kind, _) in columns.items() if told or kind == "categorical"}
    try:
        made = prepare_folder(folder, table, out, image_size=4, threads=1, types=kinds, depth="16")
        loaded = load(made.folder)
        pixels = loaded.images[:]
    finally:
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(root / "out.partial", ignore_errors=True)
    assert [loaded.label_names[code] for code in loaded.labels] == list(map(composed, labels))
    assert list(loaded.columns) == list(columns)
    for name, (kind, values) in columns.items():
        column = loaded.columns[name]
        assert column.present.tolist() == [value is not None for value in values]
        found = [v for v, here in zip(column.values.tolist(), column.present, strict=True) if here]
        assert found == [expected(kind, value) for value in values if value is not None]
    wanted = [IMAGES[mode][1](shade) for mode, shade in zip(images, shades, strict=True)]
    assert pixels[:, :, 1, 1].tolist() == wanted
