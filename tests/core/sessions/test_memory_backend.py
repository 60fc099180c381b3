"""Sessions in memory: the contract, and the bounds that only this backend has."""

import asyncio
import sys
import threading
import tracemalloc
from types import SimpleNamespace

import pytest

from micropie._sessions.backends import InMemorySessionBackend, hash_session_id
from micropie.testing import SessionBackendContract

pytestmark = pytest.mark.anyio


class TestContract(SessionBackendContract):
    shortest_timeout = 0.04

    def make_backend(self):
        return InMemorySessionBackend()

    def dump(self, backend):
        return repr(vars(backend))


@pytest.fixture
def switching_threads_often():
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def held(backend):
    """Return how many sessions are in memory, expired ones included: no public method tells."""
    queues = backend._queues.values()
    assert all(queues), "an empty queue was kept"
    assert len(backend._sessions) == sum(len(queue) for queue in queues)
    return len(backend._sessions)


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on only when a test says so, by its attribute `now`."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("micropie._sessions.backends.monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def save_and_let_expire(clock):
    async def save_and_let_expire(backend, prefix, count):
        for number in range(count):
            await backend.save(f"{prefix}{number}", {"a": 1}, 1)
        clock.now += 1

    return save_and_let_expire


async def test_expired_sessions_are_dropped_by_later_writes(save_and_let_expire):
    backend = InMemorySessionBackend()
    await save_and_let_expire(backend, "old", 100)
    for number in range(100):
        await backend.save(f"new{number}", {"a": 1}, 60)
    # The old ones' timeout comes up in every second write, and two go each time.
    assert held(backend) == 100


async def test_a_write_drops_no_more_than_four_sessions(save_and_let_expire):
    backend = InMemorySessionBackend()
    await save_and_let_expire(backend, "old", 100)
    before = held(backend)
    await backend.save("new", {"a": 1}, 60)
    assert before == 100
    assert 100 + 1 - 4 <= held(backend) < 100


async def test_the_same_timeout_never_piles_up_expired_sessions(save_and_let_expire):
    backend = InMemorySessionBackend()
    most = 0
    for batch in range(10):
        await save_and_let_expire(backend, f"batch{batch}-", 50)
        most = max(most, held(backend))
    assert most <= 100


async def test_a_long_session_does_not_hold_up_short_ones(save_and_let_expire):
    backend = InMemorySessionBackend()
    await backend.save("long", {"a": 1}, 3600)
    await save_and_let_expire(backend, "short", 10)
    for _ in range(20):
        await backend.touch("long", {}, 3600)
    assert held(backend) == 1


async def test_idle_sessions_do_not_hold_up_those_of_another_timeout(save_and_let_expire):
    backend = InMemorySessionBackend()
    for timeout in (3600, 3601, 3602):
        await backend.save(f"idle for {timeout}", {"a": 1}, timeout)
    await save_and_let_expire(backend, "short", 10)
    for _ in range(20):
        await backend.save("busy", {"a": 1}, 60)
    assert held(backend) == 3 + 1


async def test_a_busy_timeout_is_kept_short_among_many_idle_ones(save_and_let_expire):
    backend = InMemorySessionBackend()
    for number in range(20):
        await backend.save(f"idle{number}", {"a": 1}, 3600 + number)
    for batch in range(5):
        await save_and_let_expire(backend, f"batch{batch}-", 50)
    assert held(backend) <= 20 + 100


async def test_sessions_of_many_timeouts_are_dropped(clock):
    backend = InMemorySessionBackend()
    for number in range(100):
        await backend.save(f"s{number}", {"a": 1}, 1 + number)
    clock.now += 100
    for _ in range(101):
        await backend.save("new", {"a": 1}, 60)
    assert held(backend) == 1


async def test_reading_an_expired_session_drops_it(save_and_let_expire):
    backend = InMemorySessionBackend()
    await save_and_let_expire(backend, "old", 1)
    assert held(backend) == 1
    assert await backend.load("old0") == {}
    assert held(backend) == 0


async def test_touching_and_deleting_leave_nothing_behind():
    backend = InMemorySessionBackend()
    for number in range(1_000):
        await backend.save("s", {"a": 1}, 60 + number % 7)
        await backend.touch("s", {}, 3600)
        await backend.merge("s", {"b": number}, (), 60)
    assert held(backend) == 1
    await backend.save("s", {"a": 1}, 0)
    assert held(backend) == 0


async def test_a_small_session_takes_little_memory():
    # With the buffer that each result of orjson's keeps it would be above 4 KiB.
    backend = InMemorySessionBackend()
    tracemalloc.start()
    try:
        for number in range(500):
            await backend.save(str(number), {"user": "alice"}, 60)
        used, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used / 500 < 1024


async def test_beyond_max_sessions_the_one_written_longest_ago_goes():
    backend = InMemorySessionBackend(max_sessions=3)
    for session_id in "abc":
        await backend.save(session_id, {"id": session_id}, 3600)
    await backend.touch("a", {}, 60)
    await backend.merge("b", {"more": 1}, (), 60)
    await backend.load("c")
    await backend.save("d", {"id": "d"}, 60)
    assert [bool(await backend.load(session_id)) for session_id in "abcd"] == [
        True,
        True,
        False,
        True,
    ]


async def test_an_expired_session_makes_room_before_a_living_one(save_and_let_expire):
    backend = InMemorySessionBackend(max_sessions=2)
    await backend.save("long", {"a": 1}, 60)
    await save_and_let_expire(backend, "short", 1)
    await backend.touch("long", {}, 60)
    await backend.save("new", {"a": 1}, 60)
    assert await backend.load("long") == {"a": 1}


async def test_writing_a_session_again_needs_no_room():
    backend = InMemorySessionBackend(max_sessions=2)
    await backend.save("a", {"a": 1}, 60)
    await backend.save("b", {"a": 1}, 60)
    await backend.save("b", {"a": 2}, 60)
    assert await backend.load("a") == {"a": 1}


async def test_none_is_no_limit():
    backend = InMemorySessionBackend(max_sessions=None)
    for number in range(1_000):
        await backend.save(str(number), {"a": 1}, 60)
    assert held(backend) == 1_000


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "many"])
async def test_a_wrong_max_sessions_is_named(wrong):
    with pytest.raises(ValueError, match="max_sessions"):
        InMemorySessionBackend(max_sessions=wrong)


async def test_the_time_left_is_told():
    backend = InMemorySessionBackend()
    await backend.save("s", {"a": 1}, 60)
    assert 50 < (await backend.load("s")).expires_in <= 60


async def test_event_loops_in_several_threads_share_it(switching_threads_often):
    backend = InMemorySessionBackend(max_sessions=8)
    await backend.save("s", {"a": 1}, 60)
    failed = []

    def serve(name):
        async def requests():
            for number in range(300):
                assert await backend.merge("s", {f"{name}{number % 20}": number}, (), 60)
                await backend.save(f"{name}{number % 4}", {"a": 1}, 60 + number % 5)

        try:
            asyncio.run(requests())
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=serve, args=(name,)) for name in "xyz"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert held(backend) == 8


def test_a_hash_takes_any_text():
    # What surrogateescape makes of broken UTF-8 in a cookie.
    assert len({hash_session_id(text) for text in ("", "\udcff", "\udcfe", "ÿ")}) == 4
