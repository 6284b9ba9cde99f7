"""YAML files as people and strangers write them: each read as it looks, or refused in a line."""

import contextlib
import itertools
import os
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfonce.config import read_experiment, read_ray_cluster, read_sweep
from clinfonce.errors import InputError

SWEEP = """\
name: demo
data: {name: digits}
trial:
  epochs: 2
fixed:
  - name: InfoNCE
    trial: {clustering: {source: instances}}
"""
SEARCH = SWEEP + "search:\n  trials: 3\n  space:\n"
GRID = SWEEP + "search:\n  sampler: grid\n  space:\n"


def read(tmp_path, content):
    path = tmp_path / "sweep.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_sweep(path)


def refused(tmp_path, content):
    """What a file is answered, within seconds; the right answer takes a few hundredths."""
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    assert time.monotonic() - began < 10
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "value"),
    [("10", 10), ("+10", 10), ("1_000", 1000), ("0x1F", 31), ("&a 10", 10), ("10  # ten", 10)],
)
def test_a_number_is_read_as_it_looks(tmp_path, written, value):
    assert read(tmp_path, SWEEP.replace("epochs: 2", f"epochs: {written}")).trial.epochs == value


@pytest.mark.parametrize("written", ["010", "1:30", "0b11", "0o10", "1__0", "yes", "2024-01-01"])
def test_what_two_versions_of_yaml_read_in_two_ways_is_no_number(tmp_path, written):
    message = refused(tmp_path, SWEEP.replace("epochs: 2", f"epochs: {written}"))
    assert f":4: trial.epochs: must be a whole number, got '{written}'" in message


@pytest.mark.parametrize(
    "written", ["yes", "on", "Off", "010", "1:30", "2024-01-01", "2024-13-45", "="]
)
def test_a_text_stays_the_text_that_was_written(tmp_path, written):
    assert read(tmp_path, SWEEP.replace("InfoNCE", written)).fixed[0].name == written


@pytest.mark.parametrize("written", ["yes", "on", "1"])
def test_a_switch_is_true_or_false(tmp_path, written):
    assert read(tmp_path, SWEEP.replace("epochs: 2", "compile: true")).trial.compile
    message = refused(tmp_path, SWEEP.replace("epochs: 2", f"compile: {written}"))
    assert "trial.compile: must be true or false, got" in message


def laughs(merged=""):
    letters = "abcdefghij"
    lines = [
        f"{a}: &{a} {merged}[{', '.join([f'*{b}'] * 10)}]" for b, a in itertools.pairwise(letters)
    ]
    return "\n".join(["a: &a {x: 1}", *lines, ""])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (laughs(), "more than 20,000 values, with what aliases stand for"),
        (laughs("{<<: ").replace("]\n", "]}\n"), "more than 20,000 values"),
        ("".join(f"a{i}: &a{i} [{f'*a{i - 1}' if i else 1}]\n" for i in range(500)), "32 deep"),
        ("a: &a {b: *a}", ":1: an alias that stands for something around itself"),
        ("&a [*a]", "around itself"),
        ("a: &a\n  <<: *a\n", "around itself"),
        ("[" * 50_000, "parts within parts more than 32 deep"),
        ("{a: " * 20_000, "parts within parts more than 32 deep"),
        ("- " * 20_000, "parts within parts more than 32 deep"),
        (f"a: {'9' * 5000}", ":1: a number of 5,000 characters"),
        (f"a: 0x{'f' * 5000}", ":1: a number of 5,002 characters"),
        (f"a: 1.{'0' * 5000}", ":1: a number of 5,002 characters"),
        ("a: !!python/object/apply:os.system [ls]", "a tag, tag:yaml.org,2002:python/object/apply"),
        ("a: !!timestamp 2024-13-45", "a tag"),
        ("a: !!int x", "a tag"),
        ('a: "\\ud800"', "a character that cannot be printed, '\\ud800'"),
        ('a: "\\0"', "a character that cannot be printed, '\\x00'"),
        ('"\\e[31m": 1', "a character that cannot be printed, '\\x1b'"),
        (b"name: a\0b", ":1: not YAML: unacceptable character #x0000"),
        ("name: demo".encode("utf-16"), "UTF-16 text, save it as UTF-8"),
        ("# caf\xe9\n".encode("latin-1"), ":1: cannot be read: not UTF-8 text"),
        ("name:\tdemo", ":1: not YAML: a tab, where YAML takes spaces alone"),
        ("name: demo\n---\nname: demo\n", "found another document"),
        ("a: &a 1\nb: &a 2", "found duplicate anchor 'a'"),
        ("? [a, b]\n: 1", "unhashable"),
        ("<<: 3", "expected a mapping"),
        ("", ":1: a specification is a mapping, got nothing"),
        ("# nothing", "got nothing"),
        ("[1, 2]", "a specification is a mapping, got [1, 2]"),
        (b"#" * 200_000, "larger than 128 KiB"),
    ],
    ids=lambda value: None if isinstance(value, str) and len(value) < 60 else "content",
)  # fmt: skip
def test_a_strange_document_is_answered_in_a_line(tmp_path, content, said):
    assert said in refused(tmp_path, content)


BRANCHES = {
    name: list(range(2, 12))
    for name in ("sampler.batch_size", "head.layers", "head.out_dim", "workers", "threads")
}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GRID + "    objective.temperature: {low: 0.001, high: 1e6, step: 0.001}\n",
         ":10: search.space: a grid of 100,000 points or more"),
        (GRID + "    objective.temperature: {low: 0, high: 1, step: 1e-300}\n",
         ":11: search.space.objective.temperature: step 1e-300 makes more than 1,000,000,000 valu"),
        (GRID + "    epochs: {low: 1, high: 2147483647}\n", ": a grid of"),
        (GRID + f"    clustering.attributes: {{subset: {[f'a{i}' for i in range(60)]}}}\n",
         "search.space: a grid of 100,000 points or more"),
        (GRID + "    objective.temperature: {low: 0.1, high: .inf, step: 1}\n", "must be less"),
        (GRID + "    objective.temperature: {low: -1e308, high: 1e308, step: 1}\n", "must be gr"),
        (SEARCH + "".join(f"    {name}: {{choices: {each}}}\n" for name, each in BRANCHES.items())
         + f"    epochs: {{choices: [9], when: {dict.fromkeys(BRANCHES, 2)}}}\n",
         ":10: search.space: more than 10,000 choices to look at, with their conditions"),
        (SEARCH + "    sampler.batch_size: {choices: [16, 16]}\n", "must differ, but 16 and 16"),
        (SEARCH + "    objective.temperature: {choices: [1, 1.0]}\n", "choices must differ"),
        (SWEEP + f"    choose: {{workers: {list(range(300))}, epochs: {list(range(299))}}}\n",
         ":8: fixed.0.choose: makes 89,700 trials to choose from; a sweep takes up to 10,000"),
    ],
    ids=["step", "tiny", "whole", "subset", "inf", "wide", "branches", "alike", "equal", "choose"],
)  # fmt: skip
def test_a_search_without_end_is_answered_in_a_line(tmp_path, content, said):
    assert said in refused(tmp_path, content)


BOUNDS = [
    ("trial: {seed: 9223372036854775808}",
     "trial.seed: must be less than or equal to 9223372036854"),
    ("trial: {epochs: 2147483648}", "trial.epochs: must be less"),
    ("trial: {workers: 2147483648}", "trial.workers: must be less"),
    ("trial: {threads: 1000000}", "trial.threads: must be less than or equal to 1000"),
    ("trial: {encoder: {width: 1000000}}", "trial.encoder.width: must be less"),
    ("trial: {head: {hidden_dim: 10000000000000}}", "trial.head.hidden_dim: must be less"),
    ("trial: {head: {layers: 1000000000}}", "trial.head.layers: must be less"),
    ("trial: {head: {hidden_dim: 65536, layers: 1000}}",
     "trial.head: hidden_dim 65536, out_dim 64"),
    ("trial: {objective: {memory: 2000000000}}",
     "objective.memory 2000000000 of head.out_dim 64 k"),
    ("trial: {evaluation: {draws: 100000000000}}", "trial.evaluation.draws: must be less"),
    ("trial: {evaluation: {neighbors: 1e9}}", "trial.evaluation.neighbors: must be a whole number"),
    ("trial: {evaluation: {neighbors: 1001}}", "trial.evaluation.neighbors: must be less"),
    ("trial: {clustering: {source: attributes, attributes: [a, b, a]}}", "'a' is named twice"),
    ("trial: {sampler: {batch_size: 4294967296}}", "trial.sampler.batch_size: must be less"),
    ("trial: {sampler: {images_per_cluster: 4294967296}}", "images_per_cluster: must be less"),
    ("trial: {clustering: {source: kmeans, n_clusters: 4294967296}}", "n_clusters: must be less"),
    ("trial: {clustering: {source: kmeans, n_clusters: 4, seed: -1}}", "seed: must be greater"),
    ("trial: {clustering: {source: attributes, top_k: 4294967296}}", "top_k: must be less"),
    ("trial: {clustering: {source: attributes, top_k: 2, bins: 1000000000}}", "bins: must be less"),
    ("seeds: [9223372036854775808]", "seeds.0: must be less"),
    ("seeds: [-1]", "seeds.0: must be greater"),
    ("resources: {cpus: 1e-300}", "resources.cpus: must be greater than or equal to 0.001"),
    ("resources: {gpus: 1.5}",
     "resources.gpus: 1.5 is neither 0, a share of a GPU (0.001 to 1) nor"),
    ("scheduler: {name: hyperband, reduction_factor: 1.0000001}",
     "reduction_factor: must be greater"),
    ("scheduler: {name: asha, reduction_factor: .inf}", "reduction_factor: must be less"),
    ("search: {trials: 4294967296, space: {epochs: {low: 1, high: 2}}}",
     "search.trials: must be less"),
    ("search: {trials: 3, seeds: 4294967296, space: {epochs: {low: 1, high: 2}}}",
     "search.seeds: must"),
    ("search: {trials: 3, seed: 4294967296, space: {epochs: {low: 1, high: 2}}}",
     "search.seed: must"),
    ("search: {trials: 3, space: {epochs: {low: 1, high: 4294967296}}}",
     "space.epochs: must be less"),
    ("keep: 4294967296", "keep: must be less"),
    (f"name: {'d' * 300}", "name: must have at most 100 characters"),
    ('fixed: [{name: "a\\nb", trial: {}}]', "fixed.0.name: 'a\\nb' holds characters that can"),
    ('fixed: [{name: "", trial: {}}]', "fixed.0.name: must have at least 1 character"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "said"), BOUNDS, ids=[line[:50] for line, _ in BOUNDS])
def test_what_no_machine_and_no_table_takes_is_refused_where_it_is_written(tmp_path, line, said):
    field = line.partition(":")[0]
    kept = {
        name: yaml.safe_dump({name: value})
        for name, value in yaml.safe_load(SWEEP).items()
        if name != field
    }
    message = refused(tmp_path, "".join(kept.values()) + line + "\n")
    assert said in message
    assert f":{1 + ''.join(kept.values()).count(chr(10))}: " in message or "trial.head: " in message


@pytest.mark.parametrize("read_one", [read_sweep, read_experiment, read_ray_cluster])
def test_only_a_file_of_text_is_read(tmp_path, read_one):
    pipe, folder = tmp_path / "pipe", tmp_path / "folder"
    os.mkfifo(pipe)
    folder.mkdir()
    for place in (pipe, folder, Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(InputError, match="cannot be read: not a file of text"):
            read_one(place)
    with pytest.raises(InputError, match="cannot be read"):
        read_one("a\0b")
    endless = tmp_path / "endless.yaml"
    with endless.open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(InputError, match="larger than 128 KiB"):
        read_one(endless)


def test_marks_of_editors_change_nothing(tmp_path):
    plain = read(tmp_path, SWEEP)
    assert read(tmp_path, "\ufeff" + SWEEP) == plain
    assert read(tmp_path, SWEEP.replace("\n", "\r\n")) == plain
    assert read(tmp_path, "%YAML 1.2\n---\n" + SWEEP) == plain


def test_aliases_and_merges_save_repetition(tmp_path):
    text = SWEEP.replace("{clustering: {source: instances}}", "&t {epochs: 3}") + (
        "  - {name: other, trial: {<<: *t, workers: 2}}\n"
    )
    sweep = read(tmp_path, text)
    other = sweep.fixed_trial(sweep.fixed[1], seed=1)
    assert (other.epochs, other.workers) == (3, 2)


def test_the_file_of_a_cluster_is_read_as_ray_reads_it(tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_text("cluster_name: c\ncached: yes\nmode: 0600\nday: 2024-01-01\n")
    with pytest.raises(InputError, match="provider: is missing"):
        read_ray_cluster(path)
    path.write_text(path.read_text() + "day2: 2024-13-45\n")
    with pytest.raises(InputError, match=r":5: 2024-13-45 is no timestamp"):
        read_ray_cluster(path)
    cluster = Path("cluster.yaml")
    assert read_ray_cluster(cluster)[1] == yaml.safe_load(cluster.read_text())


PIECES = st.sampled_from(
    ["name", "data", "trial", "fixed", "search", "space", "choose", "seeds", "digits", "epochs",
     "1", "010", "1e3", "-", ":", ": ", "- ", "{", "}", "[", "]", ",", "&a ", "*a", "<<", "!",
     "|", ">", "'", '"', "\\", "\n", "\n  ", "\t", "#", "?", "%", "@", "~", ".inf", "\ud7ff",
     "\U0001f600",
     "low", "high", "choices", "source", "kmeans", "=", "\x85", "\ufeff"]
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join), st.sampled_from([SWEEP, SEARCH, GRID, ""]))
def test_any_text_is_a_specification_or_the_users_mistake(tmp_path_factory, text, before):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(before + text, encoding="utf-8", newline="")
    for read_one in (read_sweep, read_experiment, read_ray_cluster):
        with contextlib.suppress(InputError):
            read_one(path)
