"""How long a sweep will go on."""

import pytest

from clinfonce.cli.pace import Pace


@pytest.fixture
def clock(monkeypatch):
    time = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: time[0])
    return time


def run(clock, pace, *, trials, seconds, epochs=10, at_a_time=2, first=0):
    """Run trials side by side, and yield what is left and what was said, at each report."""
    for start in range(0, trials, at_a_time):
        names = [f"t{start + i}" for i in range(at_a_time)]
        for epoch in range(1 + (first if start == 0 else 0), epochs + 1):
            clock[0] += seconds / epochs
            for name in names:
                pace.epoch(name, epoch / epochs)
            share = epoch / epochs * at_a_time
            yield (trials - start - share) * seconds / at_a_time, pace.left(trials - start)
        for done, name in enumerate(names, start=1):
            pace.end(name)
            yield (
                (trials - start - at_a_time) * seconds / at_a_time,
                pace.left(trials - start - done),
            )


@pytest.mark.parametrize("first", [0, 8])
def test_what_is_said_neither_jumps_nor_is_wrong(clock, first):
    """Also if Ray took a minute to start, and if the first trials go on from their eighth epoch."""
    pace = Pace()
    clock[0] += 60
    said = [(truth, left) for truth, left in run(clock, pace, trials=20, seconds=100, first=first)]
    known = [(truth, left) for truth, left in said if left is not None]
    assert len(known) > len(said) - 25
    assert said[0][1] is None  # too little was seen
    for truth, left in known:
        assert left == pytest.approx(truth, rel=0.15, abs=10)


def test_trials_that_are_stopped_early_count_as_done(clock):
    pace = Pace()
    pace.epoch("a", 0.1)
    for number in range(10):
        clock[0] += 5
        pace.epoch(f"{number}", 0.2)
        pace.end(f"{number}")
    assert pace.left(10) == pytest.approx(50, rel=0.1)


def test_nothing_is_said_before_anything_was_done():
    assert Pace().left(3) is None
