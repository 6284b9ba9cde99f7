"""Who is let onto the Ray cluster, without Ray."""

import pytest

from clinfonce.scaling import places as module
from clinfonce.scaling import waiting
from clinfonce.scaling.capacity import Share
from clinfonce.scaling.places import Places
from clinfonce.scaling.waiting import Waiting


class Room:
    """A capacity that a test sets."""

    def __init__(self, workers):
        self.workers = self.present = workers
        self.share = Share(1.0, 0.0)


class Group:
    """A group that ends when a test says so."""

    def __init__(self, workers):
        self.workers, self.name = workers, f"group of {workers}"
        self.is_running, self.is_closed = True, False

    def close(self):
        self.is_closed = True

    def wait_closed(self):
        self.is_running = False


@pytest.fixture
def groups():
    return []


@pytest.fixture
def places(groups):
    def start(workers):
        groups.append(Group(workers))
        return groups[-1]

    return Places(Room(4), start)


def test_trials_are_let_in_while_there_is_room(places):
    assert [places.take(str(i), 1) for i in range(5)] == [True] * 4 + [False]
    places.give_back("2")
    assert places.take("4", 1)


def test_a_wide_trial_waits_until_all_its_workers_have_room(places, groups):
    for i in range(3):
        places.take(str(i), 1)
    assert not places.take("wide", 2)
    places.give_back("0")
    assert places.take("wide", 2)
    assert places.group_of("wide") is groups[0]
    assert places.group_of("1") is None


def test_trials_of_one_size_share_a_group(places, groups):
    for i in range(6):
        assert places.take(str(i), 3)
        places.give_back(str(i))
    assert len(groups) == 1
    assert not groups[0].is_closed


def test_an_idle_group_ends_when_a_trial_of_another_size_needs_its_room(places, groups):
    places.take("wide", 4)
    places.give_back("wide")
    assert not places.take("alone", 1)
    assert groups[0].is_closed
    assert not places.take("alone", 1)  # while the group is ending
    groups[0].is_running = False
    assert places.take("alone", 1)


def test_a_group_that_ended_by_itself_is_not_used_again(places, groups):
    places.take("wide", 4)
    groups[0].is_running = False
    places.give_back("wide")
    assert places.take("wide again", 4)
    assert len(groups) == 2


def test_an_idle_group_stays_while_there_is_room(places, groups):
    places.take("pair", 2)
    places.give_back("pair")
    assert places.take("alone", 1)
    assert not groups[0].is_closed
    assert places.take("pair again", 2)
    assert len(groups) == 1


def test_a_working_group_is_never_ended_for_another(places, groups):
    places.take("wide", 4)
    assert not places.take("alone", 1)
    assert not groups[0].is_closed


def test_nobody_is_let_in_after_machines_were_lost(places):
    for i in range(4):
        places.take(str(i), 1)
    places.capacity.workers = 2
    for i in range(2):
        places.give_back(str(i))
        assert not places.take("next", 1)
    places.give_back("2")
    assert places.take("next", 1)


class TestWhenMachinesAreLost:
    @pytest.fixture
    def clock(self, monkeypatch):
        now = [0.0]
        monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
        return now

    def test_an_idle_group_makes_room_for_who_was_let_in_before(self, places, groups, clock):
        places.take("pair", 2)
        places.take("alone", 1)
        places.give_back("pair")
        clock[0] = 10.0
        assert not places.make_room(kept=0)
        assert not groups[0].is_closed
        places.capacity.present = 2
        assert not places.make_room(kept=0)
        assert groups[0].is_closed

    def test_a_group_that_has_just_become_idle_is_left_for_the_next_trial(
        self, places, groups, clock
    ):
        places.take("pair", 2)
        places.take("other", 2)
        places.capacity.present = 2
        clock[0] = 10.0
        places.give_back("pair")
        assert not places.make_room(kept=0)
        assert not groups[0].is_closed
        clock[0] = 20.0
        assert places.make_room(kept=0)  # the other may be waiting
        assert [group.is_closed for group in groups] == [True, False]

    def test_what_is_kept_for_later_is_not_kept_from_a_group(self, places, clock):
        places.take("pair", 2)
        places.capacity.present = 2
        assert not places.make_room(kept=1)  # the next trial may take it at once
        clock[0] = 10.0
        assert places.make_room(kept=1)
        assert not places.make_room(kept=0)


def test_what_is_idle_for_long_is_given_back_since_others_may_be_on_the_machines(
    places, groups, monkeypatch
):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    places.take("idle", 2)
    places.give_back("idle")
    for now[0] in (1.0, 50.0):
        assert not places.make_room(kept=1)
        assert not groups[0].is_closed
    now[0] = 60.0
    assert not places.make_room(kept=1)
    assert groups[0].is_closed
    now[0] = 61.0
    assert places.make_room(kept=1)
    assert not places.make_room(kept=0)
    assert not places.make_room(kept=1)  # by now it is another


def test_a_trial_whose_process_died_has_its_places_still(places, groups):
    places.take("pair", 2)
    places.take("alone", 1)
    places.take("other", 1)
    assert not places.take("further", 1)
    assert places.take("pair", 2)
    assert places.take("alone", 1)
    assert len(groups) == 1
    groups[0].is_running = False
    assert places.take("pair", 2)
    assert len(groups) == 2


def test_at_the_end_every_group_ends(places, groups):
    places.take("idle", 2)
    places.give_back("idle")
    places.take("working", 1)
    places.take("pair", 2)
    places.close()
    assert not any(group.is_running for group in groups)


@pytest.fixture
def said(places, monkeypatch):
    """What is said of waiting, looked for at once."""
    lines = []
    monkeypatch.setattr(waiting, "_PATIENCE", 0.0)
    waits = Waiting(places, lines.append)

    def look():
        for _ in range(3):
            waits.look()
        return lines

    return look


def test_nothing_is_said_while_trials_wait_for_each_other(places, said):
    for i in range(4):
        places.take(str(i), 1)
    assert not places.take("wide", 4)
    assert said() == []


def test_what_a_running_trial_waits_for_is_said_once_until_it_changes(places, said):
    places.take("pair", 2)
    places.take("alone", 1)
    places.capacity.present = 2
    (line,) = said()
    assert line.startswith("waiting for room for 3 workers with 1 CPU each: ")
    assert "the Ray cluster has room for 2 (" in line
    assert len(said()) == 1
    places.capacity.present = 1
    assert len(said()) == 2
    places.capacity.present = 4
    assert len(said()) == 2
    places.capacity.present = 1
    assert len(said()) == 3


def test_what_the_next_trial_waits_for_is_said(places, said):
    places.capacity.workers = places.capacity.present = 1
    assert not places.take("pair", 2)
    assert "waiting for room for 2 workers" in said()[0]
    places.capacity.workers = places.capacity.present = 2
    assert places.take("pair", 2)
    assert len(said()) == 1


def test_a_group_that_goes_on_with_fewer_waits_for_nobody(places, said):
    places.capacity.share = Share(1.0, 0.0, at_least=1)
    places.take("pair", 2)
    places.capacity.present = 1
    assert said() == []
