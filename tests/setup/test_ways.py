"""From images as other tools keep them to an answer: four commands, and nothing to edit."""

import io
import json
import re
import shlex
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import yaml
from PIL import Image

from clinfonce.cli import main
from clinfonce.config import read_sweep

N = 160
README = Path("README.md").absolute()
SMALL = [
    word
    for field in (
        "trial.epochs=4",
        "search.trials=3",
        "scheduler.grace_epochs=2",
        "seeds=[1]",
        "resources.cpus=2",  # of two cores: a second process takes longer to start than to train
    )
    for word in ("--set", field)
]
LABELS = ("round", "square", "tall", "wide")


def picture(i):
    rng = np.random.default_rng(i)
    pixels = rng.integers(0, 90, (24, 24, 3), dtype=np.uint8)
    height, width = [(12, 12), (9, 9), (16, 5), (5, 16)][i % 4]
    y, x = rng.integers(0, 24 - height), rng.integers(0, 24 - width)
    pixels[y : y + height, x : x + width, i // 4 % 3] += 150
    return Image.fromarray(pixels)


def content(i, kind="PNG"):
    file = io.BytesIO()
    picture(i).save(file, kind)
    return file.getvalue()


def said(i):
    return {
        "label": LABELS[i % 4],
        "colour": ["red", "green", "blue"][i // 4 % 3],
        "long": "yes" if i % 4 > 1 else "no",
        "weight": i * 37 % 101 / 8,
        "who": f"P{i % 5}",
    }


def spreadsheet(folder):
    """As a German one exports it: semicolons, decimal commas, a byte order mark."""
    (folder / "photos").mkdir()
    lines = ["filename;label;colour;long;weight;who;note"]
    for i in range(N):
        (folder / f"photos/IMG_{i:04}.png").write_bytes(content(i))
        row = said(i)
        row["label"] = row["label"] if i % 3 else ""
        row["weight"] = f"{row['weight']:.3f}".replace(".", ",")
        lines.append(";".join([f"IMG_{i:04}.png", *map(str, row.values()), ""]))
    (folder / "photos.csv").write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    return ["photos", "--table", "photos.csv"]


def image_folder(folder):
    """As torchvision's ImageFolder reads it, with a folder below the class."""
    for i in range(N):
        split = ["train", "val"][i // 4 % 5 == 4]
        place = folder / "photos" / split / LABELS[i % 4] / said(i)["colour"]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i}.jpg").write_bytes(content(i, "JPEG"))
    return ["photos"]


def hugging_face(folder):
    """As `datasets` writes Parquet: bytes and path, the classes in the metadata."""
    rows = [said(i) for i in range(N)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = [{"bytes": content(i), "path": f"{i}.png"} for i in range(N)]
    columns = {"image": pa.array(cells, kind)}
    columns |= {name: pa.array([row[name] for row in rows]) for name in rows[0] if name != "label"}
    columns["label"] = pa.array([LABELS.index(row["label"]) for row in rows])
    features = {"label": {"names": LABELS, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    table = pa.table(columns).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    (folder / "photos/data").mkdir(parents=True)
    for name, part in (("train", table.slice(0, 120)), ("test", table.slice(120))):
        pyarrow.parquet.write_table(part, folder / f"photos/data/{name}-00000-of-00001.parquet")
    return ["photos"]


def webdataset(folder):
    """As `webdataset.ShardWriter` writes: sample by sample, in numbered archives."""
    (folder / "photos").mkdir()
    for name, rows in (("train-000000", range(80)), ("train-000001", range(80, 120)),
                       ("test-000000", range(120, N))):  # fmt: skip
        with tarfile.open(folder / f"photos/shapes-{name}.tar", "w") as archive:
            for i in rows:
                row = said(i)
                members = {
                    "png": content(i),
                    "cls": str(LABELS.index(row.pop("label"))).encode(),
                    "json": json.dumps(row).encode(),
                }
                for ending, data in members.items():
                    member = tarfile.TarInfo(f"{i:06}.{ending}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
    return ["photos"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("write", [image_folder, hugging_face, webdataset])
def test_a_sweep_is_made_of_what_other_tools_write(here, write, capsys):
    assert main(["init", *write(here), "--minutes", "1"]) == 0
    sweep = read_sweep("photos.yaml")
    assert sweep.data.name == "prepared/photos"
    assert main(["clusterings", "photos.yaml"]) == 0
    assert "InfoNCE" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("write", [image_folder, hugging_face, webdataset])
def test_four_commands_lead_from_what_other_tools_write_to_an_answer(here, write, capsys):
    assert main(["init", *write(here), "--minutes", "1"]) == 0
    assert main(["sweep", "photos.yaml", *SMALL]) == 0
    assert main(["report"]) == 0
    assert main(["best"]) == 0
    check_answer(capsys.readouterr().out)


def check_answer(said):
    """What the sweep leaves and what the commands after it say."""
    best = yaml.safe_load(said.partition("name: photos-best")[2])
    assert best["data"]["name"] == "prepared/photos"
    rows = pa.parquet.read_table("results/trials").to_pylist()
    assert {row["status"] for row in rows} <= {"complete", "stopped"}
    assert {"instances", "labels"} < {row["clustering"] for row in rows}
    page = Path("results/report.html").read_text(encoding="utf-8")
    assert all(row["clustering"] in page for row in rows)


def shown(text):
    """The commands of a page, `make sweep` as `clinfonce sweep`; not those for a Ray cluster."""
    fenced = "".join(re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    for line in re.findall(r"^(?:clinfonce|make sweep) .*$", fenced, re.MULTILINE):
        words = shlex.split(line.split(" > ")[0].split("#")[0])
        if words[:2] == ["make", "sweep"]:
            words = ["clinfonce", "sweep", words[2].removeprefix("SWEEP=")]
        if "CLUSTER=" not in line:
            yield words[1:]


@pytest.mark.slow
@pytest.mark.ray
def test_the_commands_of_the_readme_lead_from_a_spreadsheet_to_an_answer(here, capsys):
    before, own = README.read_text(encoding="utf-8").split("## Your own images")
    commands = [*shown(own.split("\n## ")[0]), *shown(before)]
    names = [words[0] for words in commands]
    assert names[:4] == ["init", "sweep", "report", "best"]
    assert {"relate", "query", "report"} <= set(names[4:])
    spreadsheet(here)
    for words in commands:
        assert main([*words, *(SMALL if words[0] == "sweep" else [])]) == 0
        if words[0] == "best":
            check_answer(capsys.readouterr().out)
    assert main(["report", "--images"]) == 0
    assert "Map of test images" in (here / "results/report.html").read_text()
