"""Who is let onto the Ray cluster, without Ray."""

import pytest

from clinfonce.scaling.execution import placement as module
from clinfonce.scaling.execution import shortage
from clinfonce.scaling.execution.capacity import WorkerResources
from clinfonce.scaling.execution.placement import Placement
from clinfonce.scaling.execution.shortage import ShortageNotice


class Room:
    """A capacity that a test sets."""

    def __init__(self, workers):
        self.workers = self.present = workers
        self.per_worker = WorkerResources(1.0, 0.0)


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
def placement(groups):
    def start(workers):
        groups.append(Group(workers))
        return groups[-1]

    return Placement(Room(4), start)


def test_trials_are_let_in_while_there_is_room(placement):
    assert [placement.admit(str(i), 1) for i in range(5)] == [True] * 4 + [False]
    placement.release("2")
    assert placement.admit("4", 1)


def test_a_wide_trial_waits_until_all_its_workers_have_room(placement, groups):
    for i in range(3):
        placement.admit(str(i), 1)
    assert not placement.admit("wide", 2)
    placement.release("0")
    assert placement.admit("wide", 2)
    assert placement.group_of("wide") is groups[0]
    assert placement.group_of("1") is None


def test_trials_of_one_size_share_a_group(placement, groups):
    for i in range(6):
        assert placement.admit(str(i), 3)
        placement.release(str(i))
    assert len(groups) == 1
    assert not groups[0].is_closed


def test_an_idle_group_ends_when_a_trial_of_another_size_needs_its_room(placement, groups):
    placement.admit("wide", 4)
    placement.release("wide")
    assert not placement.admit("alone", 1)
    assert groups[0].is_closed
    assert not placement.admit("alone", 1)  # while the group is ending
    groups[0].is_running = False
    assert placement.admit("alone", 1)


def test_a_group_that_ended_by_itself_is_not_used_again(placement, groups):
    placement.admit("wide", 4)
    groups[0].is_running = False
    placement.release("wide")
    assert placement.admit("wide again", 4)
    assert len(groups) == 2


def test_an_idle_group_stays_while_there_is_room(placement, groups):
    placement.admit("pair", 2)
    placement.release("pair")
    assert placement.admit("alone", 1)
    assert not groups[0].is_closed
    assert placement.admit("pair again", 2)
    assert len(groups) == 1


def test_a_working_group_is_never_ended_for_another(placement, groups):
    placement.admit("wide", 4)
    assert not placement.admit("alone", 1)
    assert not groups[0].is_closed


def test_nobody_is_let_in_after_machines_were_lost(placement):
    for i in range(4):
        placement.admit(str(i), 1)
    placement.capacity.workers = 2
    for i in range(2):
        placement.release(str(i))
        assert not placement.admit("next", 1)
    placement.release("2")
    assert placement.admit("next", 1)


class TestWhenMachinesAreLost:
    @pytest.fixture
    def clock(self, monkeypatch):
        now = [0.0]
        monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
        return now

    def test_an_idle_group_makes_room_for_who_was_let_in_before(self, placement, groups, clock):
        placement.admit("pair", 2)
        placement.admit("alone", 1)
        placement.release("pair")
        clock[0] = 10.0
        assert not placement.make_room(idle_processes=0)
        assert not groups[0].is_closed
        placement.capacity.present = 2
        assert not placement.make_room(idle_processes=0)
        assert groups[0].is_closed

    def test_a_group_that_has_just_become_idle_is_left_for_the_next_trial(
        self, placement, groups, clock
    ):
        placement.admit("pair", 2)
        placement.admit("other", 2)
        placement.capacity.present = 2
        clock[0] = 10.0
        placement.release("pair")
        assert not placement.make_room(idle_processes=0)
        assert not groups[0].is_closed
        clock[0] = 20.0
        assert placement.make_room(idle_processes=0)  # the other may be waiting
        assert [group.is_closed for group in groups] == [True, False]

    def test_what_is_kept_for_later_is_not_kept_from_a_group(self, placement, clock):
        placement.admit("pair", 2)
        placement.capacity.present = 2
        assert not placement.make_room(idle_processes=1)  # the next trial may take it at once
        clock[0] = 10.0
        assert placement.make_room(idle_processes=1)
        assert not placement.make_room(idle_processes=0)


def test_what_is_idle_for_long_is_given_back_since_others_may_be_on_the_machines(
    placement, groups, monkeypatch
):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    placement.admit("idle", 2)
    placement.release("idle")
    for now[0] in (1.0, 50.0):
        assert not placement.make_room(idle_processes=1)
        assert not groups[0].is_closed
    now[0] = 60.0
    assert not placement.make_room(idle_processes=1)
    assert groups[0].is_closed
    now[0] = 61.0
    assert placement.make_room(idle_processes=1)
    assert not placement.make_room(idle_processes=0)
    assert not placement.make_room(idle_processes=1)  # by now it is another


def test_a_trial_whose_process_died_has_its_places_still(placement, groups):
    placement.admit("pair", 2)
    placement.admit("alone", 1)
    placement.admit("other", 1)
    assert not placement.admit("further", 1)
    assert placement.admit("pair", 2)
    assert placement.admit("alone", 1)
    assert len(groups) == 1
    groups[0].is_running = False
    assert placement.admit("pair", 2)
    assert len(groups) == 2


def test_at_the_end_every_group_ends(placement, groups):
    placement.admit("idle", 2)
    placement.release("idle")
    placement.admit("working", 1)
    placement.admit("pair", 2)
    placement.close()
    assert not any(group.is_running for group in groups)


@pytest.fixture
def said(placement, monkeypatch):
    """What is said of waiting, looked for at once."""
    lines = []
    monkeypatch.setattr(shortage, "_PATIENCE", 0.0)
    waits = ShortageNotice(placement, lines.append)

    def look():
        for _ in range(3):
            waits.look()
        return lines

    return look


def test_nothing_is_said_while_trials_wait_for_each_other(placement, said):
    for i in range(4):
        placement.admit(str(i), 1)
    assert not placement.admit("wide", 4)
    assert said() == []


def test_what_a_running_trial_waits_for_is_said_once_until_it_changes(placement, said):
    placement.admit("pair", 2)
    placement.admit("alone", 1)
    placement.capacity.present = 2
    (line,) = said()
    assert line.startswith("waiting for room for 3 workers with 1 CPU each: ")
    assert "the Ray cluster has room for 2 (" in line
    assert len(said()) == 1
    placement.capacity.present = 1
    assert len(said()) == 2
    placement.capacity.present = 4
    assert len(said()) == 2
    placement.capacity.present = 1
    assert len(said()) == 3


def test_what_the_next_trial_waits_for_is_said(placement, said):
    placement.capacity.workers = placement.capacity.present = 1
    assert not placement.admit("pair", 2)
    assert "waiting for room for 2 workers" in said()[0]
    placement.capacity.workers = placement.capacity.present = 2
    assert placement.admit("pair", 2)
    assert len(said()) == 1


def test_a_group_that_goes_on_with_fewer_waits_for_nobody(placement, said):
    placement.capacity.per_worker = WorkerResources(1.0, 0.0, at_least=1)
    placement.admit("pair", 2)
    placement.capacity.present = 1
    assert said() == []
