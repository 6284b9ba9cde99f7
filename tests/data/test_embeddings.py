"""A user's own embeddings in place of images."""

import pickle
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from clinfonce.cli import main
from clinfonce.data import ImageTable, load, prepare_embeddings
from clinfonce.data.prepared.near import near_embeddings
from clinfonce.data.storage import shards
from clinfonce.data.storage.images import PackedImages
from clinfonce.errors import InputError

N, D = 24, 5
VECTORS = np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)
TABLE = {
    "path": [f"{i}.jpg" for i in range(N)],
    "label": [["cat", "dog"][i % 2] for i in range(N)],
    "colour": [["red", "blue", "green"][i % 3] for i in range(N)],
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the same table in two forms."""
    monkeypatch.chdir(tmp_path)
    lines = [",".join(row) for row in zip(*TABLE.values(), strict=True)]
    (tmp_path / "t.csv").write_text("\n".join([",".join(TABLE), *lines]))
    write_column(VECTORS.tolist())
    return tmp_path


def write_column(values, kind=None):
    kind = kind or pa.list_(pa.float32())
    columns = TABLE | {"clip": pa.array(values, kind)}
    pyarrow.parquet.write_table(pa.table(columns), "t.parquet", row_group_size=7)


def saved(name, vectors):
    if name.endswith(".npy"):
        np.save(name, vectors)
    else:
        safetensors.numpy.save_file({"clip": vectors}, name)
    return name


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("source", ["column", "fixed", "large", "e.npy", "e.safetensors"])
def test_embeddings_arrive(here, source, dtype, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_BYTES", 100)
    monkeypatch.setattr("clinfonce.data.tables.vectors._BLOCK", 100)
    vectors = VECTORS.astype(dtype)
    if "." in source:
        made = prepare_embeddings("t.csv", saved(source, vectors), "out")
    else:
        inner = pa.float16() if dtype == np.float16 else pa.float32()
        kinds = {"column": pa.list_(inner), "large": pa.large_list(inner)}
        write_column(list(vectors), kinds.get(source, pa.list_(inner, D)))
        made = prepare_embeddings("t.parquet", "clip", "out")
    table = load("out")
    assert not table.has_images
    assert isinstance(table.images, PackedImages)
    assert (table.images.shape, table.images.dtype, table.images.ndim) == ((N, D), dtype, 2)
    assert table.images.nbytes == vectors.nbytes
    assert len(list(here.glob("out/*.arrow"))) >= 3
    for key in (3, slice(2, 9, 2), [5, 1, 20], np.arange(N) % 3 == 0, (slice(4), 1), (2, 3)):
        assert np.array_equal(table.images[key], vectors[key])
    assert np.array_equal(np.asarray(table.images), vectors)
    assert list(table.columns) == ["colour"]
    assert table.labels.tolist() == [0, 1] * (N // 2)
    assert made.summary[0].startswith(
        f"out: 24 embeddings (12 train, 4 validation, 8 test) of 5, {np.dtype(dtype)}; 2 classes"
    )
    assert made.to_json()["dtype"] == str(np.dtype(dtype))


def test_the_fingerprint_covers_them(here):
    first = prepare_embeddings("t.csv", saved("a.npy", VECTORS), "a").table.fingerprint
    table = load("a")
    assert table.fingerprint == first
    del table.__dict__["fingerprint"]
    assert table.fingerprint == first
    changed = VECTORS.copy()
    changed[7, 2] += 1e-3
    second = prepare_embeddings("t.csv", saved("b.npy", changed), "b").table.fingerprint
    half = prepare_embeddings("t.csv", saved("c.npy", VECTORS.astype("f2")), "c").table.fingerprint
    column = prepare_embeddings("t.parquet", "clip", "d").table.fingerprint
    assert len({first, second, half}) == 3
    assert column == first


def test_they_are_sent_by_their_path_and_checked(here):
    prepare_embeddings("t.parquet", "clip", "out")
    table = load("out")
    sent = pickle.dumps(table)
    assert np.array_equal(pickle.loads(sent).images[:], VECTORS)
    (shard,) = here.glob("out/*.arrow")
    content = bytearray(shard.read_bytes())
    place = content.index(VECTORS[3].tobytes())
    content[place] ^= 1
    shard.write_bytes(content)
    with pytest.raises(InputError, match=r"arrow: damaged"):
        load("out")


@pytest.mark.parametrize(
    ("vectors", "kept"),
    [
        (VECTORS.astype(np.float64), VECTORS),
        (np.arange(N * D).reshape(N, D) + 1, np.arange(N * D).reshape(N, D) + 1),
        (VECTORS[::-1], VECTORS[::-1]),
        (np.asfortranarray(VECTORS), VECTORS),
    ],
)
def test_other_numbers_become_single_floats(here, vectors, kept):
    prepare_embeddings("t.csv", saved("e.npy", vectors), "out")
    images = load("out").images
    assert images.dtype == np.float32
    assert np.array_equal(images[:], kept.astype(np.float32))


def test_bfloat16_and_one_tensor_of_several(here):
    tensor = torch.from_numpy(VECTORS).bfloat16()
    safetensors.torch.save_file({"a": tensor, "b": torch.zeros(3)}, "e.safetensors")
    prepare_embeddings("t.csv", "e.safetensors:a", "out")
    assert np.array_equal(load("out").images[:], tensor.float().numpy())
    with pytest.raises(InputError, match=r"2 tensors .a, b.; name one as e.safetensors:NAME"):
        prepare_embeddings("t.csv", "e.safetensors", "x")
    with pytest.raises(InputError, match=r"unknown tensor of .*'c'.*known: a, b"):
        prepare_embeddings("t.csv", "e.safetensors:c", "x")


def with_rows(change):
    rows = VECTORS.tolist()
    change(rows)
    return rows


BAD = {
    "t.parquet, row 4: .*'clip': not 5 numbers": lambda rows: rows[3].pop(),
    "t.parquet, row 5: .*'clip': not 5 numbers": lambda rows: rows.__setitem__(4, None),
    "t.parquet, row 6: .*'clip': nan among its numbers": lambda rows: rows[5].__setitem__(
        1, float("nan")),
    "t.parquet, row 7: .*'clip': inf among its numbers": lambda rows: rows[6].__setitem__(
        0, float("inf")),
    "t.parquet, row 8: .*'clip': all zeros": lambda rows: rows.__setitem__(7, [0.0] * D),
}  # fmt: skip


@pytest.mark.parametrize("message", BAD)
def test_bad_embeddings_are_named_or_counted(here, message):
    write_column(with_rows(BAD[message]))
    with pytest.raises(InputError, match=message) as caught:
        prepare_embeddings("t.parquet", "clip", "out")
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in here.iterdir()) == ["t.csv", "t.parquet"]
    made = prepare_embeddings("t.parquet", "clip", "out", skip_bad=True)
    assert made.skipped == {"bad embedding": 1}
    row = int(message.split("row ")[1].split(":")[0]) - 1
    assert np.array_equal(load("out").images[:], np.delete(VECTORS, row, axis=0))
    assert "row" not in load("out").columns


def test_bad_files(here):
    (here / "cut.npy").write_bytes((here / saved("e.npy", VECTORS)).read_bytes()[:150])
    (here / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    np.save("objects.npy", np.array([{"a": 1}] * N), allow_pickle=True)
    write_column([["x"]] * N, pa.list_(pa.string()))
    for table, embeddings, message in (
        ("t.csv", saved("few.npy", VECTORS[:20]), "20 embeddings for 24 rows of t.csv"),
        ("t.csv", saved("flat.npy", VECTORS[0]), r"embeddings are numbers .n, d.*this is .5,."),
        ("t.csv", saved("deep.npy", VECTORS[None]), r"this is .1, 24, 5. float32"),
        ("t.csv", saved("text.npy", np.array([["x"]] * N)), "this is .24, 1. <U1"),
        ("t.csv", "cut.npy", "cut.npy: not a whole .npy file"),
        ("t.csv", "cut.safetensors", "not a whole .safetensors file"),
        ("t.csv", "objects.npy", "not a whole .npy file|embeddings are numbers"),
        ("t.csv", "none.npy", "none.npy: no such file"),
        ("t.csv", "clip", "a list column of a Parquet table, or a .npy .*'clip' is neither"),
        ("t.parquet", "clap", "unknown column of t.parquet: 'clap'; did you mean 'clip'"),
        ("t.parquet", "label", "'label' is of type string, not of lists of numbers"),
        ("t.parquet", "clip", "'clip' is of type list<.*string>, not of lists of numbers"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            prepare_embeddings(table, embeddings, "out")
        assert "\n" not in str(caught.value)
    assert not (here / "out").exists()
    assert not (here / "out.partial").exists()


def test_equal_embeddings_are_found(here):
    vectors = VECTORS.copy()
    vectors[9] = vectors[2]
    made = prepare_embeddings("t.csv", saved("e.npy", vectors), "out")
    assert made.to_json()["images"]["equal"] == {"n": 1, "such_as": [["2.jpg", "9.jpg"]]}
    assert "1 embedding equals an earlier one, such as '9.jpg' (as '2.jpg')" in made.summary[1]


def test_a_table_without_paths(here):
    (here / "t.csv").write_text("k\n" + "\n".join("ab"[i % 2] for i in range(N)))
    prepare_embeddings("t.csv", saved("e.npy", VECTORS), "out")
    assert list(load("out").columns) == ["k"]


def test_the_command(here, capsys):
    command = ["prepare", "embeddings", "--out", "out"]
    assert main([*command, "--table", "t.parquet", "--embeddings", "clip"]) == 0
    shown = capsys.readouterr()
    assert "24 embeddings" in shown.out
    assert "colour" in shown.out
    assert not load("out").has_images
    for more, message in (
        ([], "prepare embeddings needs --table FILE and --embeddings"),
        (["--embeddings", "clip"], "prepare embeddings needs --table FILE"),
        (
            ["--embeddings", "clip", "--table", "t.parquet", "--size", "8"],
            "--size goes with images",
        ),
    ):
        assert main([*command, *more]) == 2
        assert message in capsys.readouterr().err
    assert main(["prepare", "folder", "--out", "x", "--embeddings", "clip"]) == 2
    assert "goes with prepare embeddings, not with prepare folder" in capsys.readouterr().err


def test_a_table_in_memory_may_hold_embeddings():
    split = np.repeat(np.array([0, 1, 2], np.int8), 8)
    table = ImageTable("toy", VECTORS, None, (), split)
    assert not table.has_images
    assert np.array_equal(table.images[table.rows(1)], VECTORS[8:16])
    for images in (VECTORS.astype(np.float64), VECTORS[0], VECTORS[:, :0]):
        with pytest.raises(InputError, match=r"or embeddings .n, d. float16 or float32|no images"):
            ImageTable("toy", images, None, (), split)


LARGE = """
import resource, sys, numpy as np
from clinfonce.data import load, prepare_embeddings
from clinfonce.data.storage import shards
shards.SHARD_BYTES = 1 << 24
n, d = 100_000, 512
used = int(next(l for l in open("/proc/self/status") if l.startswith("VmData")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + (180 << 20), used + (180 << 20)))
prepare_embeddings("t.csv", "e.npy", "out")
images = load("out").images
rows = np.random.default_rng(0).integers(0, n, 1000)
print(images.nbytes, (images[rows][:, 0] == (rows % 1000 + 1)).all())
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of Linux")
def test_embeddings_larger_than_the_memory(tmp_path):
    """200 MB of numbers where 180 MB may be allocated."""
    n, d = 100_000, 512
    np.lib.format.open_memmap(tmp_path / "e.npy", "w+", np.float32, (n, d))[:] = (
        np.arange(n)[:, None] % 1000 + 1
    )
    (tmp_path / "t.csv").write_text("k\n" + "\n".join("ab"[i % 2] for i in range(n)))
    command = [sys.executable, "-c", LARGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.split() == [str(4 * n * d), "True"], done.stderr[-2000:]


def test_near_duplicates_across_splits_are_found(here):
    """As a plain loop finds them, and not because all embeddings point one way."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 16)) + 10
    split = np.array([0, 1, 2] * 20, dtype=np.int8)
    points[[4, 8]] = points[0] + 0.01 * rng.normal(size=(2, 16))  # validates, tests; 0 trains
    points[3] = points[0] + 0.01  # trains too: no pair
    centred = points - points[split == 0].mean(axis=0)
    expected = []
    for later in range(60):
        for earlier_split in range(split[later]):
            others = np.flatnonzero(split == earlier_split)
            cosines = [
                centred[i]
                @ centred[later]
                / np.linalg.norm(centred[i])
                / np.linalg.norm(centred[later])
                for i in others
            ]
            if max(cosines) >= 0.98:
                expected.append((int(others[int(np.argmax(cosines))]), later))
    assert len(expected) == 3
    assert near_embeddings(points, split) == sorted(expected)
