"""What micropie.concurrency promises to backends and extensions."""

import asyncio
import gc
import threading
import weakref

import pytest

from micropie.concurrency import Batcher, LoopLocal, run_in_thread, wait_for_disconnect
from support.asgi import PATIENCE
from support.loops import loop_in_a_thread

pytestmark = pytest.mark.anyio


# Threads


async def test_a_thread_has_ended_when_its_caller_is_cancelled_however_often():
    loop, started = asyncio.get_running_loop(), asyncio.Event()
    may_end, ended = threading.Event(), threading.Event()

    def work():
        loop.call_soon_threadsafe(started.set)
        may_end.wait()
        ended.set()
        raise ValueError("that nobody waits for")

    task = asyncio.create_task(run_in_thread(work))
    await started.wait()
    try:
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
    finally:
        may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_what_a_thread_returns_or_raises_reaches_the_caller():
    assert await run_in_thread(pow, 2, 3) == 8
    with pytest.raises(ZeroDivisionError):
        await run_in_thread(lambda: 1 / 0)


# Disconnects


async def test_a_disconnect_is_waited_for_behind_the_rest_of_the_body():
    messages = [
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.request", "body": b"b"},
        {"type": "http.disconnect"},
        {"type": "http.request", "body": b"of no request"},
    ]

    async def receive():
        return messages.pop(0)

    await wait_for_disconnect(receive)
    assert len(messages) == 1


# Batches


class Doubling:
    """Doubles numbers; each batch waits until it is let go."""

    def __init__(self, **options):
        self.batches = []
        self.started = asyncio.Event()
        self.may_end = asyncio.Event()
        self.batcher = Batcher(self.run, **options)

    async def run(self, numbers):
        self.batches.append(list(numbers))
        self.started.set()
        await self.may_end.wait()
        if 13 in numbers:
            raise OSError("unlucky")
        return [ZeroDivisionError("zero") if number == 0 else 2 * number for number in numbers]

    async def batches_after(self, *turns):
        """Submit the numbers of each turn at one moment; return the futures."""
        futures = []
        for numbers in turns:
            futures += [self.batcher.submit(number) for number in numbers]
            await asyncio.sleep(0)
        return futures


async def test_jobs_of_one_moment_share_a_batch_and_batches_run_side_by_side():
    doubling = Doubling()
    futures = await doubling.batches_after([1, 2], [3])
    assert doubling.batches == [[1, 2], [3]]
    doubling.may_end.set()
    assert await asyncio.gather(*futures) == [2, 4, 6]


async def test_serial_batches_collect_what_comes_meanwhile_up_to_their_size():
    doubling = Doubling(serial=True, max_size=2)
    futures = await doubling.batches_after([1], [2, 3], [4])
    assert doubling.batches == [[1]]
    doubling.may_end.set()
    assert await asyncio.gather(*futures) == [2, 4, 6, 8]
    assert doubling.batches == [[1], [2, 3], [4]]


@pytest.mark.parametrize("serial", [False, True])
async def test_an_error_reaches_whom_it_concerns(serial):
    doubling = Doubling(serial=serial)
    doubling.may_end.set()
    one, none = await doubling.batches_after([1, 0])
    assert await one == 2
    with pytest.raises(ZeroDivisionError):
        await none
    for future in await doubling.batches_after([1, 13]):
        with pytest.raises(OSError, match="unlucky"):
            await future
    assert await doubling.batcher.submit(4) == 8


@pytest.mark.parametrize("serial", [False, True])
async def test_a_cancelled_submitter_takes_nobody_along(serial):
    doubling = Doubling(serial=serial)

    async def submit(number):
        return await doubling.batcher.submit(number)

    tasks = [asyncio.create_task(submit(number)) for number in (1, 2)]
    await doubling.started.wait()
    tasks[0].cancel()
    doubling.may_end.set()
    assert await asyncio.wait_for(tasks[1], PATIENCE) == 4
    assert tasks[0].cancelled()


async def test_drain_waits_for_jobs_just_submitted():
    doubling = Doubling()
    future = doubling.batcher.submit(1)
    asyncio.get_running_loop().call_later(0.01, doubling.may_end.set)
    await doubling.batcher.drain()
    assert future.done()


def test_jobs_left_behind_by_an_event_loop_are_not_run_in_the_next():
    batches = []

    async def double(numbers):
        batches.append(list(numbers))
        if 1 in numbers:
            await asyncio.Event().wait()
        return [2 * number for number in numbers]

    async def submit_and_leave():
        batcher.submit(1)
        await asyncio.sleep(0)
        batcher.submit(2)

    async def submit():
        return await asyncio.wait_for(batcher.submit(3), PATIENCE)

    batcher = Batcher(double, serial=True)
    asyncio.run(submit_and_leave())
    assert asyncio.run(submit()) == 6
    assert batches == [[1], [3]]


def test_loops_at_the_same_time_do_not_share_batches():
    async def run(numbers):
        await asyncio.sleep(0)
        return [(number, asyncio.get_running_loop()) for number in numbers]

    async def submit(number):
        return (await batcher.submit(number), asyncio.get_running_loop())

    batcher = Batcher(run, serial=True)
    with loop_in_a_thread() as one, loop_in_a_thread() as other:
        futures = [loop.start(submit(number)) for number in range(50) for loop in (one, other)]
        for future in futures:
            (_, ran_in), loop = future.result(PATIENCE)
            assert ran_in is loop


# What belongs to an event loop


class Connection:
    """Belongs to the loop that made it, and must be closed in it."""

    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.is_open = True

    async def close(self):
        await asyncio.sleep(0)
        assert asyncio.get_running_loop() is self.loop
        self.is_open = False


def test_each_loop_has_one_of_its_own_and_ends_with_it_closed():
    async def get():
        return local.get()

    local = LoopLocal(Connection, Connection.close)
    with loop_in_a_thread() as one, loop_in_a_thread() as other:
        ours, theirs = one.run(get()), other.run(get())
        assert ours is not theirs
        assert (one.run(get()), other.run(get())) == (ours, theirs)
        assert {ours.is_open, theirs.is_open} == {True}
    assert {ours.is_open, theirs.is_open} == {False}


async def test_after_closing_the_next_use_makes_another():
    local = LoopLocal(Connection, Connection.close)
    await local.close()  # nothing to close
    first = local.get()
    await local.close()
    assert not first.is_open
    assert local.get() is not first
    await local.close()


def test_a_loop_that_ends_has_nothing_made_by_what_drains(recwarn):
    async def run(jobs):
        return jobs

    async def use():
        local.get()
        await batcher.submit(1)

    async def close(_):
        await asyncio.sleep(0)  # the loop closes what the batcher has meanwhile
        await batcher.drain()

    batcher = Batcher(run)
    local = LoopLocal(object, close)
    asyncio.run(use())
    assert not [str(each.message) for each in recwarn if "asyncgens" in str(each.message)]


def test_a_loop_that_closed_nothing_is_forgotten():
    async def get():
        return local.get()

    local = LoopLocal(Connection, Connection.close)
    abrupt = asyncio.new_event_loop()
    left = weakref.ref(abrupt.run_until_complete(get()))
    abrupt.close()
    asyncio.run(get())
    gc.collect()
    assert left() is None
