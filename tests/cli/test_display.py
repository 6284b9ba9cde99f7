"""What a running sweep shows."""

import io

import pytest

from clinfonce.cli.display import SweepDisplay, write_rows

ROW = {"trial_id": "a", "name": "InfoNCE", "seed": 1, "status": "complete"}
ROW |= {"val_knn": 0.9, "epochs_run": 4}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")


def test_plain_lines_where_there_is_no_terminal():
    stream = io.StringIO()
    with SweepDisplay(stream, "val_knn") as display:
        display.start(3)
        display.trial(ROW, earlier=False)
        display.trial(ROW | {"name": "worse", "val_knn": 0.8, "status": "stopped"}, earlier=False)
        display.trial(ROW | {"status": "failed", "error": "no memory"}, earlier=False)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(
        "[1/3] InfoNCE (seed 1) reached kNN 90.0% · best kNN 90.0% (InfoNCE)"
    )
    assert "stopped at epoch 4, kNN 80.0%" in lines[1]
    assert "failed: no memory" in lines[2]


def test_a_bar_with_the_best_so_far_on_a_terminal():
    stream = Terminal()
    with SweepDisplay(stream, "val_knn") as display:
        display.start(2)
        display.trial(ROW, earlier=False)
        display.epoch("b", "labels (seed 1)", 2, 4, 0.5)
    shown = stream.getvalue()
    assert "1/2" in shown
    assert "best kNN 90.0% (InfoNCE)" in shown
    assert "labels (seed 1): epoch 2/4, kNN 50.0%" in shown


def test_running_trials_are_told_now_and_then_where_there_is_no_terminal(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    stream = io.StringIO()
    with SweepDisplay(stream, "val_knn") as display:
        display.start(2)
        for second, epoch in ((10, 1), (70, 2), (80, 3), (140, 4)):
            clock[0] = float(second)
            display.epoch("a", "InfoNCE (seed 1)", epoch, 9, 0.5)
            display.epoch("b", "labels (seed 1)", epoch, 9, 0.6)
        display.trial(ROW, earlier=False)
        clock[0] = 210.0
        display.epoch("b", "labels (seed 1)", 5, 9, 0.7)
    lines = stream.getvalue().splitlines()
    assert lines[:2] == [
        "labels (seed 1): epoch 1/9, kNN 60.0% · InfoNCE (seed 1): epoch 2/9, kNN 50.0%",
        "labels (seed 1): epoch 3/9, kNN 60.0% · InfoNCE (seed 1): epoch 4/9, kNN 50.0%",
    ]
    assert lines[2].startswith("[1/2] InfoNCE (seed 1) reached kNN 90.0%")
    assert lines[3:] == ["labels (seed 1): epoch 5/9, kNN 70.0%"]


def test_what_libraries_print_does_not_reach_the_terminal(capsys):
    stream = Terminal()
    with SweepDisplay(stream, "val_knn") as display:
        display.start(1)
        print("noise")
    assert "noise" not in stream.getvalue()
    assert "noise" in capsys.readouterr().out


def test_what_is_maximised_is_not_taken_for_what_running_trials_show():
    stream = io.StringIO()
    with SweepDisplay(stream, "val_linear_top1_5") as display:
        display.start(2)
        display.trial(ROW | {"val_linear_top1_5": 0.6}, earlier=False)
    assert "reached linear_top1_5 60.0% · best linear_top1_5 60.0% (InfoNCE)" in stream.getvalue()


def test_rows_of_an_earlier_run_are_counted_and_not_listed():
    stream = io.StringIO()
    with SweepDisplay(stream, "val_knn") as display:
        display.start(2)
        display.trial(ROW, earlier=True)
        display.trial(ROW | {"val_knn": 0.7}, earlier=False)
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("[2/2]")
    assert "best kNN 90.0%" in line


HOSTILE = "\x1b[2J\x1b]0;gone\x07 [/red] \u202e"


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_names_reach_the_terminal_spelled_out(stream):
    with SweepDisplay(stream, "val_knn") as display:
        display.start(2)
        display.say(HOSTILE)
        display.epoch("b", HOSTILE, 2, 4, 0.5)
        display.trial(ROW | {"name": HOSTILE}, earlier=False)
        display.trial(ROW | {"status": "failed", "error": HOSTILE}, earlier=False)
    shown = stream.getvalue()
    assert "\x1b[2J" not in shown
    assert "\x07" not in shown
    assert "\u202e" not in shown
    assert r"\x1b[2J\x1b]0;gone\x07 [/red] \u202e" in shown


@pytest.mark.parametrize("width", [40, 80])
def test_a_table_fits_the_terminal_and_breaks_no_number(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    names = ["clustering", *(f"quantity {i}" for i in range(11))]
    numbers = [0.123456 * i for i in range(11)]
    stream = Terminal()
    write_rows(stream, names, [["attributes(loop, even, round)", *numbers]])
    shown = stream.getvalue()
    assert max(map(len, shown.splitlines())) <= width
    assert {f"{number:.4g}" for number in numbers} <= set(shown.split())


def test_a_table_in_a_file_has_a_line_a_row():
    stream = io.StringIO()
    write_rows(stream, ["name", "value"], [["a" * 300, 1.5], ["b", None]])
    assert [line.split() for line in stream.getvalue().split("\n")[3:5]] == [
        ["a" * 300, "1.5"],
        ["b"],
    ]
