"""`clinfonce prepare`, as its user types it."""

import csv
import json
import os
import pty
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from clinfonce.cli import main
from clinfonce.cli.display import PackingDisplay
from clinfonce.data import DATASETS, load


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Twelve pictures and their table, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    with (tmp_path / "photos.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "price", "seen"])
        for i in range(12):
            Image.new("RGB", (9, 7), (20 * i, 0, 0)).save(f"photos/{i}.png")
            writer.writerow([f"{i}.png", "ab"[i % 2], i / 4, "sea|sky" if i % 3 else "sea"])
    return tmp_path


FOLDER = ["prepare", "folder", "--root", "photos", "--table", "photos.csv", "--size", "4"]


def test_prepares_and_says_what_to_type_next(folder, capsys):
    assert main([*FOLDER, "--out", "birds"]) == 0
    shown = capsys.readouterr()
    for word in ("price", "numeric", "seen", "tags", "12 images", "2 classes", "{name: birds}"):
        assert word in shown.out
    assert "packed 12 of 12 images" in shown.err
    assert load("birds").images.shape == (12, 3, 4, 4)
    command = shown.out.split("clinfonce information ")[1].split("\n")[0]
    assert main(["information", *command.split()]) == 0
    assert "aux:price" in capsys.readouterr().out


def test_columns_that_are_no_information_are_named(folder, capsys):
    with (folder / "photos.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "name", "kind", "camera"])
        for i in range(60):
            Image.new("RGB", (9, 7), (4 * i, 0, 0)).save(f"photos/{i}.png")
            writer.writerow([f"{i}.png", "ab"[i % 2], f"no. {i}", "AB"[i % 2], "same"])
    assert main([*FOLDER, "--out", "birds"]) == 0
    shown = capsys.readouterr().out
    assert "- name: an identifier, 30 values of 30 training images" in shown
    assert "- kind: the label itself, or nearly so" in shown
    assert "- camera: the same in all images" in shown
    assert main([*FOLDER, "--out", "again", "--json"]) == 0
    named = {one["column"]: one["why"] for one in json.loads(capsys.readouterr().out)["cautions"]}
    assert named == {"name": "identifier", "kind": "label", "camera": "constant"}


def test_types_json_and_what_was_left_out(folder, capsys):
    (folder / "photos/3.png").write_text("no picture")
    options = ["--out", "birds", "--type", "price=categorical", "--json"]
    assert main([*FOLDER, *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "photos.csv, line 5: '3.png': not an image (BMP, GIF" in error
    assert not (folder / "birds").exists()
    assert main([*FOLDER, *options, "--skip-bad"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["n_images"], made["skipped"]) == (11, {"unreadable image": 1})
    assert made["columns"] == {"price": "categorical", "seen": "tags"}
    assert made["fingerprint"] == load("birds").fingerprint


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "x", "--type", "price"], "--type is 'price', not COLUMN=KIND"),
        (["--out", "x", "--type", "price=money"], "type 'money' of column 'price'"),
        (["--out", "x", "--type", "cost=numeric"], "names 'cost'"),
        (["--out", "photos"], "photos: already exists"),
        (["--out", "x", "--root", "nowhere"], "nowhere: no such folder"),
        (["--out", "x", "--size", "0"], "image_size must be at least 1, got 0"),
        (["--out", "what://x/y"], "what://x/y"),
    ],
)
def test_mistakes_take_one_line(folder, capsys, arguments, message):
    assert main([*FOLDER, *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in folder.iterdir()) == ["photos", "photos.csv"]


def test_a_folder_needs_root_table_and_size(capsys):
    assert main(["prepare", "folder", "--out", "x"]) == 2
    assert "--root IMAGES, --table FILE and --size PIXELS" in capsys.readouterr().err


ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202e\x85\u2028"


def test_nothing_in_a_table_controls_the_terminal(folder, capsys):
    """Names, values, labels and paths may hold escape sequences, also when they are wrong."""
    lines = [f'path,label,"na{ESCAPES}me",k']
    lines += [f'{i}.png,"la{ESCAPES}bel{i % 2}","va{ESCAPES}lue",{i % 3}' for i in range(12)]
    (folder / "photos.csv").write_text("\n".join(lines), encoding="utf-8")
    assert main([*FOLDER, "--out", "a"]) == 0
    assert main(["information", "photos.csv", "--clusters", "all", "--label", "label"]) == 0
    assert main(["information", "photos.csv", "--clusters", "k", "--label", f"x{ESCAPES}"]) == 2
    (folder / "photos.csv").write_text(f'path\n"{ESCAPES}.png"\n1.png\n2.png', encoding="utf-8")
    assert main([*FOLDER, "--out", "b"]) == 2
    assert main([*FOLDER, "--out", f"c{ESCAPES}", "--skip-bad"]) == 2
    shown = capsys.readouterr()
    for text in (shown.out, shown.err):
        assert not set(text) & set(ESCAPES.replace("[2J", "").replace("]0;owned", ""))
    assert r"\x1b]0;owned\x07\x1b[2J\u202e\x85\u2028" in shown.out


def test_options_of_reading(folder, capsys):
    text = (folder / "photos.csv").read_text(encoding="utf-8")
    text = text.replace("path,label", "file;y").replace(",", ";").replace(";0.5;", ";gone;")
    (folder / "photos.csv").write_text(text, encoding="utf-8")
    options = ["--columns", "path=file,label=y", "--missing", "gone", "--delimiter", ";"]
    assert main([*FOLDER, "--out", "birds", "--type", "seen=ignore", *options]) == 0
    table = load("birds")
    assert list(table.columns) == ["price"]
    assert table.columns["price"].missing.tolist() == [i == 2 for i in range(12)]
    assert len(table.label_names) == 2
    assert main([*FOLDER, "--out", "x", "--columns", "path"]) == 2
    assert "--columns is 'path', not NEW=OLD" in capsys.readouterr().err


def test_ground_and_depth(folder, capsys):
    for i in range(6):
        Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(f"photos/{i}.png")
        pixels = np.full((4, 4), 500, np.uint16)
        Image.fromarray(pixels).save(f"photos/{i + 6}.png")
    assert main([*FOLDER, "--out", "a", "--background", "#0000ff", "--depth", "0:1000"]) == 0
    images = load("a").images[:, :, 1, 1]
    assert images[:6].tolist() == [[0, 0, 255]] * 6
    assert images[6:].tolist() == [[128, 128, 128]] * 6
    assert "12 images are of one colour all over" in capsys.readouterr().out
    assert main([*FOLDER, "--out", "b", "--depth", "deep"]) == 2
    assert main([*FOLDER, "--out", "b", "--background", "clear"]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_what_is_unsure_is_printed(folder, capsys):
    text = (folder / "photos.csv").read_text(encoding="utf-8").replace("sea\n", "None\n")
    (folder / "photos.csv").write_text(text, encoding="utf-8")
    assert main([*FOLDER, "--out", "a"]) == 0
    assert "- seen: 'None' (4) counted as missing" in capsys.readouterr().out
    assert main([*FOLDER, "--out", "b", "--json"]) == 0
    assert "'None' (4) counted as missing" in json.loads(capsys.readouterr().out)["notes"][0]


@pytest.mark.parametrize("name", sorted(set(DATASETS) - {"digits"}))
def test_says_what_to_fetch_from_whom_on_which_terms(name, tmp_path, capsys):
    assert main(["prepare", name, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "http" in error
    assert "Terms: " in error


def test_a_data_set_that_ships_with_the_package(tmp_path, capsys):
    out = str(tmp_path / "digits")
    assert main(["prepare", "digits", "--out", out]) == 0
    assert "1,797 images" in capsys.readouterr().out
    packed, table = load(out), load("digits")
    assert np.array_equal(packed.images[:], table.images)
    assert np.array_equal(packed.labels, table.labels)
    assert packed.columns.keys() == table.columns.keys()
    assert main(["prepare", "digits", "--out", out + "2", "--size", "9"]) == 2
    assert main(["prepare", "digit", "--out", out + "2"]) == 2
    assert "did you mean 'digits'" in capsys.readouterr().err


def test_a_bar_on_a_terminal(folder):
    controller, terminal = pty.openpty()
    program = "import sys; from clinfonce.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, *FOLDER, "--out", "birds"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=terminal, env=environment)
    os.close(terminal)
    shown = os.read(controller, 65536).decode()
    os.close(controller)
    assert done.returncode == 0
    assert "━" in shown
    assert "12/12" in shown


def test_lines_tell_rate_and_time_left(capsys):
    with PackingDisplay(sys.stderr, every=0) as display:
        display.progress(100, 1000)
        display.progress(200, 1000)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "packed 100 of 1,000 images"
    assert "/s" in lines[1]
    assert "left" in lines[1]
