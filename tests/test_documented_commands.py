"""The commands of README and docs run, in the order of the pages, on a few small photographs.

Those of docs/your-own-data.md have a test of their own, tests/data/test_guide.py.
"""

import csv
import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from clinfonce.cli import main
from tests.test_readme import PAGES, commands

SWEEPS = Path("sweeps").absolute()
GUIDE = "docs/your-own-data.md"
TEXTS = {str(page): page.read_text(encoding="utf-8") for page in PAGES if str(page) != GUIDE}
FIRST = ("init photos --table photos.csv", "sweep photos.yaml")  # the others go on from these
TRIAL = """
name: one
data: {name: prepared/photos}
trial: {epochs: 1, encoder: {width: 8}, sampler: {batch_size: 16}, clustering: {source: instances}}
"""
LAST = "sweep digits"  # with a second sweep in the store, reports have to name theirs
NAMES = {"prepare embeddings", "relate --metric"}  # of commands, in a sentence
# By their beginnings: what does not run here, and why.
ELSEWHERE = {
    "sweep SPEC --address": "needs a Ray cluster: make test-cluster",
    "report --results s3:": "needs a bucket: tests/scaling/test_storage.py",
    "sweep sweeps/roles.yaml": "tests/scaling/test_roles_sweep.py runs the like",
    "embed timm:MODEL.TAG": "MODEL.TAG's weights are a download",
    "sweep sweeps/pretrained.yaml": "its weights are a download",
    "sweep sweeps/clothing-adapters.yaml": "its weights and its photographs are downloads",
    "sweep sweeps/claims-": "takes hours, and photographs that are downloads",
    "relate --sweep claims-digits": "asks the rows of such a sweep",
    "relate --metric test_features_held_out": "asks rows of trials that predict columns",
}
NEEDS = {"export": "onnx", "track": "mlflow", "--track": "mlflow"}  # extras


def inline(text):
    """What stands within a paragraph with arguments, not mere names of commands."""
    for line in re.findall(r"`(?:clinfonce|make sweep) ([^`]+)`", re.sub(r"\s*\n\s*", " ", text)):
        words = shlex.split(line)
        if len(words) > 1 or words[0].startswith("SWEEP="):
            yield words


def documented():
    """All commands once, `make sweep SWEEP=FILE` as `sweep FILE`; not mere forms of commands."""
    found = {}
    for text in TEXTS.values():
        made = [["sweep", *words[1:]] for words in commands(text, "make") if words[0] == "sweep"]
        for words in [*commands(text, "clinfonce"), *made, *inline(text)]:
            if words[0].startswith("SWEEP="):
                words = ["sweep", *words]
            words = [word.removeprefix("SWEEP=") for word in words]
            if len(words) == 1 and words[0] == "sweep":
                words = ["sweep", "digits"]
            form = any(set("[…<") & set(word) or word in ("DIR", "FILE", "NAME") for word in words)
            if not form and not any(word.startswith("CLUSTER=") for word in words):
                found[" ".join(words)] = words
    return {line: words for line, words in found.items() if line not in NAMES}


def photographs(folder):
    """Photos and what else the pages name."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(400):
        label, colour = ("robin", "wren")[i % 2], ("red", "brown", "grey")[i // 2 % 3]
        pixels = rng.integers(0, 90, (24, 24, 3), dtype=np.uint8)
        pixels[8:16, :: i % 2 + 1, i // 2 % 3] += 150
        file = folder / f"photos/birds/{i}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
        row = {"path": f"birds/{i}.jpg", "label": label, "colour": colour}
        rows.append(row | {"place": ("Europe/Spain", "Europe/France", "Asia/Japan")[i // 6 % 3]})
    with (folder / "photos.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    columns = {name: [row[name] for row in rows] for name in ("label", "colour", "place")}
    columns["embedding"] = list(rng.normal(size=(400, 16)).astype(np.float32))
    pa.parquet.write_table(pa.table(columns), folder / "photos.parquet")
    published = "class,has_wings\n" + "".join(f"{i % 3},{i % 2}\n" for i in range(40))
    (folder / "meta_data_train.csv").write_text(published)
    (folder / "trial.yaml").write_text(TRIAL)
    (folder / "sweeps").symlink_to(SWEEPS)


def small(words):
    """A sweep with settings that make it short."""
    fields = ["trial.epochs=2", "search.trials=2", "seeds=[1]"]
    fields += ["trial.evaluation.every=1", "trial.sampler.batch_size=64"]
    fields.append("resources.cpus=2")  # a second process takes longer to start than to train
    if words[1] in ("digits", "photos.yaml"):
        fields.append("scheduler.grace_epochs=1")
    return [*words, *(word for field in fields for word in ("--set", field))]


def remove_what_is_made(words):
    """What an earlier command made and this one makes anew."""
    made = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "--out"]
    for path in map(Path, made):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def lacks(words):
    """Whether an extra is not installed that a command needs."""
    needed = [package for word, package in NEEDS.items() if word in words]
    return any(importlib.util.find_spec(package) is None for package in needed)


def test_what_does_not_run_is_still_documented():
    lines = documented()
    assert all(any(line.startswith(start) for line in lines) for start in ELSEWHERE)
    assert len(lines) > 25


@pytest.mark.slow
@pytest.mark.ray
def test_the_documented_commands_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path)
    lines = documented()
    between = [line for line in lines if line not in (*FIRST, LAST)]
    for line in [*FIRST, *between, LAST]:
        if line.startswith(tuple(ELSEWHERE)) or lacks(lines[line]):
            continue
        words = [{"SPEC": "trial.yaml", "224": "32"}.get(word, word) for word in lines[line]]
        if "TRIAL_ID" in words:
            trial = min(Path("results/encoders").glob("*.safetensors")).stem
            words[words.index("TRIAL_ID")] = trial
        remove_what_is_made(words)
        status = main(small(words) if words[0] == "sweep" else words)
        assert status == 0, (line, capsys.readouterr().err[-2000:])
