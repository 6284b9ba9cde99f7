"""A user's folder: what is packed, what is refused, how broken-off work goes on."""

import csv
import json
import os
import pickle
import re

import numpy as np
import pytest
from PIL import Image

from clinfonce.data import SPLIT_NAMES, attributes, load, prepare_folder
from clinfonce.data.prepared import packing as _packing
from clinfonce.data.storage import shards
from clinfonce.data.storage.images import PackedImages
from clinfonce.errors import InputError

N = 24


def write_table(file, rows, names=None):
    names = names or list(rows[0])
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, names, delimiter="\t" if file.suffix == ".tsv" else ",")
        writer.writeheader()
        writer.writerows(rows)


def make_rows():
    return [
        {
            "path": f"pictures/{i:02}.png",
            "label": ["cat", "dog"][i % 2],
            "wild": ["yes", "no"][i % 3 == 0],
            "legs": i % 4,
            "weight": "" if i == 5 else i + 0.5,
            "seen": "tree|Straße" if i % 2 else "sea",
            "kind": f"animal/mammal/{i % 2}",
            "keeper": f"Zoë {i % 5}",
        }
        for i in range(N)
    ]


@pytest.fixture
def folder(tmp_path):
    """Images of one grey level each, i * 10."""
    root = tmp_path / "root"
    (root / "pictures").mkdir(parents=True)
    for i in range(N):
        Image.new("RGB", (12, 8 + i % 3), (i * 10, 0, 255)).save(root / f"pictures/{i:02}.png")
    write_table(root / "table.csv", make_rows())
    return root


def prepare(folder, table="table.csv", out="out", **options):
    options = {"image_size": 4, "threads": 1} | options
    return prepare_folder(folder, folder / table, folder.parent / out, **options)


def with_rows(folder, change):
    """The table after `change(rows)`."""
    rows = make_rows()
    change(rows)
    write_table(folder / "table.csv", rows, list(dict.fromkeys(k for r in rows for k in r)))


def test_everything_arrives(folder):
    made = prepare(folder)
    assert (made.n_images, made.skipped) == (N, {})
    table = load(made.folder)
    assert table.name == "out"
    assert table.images.shape == (N, 3, 4, 4)
    assert isinstance(table.images, PackedImages)
    assert table.images[:, :, 2, 2].tolist() == [[i * 10, 0, 255] for i in range(N)]
    assert table.label_names == ("cat", "dog")
    assert table.labels.tolist() == [0, 1] * (N // 2)
    kinds = {name: column.kind for name, column in table.columns.items()}
    assert kinds == {
        "wild": "boolean",
        "legs": "categorical",
        "weight": "numeric",
        "seen": "tags",
        "kind": "hierarchy",
        "keeper": "categorical",
    }
    assert table.columns["wild"].values.tolist() == [i % 3 != 0 for i in range(N)]
    assert table.columns["weight"].values[6] == 6.5
    assert np.flatnonzero(table.columns["weight"].missing).tolist() == [5]
    assert table.columns["seen"].values[1] == ("Straße", "tree")
    assert table.columns["kind"].values[1] == ("animal", "mammal", "1")
    assert table.columns["keeper"].values[3] == "Zoë 3"
    levels = {name for name, column in table.columns.items() if column.level == "class"}
    assert levels == {"seen", "kind"}
    assert [len(table.rows(code)) for code in range(3)] == [12, 4, 8]
    assert set(attributes(table, table.rows(0))) == {"wild", "legs", "weight", "keeper"}


def test_stored_fingerprint_is_the_computed_one(folder):
    table = load(prepare(folder).folder)
    stored = table.fingerprint
    del table.__dict__["fingerprint"]
    assert table.fingerprint == stored


def test_types_can_be_given(folder):
    made = prepare(folder, types={"legs": "numeric", "kind": "categorical"})
    columns = load(made.folder).columns
    assert columns["legs"].values.dtype == float
    assert columns["kind"].values[0] == "animal/mammal/0"


def test_several_paths_to_one_place(folder):
    def change(rows):
        for i, row in enumerate(rows):
            row["kind"] = "animal/cat;pet/cat" if i % 2 else "animal/wolf"
            row["seen"] = "on a/c|off" if i % 2 else "off"  # not all are paths: these are tags

    with_rows(folder, change)
    columns = load(prepare(folder).folder).columns
    assert columns["kind"].kind == "hierarchy"
    assert columns["kind"].values[0] == (("animal", "wolf"),)
    assert columns["kind"].values[1] == (("animal", "cat"), ("pet", "cat"))
    assert columns["kind"].example == "animal/wolf"
    assert (columns["seen"].kind, columns["seen"].values[1]) == ("tags", ("off", "on a/c"))


@pytest.mark.parametrize("suffix", [".tsv", ".parquet"])
def test_other_tables(folder, suffix):
    rows = make_rows()
    if suffix == ".tsv":
        write_table(folder / "table.tsv", rows)
    else:
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        for row in rows:
            row["weight"] = None if row["weight"] == "" else row["weight"]
            row["seen"] = row["seen"].split("|")
            row["wild"] = row["wild"] == "yes"
        parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "table.parquet")
    first = load(prepare(folder).folder)
    second = load(str(prepare(folder, f"table{suffix}", "other").folder))
    assert first.fingerprint == second.fingerprint


def test_split_is_taken_over_and_validation_held_out(folder):
    def change(rows):
        for i, row in enumerate(rows):
            row["split"] = "Test" if i >= 16 else "train"

    with_rows(folder, change)
    table = load(prepare(folder).folder)
    assert table.rows(SPLIT_NAMES.index("test")).tolist() == list(range(16, N))
    assert len(table.rows(1)) == 4
    assert set(table.labels[table.rows(1)].tolist()) == {0, 1}


def test_no_labels(folder):
    with_rows(folder, lambda rows: [row.pop("label") for row in rows])
    table = load(prepare(folder).folder)
    assert table.labels is None
    assert [len(table.rows(code)) for code in range(3)] == [12, 5, 7]
    assert {column.level for column in table.columns.values()} == {"image"}


def test_images_are_upright_centred_and_of_any_mode(folder):
    pictures = folder / "pictures"
    turned = Image.new("RGB", (40, 20))
    turned.paste((250, 0, 0), (0, 0, 20, 20))  # left half red; turned right by EXIF it is on top
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(pictures / "00.png", exif=exif)
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(pictures / "01.png")
    Image.new("L", (30, 10), 77).save(pictures / "02.png")
    Image.new("RGBA", (10, 30), (9, 8, 7, 128)).save(pictures / "03.png")
    Image.new("P", (10, 10), 0).save(pictures / "04.png")
    images = load(str(prepare(folder, image_size=8).folder)).images
    assert images[0, 0, 0].min() > 240
    assert images[0, 0, 7].max() < 10
    assert set(images[1].ravel().tolist()) == {156}  # 40000 / 257 = 155.6
    assert set(images[2].ravel().tolist()) == {77}
    assert images[3, :, 4, 4].tolist() == [132, 131, 131]  # half of it, and half white


BAD_IMAGES = {
    "text": lambda f: f.write_text("no image"),
    "empty": lambda f: f.write_bytes(b""),
    "truncated": lambda f: f.write_bytes(_noise()[:3000]),
    "folder": lambda f: f.mkdir(),
    "missing": lambda f: None,
    "pipe": os.mkfifo,
    "bomb": lambda f: f.write_bytes(_bomb()),
    "outside": lambda f: f.symlink_to("/etc/hostname"),
}


def _noise():
    from io import BytesIO

    buffer = BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _bomb():
    """A PNG whose header claims 60,000 x 60,000 pixels."""
    import struct
    import zlib

    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + _noise()[33:]


def test_a_text_is_no_image(folder):
    (folder / "pictures/07.png").write_text("no image")
    with pytest.raises(InputError, match=r"'pictures/07.png': not an image \(BMP, GIF, JPEG"):
        prepare(folder)


@pytest.mark.parametrize("kind", BAD_IMAGES)
def test_bad_images_are_named_or_counted(folder, kind):
    (folder / "pictures/07.png").unlink()
    BAD_IMAGES[kind](folder / "pictures/07.png")
    with pytest.raises(InputError, match=r"table.csv, line 9: 'pictures/07.png': .*skip_bad"):
        prepare(folder)
    made = prepare(folder, skip_bad=True)
    assert made.skipped == {"unreadable image": 1}
    assert len(made.examples) == 1
    table = load(made.folder)
    assert table.images[:, 0, 2, 2].tolist() == [i * 10 for i in range(N) if i != 7]
    assert len(table.columns["keeper"].values) == N - 1


@pytest.mark.parametrize(
    "path",
    ["/etc/hostname", "../x.png", "a/../../x.png", "C:/x.png", "a\\b.png", "", ".", "pictures"],
)
def test_unsafe_paths(folder, path):
    with_rows(folder, lambda rows: rows[2].update(path=path))
    with pytest.raises(InputError, match=r"table.csv, line 4: "):
        prepare(folder)
    assert prepare(folder, skip_bad=True).n_images == N - 1


def test_repeated_path_and_missing_label(folder):
    def change(rows):
        for row in rows:
            row["split"] = "test" if int(row["path"][-5]) >= 7 else "train"
        rows[4]["path"] = rows[1]["path"]
        rows[8]["label"] = "NA"

    with_rows(folder, change)
    with pytest.raises(InputError, match=r"line 6: 'pictures/01.png' is in line 3 already"):
        prepare(folder)
    made = prepare(folder, skip_bad=True)
    assert made.skipped == {"repeated path": 1, "no label": 1}
    assert made.n_images == N - 2


@pytest.mark.parametrize("split", [False, True])
def test_images_without_a_label_train(folder, split):
    """Eight of each class have one; `kind` follows from the label where there is one."""

    def change(rows):
        for i, row in enumerate(rows):
            if split:
                row["split"] = "test" if i in (0, 1, 2, 3) else "train"
            if i >= 16:
                row["label"] = ["", "NA"][i % 2]
                row["kind"] = "animal/mammal/2"

    with_rows(folder, change)
    made = prepare(folder)
    assert "2 classes (8 training images have no label)" in made.summary[0]
    assert (made.skipped, made.to_json()["n_unlabelled"]) == ({}, 8)
    table = load(made.folder)
    assert table.labels.tolist() == [0, 1] * 8 + [-1] * 8
    assert (table.split[16:] == 0).all()
    assert table.columns["kind"].level == "class"
    assert table.fingerprint == made.table.fingerprint
    counts = [np.bincount(table.labels[table.rows(s)] + 1, minlength=3).tolist() for s in range(3)]
    assert counts == (
        [[8, 5, 5], [0, 1, 1], [0, 2, 2]] if split else [[8, 4, 4], [0, 2, 2], [0, 2, 2]]
    )


def set_all(name, values):
    def change(rows):
        for i, row in enumerate(rows):
            row[name] = values[i % len(values)]

    return change


def test_a_column_without_a_value_is_left_out_with_a_word(folder):
    rows = make_rows()
    for row in rows:
        row["empty"] = ""
    write_table(folder / "table.csv", rows, list(rows[0]))
    made = prepare(folder)
    assert "empty" not in made.table.columns
    assert "empty: no value in any row, so the column is left out" in made.notes


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda rows: rows.clear(), {}, "the table has no rows"),
        (lambda rows: [r.pop("path") for r in rows], {}, "no column named 'path'"),
        (set_all("label", ["cat"]), {}, "every label is 'cat'"),
        (set_all("label", ["cat", ""]), {}, "every label is 'cat'"),
        (set_all("label", ["", "NA"]), {}, "not one label; without labels leave the column out"),
        (set_all("label", ["cat"] * 23 + ["eel"]), {}, "label 'eel' has 1 images; three"),
        (
            set_all("empty", ["", "n/a"]),
            {"types": {"empty": "numeric"}},
            "column 'empty' has no value in any row",
        ),
        (set_all("split", ["train", "tset"]), {}, "line 3: split is 'tset', not one of train"),
        (set_all("split", ["test"]), {}, "no image is in the train split|train split has no"),
        (set_all("", ["x"]), {}, "column 9 has no name"),
        (set_all("size", [*map(str, range(23)), "tall"]), {}, "line 25: size is 'tall' among"),
        (lambda rows: None, {"types": {"keeper": "numeric"}}, "line 2: keeper is 'Zoë 0', not num"),
        (lambda rows: None, {"types": {"keepr": "numeric"}}, "types names 'keepr'"),
        (lambda rows: None, {"types": {"keeper": "text"}}, "type 'text' of column 'keeper'"),
        (lambda rows: None, {"image_size": 0}, "image_size must be at least 1"),
    ],
)
def test_mistakes_in_the_table(folder, change, options, message):
    rows = make_rows()
    names = list(rows[0])
    change(rows)
    names = list(dict.fromkeys([*(names if not rows else []), *(k for r in rows for k in r)]))
    write_table(folder / "table.csv", rows, names)
    with pytest.raises(InputError, match=message):
        prepare(folder, **options)
    assert not (folder.parent / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the table is empty"),
        (b"path,label\n", "the table has no rows"),
        (b"path,label\n\xff\xfe,cat\n", "table.csv, line 2: not utf-8 text"),
        (b"path,label\na.png\n", "line 2: 1 values for 2 columns"),
        (b'path,label\n"a.png,cat\n', "line 2: "),
        (b"path,path\n", "two columns are named 'path'"),
        (b"path," + b",".join(b"c%d" % i for i in range(100_000)), "100001 columns; at most 10000"),
    ],
)
def test_broken_files(folder, content, message):
    (folder / "table.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        prepare(folder)


def test_other_encodings(folder):
    text = (folder / "table.csv").read_text(encoding="utf-8")
    (folder / "table.csv").write_text(text, encoding="cp1252")
    with pytest.raises(InputError, match=r"line 2: not utf-8 text .* give its encoding"):
        prepare(folder)
    table = load(str(prepare(folder, encoding="cp1252").folder))
    assert table.columns["keeper"].values[0] == "Zoë 0"
    (folder / "table.csv").write_text(text, encoding="utf-8-sig")
    other = load(str(prepare(folder, out="with mark").folder))
    assert other.fingerprint == table.fingerprint


def test_unknown_encoding_suffix_and_file(folder):
    with pytest.raises(InputError, match="unknown encoding 'klingon'"):
        prepare(folder, encoding="klingon")
    with pytest.raises(InputError, match=r"none.csv: no such file"):
        prepare(folder, "none.csv")
    (folder / "table.xlsx").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"must be a .csv, .tsv or .parquet file"):
        prepare(folder, "table.xlsx")
    (folder / "table.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="not a Parquet file"):
        prepare(folder, "table.parquet")


def test_values_that_do_not_fit_are_counted(folder):
    made = prepare(folder, types={"keeper": "numeric", "legs": "boolean"}, skip_bad=True)
    assert made.skipped == {"unfit value": N + 12}  # legs 2 and 3 of 0..3
    assert load(made.folder).columns["legs"].missing.sum() == 12


def test_nothing_readable(folder):
    for file in (folder / "pictures").iterdir():
        file.unlink()
    with pytest.raises(InputError, match="not one image could be read"):
        prepare(folder, skip_bad=True)


def test_existing_folder_is_left_alone(folder):
    (folder.parent / "out").mkdir()
    with pytest.raises(InputError, match="already exists"):
        prepare(folder)


STORAGES = ("raw", "encoded")


def interrupt_after(monkeypatch, n):
    """Let `n` images be decoded, then press Ctrl-C."""
    real, opened = _packing.decode, []

    def decode(file, size):
        if len(opened) == n:
            raise KeyboardInterrupt
        opened.append(file)
        return real(file, size)

    monkeypatch.setattr(_packing, "decode", decode)
    return real


def small_shards(monkeypatch, storage="raw"):
    """Shards of five images of 4 pixels a side."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 5 * 48 if storage == "raw" else 5 * 70)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("torn", [False, True])
def test_broken_off_work_goes_on(folder, monkeypatch, torn, storage):
    small_shards(monkeypatch, storage)
    (folder / "pictures/03.png").write_text("no image")
    options = {"skip_bad": True, "storage": storage}
    whole = load(prepare(folder, out="whole", **options).folder)
    real = interrupt_after(monkeypatch, 15)
    with pytest.raises(KeyboardInterrupt):
        prepare(folder, **options)
    assert not (folder.parent / "out").exists()
    partial = folder.parent / "out.partial"
    made = sorted(partial.iterdir())
    assert len(made) >= 2
    if torn:
        content = made[-1].read_bytes()
        made.pop().write_bytes(content[: len(content) // 2])
    seen = []
    monkeypatch.setattr(_packing, "decode", lambda p, s: seen.append(p) or real(p, s))
    again = prepare(folder, **options)
    assert len(seen) < N - 4 * len(made)
    assert again.skipped == {"unreadable image": 1}
    table = load(again.folder)
    assert np.array_equal(table.images[:], whole.images[:])
    assert table.fingerprint == whole.fingerprint
    assert not partial.exists()


def test_other_options_start_anew(folder, monkeypatch):
    (folder / "pictures/20.png").write_text("no image")
    small_shards(monkeypatch)
    with pytest.raises(InputError, match="line 22"):
        prepare(folder)
    made = prepare(folder, image_size=6, skip_bad=True)
    assert load(made.folder).images.shape == (N - 1, 3, 6, 6)


def test_threads_do_not_change_the_order_and_progress_is_told(folder, monkeypatch):
    monkeypatch.setattr(_packing, "_TOLD", 10)
    told = []
    one = prepare(folder, progress=lambda done, total: told.append((done, total)))
    four = prepare(folder, out="four", threads=4)
    assert told == [(10, N), (20, N), (N, N)]
    assert load(one.folder).fingerprint == load(four.folder).fingerprint


def test_types_are_announced_before_the_first_image_is_read(folder, monkeypatch):
    interrupt_after(monkeypatch, 0)
    kinds = {}
    with pytest.raises(KeyboardInterrupt):
        prepare(folder, announce=lambda columns: kinds.update(columns), types={"legs": "numeric"})
    assert kinds["legs"].kind == "numeric"
    assert kinds["seen"].kind == "tags"


@pytest.mark.parametrize("storage", STORAGES)
def test_images_read_like_an_array(folder, monkeypatch, storage):
    small_shards(monkeypatch, storage)
    images = load(prepare(folder, storage=storage).folder).images
    array = np.array(images)
    assert array.shape == images.shape == (N, 3, 4, 4)
    assert array[:, 0, 2, 2].tolist() == [i * 10 for i in range(N)]
    assert (images.nbytes, images.ndim, len(images)) == (array.nbytes, 4, N)
    for key in (
        3, -1, np.int64(7), slice(2, 15, 3), slice(None, None, -1), [5, 1, 1, 20], [-1, 0],
        np.arange(N) % 5 == 0, np.array([], np.int64), (slice(4, 9), 0), (2, slice(1, 3), 0),
    ):  # fmt: skip
        assert np.array_equal(images[key], array[key]), key
    for key in (N, [0, N], [-N - 1]):
        with pytest.raises(IndexError):
            images[key]


def test_encoded_storage_keeps_the_files_as_they_are(folder):
    made = prepare(folder, storage="encoded")
    content = (folder / "pictures/07.png").read_bytes()
    assert content in (folder.parent / "out" / "images-00000.arrow").read_bytes()
    assert made.storage == "encoded"
    assert prepare(folder, out="large", image_size=129).storage == "encoded"
    assert prepare(folder, out="small", image_size=128).storage == "raw"


def test_incomplete_prepared_folder(folder):
    out = folder.parent / "out"
    prepare(folder)
    metadata = json.loads((out / "metadata.json").read_text())
    with (out / "images-00000.arrow").open("ab") as images:
        images.truncate(100)
    with pytest.raises(InputError, match=r"images-00000.arrow: missing here or cut short"):
        load(str(out))
    (out / "metadata.json").write_text(json.dumps(metadata | {"format": 99}))
    with pytest.raises(InputError, match="format 99, this version reads 2"):
        load(str(out))
    (out / "metadata.json").write_text(json.dumps(metadata))
    (out / "table.parquet").unlink()
    with pytest.raises(InputError, match="not a complete prepared data set"):
        load(str(out))


@pytest.mark.parametrize("storage", STORAGES)
def test_a_prepared_table_is_pickled_by_its_path(folder, storage):
    table = load(prepare(folder, image_size=64, storage=storage).folder)
    table.images[:2]  # whatever is open by now stays here
    sent = pickle.dumps(table)
    assert len(sent) < table.images.nbytes / 10
    again = pickle.loads(sent)
    assert again.__dict__["fingerprint"] == table.fingerprint
    assert np.array_equal(again.images[:], table.images[:])
    (folder.parent / "out/images-00000.arrow").unlink()
    with pytest.raises(InputError, match=r"images-00000.arrow: missing here"):
        pickle.loads(sent)


def test_where_a_data_set_was_looked_for(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    place = re.escape(str(folder.parent))
    with pytest.raises(InputError, match=rf"data set: 'out' .known: .* no folder {place}/out"):
        load("out")
    with pytest.raises(InputError, match=rf"root: the folder {place}/root is there, but nobody"):
        load("root")
    interrupt_after(monkeypatch, 0)
    with pytest.raises(KeyboardInterrupt):
        prepare(folder)
    with pytest.raises(InputError, match="out: its preparation did not end"):
        load("out")


def test_a_missing_file_is_told_before_anything_is_decoded(folder, monkeypatch):
    (folder / "pictures/23.png").unlink()
    interrupt_after(monkeypatch, 0)
    with pytest.raises(InputError, match=r"line 25: 'pictures/23.png': no such file"):
        prepare(folder)


def test_a_column_is_left_out(folder):
    made = prepare(folder, types={"keeper": "ignore"})
    assert "keeper" not in load(made.folder).columns
