"""Data sets as other tools lay them out, without a table of one's own."""

import io
import json
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from clinfonce.cli import main
from clinfonce.data import load, prepare_folder
from clinfonce.errors import InputError

N = 24


def png(i):
    file = io.BytesIO()
    Image.new("RGB", (6, 6), (i * 10, 0, 255)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def prepare(root=None, table=None, out="out", **options):
    made = prepare_folder(root, table, out, image_size=4, threads=2, **options)
    return load(made.folder), made


def shades(table):
    """Which image each row holds."""
    return (table.images[:, 0, 1, 1] // 10).tolist()


def check(table, order):
    """Shades follow the order, and so do labels."""
    assert shades(table) == order
    assert [table.label_names[code] for code in table.labels] == [
        ["cat", "dog"][i % 2] for i in order
    ]


# Folders that are the classes.

BY_CLASS = [*range(0, N, 2), *range(1, N, 2)]


def class_folder(root, top=""):
    for i in range(N):
        put(root / f"{top}{['cat', 'dog'][i % 2]}/{i:02}.png", png(i))


@pytest.mark.parametrize("packed", ["", "p.zip", "p.tar", "p.tar.gz"])
def test_folders_are_classes(here, packed):
    class_folder(here / "p")
    put(here / "p/cat/.hidden.png", b"x")
    put(here / "p/notes.txt", b"x")
    if packed.endswith("zip"):
        with zipfile.ZipFile(packed, "w") as archive:
            for file in sorted((here / "p").rglob("*.*")):
                archive.write(file, file.relative_to(here / "p"))
    elif packed:
        with tarfile.open(packed, "w:gz" if packed.endswith("gz") else "w") as archive:
            archive.add("p", ".")
    table, made = prepare(packed or "p")
    check(table, BY_CLASS)
    assert dict(table.columns) == {}
    assert "the class of an image is its folder" in made.notes[0]


def test_folders_of_splits_and_below_the_class(here):
    for i in range(N):
        part = ["train", "val", "test"][min(i // 8, 2)]
        put(here / f"p/{part}/{['cat', 'dog'][i % 2]}/{'ab'[i // 2 % 2]}/{i:02}.png", png(i))
    table, _ = prepare("p")
    split = dict(zip(shades(table), table.split.tolist(), strict=True))
    assert split == {i: i // 8 for i in range(N)}
    subfolder = dict(zip(shades(table), table.columns["subfolder"].values.tolist(), strict=True))
    assert subfolder == {i: "ab"[i // 2 % 2] for i in range(N)}


def test_a_class_may_be_called_anything(here):
    for i in range(N):
        put(here / f"p/{['NA', '007', 'null'][i % 3]}/{i:02}.png", png(i))
    assert prepare("p")[0].label_names == ("007", "NA", "null")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["a.txt"], "no images in it, and no table of any"),
        (["train/data-00000-of-00001.arrow"], "no table of any; of a data set that `datasets` sav"),
        (["a.png", "b.png"], "its images lie in no folders that could be their classes; --table"),
    ],
)
def test_folders_that_say_nothing(here, files, message):
    for file in files:
        put(here / "p" / file, png(0))
    with pytest.raises(InputError, match=message):
        prepare("p")


# Hugging Face: ImageFolder with metadata, and Parquet with the images inside.


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_metadata_beside_the_images(here, suffix):
    rows = [
        {"file_name": f"{i:02}.png", "label": ["cat", "dog"][i % 2], "tags": ["a", "b|c"][: i % 3]}
        for i in range(N)
    ]
    for i in range(N):
        put(here / f"p/{i:02}.png", png(i))
    write_metadata(here / f"p/metadata.{suffix}", rows)
    table, _ = prepare("p")
    check(table, list(range(N)))
    if suffix != "csv":
        assert table.columns["tags"].values[2] == ("a", "b|c")


def write_metadata(file, rows):
    if file.suffix == ".csv":
        lines = [f"{row['file_name']},{row['label']}" for row in rows]
        put(file, "\n".join(["file_name,label", *lines]).encode())
    elif file.suffix == ".jsonl":
        put(file, "\n".join(map(json.dumps, rows)).encode())
    else:
        pyarrow.parquet.write_table(pa.Table.from_pylist(rows), file)


def test_metadata_in_the_folder_of_each_split(here):
    for part, rows in (("train", range(12)), ("test", range(12, N))):
        said = [{"file_name": f"x/{i}.png", "label": ["cat", "dog"][i % 2]} for i in rows]
        for i in rows:
            put(here / f"p/{part}/x/{i}.png", png(i))
        write_metadata(here / f"p/{part}/metadata.csv", said)
    table, _ = prepare("p")
    check(table, [*range(12, N), *range(12)])
    assert (table.split == 2).tolist() == [True] * 12 + [False] * 12


FEATURES = {
    "image": {"_type": "Image"},
    "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
    "attrs": {"feature": {"names": ["x", "y/z"], "_type": "ClassLabel"}, "_type": "List"},
    "price": {"dtype": "float32", "_type": "Value"},
}


def write_parquet(file, rows, *, image="struct", names=True, **options):
    """A file as `datasets` writes it."""
    images = [png(i) for i in rows]
    if image == "struct":
        paths = [f"{i}.png" if names else None for i in rows]
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        cells = [{"bytes": b, "path": p} for b, p in zip(images, paths, strict=True)]
        column = pa.array(cells, kind)
    else:
        column = pa.array(images, pa.binary())
    columns = {
        "image": column,
        "label": pa.array([i % 2 for i in rows]),
        "attrs": pa.array([[0, 1] if i % 3 else [1] for i in rows]),
        "price": pa.array([None if i == 5 else i / 2 for i in rows], pa.float32()),
    }
    said = {"huggingface": json.dumps({"info": {"features": FEATURES}})}
    file.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(
        pa.table(columns).replace_schema_metadata(said), file, row_group_size=5, **options
    )


@pytest.mark.parametrize(
    ("image", "names"), [("struct", True), ("struct", False), ("binary", True)]
)
@pytest.mark.parametrize("storage", ["raw", "encoded"])
def test_images_inside_a_parquet_file(here, image, names, storage):
    write_parquet(here / "t.parquet", range(N), image=image, names=names)
    table, made = prepare(None, "t.parquet", storage=storage)
    check(table, list(range(N)))
    assert table.columns["attrs"].values[0] == ("y/z",)
    assert table.columns["price"].kind == "numeric"
    assert np.flatnonzero(table.columns["price"].missing).tolist() == [5]
    assert load(prepare_folder("t.parquet", None, "b", image_size=4).folder).images.shape[0] == N
    first = made.findings.paths[0]
    assert first == ("0.png" if names and image == "struct" else "t.parquet/0")


def test_parquet_files_of_several_splits(here):
    """As a data set is cloned, and as the hub converts it."""
    write_parquet(here / "a/data/train-00000-of-00002-x.parquet", range(8))
    write_parquet(here / "a/data/train-00001-of-00002-x.parquet", range(8, 16))
    write_parquet(here / "a/data/validation-00000-of-00001-x.parquet", range(16, N))
    put(here / "a/README.md", b"x")
    table, made = prepare("a", out="x")
    order = shades(table)
    assert sorted(order) == list(range(N))
    assert {i for i, part in zip(order, table.split, strict=True) if part == 2} == set(range(16, N))
    assert "nothing tests, so what validates does" in " ".join(made.notes)
    write_parquet(here / "b/default/train/0000.parquet", range(12))
    write_parquet(here / "b/default/test/0000.parquet", range(12, N))
    table, _ = prepare(None, "b", out="y")
    assert {i for i, part in zip(shades(table), table.split, strict=True) if part == 2} == set(
        range(12, N)
    )


def test_parquet_files_that_are_refused(here):
    write_parquet(here / "t.parquet", range(N))
    two = pyarrow.parquet.read_table("t.parquet")
    pyarrow.parquet.write_table(two.append_column("other", two["image"]), "two.parquet")
    pyarrow.parquet.write_table(two.drop_columns(["image"]), "none.parquet")
    put(here / "cut.parquet", (here / "t.parquet").read_bytes()[:500])
    write_parquet(here / "mixed/train.parquet", range(8))
    pyarrow.parquet.write_table(two.drop_columns(["price"]), "mixed/test.parquet")
    broken = pa.array([{"bytes": b"no image", "path": "x"}] * N, two["image"].type)
    pyarrow.parquet.write_table(two.set_column(0, "image", broken), "broken.parquet")
    for table, message in (
        ("two.parquet", "2 columns of images .image, other."),
        ("none.parquet", "no images in the table; --root IMAGES"),
        ("cut.parquet", "cut.parquet: not a Parquet file, or not a whole one"),
        ("mixed", "mixed: column 'price' is not the same in all of its tables"),
        ("broken.parquet", "row 1: .*not an image"),
        ("nothing.parquet", "nothing.parquet: no images in the table"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            prepare(None, table)
        assert "\n" not in str(caught.value)
    assert not (here / "out").exists()


# WebDataset.


def write_shard(file, rows, **more):
    """An archive as `webdataset.TarWriter` writes it: sample by sample."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w") as archive:
        for i in rows:
            members = {
                "cls": str(i % 2).encode(),
                "json": json.dumps({"colour": ["red", "blue"][i % 3 == 0], "tags": ["a", "b/c"]}),
                "png": png(i),
                "txt": b"a caption / of it",
            } | {ending: make(i) for ending, make in more.items()}
            for ending, content in members.items():
                content = content.encode() if isinstance(content, str) else content
                member = tarfile.TarInfo(f"s{i:04}.{ending}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def test_webdataset(here):
    write_shard(here / "w/train-000000.tar", range(8))
    write_shard(here / "w/train-000001.tar", range(8, 16))
    write_shard(here / "w/val-000000.tar", range(16, 20))
    write_shard(here / "w/test-000000.tar", range(20, N))
    table, _ = prepare("w")
    order = shades(table)
    assert sorted(order) == list(range(N))
    assert table.label_names == ("0", "1")
    assert [table.labels[order.index(i)] for i in range(N)] == [i % 2 for i in range(N)]
    parts = {i: table.split[order.index(i)] for i in range(N)}
    assert parts == {i: 0 if i < 16 else 1 if i < 20 else 2 for i in range(N)}
    assert {name: column.kind for name, column in table.columns.items()} == {
        "colour": "categorical", "tags": "tags",
    }  # fmt: skip
    assert table.columns["tags"].values[0] == ("a", "b/c")


def test_the_split_may_stand_anywhere_in_the_name_of_an_archive(here):
    for number, rows in enumerate((range(8), range(8, 16))):
        write_shard(here / f"w/shapes-train-{number:06}.tar", rows)
    write_shard(here / "w/shapes-test-000000.tar", range(16, N))
    table, _ = prepare("w")
    order = shades(table)
    assert {i for i, part in zip(order, table.split, strict=True) if part == 2} == set(range(16, N))


def test_one_archive_of_samples(here):
    write_shard(here / "w.tar", range(N), cls=lambda i: "cat\n" if i % 2 == 0 else "dog\n")
    check(prepare("w.tar")[0], list(range(N)))


def test_webdataset_that_is_refused(here):
    write_shard(here / "a.tar", range(4), jpg=png)
    write_shard(here / "b.tar", range(4), json=lambda i: "{")
    write_shard(here / "c.tar", range(4), json=lambda i: "[1]")
    write_shard(here / "d.tar", range(4), json=lambda i: json.dumps({"x": [1, "a"][i % 2]}))
    for root, message in (
        ("a.tar", "sample 'a.tar/s0000' has 2 images, not one"),
        ("b.tar", "'s0000.json' cannot be read"),
        ("c.tar", "'s0000.json' is not of named fields"),
        ("d.tar", "the values of 'x' are of several kinds"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            prepare(root)
        assert "\n" not in str(caught.value)


# JSON.


def coco(**changes):
    return {
        "info": {"year": 2020},
        "images": [
            {"id": 100 + i, "file_name": f"{i:02}.png", "width": 6, "height": 6,
             "coco_url": f"http://x.org/{i}", "date_captured": "2013-11-14 17:02:52"}
            for i in range(N)
        ],
        "categories": [{"id": 1, "name": "cat", "supercategory": "animal"},
                       {"id": 18, "name": "traffic light"}],
        "annotations": [
            {"id": k, "image_id": 100 + i, "category_id": c, "bbox": [0, 0, 1, 1]}
            for k, (i, c) in enumerate((i, c) for i in range(N) for c in [1, 18, 18][i % 3:])
        ],
    } | changes  # fmt: skip


def test_coco(here):
    for i in range(N):
        put(here / f"p/{i:02}.png", png(i))
    (here / "instances.json").write_text(json.dumps(coco()))
    table, _ = prepare("p", "instances.json", targets=["categories:multilabel"])
    assert shades(table) == list(range(N))
    target = table.targets["categories"]
    assert target.names == ("cat", "traffic light")
    assert target.values.tolist() == [[i % 3 == 0, True] for i in range(N)]
    assert set(table.columns) == {"width", "height", "date_captured"}


def test_records(here):
    rows = [{"file_name": f"{i:02}.png", "label": "ab"[i % 2], "n": i / 2} for i in range(N)]
    for i in range(N):
        put(here / f"p/{i:02}.png", png(i))
    rows[3].pop("n")
    (here / "t.json").write_text(json.dumps(rows))
    (here / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    one, _ = prepare("p", "t.json", out="a")
    two, _ = prepare("p", "t.jsonl", out="b")
    assert one.fingerprint == two.fingerprint
    assert np.flatnonzero(one.columns["n"].missing).tolist() == [3]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.json", "{", "t.json: not JSON"),
        ("t.json", "[" * 100_000, "t.json: not JSON"),
        ("t.json", "[]", "neither a list of records nor images, annotations"),
        ("t.json", '{"a": 1}', "neither a list of records nor images, annotations"),
        ("t.json", json.dumps(coco(annotations=[{"image_id": 7, "category_id": 1}])),
         "an annotation is of image 7, which is not there"),
        ("t.json", json.dumps(coco(annotations=[{"image_id": 100, "category_id": 7}])),
         "an annotation is of category 7, which is not there"),
        ("t.json", json.dumps(coco(images=[{"file_name": "x"}])), "not as COCO has it .KeyError"),
        ("t.json", '[{"path": "a", "x": 1}, {"path": "b", "x": "y"}]', "'x' are of several kinds"),
        ("t.jsonl", '{"path": "a"}\n\n{', "t.jsonl, line 3: not JSON"),
        ("t.jsonl", "[1]", "t.jsonl, line 1: not a record with named fields"),
        ("t.jsonl", "", "the table has no rows"),
    ],
)  # fmt: skip
def test_json_that_is_refused(here, name, content, message):
    put(here / name, content.encode())
    put(here / "p/a.png", png(0))
    with pytest.raises(InputError, match=message) as caught:
        prepare("p", name)
    assert "\n" not in str(caught.value)


def test_the_command(here, capsys):
    class_folder(here / "p")
    write_parquet(here / "t.parquet", range(N))
    command = ["prepare", "folder", "--size", "4"]
    assert main([*command, "--root", "p", "--out", "a"]) == 0
    assert main([*command, "--table", "t.parquet", "--out", "b"]) == 0
    assert load("b").fingerprint
    assert main(["information", "t.parquet", "--clusters", "attrs", "--label", "label"]) == 0
    assert "24 labelled rows" in capsys.readouterr().out
