"""Tables as spreadsheets, databases and scripts write them: what is read, and what is refused."""

import csv
import io

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfonce.data.tables.read import read_table
from clinfonce.data.tables.separated import records
from clinfonce.errors import InputError

PLAIN = "path,label,k\n0.png,cat,x\n1.png,dog,y\n"


@pytest.fixture
def read(tmp_path):
    """A function from a file's content to its columns."""

    def read(content, name="t.csv", **options):
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        table = read_table(file, **options)
        return {column: list(cells.values) for column, cells in table.columns.items()}

    return read


EXPECTED = {"path": ["0.png", "1.png"], "label": ["cat", "dog"], "k": ["x", "y"]}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (PLAIN, "t.csv"),
        (PLAIN, "T.CSV"),
        (PLAIN.replace(",", ";"), "t.csv"),
        (PLAIN.replace(",", "\t"), "t.csv"),
        (PLAIN.replace(",", "|"), "t.csv"),
        (PLAIN.replace(",", "\t"), "t.tsv"),
        (PLAIN.replace(",", "\t"), "t.txt"),
        (PLAIN, "t.tsv"),
        ("sep=;\n" + PLAIN.replace(",", ";"), "t.csv"),
        ('"sep=;"\r\n' + PLAIN.replace(",", ";"), "t.csv"),
        (PLAIN.replace("\n", "\r\n"), "t.csv"),
        (PLAIN.replace("\n", "\r"), "t.csv"),
        (PLAIN.rstrip(), "t.csv"),
        ("\n" + PLAIN.replace("\n", "\n\n"), "t.csv"),
        (PLAIN + ",,\n , ,\n", "t.csv"),
        (PLAIN.replace("\n", ",\n"), "t.csv"),
        (PLAIN.replace(",", " , "), "t.csv"),
        ('path, "label" ,k\n"0.png", "cat","x"\n"1.png","dog","y"\n', "t.csv"),
        (PLAIN.encode("utf-8-sig"), "t.csv"),
        (PLAIN.encode("utf-16"), "t.csv"),
        (b"\xfe\xff" + PLAIN.encode("utf-16-be"), "t.csv"),
        (PLAIN.encode("utf-32"), "t.csv"),
        (",path,label,k\n0,0.png,cat,x\n1,1.png,dog,y\n", "t.csv"),
        (",path,label,k\n7,0.png,cat,x\n3,1.png,dog,y\n", "t.csv"),
        ("Unnamed: 0,path,label,k\n0,0.png,cat,x\n1,1.png,dog,y\n", "t.csv"),
    ],
)
def test_one_table_written_in_many_ways(read, content, name):
    assert read(content, name) == EXPECTED


def test_encodings_that_are_given(read):
    text = PLAIN.replace("cat", "Kätzchen")
    assert read(text.encode("cp1252"), encoding="cp1252")["label"][0] == "Kätzchen"
    assert read(text.encode("utf-16-le"), encoding="utf-16-le")["label"][0] == "Kätzchen"
    with pytest.raises(InputError, match=r"line 2: not utf-8 text .* give its encoding"):
        read(text.encode("cp1252"))
    with pytest.raises(InputError, match=r"line 1: a NUL .*utf-16-le"):
        read(PLAIN.encode("utf-16-le"))


def test_delimiters_that_are_given(read):
    text = "path,label|k\n0.png,cat|x\n"
    assert list(read(text)) == ["path", "label|k"]
    assert list(read(text, delimiter="|")) == ["path,label", "k"]
    assert list(read("a\tb,c\n1\t2,3\n", delimiter="tab")) == ["a", "b,c"]
    with pytest.raises(InputError, match="delimiter 'ab' is not one character"):
        read(text, delimiter="ab")


def test_what_stands_in_quotes(read):
    found = read('a,b\n"x, y","say ""hi"""\n"two\nlines",5" disk\n"", "" \n')
    assert found == {"a": ["x, y", "two\nlines"], "b": ['say "hi"', '5" disk']}
    assert read('a,"b\nof it"\n1,2\n') == {"a": ["1"], "b\nof it": ["2"]}


def test_quoted_values_are_told_apart(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text('a,b\nNA,1\n"NA",2\nNA,"3"\n')
    table = read_table(file)
    assert table.cells("a").quoted.tolist() == [False, True, False]
    assert table.cells("b").quoted.tolist() == [False, False, True]
    assert table.lines == [2, 3, 4]


def test_texts_have_one_unicode_form(read):
    found = read("cafe\u0301,b\nthe\u0301,\u00a0x\u2003\n")
    assert found == {"caf\u00e9": ["th\u00e9"], "b": ["x"]}


def test_a_long_text_is_a_value(read):
    assert len(read(f"a,b\n1,{'y' * 200_000}\n")["b"][0]) == 200_000


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ('a,b\n1,2\n1,"2 inch\n1,2\n1,2\n', "t.csv", "line 3: the quote before '2 inch.n.*never c"),
        ('a,b\n1,"2 inch\n1,"3 inch\n', "t.csv", "line 2: text after the quote that closes"),
        ('a,b\n1,2\n"a\nb",2,3\n', "t.csv", "line 3: 3 values for 2 columns"),
        ("a,b\n1\n", "t.csv", "line 2: 1 values for 2 columns"),
        ("a,b,a\n1,2,3\n", "t.csv", "two columns are named 'a'"),
        ("a,b, a\n1,2,3\n", "t.csv", "two columns are named 'a'"),
        ("e\u0301,\u00e9\n1,2\n", "t.csv", "two columns are named 'é'"),
        ("a,,b\n1,x,2\n", "t.csv", "column 2 has no name .its first value is 'x'"),
        ("", "t.csv", "the table is empty"),
        ("\n\n", "t.csv", "the table is empty"),
        ("a,b\n", "t.csv", "the table has no rows"),
        ("a,b\n,\n", "t.csv", "the table has no rows"),
        (b"PK\3\4rest", "t.csv", "must be a .csv, .tsv or .parquet file"),
        (b"PK\3\4rest", "t.xlsx", "must be a .csv, .tsv or .parquet file"),
        (b"PAR1rest", "t.csv", "not a Parquet file, or not a whole one"),
    ],
)
def test_what_is_refused(read, content, name, message):
    with pytest.raises(InputError, match=message) as caught:
        read(content, name)
    assert "\n" not in str(caught.value)


def test_a_quote_that_never_ends_takes_no_longer_than_the_file(read):
    with pytest.raises(InputError, match="line 2: the quote before"):
        read('a,b\n1,"x\n' + "1,2\n" * 200_000)


def test_columns_of_what_is_wanted_alone(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text(PLAIN)
    assert read_table(file, only=["k"]).names == ["k"]
    with pytest.raises(InputError, match=r"unknown column of .*'q'.*known: path, label, k"):
        read_table(file, only=["q"])
    pyarrow.parquet.write_table(pyarrow.table({"a": [1], "b": [2]}), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", only=["b"]).names == ["b"]
    with pytest.raises(InputError, match=r"unknown column of .*'q'.*known: a, b"):
        read_table(tmp_path / "t.parquet", only=["q"])


@given(
    rows=st.lists(
        st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r")),
                 min_size=2, max_size=2),
        min_size=1, max_size=6,
    ),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
)  # fmt: skip
def test_whatever_the_csv_module_writes_is_read_back(rows, delimiter, quoting):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator="\n")
    writer.writerows(rows)
    found = [record.values for record in records("t.csv", text.getvalue(), delimiter)]
    assert [[v.strip(" ") for v in row] for row in found] == [
        [v.strip(" ") for v in row] for row in rows if delimiter.join(row).strip(" ")
    ]
