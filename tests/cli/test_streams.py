"""Where the command's output may lead: pipes, full disks, terminals of any encoding, nowhere."""

import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.results.example_store import write_example

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "results"
    write_example(path, kmeans=1, epochs=2)
    return str(path)


def command(*arguments):
    return [sys.executable, "-m", "clinfonce", *arguments]


def run(*arguments, stdout=subprocess.PIPE, **more):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **more.pop("env", {})}
    return subprocess.run(
        command(*arguments), stdout=stdout, stderr=subprocess.PIPE, env=environment,
        check=False, timeout=600, **more,
    )  # fmt: skip


def said(done):
    """The one line on stderr."""
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("clinfonce: ")
    return line


QUERY = "select 'µ–漢' as name, 0.5::double as share"


@pytest.mark.parametrize(
    ("encoding", "name", "rule"),
    [("ascii", r"\xb5-\u6f22", "-"), ("latin-1", r"µ-\u6f22", "-"), ("utf-8", "µ–漢", "─")],
)
def test_a_table_in_any_encoding(home, encoding, name, rule):
    done = run("query", QUERY, "--results", home, env={"PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stderr) == (0, b"")
    head, line, row = done.stdout.decode(encoding).splitlines()
    assert head.split() == ["name", "share"]
    assert set(line) == {rule, " "}
    assert row.split() == [name, "0.5"]


@pytest.mark.parametrize("command_", ["relate", "report"])
def test_sentences_in_ascii(home, tmp_path, command_):
    out = ["--out", str(tmp_path / "r.html")] if command_ == "report" else []
    done = run(command_, "--results", home, *out, env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()


def test_csv_and_json_are_utf_8_whatever_the_terminal_has(home):
    for option in (["--format", "csv"], ["--json"]):
        done = run("query", QUERY, "--results", home, *option, env={"PYTHONIOENCODING": "ascii"})
        assert "µ–漢" in done.stdout.decode()
        assert done.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
@pytest.mark.parametrize("option", [[], ["--json"], ["--format", "parquet"]])
def test_a_full_disk_behind_stdout(home, option):
    with Path("/dev/full").open("wb") as full:
        done = run("query", "from trials", "--results", home, *option, stdout=full)
    assert done.returncode == 1
    assert said(done) == "clinfonce: cannot write to standard output: No space left on device"


def shell(line, home, **more):
    program = " ".join(map("'{}'".format, command()))
    return subprocess.run(
        ["bash", "-c", line.format(c=program, home=home)], capture_output=True, timeout=600,
        check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}, **more,
    )  # fmt: skip


def test_closed_streams(home):
    done = shell("{c} query 'from trials' --results {home} >&-", home)
    assert done.returncode == 1
    assert said(done) == "clinfonce: cannot write to standard output: Bad file descriptor"
    done = shell("{c} query 'select 1 as x' --results {home} 2>&- <&-", home)
    assert (done.returncode, done.stdout.decode().split()) == (0, ["x", "─", "1"])
    done = shell("{c} query 'select nothing' --results {home} 2>&- <&- >&-", home)
    assert done.returncode == 2


def test_a_reader_that_has_seen_enough(home):
    many = "select * from range(100000)"
    for option in ("", "--json"):
        reading = f"{{c}} query '{many}' {option} --results {{home}} | head -2"
        done = shell(reading + "; echo ${{PIPESTATUS[0]}}", home)
        assert done.stderr == b""
        assert done.stdout.splitlines()[-1] == b"0"


def test_a_working_folder_that_is_gone(home, tmp_path):
    (tmp_path / "gone").mkdir()
    done = shell("cd gone && rmdir ../gone && {c} query 'select 1' --results {home}", home,
                 cwd=tmp_path)  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.decode().splitlines()[-1] == (
        "clinfonce: the working folder has been deleted: go to another one"
    )


@pytest.mark.parametrize(
    "arguments",
    [["query", b"select '\xff'"], ["relate", "--sweep", b"\xff"], ["query", "1", "--out", b"\xff"]],
)
def test_arguments_that_are_not_utf_8(home, arguments):
    done = run(*arguments, "--results", home)
    assert done.returncode == 2
    assert "is not UTF-8" in said(done)


def on_a_terminal(columns, *arguments, press=None):
    """What a command writes to a terminal of so many columns, and its status."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    environment.pop("COLUMNS", None)
    process = subprocess.Popen(command(*arguments), stdin=theirs, stdout=theirs, stderr=theirs,
                               env=environment)  # fmt: skip
    os.close(theirs)
    if press is not None:
        press(process)
    shown = b""
    while part := _read(ours):
        shown += part
    os.close(ours)
    return shown.decode().replace("\r\n", "\n"), process.wait(60)


def _read(descriptor):
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # the other end is closed
        return b""


def test_a_wide_query_fits_a_terminal(home):
    for columns in (40, 80):
        shown, status = on_a_terminal(columns, "query", "from trials limit 2", "--results", home)
        assert status == 0
        assert max(map(len, shown.splitlines())) <= columns
        assert shown.count("trial_id") == 2
        assert "test_linear_top1_10_std" in shown


@pytest.mark.parametrize("option", [[], ["--format", "csv"], ["--json"]])
def test_nothing_in_the_data_commands_a_terminal(home, option):
    query = "select chr(27) || '[2J' || chr(155) || '31m' || chr(7) || chr(8238) as name"
    shown, status = on_a_terminal(80, "query", query, "--results", home, *option)
    assert status == 0
    assert not set(shown) & set("\x1b\x9b\x07\u202e")
    assert "[2J" in shown


def test_files_and_pipes_get_what_the_data_hold(home):
    done = run("query", "select chr(27) as x", "--format", "csv", "--results", home)
    assert done.stdout == b'"x"\n"\x1b"\n'


def test_parquet_is_not_for_a_terminal(home):
    shown, status = on_a_terminal(80, "query", "from trials", "--format", "parquet",
                                  "--results", home)  # fmt: skip
    assert status == 2
    assert "--out" in shown


@pytest.mark.parametrize(
    "query",
    [
        "select sum(range * 2) from range(1000000000000)",
        # Steps that DuckDB does not interrupt.
        "select md5(repeat('a', 1000000000)) from range(1000)",
    ],
)
def test_ctrl_c_ends_a_query(home, query):
    def press(process):
        cpu = Path(f"/proc/{process.pid}/stat")
        # 1.5 s of work, of the system for it too: more than starting takes, less than the query.
        while sum(map(int, cpu.read_text().rsplit(")", 1)[1].split()[11:13])) < 150:
            assert process.poll() is None, "it ended by itself"
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)

    shown, status = on_a_terminal(80, "query", query, "--results", home, press=press)
    assert (shown, status) == ("clinfonce: interrupted\n", 1)


def test_json_of_a_query_is_json(home):
    query = "select sum(n_images) as images, 1.5 as half, list('nan'::double) as n from clusterings"
    (row,) = json.loads(run("query", query, "--json", "--results", home).stdout)
    assert isinstance(row["images"], int)
    assert (row["half"], row["n"][0]) == (1.5, None)
