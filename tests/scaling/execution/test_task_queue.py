"""Trials and reports pass a queue, without Ray."""

import asyncio

import pytest

from clinfonce.scaling.execution.task_queue import Task, TaskQueue
from clinfonce.scaling.limits import MOST_DEATHS

FIRST, SECOND = Task("first", "{}"), Task("second", "{}")


class Worker:
    """A worker of a group, alive until a test says otherwise."""

    def __init__(self, alive=True):
        self.alive = alive


async def is_alive(worker):
    return worker.alive


def with_queue(scenario):
    """Run a scenario; the test fails if it waits for something that never comes."""

    def test():
        asyncio.run(asyncio.wait_for(scenario(TaskQueue(is_alive)), 30))

    test.__name__ = scenario.__name__
    return test


async def pair(queue, start="a:1"):
    """Two workers join; the number of the trial that they begin with."""
    workers = Worker(), Worker()
    joined = await asyncio.gather(*(queue.join(start, i, 2, w) for i, w in enumerate(workers)))
    assert joined[0] == joined[1]
    return joined[0], workers


async def both(queue, number, report):
    return await asyncio.gather(*(queue.report(number, rank, report) for rank in (0, 1)))


def epoch(number):
    return {"epochs": [], "epoch": number, "val_knn": 0.5}


def end():
    return {"epochs": [], "trial": [{}]}


@with_queue
async def test_workers_run_one_trial_after_the_other(queue):
    number, _ = await pair(queue)
    for task in (FIRST, SECOND):
        await queue.submit(task)
        assert await queue.task(number) == task
        assert await queue.report(number, 0, end())
        assert await queue.report_of(task.identity, 0) == end()
        number += 1
    await queue.close()
    assert await queue.task(number) is None


@with_queue
async def test_all_workers_hear_the_decision(queue):
    number, _ = await pair(queue)
    await queue.submit(FIRST)
    for at, stop in ((1, False), (2, True)):
        heard = asyncio.create_task(both(queue, number, epoch(at)))
        assert await queue.report_of("first", at - 1) == epoch(at)
        assert not heard.done()
        await queue.decide("first", at, stop)
        assert await heard == [stop, stop]


@with_queue
async def test_a_group_that_lost_a_worker_gets_its_trial_again(queue):
    number, _ = await pair(queue)
    await queue.submit(FIRST)
    await queue.task(number)
    again, _ = await pair(queue, "a:2")
    assert again == number
    assert await queue.task(again) == FIRST


@with_queue
async def test_a_group_that_lost_a_worker_after_a_trial_goes_on_with_the_next(queue):
    number, _ = await pair(queue)
    await queue.submit(FIRST)
    await queue.task(number)
    await queue.report(number, 0, end())
    again, _ = await pair(queue, "a:2")
    assert again == number + 1


@with_queue
async def test_epochs_told_again_after_a_restart_are_answered_at_once(queue):
    number, _ = await pair(queue)
    await queue.submit(FIRST)
    told = asyncio.create_task(both(queue, number, epoch(1)))
    await queue.report_of("first", 0)
    await queue.decide("first", 1, False)
    await told
    await pair(queue, "a:2")
    assert await both(queue, number, epoch(1)) == [False, False]


@with_queue
async def test_an_error_counts_while_all_workers_are_alive(queue):
    number, _ = await pair(queue)
    await queue.submit(FIRST)
    assert not await queue.fail(number, 1, "no memory", [], shared=False)
    assert (await queue.report_of("first", 0))["failure"] == "no memory"
    assert (await pair(queue, "a:2"))[0] == number + 1


@with_queue
async def test_an_error_after_a_death_is_no_failure_of_the_trial(queue):
    number, (_, dead) = await pair(queue)
    await queue.submit(FIRST)
    await queue.task(number)
    dead.alive = False
    assert not await queue.fail(number, 0, "connection closed", [], shared=False)
    assert (await pair(queue, "a:2"))[0] == number


@with_queue
async def test_workers_that_all_run_into_an_error_need_no_restart(queue):
    number, _ = await pair(queue)
    await queue.submit(FIRST)
    failures = (queue.fail(number, rank, "the loss is nan", [], shared=True) for rank in (0, 1))
    assert await asyncio.gather(*failures) == [True, True]
    assert (await queue.report_of("first", 0))["failure"] == "the loss is nan"


@with_queue
async def test_a_trial_that_kills_its_workers_is_given_up(queue):
    number, _ = await pair(queue)
    await queue.submit(FIRST)
    for death in range(MOST_DEATHS):
        assert await queue.task(number) == FIRST
        number, _ = await pair(queue, f"b:{death}")
    assert number == 1
    assert "died" in (await queue.report_of("first", 0))["lost"]


@with_queue
async def test_an_epoch_between_deaths_keeps_a_trial(queue):
    number, _ = await pair(queue)
    await queue.submit(FIRST)
    for death in range(3 * MOST_DEATHS):
        await queue.task(number)
        told = asyncio.create_task(both(queue, number, epoch(death)))
        await queue.report_of("first", death)
        await queue.decide("first", death, False)
        await told
        assert (await pair(queue, f"b:{death}"))[0] == number


@with_queue
async def test_a_group_that_grows_has_lost_nobody(queue):
    size, number = 1, await queue.join("c:1", 0, 1, Worker())
    await queue.submit(FIRST)
    for size in range(2, 3 + MOST_DEATHS):
        assert await queue.task(number) == FIRST
        joined = (queue.join(f"c:{size}", rank, size, Worker()) for rank in range(size))
        assert set(await asyncio.gather(*joined)) == {number}


@with_queue
async def test_the_next_trial_ends_one_that_still_runs(queue):
    """Its decision may come later than the next trial: they are sent by different processes."""
    number, _ = await pair(queue)
    await queue.submit(FIRST)
    heard = asyncio.create_task(both(queue, number, epoch(1)))
    await queue.report_of("first", 0)
    await queue.submit(SECOND)
    assert await heard == [True, True]
    await queue.decide("first", 1, True)
    assert await queue.task(number + 1) == SECOND


@with_queue
async def test_a_trial_that_was_given_up_may_be_submitted_again(queue):
    number, _ = await pair(queue)
    await queue.submit(FIRST)
    await queue.give_up("no luck")
    await queue.submit(FIRST)
    assert await queue.task(number + 1) == FIRST


@with_queue
async def test_what_is_to_be_logged_goes_with_the_next_report(queue):
    number, _ = await pair(queue)
    await queue.submit(FIRST)
    queue._log += ["a worker died", "and another"]
    reported = asyncio.create_task(both(queue, number, epoch(1)))
    assert await queue.report_of("first", 0) == epoch(1) | {"log": "a worker died\nand another"}
    await queue.give_up("no luck")
    await reported
    assert await queue.report_of("first", 1) == {"epochs": [], "lost": "no luck"}


@with_queue
async def test_submitting_a_trial_again_changes_nothing(queue):
    number, _ = await pair(queue)
    await queue.submit(FIRST)
    await queue.report(number, 0, end())
    await queue.submit(FIRST)
    assert await queue.report_of("first", 0) == end()


@with_queue
async def test_a_cancelled_trial_ends_with_its_next_report(queue):
    number, _ = await pair(queue)
    await queue.submit(FIRST)
    await queue.cancel("first")
    assert await both(queue, number, epoch(1)) == [True, True]


@with_queue
async def test_workers_of_an_older_start_are_sent_away(queue):
    waiting = asyncio.create_task(queue.join("a:1", 0, 2, Worker()))
    await asyncio.sleep(0)
    await pair(queue, "a:2")
    with pytest.raises(RuntimeError, match="anew"):
        await waiting
