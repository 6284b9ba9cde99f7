"""`clinfonce information`: any table's columns, through the function and through the command."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from clinfonce.cli import main
from clinfonce.errors import InputError
from clinfonce.information import estimate, measure
from clinfonce.information.columns import measure_columns

PUBLISHED = Path(__file__).parents[3] / "shared/data/clinfonce-official"
TABLES = {
    "cub/meta_data_train.csv": "cub/meta_data_train_stats_.csv",
    "ut-zappos50k/meta_data_train.csv": "ut-zappos50k/meta_data_train_stats_metrics.csv",
}
COLOURS = ["red", "blue", "blue", "", "red", "red", "green", "NA"]
NUMBERS = ["1", "2", "2", "1", "", "1", "2", "1"]
LABELS = ["x", "y", "y", "x", "x", "x", "y", ""]


def write(file, columns, encoding="utf-8", delimiter=","):
    with file.open("w", newline="", encoding=encoding) as out:
        writer = csv.writer(out, delimiter=delimiter)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return file


@pytest.fixture
def table(tmp_path):
    return write(tmp_path / "t.csv", {"colour": COLOURS, "size": NUMBERS, "kind": LABELS})


def test_missing_is_a_cluster_and_rows_without_a_label_are_left_out(table):
    colour, size = measure_columns(table, ["colour", "size"], "kind")
    labels = [0, 1, 1, 0, 0, 0, 1]
    assert colour.estimate == estimate([0, 1, 1, 3, 0, 0, 2], labels)
    assert size.estimate == estimate([0, 1, 1, 0, 2, 0, 1], labels)
    assert (colour.n_missing, size.n_missing) == (2, 1)
    assert [c.clusters for c in measure_columns(table, ["all"], "kind")] == ["colour", "size"]


@pytest.mark.parametrize("suffix", ["tsv", "parquet"])
def test_other_formats_agree(table, tmp_path, suffix):
    if suffix == "tsv":
        columns = {"colour": COLOURS, "size": NUMBERS, "kind": LABELS}
        other = write(tmp_path / "t.tsv", columns, delimiter="\t")
    else:
        import pyarrow
        import pyarrow.parquet

        other = tmp_path / "t.parquet"
        columns = {
            "colour": [None if v in ("", "NA") else v for v in COLOURS],
            "size": [float(v or "nan") for v in NUMBERS],
            "kind": [v or None for v in LABELS],
        }
        pyarrow.parquet.write_table(pyarrow.table(columns), other)
    assert measure_columns(other, ["all"], "kind") == measure_columns(table, ["all"], "kind")


def test_equal_lists_are_a_cluster(tmp_path):
    import pyarrow
    import pyarrow.parquet

    tags = [["a", "b"], ["a"], None, ["a", "b"], [], ["a"], []]
    paths = [[["x", "y"]], [["x"]], [["x", "y"]], [["x"], ["z"]], [["x"]], None, [["x", "y"]]]
    columns = {"tags": tags, "place": paths, "kind": [0, 1, 0, 1, 1, 0, 1]}
    file = tmp_path / "t.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), file)
    by_tags, by_place = measure_columns(file, ["all"], "kind")
    assert by_tags.estimate == estimate([0, 1, 3, 0, 2, 1, 2], columns["kind"])
    assert by_place.estimate == estimate([0, 1, 0, 2, 1, 3, 0], columns["kind"])


@pytest.mark.parametrize(
    ("text", "clusters", "expected"),
    [
        ('z,t\n"b|a",0\na;b,1\n"a|b",0\nc|,1\n', ["z"], [0, 0, 0, 1]),
        ("z,t\nyes,0\nNo,1\nYES,0\nno,1\n", ["z"], [0, 1, 0, 1]),
        ('z,t\nred,0\n red ,1\n"red",0\nblue,1\n', ["z"], [0, 0, 0, 1]),
        ("z,t\ncaf\u00e9,0\ncafe\u0301,1\nx,0\nx,1\n", ["z"], [0, 0, 1, 1]),
        ('z,t\n"NA",0\nNA,1\n,0\nx,1\n', ["z"], [0, 1, 1, 2]),
        ("z;t\n1,5;0\n1,50;1\n2;0\n3;1\n", ["z"], [0, 0, 1, 1]),
        ('"a,b",t\n1,0\n1,1\n2,0\n3,1\n', "a,b", [0, 0, 1, 2]),
        ('"a,b",c,t\n1,0,0\n1,0,1\n2,1,0\n3,1,1\n', '"a,b"', [0, 0, 1, 2]),
        (",z,t\n0,1,0\n1,1,1\n2,2,0\n3,3,1\n,,\n", "all", [0, 0, 1, 2]),
        ("path,split,z,t\na,train,1,0\nb,test,1,1\nc,,2,0\nd,,3,1\n", "all", [0, 0, 1, 2]),
        ("z,empty,t\n1,,0\n1,,1\n2,,0\n3,,1\n", "all", [0, 0, 1, 2]),
    ],
)
def test_a_table_is_read_as_prepare_reads_it(tmp_path, text, clusters, expected):
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    (found,) = measure_columns(tmp_path / "t.csv", clusters, "t")
    assert found.estimate == estimate(expected, [0, 1, 0, 1])


def test_numbers_are_cut_as_a_training_cuts_them_on_the_rows_that_train(tmp_path):
    numbers = [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 100.5, 200.5, 300.5, 400.5]
    splits = ["train"] * 6 + ["val", "val", "test", "test"]
    columns = {"split": splits, "size": numbers, "kind": [0, 1, 0, 1, 1, 1, 0, 0, 1, 1]}
    file = write(tmp_path / "t.csv", columns)
    for clusters in ("all", ["size"]):
        (found,) = measure_columns(file, clusters, "kind")
        assert found.estimate == estimate([0, 0, 0, 1, 1, 1], [0, 1, 0, 1, 1, 1])
    (three,) = measure_columns(file, ["size"], "kind", bins=3)
    assert three.estimate == estimate([0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 1, 1])


def test_whole_numbers_are_cluster_ids_unless_they_are_to_be_cut(tmp_path):
    years = list(range(1900, 1930)) * 2
    file = write(tmp_path / "t.csv", {"year": years, "kind": [0, 1] * 30})
    (ids,) = measure_columns(file, "all", "kind")
    assert ids.estimate.information.n_clusters == 30
    assert "--bins 2 measures that" in ids.notes[0]
    (cut,) = measure_columns(file, "all", "kind", bins=4)
    assert cut.estimate.information.n_clusters == 4


def test_columns_that_are_no_information_are_named(tmp_path, capsys):
    label = list(range(4)) * 20
    columns = {"id": [f"i{i}" for i in range(80)], "copy": label, "kind": label}
    file = write(tmp_path / "t.csv", columns)
    assert main(["information", str(file), "--clusters", "all", "--label", "kind"]) == 0
    shown = capsys.readouterr().out
    assert "- id: an identifier, 80 values of 80 training images" in shown
    assert "- copy: the label itself, or nearly so" in shown


def test_what_is_unsure_is_noted(tmp_path):
    (tmp_path / "t.csv").write_text("z,t\nNone,0\nx,1\ny,0\nx,1\n")
    (found,) = measure_columns(tmp_path / "t.csv", ["z"], "t")
    assert "'None' (1) counted as missing" in found.notes[0]
    (kept,) = measure_columns(tmp_path / "t.csv", ["z"], "t", missing=["-"])
    assert (found.n_missing, kept.n_missing, kept.notes) == (1, 0, ())


def test_fractions_nest_and_state_their_error(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 4000)
    clusters = np.where(rng.random(4000) < 0.5, labels, rng.integers(0, 4, 4000))
    file = write(tmp_path / "t.csv", {"z": clusters, "t": labels})
    tenth, whole = measure_columns(file, ["z"], "t", fractions=[0.1, 1])
    assert (tenth.estimate.n_labelled, whole.estimate.n_labelled) == (400, 4000)
    truth = measure(clusters, labels).i_zt_excess
    assert whole.estimate.information.i_zt_excess == pytest.approx(truth)
    error = tenth.estimate.i_zt_excess_error
    assert 2 * whole.estimate.i_zt_excess_error < error < 0.1
    assert tenth.estimate.information.i_zt_excess == pytest.approx(truth, abs=4 * error)


def test_the_last_row_of_index_minus_one_is_dropped(tmp_path):
    columns = {"": [4, 2, 9, 0, -1], "z": [1, 1, 2, 2, 2], "t": [7, 7, 8, 8, 2]}
    (found,) = measure_columns(write(tmp_path / "t.csv", columns), ["all"], "t")
    assert found.clusters == "z"
    assert found.estimate.n_labelled == 4
    assert found.estimate.information.h_z == 1.0
    columns[""][-1] = 3
    (found,) = measure_columns(write(tmp_path / "u.csv", columns), ["z"], "t")
    assert found.estimate.n_labelled == 5


def test_notes_say_when_the_bits_say_nothing(tmp_path):
    columns = {"id": range(6), "one": [0] * 6, "z": [0, 0, 0, 1, 1, 1], "t": [0, 1, 0, 1, 0, 1]}
    file = write(tmp_path / "t.csv", columns)
    single, one, fine = measure_columns(file, ["id", "one", "z"], "t")
    assert single.note == "id: every row is a cluster of its own, so its 1 bits are all chance"
    assert "one cluster" in one.note
    assert fine.note is None


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a,t\n1,2\n", {"clusters": ["b"]}, "unknown column of .*'b'.*known: a, t"),
        ("a,t\n1,2\n", {"label": "z"}, "unknown column of .*'z'"),
        ("a,t\n1,2\n1,2\n", {}, "2 labelled rows; at least four"),
        ("a,t\n", {}, "0 labelled rows|no rows"),
        ("", {}, "the table is empty"),
        ("a,t\n1,2\n1,2,3\n", {}, "line 3: 3 values for 2 columns"),
        ("a,t\n1,2\n", {"fractions": [0]}, "fraction must be above 0 and at most 1, got 0"),
        ("a,t\n1,2\n", {"fractions": [1.5]}, "got 1.5"),
        ("a,t\n1,2\n", {"encoding": "klingon"}, "unknown encoding 'klingon'|klingon"),
        ("t\n1\n", {"clusters": ["all"]}, "no column to measure"),
        (b"a,t\n\xe4,2\n", {}, "encoding"),
    ],
)
def test_mistakes_take_one_line(tmp_path, text, options, message):
    file = tmp_path / "t.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message) as caught:
        measure_columns(file, **({"clusters": ["a"], "label": "t"} | options))
    assert "\n" not in str(caught.value)


def test_other_encodings(tmp_path):
    columns = {"z": ["ä", "ö"] * 4, "t": ["ß", "s"] * 4}
    file = write(tmp_path / "t.csv", columns, encoding="latin-1")
    (found,) = measure_columns(file, ["z"], "t", encoding="latin-1")
    assert found.estimate.information.i_zt == 1.0


def test_command(table, capsys):
    assert main(["information", str(table), "--clusters", "colour,size", "--label", "kind"]) == 0
    shown = capsys.readouterr().out
    assert "7 labelled rows" in shown
    assert "colour" in shown
    options = ["--label", "kind", "--json", "--fraction", "1"]
    assert main(["information", str(table), "--clusters", "size", *options]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["clusters"] == "size"
    assert found["n_clusters"] == 3
    assert main(["information", str(table), "--clusters", "hue", "--label", "kind"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the authors' tables are not here")
@pytest.mark.parametrize("table", TABLES)
def test_command_reproduces_the_published_bits(table, capsys):
    with (PUBLISHED / TABLES[table]).open(newline="") as file:
        published = {row[""]: row for row in csv.DictReader(file)}
    del published["instance_id"]  # not a column of the table
    options = ["--clusters", ",".join(published), "--label", "class", "--json"]
    assert main(["information", str(PUBLISHED / table), *options]) == 0
    rows = {row["clusters"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows.keys() == published.keys()
    assert len(rows) > 12
    for name, row in published.items():
        for ours, theirs in (("h_z", "H(Y)"), ("i_zt", "I(Y;T)"), ("h_z_given_t", "H(Y|T)"),
                             ("h_t_given_z", "H(T|Y)")):  # fmt: skip
            assert rows[name][ours] == pytest.approx(float(row[theirs]), abs=1e-6), name


def test_a_part_of_the_labels_is_the_same_for_the_same_seed(tmp_path):
    rng = np.random.default_rng(0)
    columns = {name: [str(v) for v in rng.integers(0, 4, 200)] for name in ("a", "kind")}
    file = write(tmp_path / "t.csv", columns)

    def found(seed):
        return measure_columns(file, ["a"], "kind", fractions=(0.3,), seed=seed)[0].estimate

    assert found(1) == found(1)
    assert found(1) != found(2)
