"""The commands and the code of docs/your-own-data.md, run as they stand."""

import csv
import re
from pathlib import Path

import numpy as np
from PIL import Image

from clinfonce.cli import main
from clinfonce.data import load

GUIDE = Path(__file__).parents[2] / "docs" / "your-own-data.md"


def test_guide(tmp_path, monkeypatch, capsys):
    text = GUIDE.read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    header, *examples = re.search(r"```csv\n(.*?)```", text, re.DOTALL)[1].splitlines()
    names = header.split(",")
    shown = [dict(zip(names, line.split(","), strict=True)) for line in examples]
    rng = np.random.default_rng(0)
    with Path("photos.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for i in range(24):
            row = shown[i % 2] | {"path": f"birds/{i}.jpg", "split": ["train", "test"][i // 16]}
            row["price"] = str(rng.integers(0, 100) / 8)
            Path("photos/birds").mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (9, 9)).save(f"photos/{row['path']}")
            writer.writerow(row)
    Path("birds.yaml").write_text(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1])
    commands = re.findall(r"^clinfonce (?!:)(\w.*)$", text, re.MULTILINE)
    assert [line.split()[0] for line in commands] == [
        "init",
        "prepare",
        "init",
        "prepare",
        "information",
        "clusterings",
    ]
    for command in commands:
        assert main(command.split()) == 0
    targets = load("prepared/targets").targets
    assert {name: target.kind for name, target in targets.items()} == {
        "label": "class", "colour": "class", "price": "number", "tags": "multilabel",
    }  # fmt: skip
    assert main(["pretrain", "birds.yaml"]) == 0
    scope = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, scope)
    assert scope["made"].n_images == 24
    assert scope["table"].columns["place"].kind == "hierarchy"
    assert scope["table"].columns["tags"].kind == "tags"
    assert scope["by_place"].n_clusters == 2
    assert "positives_uniform" in capsys.readouterr().out
