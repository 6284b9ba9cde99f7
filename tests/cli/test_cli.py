"""The `clinfonce` command: what it prints, and how it answers a mistake."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from clinfonce.cli import _parser, main
from clinfonce.config import canonical, read_experiment, read_sweep
from clinfonce.data import Column, load
from clinfonce.errors import InputError
from clinfonce.scaling.sweep import prepare_sweep
from clinfonce.trial.run import check_trial

TRIAL = """\
name: one
data: {name: digits}
trial:
  clustering: {source: attributes, attributes: [loop, even]}
  augmentation: digits
  encoder: {width: 4}
  evaluation: {every: 1, draws: 3}
  epochs: 2
"""


def write(folder, text=TRIAL, name="one.yaml"):
    path = folder / name
    path.write_text(text)
    return str(path)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A result store with one trained trial."""
    folder = tmp_path_factory.mktemp("store")
    home = str(folder / "results")
    assert main(["pretrain", write(folder), "--results", home]) == 0
    return home


def refused(capsys, *arguments):
    """Run a command that must be refused; its one line on stderr."""
    assert main([str(argument) for argument in arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    line = printed.err.strip().splitlines()[-1]
    assert line.startswith("clinfonce: ")
    assert "Traceback" not in printed.err
    return line


def test_pretrain_leaves_rows_and_an_encoder(store, capsys):
    assert main(["query", "SELECT * FROM trials", "--results", store, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["status"], row["role"], row["name"]) == ("complete", "single", "one")
    assert row["attributes"] == ["loop", "even"]
    assert 0 < row["test_linear_top1_1"] <= row["test_linear_top5_1"] <= 1
    assert (Path(store) / "encoders" / f"{row['trial_id']}.safetensors").exists()
    assert not list((Path(store) / "checkpoints").iterdir())


def test_pretrain_again_shows_what_is_there(store, tmp_path, capsys):
    assert main(["pretrain", write(tmp_path), "--results", store]) == 0
    assert "epoch" not in capsys.readouterr().err


def test_query_prints_tables_csv_and_json(store, capsys):
    sql = "SELECT name, n_clusters FROM clusterings"
    assert main(["query", sql, "--results", store]) == 0
    assert "attributes(loop, even)" in capsys.readouterr().out
    assert main(["query", sql, "--results", store, "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[0].replace('"', "") == "name,n_clusters"


def test_the_best_is_a_specification_that_trains_it_again(store, tmp_path, capsys):
    assert main(["best", "--results", store]) == 0
    text = capsys.readouterr().out
    path = tmp_path / "best.yaml"
    path.write_text(text)
    again, before = read_experiment(path), read_experiment(write(tmp_path))
    assert (again.name, again.data) == ("one-best", before.data)
    assert canonical(again.trial) == canonical(before.trial)
    assert "attributes(loop, even)" in text
    commands = re.findall(r"clinfonce (embed .*|export .*)", text)
    assert [words.split()[0] for words in commands] == ["embed", "export"]
    for words in commands:
        arguments = words.replace(".onnx", ".safetensors").split()
        out = arguments.index("--out") + 1
        arguments[out] = str(tmp_path / arguments[out])
        assert main([*arguments, "--results", store]) == 0
        assert Path(arguments[out]).exists()
    capsys.readouterr()
    assert main(["best", "--results", store, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trial"]["epochs"] == 2


def test_the_best_of_what_is_not_there(store, tmp_path, capsys):
    assert "no trials of sweep 'two'" in refused(
        capsys, "best", "--sweep", "two", "--results", store
    )


def test_relate_says_when_there_is_too_little_data(store, capsys):
    assert main(["relate", "--results", store]) == 0
    assert "clusterings" in capsys.readouterr().out
    assert main(["relate", "--results", store, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_complete"] == 1


def test_report_writes_one_page_and_figures(store, tmp_path, capsys):
    out = tmp_path / "page.html"
    command = ["report", "--results", store, "--out", str(out), "--figures", str(tmp_path / "f")]
    assert main(command) == 0
    assert str(out) in capsys.readouterr().out
    assert out.read_text().lstrip().lower().startswith("<!doctype html")
    assert (tmp_path / "f" / "information-plane.svg").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("epochs: 2", "epoch: 2", "one.yaml:8: trial.epoch: unknown field; did you mean epochs?"),
        ("epochs: 2", "epochs: two", "one.yaml:8: trial.epochs: must be a whole number, got 'two'"),
        ("digits}", "digit}", "unknown data set: 'digit'; did you mean 'digits'?"),
        ("loop, even", "loops, even", "'loops'; did you mean 'loop'?"),
        ("epochs: 2", "epochs: 2\n  objective: {temperature: 0}", "must be greater than 0, got 0"),
        ("epochs: 2", "epochs: 2\n  sampler: {batch_size: 1000}", "there are 898 training images"),
        ("augmentation: digits", "augmentation: numbers", "'numbers'"),
        ("encoder: {width: 4}", "encoder: {name: resnet7}", "'resnet7'"),
        ("attributes: [loop, even]", "attributes: []", "at least one attribute"),
        ("source: attributes, attributes: [loop, even]", "source: kmeans, n_clusters: 900", "900"),
        ("epochs: 2", "epochs: 2\n  device: cuda", "cuda"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(tmp_path, capsys, old, new, said):
    assert old in TRIAL
    home = tmp_path / "results"
    line = refused(capsys, "pretrain", write(tmp_path, TRIAL.replace(old, new)), "--results", home)
    assert said in line
    assert not home.exists()  # nothing half-written


@pytest.mark.parametrize(
    ("values", "said"),
    [([0] * 1797, "into one cluster"), (range(1797), "no two are a positive pair")],
)
def test_a_clustering_that_teaches_nothing_is_refused_with_what_to_do(tmp_path, values, said):
    table = load("digits")
    column = Column("z", "categorical", np.array(values, np.int64))
    changed = dataclasses.replace(table, columns={"z": column})
    text = TRIAL.replace(
        "source: attributes, attributes: [loop, even]", "source: column, column: z"
    )
    spec = read_experiment(write(tmp_path, text)).trial
    with pytest.raises(InputError, match=f"{said}.*(take|say)"):
        check_trial(spec, changed)


def test_a_training_that_diverges_ends_in_one_line_with_status_1(tmp_path, capsys):
    wild = "epochs: 2\n  optimizer: {name: sgd, learning_rate: 1e30, warmup: 0.0}"
    text = TRIAL.replace("epochs: 2", wild)
    assert main(["pretrain", write(tmp_path, text), "--results", str(tmp_path / "results")]) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("clinfonce: the loss is")
    assert "optimizer.learning_rate" in line


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("years of work")
    line = refused(capsys, "pretrain", write(tmp_path), "--results", tmp_path)
    assert "holds something else" in line
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.yaml", "thesis.tex"]


def test_sweep_refuses_before_anything_is_written(tmp_path, capsys):
    bad = TRIAL + "fixed: [{name: a, trial: {clustering: {source: attributes, top_k: 99}}}]\n"
    line = refused(capsys, "sweep", write(tmp_path, bad), "--results", tmp_path / "results")
    assert "99" in line
    assert not (tmp_path / "results").exists()


def test_a_metric_that_is_no_column_is_refused(tmp_path, capsys):
    bad = TRIAL + "metric: val_accuracy\nfixed: [{name: a, trial: {}}]\n"
    line = refused(capsys, "sweep", write(tmp_path, bad), "--results", tmp_path / "results")
    assert "'val_accuracy'" in line
    assert "val_linear_top1_5" in line


@pytest.mark.skipif(not Path("/sys/kernel").exists(), reason="no folder that root cannot write to")
def test_a_place_that_may_not_be_written_is_refused(tmp_path, capsys):
    text = write(tmp_path, TRIAL + "fixed: [{name: a, trial: {}}]\n")
    line = refused(capsys, "sweep", text, "--results", "/sys/results")
    assert "cannot write results to '/sys/results': " in line


def test_a_sweep_with_another_specification_is_refused(tmp_path, capsys):
    text = TRIAL + "fixed: [{name: a, trial: {}}]\n"
    home = tmp_path / "results"
    prepare_sweep(read_sweep(write(tmp_path, text)), home)
    changed = write(tmp_path, text.replace("epochs: 2", "epochs: 3"))
    assert main(["sweep", changed, "--results", str(home)]) == 2
    _, line, difference = capsys.readouterr().err.splitlines()  # the first says which sweep
    assert line.startswith("clinfonce: ")
    assert "another name keeps its rows, --fresh forgets them" in line
    assert difference == "  trial.epochs was 2, is 3"


@pytest.mark.parametrize(
    "sql",
    ["SELEC 1", "SELECT nothing FROM trials", "SELECT * FROM read_csv('/etc/passwd')",
     "COPY trials TO '/tmp/x'", "DROP TABLE trials", "SELECT 1; SELECT 2", ""],
)  # fmt: skip
def test_sql_that_is_wrong_or_writes_is_one_line(store, capsys, sql):
    refused(capsys, "query", sql, "--results", store)


def test_no_results_yet_says_what_to_do(tmp_path, capsys):
    assert "clinfonce sweep" in refused(capsys, "relate", "--results", tmp_path / "none")


def test_an_unknown_metric_is_refused(store, capsys):
    assert "accuracy" in refused(capsys, "relate", "--results", store, "--metric", "accuracy")


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["sweep"]])
def test_wrong_usage_ends_with_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_where_a_store_has_several_sweeps_the_next_command_names_one(store, tmp_path, capsys):
    home = tmp_path / "results"
    shutil.copytree(store, home)
    text = TRIAL.replace("name: one", "name: two")
    assert text != TRIAL
    assert main(["pretrain", write(tmp_path, text), "--results", str(home)]) == 0
    assert f"clinfonce relate --results {home} --sweep two\n" in capsys.readouterr().out


def test_the_help_fits_a_screen_and_names_every_command(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 26
    assert max(map(len, lines)) <= 79
    known = set(_parser().purposes)
    assert {line.split()[0] for line in lines if line.startswith("  ")} == known
    for name in known:
        with pytest.raises(SystemExit):
            main([name, "--help"])
        assert "usage: clinfonce " + name in capsys.readouterr().out
