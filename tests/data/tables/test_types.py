"""Types of columns: taken over from typed files, inferred from texts, or given."""

import datetime
import decimal

import pyarrow as pa
import pyarrow.parquet
import pytest

from clinfonce.data.tables.classes import classes_of
from clinfonce.data.tables.read import read_table
from clinfonce.data.tables.roles import with_roles
from clinfonce.data.tables.types import parse_column
from clinfonce.data.tables.words import Missing
from clinfonce.errors import InputError


@pytest.fixture
def parse(tmp_path):
    """A function from the values of a column, as they stand in a CSV or typed, to the column."""

    def parse(values, kind=None, *, name="c", missing=(), delimiter=",", skip_bad=False):
        if isinstance(values, pa.Array):
            file = tmp_path / "t.parquet"
            pyarrow.parquet.write_table(pa.table({name: values, "row": range(len(values))}), file)
        else:
            file = tmp_path / "t.csv"
            lines = (f"{row}{delimiter}{value}" for row, value in enumerate(values))
            file.write_text("\n".join([f"row{delimiter}{name}", *lines]), encoding="utf-8")
        words = Missing.given(missing, [name])
        return parse_column(read_table(file), name, kind, skip_bad, words)

    return parse


def known(parsed):
    """Kind and values, None where missing."""
    column = parsed.column
    pairs = zip(column.values.tolist(), column.present, strict=True)
    return column.kind, [value if here else None for value, here in pairs]


# Words that spreadsheets, pandas, R, databases and people write for nothing.
NOTHING = [
    "", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "#NV", "#DIV/0!", "#REF!", "#VALUE!",
    "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#WERT!", "#¡VALOR!", "#ÜBERLAUF!", "Err:502", "<NA>",
    "NaN", "nan", "-nan", "NaT", "None", "none", "NULL", "null", r"\N",
    "-", "--", "–", "?", ".", "-1.#IND",
]  # fmt: skip


@pytest.mark.parametrize("word", NOTHING)
def test_words_for_nothing(parse, word):
    assert known(parse(["TRUE", "FALSE", word])) == ("boolean", [True, False, None])
    assert known(parse(["1.5", word, "2"])) == ("numeric", [1.5, None, 2])
    assert known(parse(["a|b", word, "a"])) == ("tags", [("a", "b"), None, ("a",)])
    assert known(parse(["a/b", word])) == ("hierarchy", [("a", "b"), None])
    assert known(parse(["red", word, "blue"])) == ("categorical", ["red", None, "blue"])
    if word:
        assert known(parse(["red", f'"{word}"', "blue"]))[1] == ["red", word, "blue"]


@pytest.mark.parametrize("word", ["Na", "Nan", "unknown", "0", "#1", "#cat", "#FFAA00", "x"])
def test_words_that_are_values(parse, word):
    assert known(parse(["red", word, "blue"]))[1] == ["red", word, "blue"]


def test_words_that_may_be_values_are_said(parse):
    (note,) = parse(["red", "None", "blue", "None", "-", "#N/A"]).notes
    assert note.startswith("c: '-' (1), 'None' (2) counted as missing")
    assert parse(["red", "#N/A", "", "blue"]).notes == ()


def test_words_are_set(parse):
    values = ["red", "NA", "none", "-9", "#N/A"]
    assert known(parse(values, missing=["none", "-9"]))[1] == ["red", "NA", None, None, None]
    assert known(parse(values, missing=[""]))[1] == ["red", "NA", "none", "-9", None]
    only_here = parse(['"-9"', "NA", "3.5"], missing=["c=-9"])
    assert known(only_here) == ("numeric", [None, None, 3.5])
    typed = parse(pa.array([-9, 5, None]), missing=["c=-9"])
    assert known(typed) == ("categorical", [None, "5", None])


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["yes", "No", "YES"], "boolean", [True, False, True]),
        (["1", "-1", "1"], "boolean", [True, False, True]),
        (["3", "4", "3"], "categorical", ["3", "4", "3"]),
        ([str(i) for i in range(21)], "numeric", [float(i) for i in range(21)]),
        (["00037", "10115"], "categorical", ["00037", "10115"]),
        ([f"{i:05}" for i in range(30)], "categorical", [f"{i:05}" for i in range(30)]),
        ([str(10**17 + i) for i in range(30)], "categorical", [str(10**17 + i) for i in range(30)]),
        (['"1,5"', "2", '"2,25"'], "numeric", [1.5, 2, 2.25]),
        (['"1,234.5"', '"12,000"'], "numeric", [1234.5, 12000]),
        (["1970-01-03", "1970-01-01"], "numeric", [2, 0]),
        (["01/02/2020", "03/04/2020"], "categorical", ["01/02/2020", "03/04/2020"]),
        (['"[""a"", ""b""]"', '"[""b""]"'], "tags", [("a", "b"), ("b",)]),
        (["\"['b', 'a']\"", "[]"], "tags", [("a", "b"), ()]),
        (['"a, b"', '"b, a"'], "tags", [("a", "b"), ("a", "b")]),
        (['"Doe, Jane"', '"Roe, Jo"'], "categorical", ["Doe, Jane", "Roe, Jo"]),
        (["a b", "b a"], "categorical", ["a b", "b a"]),
        (["https://x.org/1", "https://x.org/2"], "categorical",
         ["https://x.org/1", "https://x.org/2"]),
        (["a/b|c/d", "e/f"], "hierarchy", [(("a", "b"), ("c", "d")), (("e", "f"),)]),
        (["AC/DC|x", "y"], "tags", [("AC/DC", "x"), ("y",)]),
    ],
)  # fmt: skip
def test_what_texts_look_like(parse, values, kind, expected):
    assert known(parse(values)) == (kind, expected)


@pytest.mark.parametrize("name", ["id", "sender_id", "userId", "photoID", "ZIP", "zip code", "EAN"])
def test_numbers_that_name_things(parse, name):
    values = [str(10 * i + 1) for i in range(30)]
    parsed = parse(values, name=name)
    assert known(parsed) == ("categorical", values)
    assert f"--type {name}=numeric" in parsed.notes[0]
    assert parse(values, "numeric", name=name).column.kind == "numeric"


@pytest.mark.parametrize("name", ["width", "paid", "android", "year", "grid", "valid"])
def test_numbers_that_measure_things(parse, name):
    assert parse([str(10 * i) for i in range(30)], name=name).column.kind == "numeric"


@pytest.mark.parametrize(
    ("values", "note"),
    [
        (["yes", "no", "maybe"], "'maybe' is unlike all other values"),
        (["1", "2", "3", "many"], "'many' is unlike all other values"),
        ([str(i) for i in range(30)], "every row has another whole number"),
        (["km/h", "a", "b", "c"], "1 of 4 values hold /"),
        (["Berlin", "berlin"], "'Berlin' and 'berlin' look alike"),
        (["New\u00a0York", "New York"], "look alike"),
        (['"1,234"', "5"], "1,234 is 1234"),
        (['"a, b"', '"b, a"'], "split at commas"),
        (["1970-01-03", "1970-01-01"], "dates, in days since 1970-01-01"),
        (["01/02/2020", "03/04/2020"], "write them as 2021-12-31"),
    ],
)
def test_what_is_unsure_is_said(parse, values, note):
    assert note in " ".join(parse(values).notes)


def test_three_numbers_are_no_boolean_and_a_stray(parse):
    assert parse(["0", "1", "2"]).notes == ()


def test_numbers_with_a_text_among_them(parse):
    values = [*map(str, range(30)), "tall"]
    with pytest.raises(InputError, match=r"line 32: c is 'tall' among numbers; .*--missing"):
        parse(values)
    assert known(parse(values, missing=["tall"]))[1][-1] is None
    assert parse(values, "numeric", skip_bad=True).n_bad == 1


def test_decimal_commas_between_semicolons(parse):
    assert known(parse(["1,5", "2,250"], delimiter=";")) == ("numeric", [1.5, 2.25])


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (pa.array([True, None, False]), "boolean", [True, None, False]),
        (pa.array([1, None, 0]), "categorical", ["1", None, "0"]),
        (pa.array(range(30)), "numeric", [float(i) for i in range(30)]),
        (pa.array([1.0, float("nan"), None]), "numeric", [1.0, None, None]),
        (pa.array([decimal.Decimal("1.50"), None]), "numeric", [1.5, None]),
        (pa.array(["NA", None, "null", "-"]), "categorical", ["NA", None, "null", "-"]),
        (pa.array(["1", "0", "1"]), "categorical", ["1", "0", "1"]),
        (pa.array(["10115", "20095"]), "categorical", ["10115", "20095"]),
        (pa.array(["2021-01-01", "2021-01-02"]), "categorical", ["2021-01-01", "2021-01-02"]),
        (pa.array(["yes", "no"]), "boolean", [True, False]),
        (pa.array(["a/b", "a"]), "hierarchy", [("a", "b"), ("a",)]),
        (pa.array(["x", "y", "x"]).dictionary_encode(), "categorical", ["x", "y", "x"]),
        (pa.array([["AC/DC"], ["R|B", "x;y"], [], None]), "tags",
         [("AC/DC",), ("R|B", "x;y"), (), None]),
        (pa.array([["b", None, "a", "a"]], pa.large_list(pa.string())), "tags", [("a", "b")]),
        (pa.array([[["a", "b"], ["c"]], None]), "hierarchy", [(("a", "b"), ("c",)), None]),
        (pa.array([datetime.date(1970, 1, 2), None]), "numeric", [1, None]),
        (pa.array([datetime.datetime(1970, 1, 1, 12)]), "numeric", [0.5]),
        (pa.array([43_200_000_000_123], pa.timestamp("ns")), "numeric", [0.5]),
        (pa.array([datetime.timedelta(minutes=2)]), "numeric", [120]),
        (pa.array([datetime.time(1)]), "numeric", [3600]),
    ],
)  # fmt: skip
def test_typed_columns_keep_their_type(parse, values, kind, expected):
    found, values = known(parse(values))
    assert found == kind
    if kind == "numeric":
        values, expected = ([v for v in part if v is not None] for part in (values, expected))
        expected = pytest.approx(expected, abs=1e-6)
    assert values == expected


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (pa.array([["animal", "cat"], ["animal"]]), "hierarchy", [("animal", "cat"), ("animal",)]),
        (pa.array([1, 0]), "boolean", [True, False]),
        (pa.array([1, 2]), "numeric", [1.0, 2.0]),
        (pa.array([1.5, 2.0]), "categorical", ["1.5", "2"]),
        (pa.array(["1", "2"]), "numeric", [1.0, 2.0]),
        (pa.array(["a, b", "c"]), "tags", [("a", "b"), ("c",)]),
        (pa.array([datetime.date(2021, 1, 2)]), "categorical", ["2021-01-02"]),
        (pa.array([["a", "b"], ["a"]]), "categorical", ["a|b", "a"]),
    ],
)
def test_another_type_for_typed_columns(parse, values, kind, expected):
    assert known(parse(values, kind)) == (kind, expected)


def test_units_are_described(parse):
    assert parse(["2021-01-02"]).column.description == "in days since 1970-01-01"
    assert parse(pa.array([datetime.timedelta(1)])).column.description == "in seconds"


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (pa.array([[1.0, 2.0]]), {}, "'c' holds lists of numbers .embeddings"),
        (pa.array([b"x"]), {}, "'c' holds files or records"),
        (pa.array([{"a": 1}]), {}, "'c' holds files or records; --type c=ignore"),
        (pa.array([float("inf")]), {}, "row 1: c is 'inf', not numeric"),
        (["", "NA"], {}, "'c' has no value in any row"),
        (["a", "b"], {"kind": "numeric"}, "line 2: c is 'a', not numeric"),
        (["a", "b"], {"kind": "colour"}, "type 'colour' of column 'c' is none of .*, ignore"),
    ],
)
def test_what_is_refused(parse, values, options, message):
    with pytest.raises(InputError, match=message):
        parse(values, **options)


def test_a_column_of_texts_too_long_to_be_categories(parse, monkeypatch):
    monkeypatch.setattr("clinfonce.data.tables.types._WIDEST", 1000)
    with pytest.raises(InputError, match=r"line 3: c is a text of 300 characters.*c=ignore"):
        parse(["x", "y" * 300])


def classes(tmp_path, text, missing=()):
    file = tmp_path / "t.csv"
    file.write_text(text, encoding="utf-8")
    return classes_of(read_table(file), "label", Missing.given(missing, []))


def test_classes(tmp_path):
    found = classes(tmp_path, 'label,k\n"NA",1\nZA,1\nNA,2\nBW,\n"null",2\n')
    assert found.names == ("BW", "NA", "ZA", "null")
    assert found.codes.tolist() == [1, 2, -1, 0, 3]
    assert "'NA' (1) counted as missing" in found.notes[0]
    found = classes(tmp_path, "label\ncaf\u00e9\ncafe\u0301\nCafe\u0301\n")
    assert found.codes.tolist() == [1, 1, 0]
    assert "'Café' and 'café' look alike, and are two classes" in found.notes[0]


ROLES = "Path,split,y\na.png,train,1\n"


@pytest.mark.parametrize(
    ("header", "given", "names"),
    [
        ("path,label,x", {}, ["path", "label", "x"]),
        ("Path,Label,SPLIT", {}, ["path", "label", "split"]),
        ("file_name,label,x", {}, ["path", "label", "x"]),
        ("File Name,label,x", {}, ["path", "label", "x"]),
        ("image,filename,x", {}, ["image", "path", "x"]),
        ("image,path,x", {}, ["image", "path", "x"]),
        ("a,b,c", {"path": "b", "label": "c"}, ["a", "path", "label"]),
        ("path,y,label", {"label": "y", "old": "label"}, ["path", "label", "old"]),
    ],
)
def test_columns_by_other_names(tmp_path, header, given, names):
    file = tmp_path / "t.csv"
    file.write_text(f"{header}\n1,2,3\n")
    assert with_roles(read_table(file), given).names == names


@pytest.mark.parametrize(
    ("header", "given", "message"),
    [
        ("a,b", {}, "no column named 'path' .columns: a, b.; --columns path=NAME"),
        ("a,b", {"path": "c"}, "unknown column of .*'c'"),
        ("path,label,y", {"label": "y"}, "two columns are named 'label'"),
    ],
)
def test_columns_that_cannot_be_told(tmp_path, header, given, message):
    file = tmp_path / "t.csv"
    file.write_text(f"{header}\n{','.join('1' * len(header.split(',')))}\n")
    with pytest.raises(InputError, match=message):
        with_roles(read_table(file), given)


def test_a_label_by_another_name_is_asked_about(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("path,class\na,1\n")
    assert "--columns label=class" in with_roles(read_table(file), {}).notes[0]
