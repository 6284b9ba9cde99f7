"""Loaders of published data sets on miniatures of their layout."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from clinfonce.data import (
    TEST,
    TRAIN,
    VALIDATION,
    celeba,
    cifar100,
    cub,
    imagenet100,
    load,
    ut_zappos50k,
    wider_attribute,
)
from clinfonce.errors import InputError


def draw(file, shade):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 16), (shade, shade, shade)).save(file, quality=95)


def make_cub(root):
    folder = root / "CUB_200_2011"
    lines = {name: [] for name in ("images", "image_class_labels", "train_test_split")}
    attributes = []
    for i in range(1, 13):
        bird = ["001.Albatross", "002.Auklet"][i % 2]
        path = f"{bird}/bird_{i:04}.jpg"
        draw(folder / "images" / path, i * 20)
        lines["images"].append(f"{i} {path}")
        lines["image_class_labels"].append(f"{i} {1 + i % 2}")
        lines["train_test_split"].append(f"{i} {int(i <= 8)}")
        attributes += [f"{i} 1 {i % 2} 3 1.5", f"{i} 2 {int(i > 6)} 4 12.3 0", f"{i} 3 0 1 2"]
    for name, text in lines.items():
        (folder / f"{name}.txt").write_text("\n".join(text))
    (folder / "classes.txt").write_text("1 001.Albatross\n2 002.Auklet\n")
    (folder / "attributes").mkdir()
    (folder / "attributes/image_attribute_labels.txt").write_text("\n".join(attributes))
    (root / "attributes.txt").write_text("1 has_bill::hooked\n2 has_wing::blue\n3 has_eye::red\n")


def check_cub(table):
    assert table.label_names == ("001.Albatross", "002.Auklet")
    assert table.labels.tolist() == [1, 0] * 6
    assert table.rows(TEST).tolist() == [8, 9, 10, 11]
    assert len(table.rows(VALIDATION)) == 2
    assert list(table.columns) == ["has_bill::hooked", "has_wing::blue", "has_eye::red"]
    assert table.columns["has_bill::hooked"].values.tolist() == [True, False] * 6
    assert table.columns["has_bill::hooked"].level == "class"
    assert table.columns["has_wing::blue"].values.tolist() == [False] * 6 + [True] * 6
    assert not table.columns["has_eye::red"].values.any()


def make_ut_zappos50k(root):
    header = ["CID", "Category.Shoes", "Category.Boots", "SubCategory.Heels", "SubCategory.Ankle",
              "Closure.Lace.up", "Gender.Women"]  # fmt: skip
    rows = []
    for i in range(12):
        boot = i % 3 == 0
        place = "Boots/Ankle" if boot else "Shoes/Heels"
        draw(root / "ut-zap50k-images" / place / "Some Brand." / f"70{i:02}.{i}.jpg", i * 20)
        rows.append([f"70{i:02}-{i}", *map(int, (not boot, boot, not boot, boot, i % 2, i > 5))])
    (root / "ut-zap50k-data").mkdir()
    with (root / "ut-zap50k-data/meta-data-bin.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def check_ut_zappos50k(table):
    assert table.label_names == ("Ankle", "Heels")
    assert table.labels.tolist() == [0, 1, 1] * 4
    assert list(table.columns) == ["Closure.Lace.up", "Gender.Women"]
    assert table.columns["Gender.Women"].values.tolist() == [False] * 6 + [True] * 6
    assert [len(table.rows(code)) for code in range(3)] == [6, 3, 3]


def make_wider_attribute(root):
    maps = {
        "attribute_id_map": {"0": "Male", "1": "hat"},
        "scene_id_map": {"0": "Parade", "1": "Meeting"},
    }
    parts = {"trainval": [], "test": []}
    for i in range(12):
        split = "train" if i < 6 else "val" if i < 8 else "test"
        path = f"{split}/{i % 2}--scene/{i}.jpg"
        draw(root / "Image" / path, i * 20)
        people = [{"attribute": [-1, 0], "bbox": [0, 0, 5, 5]} for _ in range(3)]
        people[i % 3]["attribute"] = [1 if i % 4 == 0 else 0, 1 if i > 3 else -1]
        part = "test" if split == "test" else "trainval"
        parts[part].append({"file_name": path, "scene_id": i % 2, "targets": people})
    (root / "Anno").mkdir()
    for part, images in parts.items():
        (root / f"Anno/wider_attribute_{part}.json").write_text(
            json.dumps(maps | {"images": images})
        )


def check_wider_attribute(table):
    assert table.label_names == ("Meeting", "Parade")
    assert table.labels.tolist() == [1, 0] * 6
    assert table.rows(VALIDATION).tolist() == [6, 7]
    assert table.rows(TEST).tolist() == [8, 9, 10, 11]
    assert table.columns["Male"].values.tolist() == [i % 4 == 0 for i in range(12)]
    assert table.columns["hat"].values.tolist() == [i > 3 for i in range(12)]


def make_celeba(root):
    attributes, splits, people = [], [], []
    for i in range(12):
        name = f"{i:06}.jpg"
        draw(root / "img_align_celeba" / name, i * 20)
        attributes.append(f"{name} {1 if i > 5 else -1}  {1 if i % 2 else -1} -1")
        splits.append(f"{name} {0 if i < 6 else 1 if i < 8 else 2}")
        people.append(f"{name} {i // 2 + 100}")
    (root / "list_attr_celeba.txt").write_text(
        "12\nBald Smiling Young \n" + "\n".join(attributes) + "\n"
    )
    (root / "list_eval_partition.txt").write_text("\n".join(splits))
    (root / "identity_CelebA.txt").write_text("\n".join(people))


def check_celeba(table):
    assert table.label_names == ("Smiling", "not Smiling")
    assert table.labels.tolist() == [1, 0] * 6
    assert table.rows(VALIDATION).tolist() == [6, 7]
    assert list(table.columns) == ["identity", "Bald", "Young"]
    assert table.columns["Bald"].values.tolist() == [i > 5 for i in range(12)]
    assert table.columns["identity"].values[5] == "102"


def make_imagenet100(root):
    for i in range(12):
        folder = "val" if i >= 8 else "train"
        draw(root / folder / ["n01", "n02"][i % 2] / f"{i:02}.JPEG", i * 20)
    (root / "wordnet.is_a.txt").write_text("n00 n10\nn10 n01\nn00 n02\nn10 n02\n")


def check_imagenet100(table):
    assert table.label_names == ("n01", "n02")
    assert len(table.rows(TEST)) == 4
    assert len(table.rows(VALIDATION)) == 2
    paths = dict(zip(table.labels.tolist(), table.columns["wordnet"].values, strict=True))
    assert paths == {0: ("n00", "n10", "n01"), 1: ("n00", "n02")}
    assert table.columns["wordnet"].level == "class"


CASES = {
    "cub": (cub, "CUB", make_cub, check_cub),
    "ut-zappos50k": (ut_zappos50k, "UT_ZAPPOS50K", make_ut_zappos50k, check_ut_zappos50k),
    "wider-attribute": (
        wider_attribute,
        "WIDER_ATTRIBUTE",
        make_wider_attribute,
        check_wider_attribute,
    ),
    "celeba": (celeba, "CELEBA", make_celeba, check_celeba),
    "imagenet100": (imagenet100, "IMAGENET100", make_imagenet100, check_imagenet100),
}


@pytest.mark.parametrize("name", CASES)
def test_miniature(name, tmp_path, monkeypatch):
    module, constant, make, check = CASES[name]
    published = getattr(module, constant)
    make(tmp_path)
    with pytest.raises(InputError, match=f"{name} in .*: 12 images, {published.n_images} were pub"):
        load(name, tmp_path)
    monkeypatch.setattr(module, constant, dataclasses.replace(published, n_images=12))
    table = load(name, tmp_path)
    size = published.image_size
    assert table.images.shape == (12, 3, size, size)
    check(table)
    order = np.argsort(table.images[:].mean(axis=(1, 2, 3)), kind="stable")
    assert len(np.unique(table.images[:].mean(axis=(1, 2, 3)).round())) == 12
    assert name == "imagenet100" or order.tolist() == list(range(12))
    for file in tmp_path.rglob("*.*"):  # the second call opens what the first one packed
        if "clinfonce" not in file.parts and file.is_file():
            file.unlink()
    assert load(name, tmp_path).fingerprint == table.fingerprint


@pytest.mark.parametrize("name", [*CASES, "cifar100"])
def test_says_what_to_fetch(name, tmp_path):
    with pytest.raises(InputError, match=f"{name} needs the root of its files. To get it: "):
        load(name)
    with pytest.raises(InputError, match=r"To get it: .*http"):
        load(name, tmp_path)


def test_another_size(tmp_path, monkeypatch):
    make_cub(tmp_path)
    monkeypatch.setattr(cub, "CUB", dataclasses.replace(cub.CUB, n_images=12))
    assert cub.load(tmp_path, 8).images.shape == (12, 3, 8, 8)
    assert cub.load(tmp_path, 6).images.shape == (12, 3, 6, 6)


def test_cifar100(tmp_path, monkeypatch):
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    rng = np.random.default_rng(0)
    monkeypatch.setattr(cifar100, "SIZES", {"train.bin": 20, "test.bin": 4})
    pixels = {}
    for name, n in cifar100.SIZES.items():
        labels = np.arange(n, dtype=np.uint8)[:, None] % 4
        pixels[name] = rng.integers(0, 256, (n, 3, 32, 32), np.uint8)
        records = np.concatenate([labels // 2, labels, pixels[name].reshape(n, -1)], axis=1)
        records.tofile(folder / name)
    (folder / "fine_label_names.txt").write_text("apple\nbear\ncan\ndove\n")
    (folder / "coarse_label_names.txt").write_text("first\nsecond\n\n")
    table = load("cifar100", tmp_path)
    assert table.label_names == ("apple", "bear", "can", "dove")
    assert table.labels.tolist() == [0, 1, 2, 3] * 6
    assert np.array_equal(table.images[20:], pixels["test.bin"])
    assert table.rows(TEST).tolist() == [20, 21, 22, 23]
    assert (len(table.rows(TRAIN)), len(table.rows(VALIDATION))) == (16, 4)
    assert table.columns["superclass"].values[:4].tolist() == ["first", "first", "second", "second"]
    assert table.columns["hierarchy"].values[2] == ("second", "can")
    (folder / "train.bin").write_bytes(b"short")
    with pytest.raises(InputError, match=r"train.bin: missing, or not of 20 images"):
        load("cifar100", tmp_path)
