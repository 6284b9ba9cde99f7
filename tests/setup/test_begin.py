"""From data to the file of a first sweep, and from there to trials that can run."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from clinfonce import data
from clinfonce.cli import main
from clinfonce.config import read_sweep
from clinfonce.trial.run import check_trial

N = 120


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def photos(folder, n=N):
    rng = np.random.default_rng(0)
    folder.mkdir()
    lines = ["filename;label;colour;price;tags;serial"]
    for i in range(n):
        pixels = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:03}.png")
        lines.append(
            f"{i:03}.png;{'ab'[i % 2]};{['red', 'blue', 'green'][i % 3]};{i * 7 % 11},5;"
            f"{'x|y' if i % 4 else 'x'};S{i:04}"
        )
    (folder.parent / "photos.csv").write_bytes("\r\n".join(lines).encode("utf-8-sig"))


def test_from_a_folder_and_a_table(here, capsys):
    photos(here / "photos")
    assert main(["init", "photos", "--table", "photos.csv", "--minutes", "1"]) == 0
    said = capsys.readouterr().out
    assert "clinfonce sweep photos.yaml" in said
    assert "serial: an identifier" in said
    sweep = read_sweep("photos.yaml")
    assert sweep.data.name == "prepared/photos"
    table = data.load(sweep.data.name)
    for named in sweep.fixed:
        check_trial(sweep.fixed_trial(named, 1), table)
    assert [named.name for named in sweep.fixed] == ["InfoNCE", "SupCon"]
    assert sweep.search.space["clustering"].choices == "all"
    text = (here / "photos.yaml").read_text()
    assert max(map(len, text.splitlines())) <= 100
    assert "serial: an identifier" in text
    assert "colour, price (3), tags" in " ".join(text.replace("#", " ").split())
    assert main(["clusterings", "photos.yaml"]) == 0


def test_from_what_is_prepared_and_from_known_data(here, capsys):
    photos(here / "photos")
    command = ["prepare", "folder", "--root", "photos", "--table", "photos.csv", "--size", "16"]
    assert main([*command, "--out", "made"]) == 0
    assert main(["init", "made", "--out", "a.yaml", "--json"]) == 0
    said = json.loads(capsys.readouterr().out.split("clinfonce information")[-1].split("\n", 1)[1])
    assert said["columns"].keys() >= {"colour", "price", "tags"}
    assert read_sweep("a.yaml").data.name == "made"
    assert main(["init", "digits", "--minutes", "2"]) == 0
    assert read_sweep("digits.yaml").trial.augmentation == "digits"


def test_from_embeddings(here):
    rng = np.random.default_rng(0)
    rows = {
        "label": ["ab"[i % 2] for i in range(N)],
        "colour": ["xyz"[i % 3] for i in range(N)],
        "features": [rng.normal(size=8).tolist() for _ in range(N)],
    }
    pyarrow.parquet.write_table(pa.table(rows), "photos.parquet")
    assert main(["init", "photos.parquet", "--embeddings", "features", "--minutes", "1"]) == 0
    sweep = read_sweep("photos.yaml")
    assert sweep.trial.encoder.takes_embeddings
    assert sweep.fixed[0].name == "frozen"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "nothing: neither a folder, an archive or a table, nor a known data set"),
        (["photos.csv"], "photos.csv is a table, and the images are elsewhere"),
        (["photos", "--minutes", "0"], "--minutes is 0"),
        (["digits", "--table", "photos.csv"], "digits is prepared already"),
        (["digits", "--weights", "x.pth"], "--weights x.pth are of some encoder"),
        (["photos", "--out", "photos.csv"], "photos.csv is there already"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(here, capsys, arguments, message):
    photos(here / "photos", 4)
    assert main(["init", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in here.iterdir()) == ["photos", "photos.csv"]


def test_images_without_labels_are_refused_before_a_file_is_written(here, capsys):
    photos(here / "photos", 30)
    (here / "t.csv").write_text("path,a\n" + "\n".join(f"{i:03}.png,{i % 2}" for i in range(30)))
    assert main(["init", "photos", "--table", "t.csv"]) == 2
    assert "no labels" in capsys.readouterr().err
    assert not (here / "photos.yaml").exists()
