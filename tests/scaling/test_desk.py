"""Trials and reports pass a desk, without Ray."""

import asyncio

import pytest

from clinfonce.scaling.desk import MOST_DEATHS, Desk, Task

FIRST, SECOND = Task("first", "{}"), Task("second", "{}")


class Worker:
    """A worker of a group, alive until a test says otherwise."""

    def __init__(self, alive=True):
        self.alive = alive


async def is_alive(worker):
    return worker.alive


def at_a_desk(scenario):
    """Run a scenario; the test fails if it waits for something that never comes."""

    def test():
        asyncio.run(asyncio.wait_for(scenario(Desk(is_alive)), 30))

    test.__name__ = scenario.__name__
    return test


async def pair(desk, start="a:1"):
    """Two workers join; the number of the trial that they begin with."""
    workers = Worker(), Worker()
    joined = await asyncio.gather(*(desk.join(start, i, 2, w) for i, w in enumerate(workers)))
    assert joined[0] == joined[1]
    return joined[0], workers


async def both(desk, number, report):
    return await asyncio.gather(*(desk.report(number, rank, report) for rank in (0, 1)))


def epoch(number):
    return {"epochs": [], "epoch": number, "val_knn": 0.5}


def end():
    return {"epochs": [], "trial": [{}]}


@at_a_desk
async def test_workers_run_one_trial_after_the_other(desk):
    number, _ = await pair(desk)
    for task in (FIRST, SECOND):
        await desk.submit(task)
        assert await desk.task(number) == task
        assert await desk.report(number, 0, end())
        assert await desk.report_of(task.identity, 0) == end()
        number += 1
    await desk.close()
    assert await desk.task(number) is None


@at_a_desk
async def test_all_workers_hear_the_verdict(desk):
    number, _ = await pair(desk)
    await desk.submit(FIRST)
    for at, stop in ((1, False), (2, True)):
        heard = asyncio.create_task(both(desk, number, epoch(at)))
        assert await desk.report_of("first", at - 1) == epoch(at)
        assert not heard.done()
        await desk.judge("first", at, stop)
        assert await heard == [stop, stop]


@at_a_desk
async def test_a_group_that_lost_a_worker_gets_its_trial_again(desk):
    number, _ = await pair(desk)
    await desk.submit(FIRST)
    await desk.task(number)
    again, _ = await pair(desk, "a:2")
    assert again == number
    assert await desk.task(again) == FIRST


@at_a_desk
async def test_a_group_that_lost_a_worker_after_a_trial_goes_on_with_the_next(desk):
    number, _ = await pair(desk)
    await desk.submit(FIRST)
    await desk.task(number)
    await desk.report(number, 0, end())
    again, _ = await pair(desk, "a:2")
    assert again == number + 1


@at_a_desk
async def test_epochs_told_again_after_a_restart_are_answered_at_once(desk):
    number, _ = await pair(desk)
    await desk.submit(FIRST)
    told = asyncio.create_task(both(desk, number, epoch(1)))
    await desk.report_of("first", 0)
    await desk.judge("first", 1, False)
    await told
    await pair(desk, "a:2")
    assert await both(desk, number, epoch(1)) == [False, False]


@at_a_desk
async def test_an_error_counts_while_all_workers_are_alive(desk):
    number, _ = await pair(desk)
    await desk.submit(FIRST)
    assert not await desk.fail(number, 1, "no memory", [], alike=False)
    assert (await desk.report_of("first", 0))["failure"] == "no memory"
    assert (await pair(desk, "a:2"))[0] == number + 1


@at_a_desk
async def test_an_error_after_a_death_is_no_failure_of_the_trial(desk):
    number, (_, dead) = await pair(desk)
    await desk.submit(FIRST)
    await desk.task(number)
    dead.alive = False
    assert not await desk.fail(number, 0, "connection closed", [], alike=False)
    assert (await pair(desk, "a:2"))[0] == number


@at_a_desk
async def test_workers_that_all_run_into_an_error_need_no_restart(desk):
    number, _ = await pair(desk)
    await desk.submit(FIRST)
    failures = (desk.fail(number, rank, "the loss is nan", [], alike=True) for rank in (0, 1))
    assert await asyncio.gather(*failures) == [True, True]
    assert (await desk.report_of("first", 0))["failure"] == "the loss is nan"


@at_a_desk
async def test_a_trial_that_kills_its_workers_is_given_up(desk):
    number, _ = await pair(desk)
    await desk.submit(FIRST)
    for death in range(MOST_DEATHS):
        assert await desk.task(number) == FIRST
        number, _ = await pair(desk, f"b:{death}")
    assert number == 1
    assert "died" in (await desk.report_of("first", 0))["lost"]


@at_a_desk
async def test_an_epoch_between_deaths_keeps_a_trial(desk):
    number, _ = await pair(desk)
    await desk.submit(FIRST)
    for death in range(3 * MOST_DEATHS):
        await desk.task(number)
        told = asyncio.create_task(both(desk, number, epoch(death)))
        await desk.report_of("first", death)
        await desk.judge("first", death, False)
        await told
        assert (await pair(desk, f"b:{death}"))[0] == number


@at_a_desk
async def test_a_group_that_grows_has_lost_nobody(desk):
    size, number = 1, await desk.join("c:1", 0, 1, Worker())
    await desk.submit(FIRST)
    for size in range(2, 3 + MOST_DEATHS):
        assert await desk.task(number) == FIRST
        joined = (desk.join(f"c:{size}", rank, size, Worker()) for rank in range(size))
        assert set(await asyncio.gather(*joined)) == {number}


@at_a_desk
async def test_the_next_trial_ends_one_that_still_runs(desk):
    """Its verdict may come later than the next trial: they are sent by different processes."""
    number, _ = await pair(desk)
    await desk.submit(FIRST)
    heard = asyncio.create_task(both(desk, number, epoch(1)))
    await desk.report_of("first", 0)
    await desk.submit(SECOND)
    assert await heard == [True, True]
    await desk.judge("first", 1, True)
    assert await desk.task(number + 1) == SECOND


@at_a_desk
async def test_a_trial_that_was_given_up_may_be_submitted_again(desk):
    number, _ = await pair(desk)
    await desk.submit(FIRST)
    await desk.give_up("no luck")
    await desk.submit(FIRST)
    assert await desk.task(number + 1) == FIRST


@at_a_desk
async def test_what_is_to_be_logged_goes_with_the_next_report(desk):
    number, _ = await pair(desk)
    await desk.submit(FIRST)
    desk._log += ["a worker died", "and another"]
    reported = asyncio.create_task(both(desk, number, epoch(1)))
    assert await desk.report_of("first", 0) == epoch(1) | {"log": "a worker died\nand another"}
    await desk.give_up("no luck")
    await reported
    assert await desk.report_of("first", 1) == {"epochs": [], "lost": "no luck"}


@at_a_desk
async def test_submitting_a_trial_again_changes_nothing(desk):
    number, _ = await pair(desk)
    await desk.submit(FIRST)
    await desk.report(number, 0, end())
    await desk.submit(FIRST)
    assert await desk.report_of("first", 0) == end()


@at_a_desk
async def test_a_cancelled_trial_ends_with_its_next_report(desk):
    number, _ = await pair(desk)
    await desk.submit(FIRST)
    await desk.cancel("first")
    assert await both(desk, number, epoch(1)) == [True, True]


@at_a_desk
async def test_workers_of_an_older_start_are_sent_away(desk):
    waiting = asyncio.create_task(desk.join("a:1", 0, 2, Worker()))
    await asyncio.sleep(0)
    await pair(desk, "a:2")
    with pytest.raises(RuntimeError, match="anew"):
        await waiting
