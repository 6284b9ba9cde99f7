"""The layouts of published data sets on twelve pictures, and what their tables must hold."""

import csv
import hashlib
import json
import tarfile

from PIL import Image

from clinfonce.data import TEST, VALIDATION
from clinfonce.torchvision_import import import_torchvision

CelebA = import_torchvision("torchvision.datasets").CelebA


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
        attributes += [f"{i} 1 {i % 2} 3 1.5", f"{i} 2 {int(i > 6)} {4 if i > 3 else 2} 12.3 0",
                       f"{i} 3 0 {4 if i == 1 else 1} 2"]  # fmt: skip
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
    root = root / "celeba"
    lines = {
        "list_attr_celeba.txt": ["12", "Bald Smiling Young "],
        "list_eval_partition.txt": [],
        "identity_CelebA.txt": [],
        "list_bbox_celeba.txt": ["12", "image_id x_1 y_1 width height"],
        "list_landmarks_align_celeba.txt": ["12", "lefteye_x lefteye_y"],
    }
    for i in range(12):
        name = f"{i + 1:06}.jpg"
        draw(root / "img_align_celeba" / name, i * 20)
        values = [
            f" {1 if i > 5 else -1}  {1 if i % 2 else -1} -1",
            f" {0 if i < 6 else 1 if i < 8 else 2}",
            f" {i // 2 + 100}",
            "    95  71 226 313",
            " 69 109",
        ]
        for file, value in zip(lines.values(), values, strict=True):
            file.append(name + value)
    for file, text in lines.items():
        (root / file).write_text("\n".join(text) + "\n")


def trust_celeba(monkeypatch, root):
    """torchvision knows the sums of the published files; here they are of the miniature."""
    files = [
        (key, md5(root / "celeba" / name) if name.endswith(".txt") else old, name)
        for key, old, name in CelebA.file_list
    ]
    monkeypatch.setattr(CelebA, "file_list", files)


def md5(file):
    return hashlib.md5(file.read_bytes()).hexdigest()


def check_celeba(table):
    assert table.label_names == ("Smiling", "not Smiling")
    assert table.labels.tolist() == [1, 0] * 6
    assert table.rows(VALIDATION).tolist() == [6, 7]
    assert list(table.columns) == ["identity", "Bald", "Young"]
    assert table.columns["Bald"].values.tolist() == [i > 5 for i in range(12)]
    assert table.columns["identity"].values[5] == "102"


SCENES = {"beach": ["sand", "sea"], "forest": ["trees"]}


def make_ucmerced(root):
    names = ["sand", "sea", "trees"]
    lines = ["\t".join(["IMAGE\\LABEL", *names, "\r"])]
    for i in range(12):
        scene = list(SCENES)[i % 2]
        draw(root / f"UCMerced_LandUse/Images/{scene}/{scene}{i:02}.tif", i * 20)
        present = [str(int(name in SCENES[scene] or i == 3)) for name in names]
        lines.append("\t".join([f"{scene}{i:02}", *present, "\r"]))
    (root / "multilabels").mkdir()
    (root / "multilabels/LandUse_Multilabeled.txt").write_text("\n".join(lines), newline="")


def make_ucmerced_copy(root):
    """One table and one archive."""
    rows = [["path", "id", "label", "sand", "sea", "trees"]]
    for i in range(12):
        scene = list(SCENES)[i % 2]
        path = f"images/{scene}/{scene}{i:02}.jpg"
        draw(root / path, i * 20)
        present = [int(name in SCENES[scene] or i == 3) for name in ("sand", "sea", "trees")]
        rows.append([path, f"{scene}{i:02}", scene, *present])
    pack(root, rows, "images_gray128.tar")


def check_ucmerced(table):
    assert table.label_names == ("beach", "forest")
    assert table.labels.tolist() == [0, 1] * 6
    assert list(table.columns) == ["sand", "sea", "trees"]
    assert {column.kind for column in table.columns.values()} == {"boolean"}
    assert table.columns["trees"].values.tolist() == [i % 2 == 1 for i in range(12)]
    assert table.columns["sea"].values.tolist() == [i % 2 == 0 or i == 3 for i in range(12)]
    assert [len(table.rows(code)) for code in range(3)] == [6, 2, 4]


def garments():
    """Name, contributor, label and whether it is for children."""
    for i in range(12):
        yield f"{i:02}-aa", f"{70 + i // 4}", ["Skirt", "Hat"][i % 2], str(i > 8)


def make_clothing(root):
    rows = [["image", "sender_id", "label", "kids"], ["no-photo", "9", "Not sure", "False"]]
    for name, sender, label, kids in garments():
        draw(root / f"images/{name}.jpg", int(name[:2]) * 20)
        rows.append([name, sender, label, kids])
    write(root / "images.csv", rows)


def make_clothing_copy(root):
    """One table and one archive."""
    rows = [["path", "label", "super", "sender_id", "kids", "width", "height"]]
    for name, sender, label, kids in garments():
        draw(root / f"images/{name}.jpg", int(name[:2]) * 20)
        rows.append([f"images/{name}.jpg", label, "any", sender, kids, 400, 300])
    pack(root, rows, "images96.tar")


def check_clothing(table):
    assert table.label_names == ("Hat", "Skirt")
    assert table.labels.tolist() == [1, 0] * 6
    assert {name: column.kind for name, column in table.columns.items()} == {
        "contributor": "categorical",
        "kids": "boolean",
        "group": "categorical",
        "hierarchy": "hierarchy",
    }
    contributors = table.columns["contributor"].values
    assert contributors.tolist() == ["70"] * 4 + ["71"] * 4 + ["72"] * 4
    assert len({(who, code) for who, code in zip(contributors, table.split, strict=True)}) == 3
    assert table.columns["kids"].values.tolist() == [i > 8 for i in range(12)]
    assert table.columns["group"].values[:2].tolist() == ["bottom", "hat"]
    assert table.columns["hierarchy"].values[0] == ("bottom", "Skirt")


def pack(root, rows, archive):
    """Write the table, and put the pictures into an archive."""
    write(root / "index.csv", rows)
    with tarfile.open(root / archive, "w") as tar:
        tar.add(root / "images", "images")
    for file in (root / "images").rglob("*.jpg"):
        file.unlink()


def write(file, rows):
    with file.open("w", newline="") as out:
        csv.writer(out).writerows(rows)
