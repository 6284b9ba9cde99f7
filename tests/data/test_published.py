"""Loaders of published data sets on miniatures of their layout, and on real files if at hand."""

import dataclasses
import importlib
import pickle
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from clinfonce.clusterings import from_hierarchy
from clinfonce.data import (
    DATASETS,
    TEST,
    TRAIN,
    VALIDATION,
    load,
    prepare,
)
from clinfonce.data.sets import cub
from clinfonce.data.tables.read import read_table
from clinfonce.errors import InputError
from clinfonce.information import measure
from clinfonce.torchvision_import import import_torchvision
from tests.data import miniatures

CIFAR100 = import_torchvision("torchvision.datasets").CIFAR100
SUFFIXES = (".jpg", ".jpeg", ".tif", ".tar")
SHARED = Path(__file__).parents[3] / "shared/data"

# What is tested: the data set, its layout on twelve pictures, what its table must hold.
M = miniatures
CASES = {
    "celeba": ("celeba", M.make_celeba, M.check_celeba),
    "clothing": ("clothing", M.make_clothing, M.check_clothing),
    "clothing, copied": ("clothing", M.make_clothing_copy, M.check_clothing),
    "cub": ("cub", M.make_cub, M.check_cub),
    "ucmerced": ("ucmerced", M.make_ucmerced, M.check_ucmerced),
    "ucmerced, copied": ("ucmerced", M.make_ucmerced_copy, M.check_ucmerced),
    "ut-zappos50k": ("ut-zappos50k", M.make_ut_zappos50k, M.check_ut_zappos50k),
    "wider-attribute": ("wider-attribute", M.make_wider_attribute, M.check_wider_attribute),
}


def published(name):
    """The module of a data set, and the name of its description there."""
    return importlib.import_module(DATASETS[name]), name.upper().replace("-", "_")


def make_twelve(monkeypatch, case, root):
    """A miniature, and the loader told to expect as few images."""
    name, make, _ = CASES[case]
    make(root)
    if name == "celeba":
        miniatures.trust_celeba(monkeypatch, root)
    module, constant = published(name)
    small = dataclasses.replace(getattr(module, constant), n_images=12)
    monkeypatch.setattr(module, constant, small)
    return name, small


@pytest.mark.parametrize("case", CASES)
def test_miniature(case, tmp_path, monkeypatch):
    name, small = make_twelve(monkeypatch, case, tmp_path)
    table = load(name, tmp_path)
    assert table.images.shape == (12, 3, small.image_size, small.image_size)
    CASES[case][2](table)
    order = np.argsort(table.images[:].mean(axis=(1, 2, 3)), kind="stable")
    assert len(np.unique(table.images[:].mean(axis=(1, 2, 3)).round())) == 12
    assert order.tolist() == list(range(12))
    for file in tmp_path.rglob("*.*"):  # the second call opens what the first one packed
        if "clinfonce" not in file.parts and file.is_file():
            file.unlink()
    assert load(name, tmp_path).fingerprint == table.fingerprint


@pytest.mark.parametrize("case", CASES)
def test_another_number_of_images(case, tmp_path, monkeypatch):
    name, make, _ = CASES[case]
    make(tmp_path)
    if name == "celeba":
        miniatures.trust_celeba(monkeypatch, tmp_path)
    number = getattr(*published(name)).n_images
    with pytest.raises(InputError, match=f"{name} in .*: 12 images, {number} were published"):
        load(name, tmp_path)


@pytest.mark.parametrize("case", CASES)
def test_missing_files_are_counted_and_named(case, tmp_path, monkeypatch):
    name, _ = make_twelve(monkeypatch, case, tmp_path)
    pictures = [f for f in sorted(tmp_path.rglob("*.*")) if f.suffix.lower() in SUFFIXES]
    for file in pictures:
        if file.suffix == ".tar":
            tarfile.open(file, "w").close()
        else:
            file.unlink()
    out = tmp_path / "out"
    # One set's paths are found on the disk by the ids in its table.
    message = (
        r"(12 of 12 images are missing, such as .*\w.*|of 12 shoes are missing.*7000-0).*To get"
    )
    with pytest.raises(InputError, match=message):
        prepare(name, out, root=tmp_path)
    assert not out.exists()


@pytest.mark.parametrize("name", sorted(DATASETS.keys() - {"digits"}))
def test_says_what_to_fetch(name, tmp_path):
    with pytest.raises(InputError, match=f"{name} needs the root of its files. To get it: "):
        load(name)
    with pytest.raises(InputError, match=r"To get it: .*http.* Terms: "):
        load(name, tmp_path)


def test_a_read_only_root_is_packed_in_the_cache(tmp_path, monkeypatch):
    root = tmp_path / "root"
    name, _ = make_twelve(monkeypatch, "ucmerced", root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root.chmod(0o555)
    assert len(load(name, root)) == 12
    assert not (root / "clinfonce").exists()
    kept = (tmp_path / "cache/clinfonce").iterdir()
    (packed,) = (folder for folder in kept if folder.name != "checked")
    assert len(load(str(packed / "ucmerced-64px"))) == 12


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real files are not here")
def test_real_files(tmp_path):
    scenes = prepare(
        "ucmerced", tmp_path / "a", root=SHARED / "ucmerced-attributes", image_size=8
    ).table
    assert (len(scenes.label_names), len(scenes.columns)) == (21, 17)
    bits = measure(scenes.labels, scenes.labels)
    assert bits.h_z == pytest.approx(np.log2(21))
    photos = prepare("clothing", tmp_path / "b", root=SHARED / "clothing", image_size=8).table
    assert (len(photos.label_names), len(photos)) == (17, 5096)
    assert photos.columns["contributor"].n_values == 344
    index = read_table(SHARED / "clothing/index.csv")
    assert photos.columns["group"].values.tolist() == index.texts("super")
    contributors = photos.columns["contributor"].values
    homes = set(zip(contributors.tolist(), photos.split.tolist(), strict=True))
    assert len(homes) == 344


def test_another_size(tmp_path, monkeypatch):
    miniatures.make_cub(tmp_path)
    monkeypatch.setattr(cub, "CUB", dataclasses.replace(cub.CUB, n_images=12))
    assert cub.load(tmp_path, 8).images.shape == (12, 3, 8, 8)
    assert cub.load(tmp_path, 6).images.shape == (12, 3, 6, 6)


def test_cub_by_certainty(tmp_path, monkeypatch):
    make_twelve(monkeypatch, "cub", tmp_path)
    options = {"root": tmp_path, "image_size": 4}
    columns = prepare("cub", tmp_path / "probably", certainty=3, **options).table.columns
    assert columns["has_bill::hooked"].missing is None  # "probably"
    wing = columns["has_wing::blue"]
    assert wing.missing.tolist() == [True] * 3 + [False] * 9  # "guessing", then "definitely"
    assert wing.values[3:].tolist() == [False] * 3 + [True] * 6
    eye = columns["has_eye::red"]  # "definitely", then "not visible"
    assert eye.missing.tolist() == [False] + [True] * 11
    columns = prepare("cub", tmp_path / "all", certainty=1, **options).table.columns
    assert {column.missing for column in columns.values()} == {None}
    assert len(columns) == 3
    with pytest.raises(InputError, match=r"certainty 5 is none of 1 \(not visible\), 2 \(guess"):
        prepare("cub", tmp_path / "out", certainty=5, **options)
    with pytest.raises(InputError, match="certainty goes with cub"):
        prepare("ucmerced", tmp_path / "out", certainty=2)


def make_imagenet(root, classes):
    """Two training images and one for validation of each class, and a class of no interest."""
    for place, name in enumerate([*classes, "n00000001"]):
        for part, number in (("train", 1), ("train", 2), ("val", 3)):
            miniatures.draw(root / part / name / f"{name}_{number}.JPEG", place * 2)
    above = {name: ["n_b"] if place % 2 else ["n_a"] for place, name in enumerate(classes)}
    above |= {classes[0]: ["n_b", "n_a"], "n_a": ["n_root"], "n_b": ["n_root"]}
    lines = [f"{parent} {child}" for child, parents in above.items() for parent in parents]
    (root / "wordnet.is_a.txt").write_text("\n".join(lines))


@pytest.mark.parametrize("name", ["imagenet100", "imagenet100-tsai"])
def test_imagenet100(name, tmp_path, monkeypatch):
    module, constant = published(name)
    classes = module.CLASSES
    assert len(set(classes)) == 100
    make_imagenet(tmp_path, classes)
    with pytest.raises(InputError, match=f"{name} in .*: 300 images, [0-9 to]+ were published"):
        prepare(name, tmp_path / "out", root=tmp_path)
    small = dataclasses.replace(getattr(module, constant), n_images=range(300, 310))
    monkeypatch.setattr(module, constant, small)
    table = prepare(name, tmp_path / "out", root=tmp_path, image_size=4).table
    assert table.label_names == tuple(sorted(classes))
    assert [len(table.rows(code)) for code in (TRAIN, VALIDATION, TEST)] == [100] * 3
    places = dict(zip(table.labels.tolist(), table.columns["wordnet"].values, strict=True))
    assert places[0] == (("n_root", "n_a", classes[0]), ("n_root", "n_b", classes[0]))
    assert places[1] == (("n_root", "n_b", classes[1]),)
    loaded = load(str(tmp_path / "out"))
    assert loaded.columns["wordnet"].values.tolist() == table.columns["wordnet"].values.tolist()
    assert from_hierarchy(loaded.columns["wordnet"].values, level=2).n_clusters == 3
    shutil.rmtree(tmp_path / "val" / classes[7])
    with pytest.raises(InputError, match=f"1 folders are missing, such as .*val/{classes[7]}. To"):
        prepare(name, tmp_path / "other", root=tmp_path)


def test_the_two_lists_of_imagenet100_share_few_classes():
    lists = [set(published(name)[0].CLASSES) for name in ("imagenet100", "imagenet100-tsai")]
    assert len(set.intersection(*lists)) == 3


def make_cifar100(root, monkeypatch):
    folder = root / CIFAR100.base_folder
    folder.mkdir()
    rng = np.random.default_rng(0)
    pixels, sums = {}, {}
    for name, n in (("train", 20), ("test", 4)):
        pixels[name] = rng.integers(0, 256, (n, 3, 32, 32), np.uint8)
        labels = [i % 4 for i in range(n)]
        pickled = {
            "data": pixels[name].reshape(n, -1),
            "fine_labels": labels,
            "coarse_labels": [label // 2 for label in labels],
        }
        (folder / name).write_bytes(pickle.dumps(pickled))
    names = {
        "fine_label_names": ["apple", "bear", "can", "dove"],
        "coarse_label_names": ["first", "second"],
    }
    (folder / "meta").write_bytes(pickle.dumps(names))
    sums = {name: miniatures.md5(folder / name) for name in ("train", "test", "meta")}
    monkeypatch.setattr(CIFAR100, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", sums["test"]]])
    monkeypatch.setattr(CIFAR100, "meta", CIFAR100.meta | {"md5": sums["meta"]})
    return folder, pixels


def test_cifar100(tmp_path, monkeypatch):
    _, pixels = make_cifar100(tmp_path, monkeypatch)
    table = load("cifar100", tmp_path)
    assert table.label_names == ("apple", "bear", "can", "dove")
    assert table.labels.tolist() == [0, 1, 2, 3] * 6
    assert np.array_equal(table.images[:20], pixels["train"])
    assert np.array_equal(table.images[20:], pixels["test"])
    assert table.rows(TEST).tolist() == [20, 21, 22, 23]
    assert (len(table.rows(TRAIN)), len(table.rows(VALIDATION))) == (16, 4)
    assert table.columns["superclass"].values[:4].tolist() == ["first", "first", "second", "second"]
    assert table.columns["hierarchy"].values[2] == ("second", "can")
    made = prepare("cifar100", tmp_path / "out", root=tmp_path)
    assert load(made.folder).columns["hierarchy"].values[2] == ("second", "can")


@pytest.mark.parametrize("name", ["train", "test", "meta"])
def test_other_files_than_those_of_cifar100(name, tmp_path, monkeypatch):
    """A pickle can run code when it is opened, so only the published ones are."""
    folder, _ = make_cifar100(tmp_path, monkeypatch)
    (folder / name).write_bytes(b"other")
    with pytest.raises(InputError, match=r"cifar100 in .* corrupted.*To get it"):
        load("cifar100", tmp_path)
    (folder / name).unlink()
    with pytest.raises(InputError, match=rf"cifar-100-python/{name}: missing. To get it"):
        load("cifar100", tmp_path)
