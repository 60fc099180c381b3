"""The contract, third part: requests of one browser that meet."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from micropie._sessions.backends import SessionBackend
from micropie.testing.harness import LONG, ContractBase, concurrent, new_id


class RacingContract(ContractBase):
    """Nothing is lost, and nothing comes back, whoever is first."""

    @concurrent
    async def test_200_simultaneous_merges_lose_nothing(self, backend: SessionBackend) -> None:
        session_id = new_id()
        await backend.save(session_id, {"user": "alice"}, LONG)
        await asyncio.gather(
            *(backend.merge(session_id, {f"k{n}": n}, (), LONG) for n in range(200))
        )
        assert await backend.load(session_id) == {
            "user": "alice",
            **{f"k{n}": n for n in range(200)},
        }

    @concurrent
    async def test_simultaneous_merges_and_removals_both_count(
        self, backend: SessionBackend
    ) -> None:
        session_id = new_id()
        await backend.save(session_id, {f"old{n}": n for n in range(51)}, LONG)
        await asyncio.gather(
            *(backend.merge(session_id, {f"new{n}": n}, [f"old{n}"], LONG) for n in range(25)),
            *(backend.merge(session_id, {}, [f"old{n}"], LONG) for n in range(25, 50)),
            *(backend.merge(session_id, {f"new{n}": n}, (), LONG) for n in range(25, 50)),
        )
        assert await backend.load(session_id) == {"old50": 50, **{f"new{n}": n for n in range(50)}}

    @concurrent
    async def test_touching_reverts_no_simultaneous_merge(self, backend: SessionBackend) -> None:
        session_id = new_id()
        await backend.save(session_id, {"n": 0}, LONG)
        calls: list[Awaitable[Any]] = []
        for n in range(50):
            calls.append(backend.merge(session_id, {f"k{n}": n}, (), LONG))
            calls.append(backend.touch(session_id, {"n": 0}, LONG))
        await asyncio.gather(*calls)
        assert await backend.load(session_id) == {"n": 0, **{f"k{n}": n for n in range(50)}}

    @concurrent
    async def test_half_a_merge_is_never_seen(self, backend: SessionBackend) -> None:
        session_id = new_id()
        await backend.save(session_id, {"a": -1, "b": -1}, LONG)

        async def watch() -> None:
            for _ in range(20):
                seen = await backend.load(session_id)
                assert seen["a"] == seen["b"]
                await asyncio.sleep(0)

        await asyncio.gather(
            *(backend.merge(session_id, {"a": n, "b": n}, (), LONG) for n in range(50)),
            *(watch() for _ in range(5)),
        )

    @concurrent
    async def test_a_delete_beats_the_merges_and_touches_around_it(
        self, backend: SessionBackend
    ) -> None:
        for _ in range(10):
            session_id = new_id()
            await backend.save(session_id, {"user": "alice"}, LONG)
            calls: list[Awaitable[Any]] = []
            for n in range(10):
                calls.append(backend.merge(session_id, {f"k{n}": n}, (), LONG))
                calls.append(backend.touch(session_id, {"user": "alice"}, LONG))
            calls.insert(len(calls) // 2, backend.save(session_id, {}, LONG))
            await asyncio.gather(*calls)
            assert await backend.load(session_id) == {}

    @concurrent
    async def test_of_20_simultaneous_takers_one_gets_the_data(
        self, backend: SessionBackend
    ) -> None:
        session_id = new_id()
        await backend.save(session_id, {"user": "alice"}, LONG)
        taken = await asyncio.gather(*(backend.take(session_id) for _ in range(20)))
        assert [data for data in taken if data] == [{"user": "alice"}]
        assert await backend.load(session_id) == {}

    @concurrent
    async def test_what_is_taken_holds_every_acknowledged_merge(
        self, backend: SessionBackend
    ) -> None:
        session_id = new_id()
        await backend.save(session_id, {"user": "alice"}, LONG)
        calls: list[Awaitable[Any]] = [
            backend.merge(session_id, {f"k{n}": n}, (), LONG) for n in range(40)
        ]
        calls.insert(20, backend.take(session_id))
        results = await asyncio.gather(*calls)
        taken = results.pop(20)
        acknowledged = {f"k{n}": n for n, stored in enumerate(results) if stored}
        assert taken == {"user": "alice", **acknowledged}
        assert await backend.load(session_id) == {}
