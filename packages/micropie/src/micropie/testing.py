"""For tests of other projects: the suite that every session backend must pass; needs pytest."""

import asyncio
import base64
import functools
import inspect
import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from micropie.session_backend import LoadedSession, SessionBackend

_Test = Callable[[Any, SessionBackend], Coroutine[Any, Any, None]]

# Seconds: longer than any test lasts, so that nothing expires unless the test is about that.
_LONG = 60
# Seconds after which a test counts as hanging: a store that waits for itself would wait for ever.
_DEADLINE = 60


def _contract_test(test: _Test) -> Callable[[Any], None]:
    """Make a coroutine into a test that any pytest runs, with a backend that has started.

    One event loop serves the test from `make_backend` to `shutdown`, because connections are
    bound to the loop they were opened in.
    """

    def run(self: "SessionBackendContract") -> None:
        async def whole() -> None:
            async with asyncio.timeout(_DEADLINE):
                backend = await _result(self.make_backend())
                await backend.startup()
                try:
                    await test(self, backend)
                finally:
                    await backend.shutdown()

        asyncio.run(whole())

    # Not functools.wraps: pytest would follow __wrapped__ and look for a fixture `backend`.
    run.__name__, run.__qualname__, run.__doc__ = test.__name__, test.__qualname__, test.__doc__
    return run


def _concurrent(test: _Test) -> Callable[[Any], None]:
    """Make a contract test that only a backend whose methods are atomic must pass."""

    @functools.wraps(test)
    async def test_if_atomic(self: "SessionBackendContract", backend: SessionBackend) -> None:
        if not self.atomic:
            pytest.skip("not atomic: simultaneous requests of one browser may lose changes")
        await test(self, backend)

    return _contract_test(test_if_atomic)


class SessionBackendContract(ABC):
    """What App relies on, as tests; inherit them and say how to make your backend.

    ```python
    class TestMyBackend(SessionBackendContract):
        def make_backend(self):
            return MyBackend("store://127.0.0.1")

        def dump(self, backend):
            return Path("/var/lib/store/data").read_bytes()
    ```

    To use a fixture in `make_backend`, give the class an autouse fixture that keeps its value on
    `self`. Put `pytest.register_assert_rewrite("micropie.testing")` into conftest.py to see
    the values in a failing comparison.

    The tests use random session ids, so the store may hold other sessions; what they leave
    behind expires within a minute.
    """

    #: Seconds: the shortest timeout that the store can tell from none. Tests of expiry wait a
    #: quarter longer than this.
    shortest_timeout: float = 1

    #: Set it to False for a backend that leaves `merge` or `take` to SessionBackend's defaults:
    #: it skips the tests in which requests of one browser meet, all of which it may fail.
    atomic: bool = True

    @abstractmethod
    def make_backend(self) -> SessionBackend | Awaitable[SessionBackend]:
        """Return a new backend (or a coroutine that does); it is started and stopped for you."""

    @abstractmethod
    def dump(self, backend: SessionBackend) -> bytes | str | Awaitable[bytes | str]:
        """Return all that the store holds, as someone who has stolen it would read it.

        Keys, fields, columns and values, uncompressed; called while *backend* is started.
        """

    # Round trips

    @_contract_test
    async def test_a_saved_session_is_loaded(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        await backend.save(session_id, {"user": "alice", "visits": 3}, _LONG)
        loaded = await backend.load(session_id)
        assert isinstance(loaded, dict)
        assert loaded == {"user": "alice", "visits": 3}

    @_contract_test
    async def test_an_unknown_session_is_empty(self, backend: SessionBackend) -> None:
        assert await backend.load(_new_id()) == {}

    @_contract_test
    async def test_every_json_value_comes_back_as_the_same_type(
        self, backend: SessionBackend
    ) -> None:
        session_id = _new_id()
        await backend.save(session_id, dict(_VALUES), _LONG)
        _same(await backend.load(session_id), _VALUES)

    @_contract_test
    async def test_every_json_value_can_be_merged(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        await backend.save(session_id, {"first": 1}, _LONG)
        assert await backend.merge(session_id, dict(_VALUES), (), _LONG) is True
        _same(await backend.load(session_id), {"first": 1, **_VALUES})

    @_contract_test
    async def test_any_text_can_be_a_key(self, backend: SessionBackend) -> None:
        saved, merged = _new_id(), _new_id()
        data: dict[str, Any] = {key: number for number, key in enumerate(_KEYS)}
        await backend.save(saved, data, _LONG)
        _same(await backend.load(saved), data)

        await backend.save(merged, {"first": 1, **dict.fromkeys(_KEYS, "old")}, _LONG)
        await backend.merge(merged, data, (), _LONG)
        _same(await backend.load(merged), {"first": 1, **data})
        await backend.merge(merged, {}, _KEYS, _LONG)
        _same(await backend.load(merged), {"first": 1})

    @_contract_test
    async def test_a_value_may_be_a_mebibyte_long(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        await backend.save(session_id, {"saved": "x" * 2**20}, _LONG)
        await backend.merge(session_id, {"merged": "ü" * 2**19}, (), _LONG)
        assert await backend.load(session_id) == {"saved": "x" * 2**20, "merged": "ü" * 2**19}

    @_contract_test
    async def test_a_session_may_have_thousands_of_keys(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        data = {f"key {number}": number for number in range(5_000)}
        await backend.save(session_id, data, _LONG)
        assert await backend.load(session_id) == data
        changed = {f"more {number}": number for number in range(5_000)}
        await backend.merge(session_id, changed, data.keys(), _LONG)
        assert await backend.load(session_id) == changed

    @_contract_test
    async def test_saving_replaces_all_that_was_there(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        await backend.save(session_id, {"old": 1, "both": 1}, _LONG)
        await backend.save(session_id, {"new": 2, "both": 2}, _LONG)
        assert await backend.load(session_id) == {"new": 2, "both": 2}

    @_contract_test
    async def test_what_is_given_out_and_taken_in_is_a_copy(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        saved, merged = {"saved": [1]}, {"merged": [1]}
        await backend.save(session_id, saved, _LONG)
        await backend.merge(session_id, merged, (), _LONG)
        saved["saved"].append(2)
        merged["merged"].append(2)
        given_out = await backend.load(session_id)
        assert given_out == {"saved": [1], "merged": [1]}

        given_out["saved"].append(3)
        given_out["own"] = True
        assert await backend.load(session_id) == {"saved": [1], "merged": [1]}

    # Ids

    @_contract_test
    async def test_sessions_do_not_touch_each_other(self, backend: SessionBackend) -> None:
        one, other, third = _new_id(), _new_id(), _new_id()
        for session_id in (one, other, third):
            await backend.save(session_id, {"a": 1, "b": 1}, _LONG)
        await backend.merge(one, {"a": 2}, ["b"], _LONG)
        await backend.save(other, {}, _LONG)
        assert await backend.load(one) == {"a": 2}
        assert await backend.load(other) == {}
        assert await backend.load(third) == {"a": 1, "b": 1}

    @_contract_test
    async def test_any_text_can_be_an_id(self, backend: SessionBackend) -> None:
        # A cookie may carry anything, and no two ids may be taken for each other.
        token = _new_id()
        endings = ("", " ", "\n", "'", '"', "\\", "%", "*", "{}", ":", "\0", "é", "e\u0301", "🥧")
        ids = [token + ending for ending in endings]
        ids += [token.swapcase(), f" {token}", f"../{token}", token * 95 + "1", token * 95 + "2"]
        for number, session_id in enumerate(ids):
            await backend.save(session_id, {"number": number}, _LONG)
        for number, session_id in enumerate(ids):
            assert await backend.load(session_id) == {"number": number}
            assert await backend.merge(session_id, {"merged": True}, (), _LONG) is True
            await backend.touch(session_id, {"number": number}, _LONG)
            assert await backend.take(session_id) == {"number": number, "merged": True}

    @_contract_test
    async def test_an_empty_id_is_nothing_special(self, backend: SessionBackend) -> None:
        assert await backend.merge("", {"a": 1}, (), _LONG) is False
        assert await backend.load("") == {}

    @_contract_test
    async def test_the_store_never_holds_an_id_in_clear(self, backend: SessionBackend) -> None:
        session_id, mark = _new_id(), secrets.token_hex()
        await backend.save(session_id, {"mark": mark}, _LONG)
        await backend.merge(session_id, {"merged": True}, (), _LONG)
        await backend.touch(session_id, {"mark": mark}, _LONG)
        stolen = await self._dumped(backend)
        assert mark in stolen, "dump() does not show the session, so it would not show its id"
        _assert_hidden(session_id, stolen)
        await backend.save(session_id, {}, _LONG)
        _assert_hidden(session_id, await self._dumped(backend))

    # Merging

    @_contract_test
    async def test_merging_changes_single_keys(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        await backend.save(session_id, {"kept": 1, "changed": 1, "removed": 1}, _LONG)
        result = await backend.merge(session_id, {"changed": 2, "added": 2}, {"removed"}, _LONG)
        assert result is True
        assert await backend.load(session_id) == {"kept": 1, "changed": 2, "added": 2}

    @_contract_test
    async def test_a_merged_value_replaces_the_whole_old_one(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        await backend.save(session_id, {"cart": {"pie": {"n": 1}}, "tags": [1, 2], "a": 1}, _LONG)
        await backend.merge(session_id, {"cart": {"cake": {"n": None}}}, (), _LONG)
        await backend.merge(session_id, {"tags": [3], "a": None}, (), _LONG)
        _same(
            await backend.load(session_id), {"cart": {"cake": {"n": None}}, "tags": [3], "a": None}
        )

    @_contract_test
    async def test_on_the_same_key_the_later_merge_wins(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        await backend.save(session_id, {"a": 0}, _LONG)
        for number in (3, 1, 2):
            await backend.merge(session_id, {"a": number}, (), _LONG)
        assert await backend.load(session_id) == {"a": 2}

    @_contract_test
    async def test_removed_may_be_any_collection_and_name_absent_keys(
        self, backend: SessionBackend
    ) -> None:
        session_id = _new_id()
        await backend.save(session_id, {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}, _LONG)
        for removed in (["a"], ("b",), {"c"}, {"d": 1}.keys(), ["absent", "a"]):
            assert await backend.merge(session_id, {}, removed, _LONG) is True
        assert await backend.load(session_id) == {"e": 1}

    @_contract_test
    async def test_merging_nothing_tells_whether_the_session_exists(
        self, backend: SessionBackend
    ) -> None:
        session_id = _new_id()
        assert await backend.merge(session_id, {}, (), _LONG) is False
        await backend.save(session_id, {"a": 1}, _LONG)
        assert await backend.merge(session_id, {}, (), _LONG) is True
        assert await backend.load(session_id) == {"a": 1}

    @_contract_test
    async def test_merging_never_creates_a_session(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        assert await backend.merge(session_id, {"a": 1}, (), _LONG) is False
        assert await backend.merge(session_id, {}, ["a"], _LONG) is False
        assert await backend.load(session_id) == {}

    @_contract_test
    async def test_removing_the_last_key_deletes_the_session(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        await backend.save(session_id, {"a": 1, "b": 1}, _LONG)
        assert await backend.merge(session_id, {}, ["a", "b"], _LONG) is True
        assert await backend.load(session_id) == {}
        assert await backend.merge(session_id, {"a": 1}, (), _LONG) is False

    # Deleting

    @_contract_test
    async def test_saving_nothing_deletes(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        await backend.save(session_id, {}, _LONG)
        assert await backend.load(session_id) == {}
        await backend.save(session_id, {"a": 1}, _LONG)
        await backend.save(session_id, {}, _LONG)
        assert await backend.load(session_id) == {}

    @_contract_test
    async def test_saving_for_no_time_deletes(self, backend: SessionBackend) -> None:
        for timeout in (0, -1):
            session_id = _new_id()
            await backend.save(session_id, {"a": 1}, timeout)
            assert await backend.load(session_id) == {}
            await backend.save(session_id, {"a": 1}, _LONG)
            await backend.save(session_id, {"a": 2}, timeout)
            assert await backend.load(session_id) == {}

    @_contract_test
    async def test_a_deleted_session_stays_deleted(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        await backend.save(session_id, {"user": "alice"}, _LONG)
        copy = await backend.load(session_id)
        await backend.save(session_id, {}, _LONG)
        assert await backend.merge(session_id, {"a": 1}, (), _LONG) is False
        await backend.touch(session_id, copy, _LONG)
        assert await backend.take(session_id) == {}
        assert await backend.load(session_id) == {}

    @_contract_test
    async def test_taking_gives_the_data_once(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        await backend.save(session_id, dict(_VALUES), _LONG)
        _same(await backend.take(session_id), _VALUES)
        assert await backend.take(session_id) == {}
        assert await backend.load(session_id) == {}
        assert await backend.merge(session_id, {"a": 1}, (), _LONG) is False

    @_contract_test
    async def test_taking_an_unknown_session_gives_nothing(self, backend: SessionBackend) -> None:
        assert await backend.take(_new_id()) == {}

    # Expiry

    @_contract_test
    async def test_a_session_expires(self, backend: SessionBackend) -> None:
        loaded, merged, touched, taken = [_new_id() for _ in range(4)]
        for session_id in (loaded, merged, touched, taken):
            await backend.save(session_id, {"a": 1}, self.shortest_timeout)
        await self._wait_until_expired()
        assert await backend.load(loaded) == {}
        assert await backend.merge(merged, {"b": 1}, (), _LONG) is False
        assert await backend.load(merged) == {}
        await backend.touch(touched, {"a": 1}, _LONG)
        assert await backend.load(touched) == {}
        assert await backend.take(taken) == {}

    @_contract_test
    async def test_an_expired_session_leaves_nothing_to_a_new_one(
        self, backend: SessionBackend
    ) -> None:
        session_id = _new_id()
        await backend.save(session_id, {"old": 1}, self.shortest_timeout)
        await self._wait_until_expired()
        await backend.save(session_id, {"new": 1}, _LONG)
        assert await backend.load(session_id) == {"new": 1}
        assert await backend.merge(session_id, {"more": 1}, (), _LONG) is True
        assert await backend.load(session_id) == {"new": 1, "more": 1}

    @_contract_test
    async def test_saving_merging_and_touching_push_the_expiry_out(
        self, backend: SessionBackend
    ) -> None:
        saved, merged, touched = [_new_id() for _ in range(3)]
        await backend.save(saved, {"a": 1}, self.shortest_timeout)
        await backend.save(saved, {"a": 2}, _LONG)
        await backend.save(merged, {"a": 1}, self.shortest_timeout)
        await backend.merge(merged, {"a": 2}, (), _LONG)
        await backend.save(touched, {"a": 2}, self.shortest_timeout)
        await backend.touch(touched, {"a": 2}, _LONG)
        await self._wait_until_expired()
        for session_id in (saved, merged, touched):
            assert await backend.load(session_id) == {"a": 2}

    @_contract_test
    async def test_saving_merging_and_touching_can_bring_the_expiry_nearer(
        self, backend: SessionBackend
    ) -> None:
        saved, merged, touched = [_new_id() for _ in range(3)]
        for session_id in (saved, merged, touched):
            await backend.save(session_id, {"a": 1}, _LONG)
        await backend.save(saved, {"a": 2}, self.shortest_timeout)
        await backend.merge(merged, {"a": 2}, (), self.shortest_timeout)
        await backend.touch(touched, {"a": 1}, self.shortest_timeout)
        await self._wait_until_expired()
        for session_id in (saved, merged, touched):
            assert await backend.load(session_id) == {}

    @_contract_test
    async def test_touching_does_not_revert_a_newer_value(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        await backend.save(session_id, {"a": 1, "b": 1}, _LONG)
        copy = await backend.load(session_id)
        await backend.merge(session_id, {"a": 2}, ["b"], _LONG)
        await backend.touch(session_id, copy, _LONG)
        assert await backend.load(session_id) == {"a": 2}

    @_contract_test
    async def test_touching_an_unknown_session_does_nothing(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        await backend.touch(session_id, {"a": 1}, _LONG)
        assert await backend.load(session_id) == {}

    @_contract_test
    async def test_the_time_left_is_right_if_it_is_told(self, backend: SessionBackend) -> None:
        session_id = _new_id()

        async def check(timeout: float) -> None:
            loaded = await backend.load(session_id)
            if isinstance(loaded, LoadedSession) and loaded.expires_in is not None:
                # A store that counts in whole seconds may be one off; a test may be slow.
                assert timeout - 10 < loaded.expires_in <= timeout + 1

        await backend.save(session_id, {"a": 1}, 60)
        await check(60)
        await backend.merge(session_id, {"a": 2}, (), 40)
        await check(40)
        await backend.touch(session_id, {"a": 2}, 20)
        await check(20)

    # Values that are no JSON

    @_contract_test
    async def test_saving_what_is_no_json_raises_and_changes_nothing(
        self, backend: SessionBackend
    ) -> None:
        session_id = _new_id()
        await backend.save(session_id, {"a": 1}, _LONG)
        for wrong, error in _NO_JSON:
            with pytest.raises(error):
                await backend.save(session_id, {"b": 2, "wrong": wrong, "c": 3}, _LONG)
        with pytest.raises(TypeError):
            await backend.save(session_id, {"b": 2, **_NUMBER_AS_KEY}, _LONG)
        assert await backend.load(session_id) == {"a": 1}

    @_contract_test
    async def test_merging_what_is_no_json_raises_and_changes_nothing(
        self, backend: SessionBackend
    ) -> None:
        session_id = _new_id()
        await backend.save(session_id, {"a": 1}, _LONG)
        for wrong, error in _NO_JSON:
            with pytest.raises(error):
                await backend.merge(session_id, {"b": 2, "wrong": wrong, "c": 3}, ["a"], _LONG)
        with pytest.raises(TypeError):
            await backend.merge(session_id, {"b": 2, **_NUMBER_AS_KEY}, ["a"], _LONG)
        assert await backend.load(session_id) == {"a": 1}

    # Life

    @_contract_test
    async def test_starting_and_stopping_twice_is_harmless(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        await backend.startup()
        await backend.save(session_id, {"a": 1}, _LONG)
        assert await backend.load(session_id) == {"a": 1}
        await backend.shutdown()
        await backend.shutdown()

    @_contract_test
    async def test_a_stopped_backend_can_be_started_again(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        await backend.shutdown()
        await backend.startup()
        await backend.save(session_id, {"a": 1}, _LONG)
        assert await backend.load(session_id) == {"a": 1}

    @_contract_test
    async def test_it_works_without_startup(self, backend: SessionBackend) -> None:
        # Some servers never send lifespan events.
        unstarted = await _result(self.make_backend())
        session_id = _new_id()
        try:
            await unstarted.save(session_id, {"a": 1}, _LONG)
            assert await unstarted.merge(session_id, {"b": 1}, (), _LONG) is True
            assert await unstarted.load(session_id) == {"a": 1, "b": 1}
        finally:
            await unstarted.shutdown()

    # Requests of one browser that meet

    @_concurrent
    async def test_200_simultaneous_merges_lose_nothing(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        await backend.save(session_id, {"user": "alice"}, _LONG)
        await asyncio.gather(
            *(backend.merge(session_id, {f"k{n}": n}, (), _LONG) for n in range(200))
        )
        assert await backend.load(session_id) == {
            "user": "alice",
            **{f"k{n}": n for n in range(200)},
        }

    @_concurrent
    async def test_simultaneous_merges_and_removals_both_count(
        self, backend: SessionBackend
    ) -> None:
        session_id = _new_id()
        await backend.save(session_id, {f"old{n}": n for n in range(51)}, _LONG)
        await asyncio.gather(
            *(backend.merge(session_id, {f"new{n}": n}, [f"old{n}"], _LONG) for n in range(25)),
            *(backend.merge(session_id, {}, [f"old{n}"], _LONG) for n in range(25, 50)),
            *(backend.merge(session_id, {f"new{n}": n}, (), _LONG) for n in range(25, 50)),
        )
        assert await backend.load(session_id) == {
            "old50": 50,
            **{f"new{n}": n for n in range(50)},
        }

    @_concurrent
    async def test_touching_reverts_no_simultaneous_merge(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        await backend.save(session_id, {"n": 0}, _LONG)
        calls: list[Awaitable[Any]] = []
        for n in range(50):
            calls.append(backend.merge(session_id, {f"k{n}": n}, (), _LONG))
            calls.append(backend.touch(session_id, {"n": 0}, _LONG))
        await asyncio.gather(*calls)
        assert await backend.load(session_id) == {"n": 0, **{f"k{n}": n for n in range(50)}}

    @_concurrent
    async def test_half_a_merge_is_never_seen(self, backend: SessionBackend) -> None:
        session_id = _new_id()
        await backend.save(session_id, {"a": -1, "b": -1}, _LONG)

        async def watch() -> None:
            for _ in range(20):
                seen = await backend.load(session_id)
                assert seen["a"] == seen["b"]
                await asyncio.sleep(0)

        await asyncio.gather(
            *(backend.merge(session_id, {"a": n, "b": n}, (), _LONG) for n in range(50)),
            *(watch() for _ in range(5)),
        )

    @_concurrent
    async def test_a_delete_beats_the_merges_and_touches_around_it(
        self, backend: SessionBackend
    ) -> None:
        for _ in range(10):
            session_id = _new_id()
            await backend.save(session_id, {"user": "alice"}, _LONG)
            calls: list[Awaitable[Any]] = []
            for n in range(10):
                calls.append(backend.merge(session_id, {f"k{n}": n}, (), _LONG))
                calls.append(backend.touch(session_id, {"user": "alice"}, _LONG))
            calls.insert(len(calls) // 2, backend.save(session_id, {}, _LONG))
            await asyncio.gather(*calls)
            assert await backend.load(session_id) == {}

    @_concurrent
    async def test_of_20_simultaneous_takers_one_gets_the_data(
        self, backend: SessionBackend
    ) -> None:
        session_id = _new_id()
        await backend.save(session_id, {"user": "alice"}, _LONG)
        taken = await asyncio.gather(*(backend.take(session_id) for _ in range(20)))
        assert [data for data in taken if data] == [{"user": "alice"}]
        assert await backend.load(session_id) == {}

    @_concurrent
    async def test_what_is_taken_holds_every_acknowledged_merge(
        self, backend: SessionBackend
    ) -> None:
        session_id = _new_id()
        await backend.save(session_id, {"user": "alice"}, _LONG)
        calls: list[Awaitable[Any]] = [
            backend.merge(session_id, {f"k{n}": n}, (), _LONG) for n in range(40)
        ]
        calls.insert(20, backend.take(session_id))
        results = await asyncio.gather(*calls)
        taken = results.pop(20)
        acknowledged = {f"k{n}": n for n, stored in enumerate(results) if stored}
        assert taken == {"user": "alice", **acknowledged}
        assert await backend.load(session_id) == {}

    async def _dumped(self, backend: SessionBackend) -> str:
        stolen = await _result(self.dump(backend))
        return stolen if isinstance(stolen, str) else stolen.decode("latin-1")

    async def _wait_until_expired(self) -> None:
        await asyncio.sleep(self.shortest_timeout * 1.25)


async def _result(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _new_id() -> str:
    return secrets.token_urlsafe(32)


def _same(actual: Any, expected: Any) -> None:
    """Compare types as well: to == the values 1, 1.0 and True are equal."""
    assert json.dumps(actual, sort_keys=True) == json.dumps(expected, sort_keys=True)


def _assert_hidden(session_id: str, stolen: str) -> None:
    encoded = session_id.encode()
    for spelling in (session_id, encoded.hex(), base64.b64encode(encoded).decode().rstrip("=")):
        assert spelling.lower() not in stolen.lower(), "the id is readable; use hash_session_id"


# What stores have been seen to change: large integers and floats (JSON columns), the kinds of
# numbers, NUL (PostgreSQL's jsonb), 4-byte characters (MySQL's utf8), empty text (Oracle's NULL).
_VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "negative": -1,
    "64 bits": 2**64 - 1,
    "more than 64 bits": -(10**40),
    "more than a float's digits": 2**53 + 1,
    "float": 0.1 + 0.2,
    "whole float": 1.0,
    "minus zero": -0.0,
    "largest float": 1.7976931348623157e308,
    "smallest float": 5e-324,
    "empty text": "",
    "text": "Füße, 日本, 🥧, e\u0301 and é",
    "control characters": "\0\x01\t\r\n\x1f\x7f\u2028",
    "quotes": "'\"`\\ %s %(a)s :a ? $1 {} </script>",
    "text like JSON": '{"a": [1, null]}',
    "text like a number": "007",
    "trailing spaces": "a  ",
    "empty list": [],
    "empty object": {},
    "list": [1, "two", 3.0, None, [True, [False, []]]],
    "object": {"": {"a.b": {"$set": [{"deep": {"er": "x"}}]}}, "null": None},
    "deep": json.loads("[" * 100 + "]" * 100),
}

# The likes of MySQL take some of these for each other: case, accents, spaces at the end.
_KEYS = (
    *("", " ", "a", "A", "a ", " a", "ä", "a\u0308", "🥧", "a.b", "a:b", "a/b", "[0]", "*", "_"),
    *("$set", "$", "__proto__", "__class__", "null", "true", "0", "00", "-1", "1.0", "1e3"),
    *("'", '"', "\\", "\n", "\0", "a\0b", "?", ":a", "%s", "{}", "data", "id", "expires"),
    *("k" * 1024, "k" * 1023 + "K"),
)

_NUMBER_AS_KEY: dict[Any, Any] = {1: "a number"}
_ITSELF: list[Any] = []
_ITSELF.append(_ITSELF)

_NO_JSON: tuple[tuple[Any, type[Exception]], ...] = (
    (datetime(2026, 1, 1), TypeError),
    (Decimal(1), TypeError),
    (b"bytes", TypeError),
    ((1, 2), TypeError),  # would come back as a list
    ({1, 2}, TypeError),
    (object(), TypeError),
    ([{"deep": [b"bytes"]}], TypeError),
    (_NUMBER_AS_KEY, TypeError),  # would come back as text
    (float("nan"), ValueError),
    (float("inf"), ValueError),
    ("\ud800", ValueError),  # half of a character: no UTF-8 can carry it
    (_ITSELF, ValueError),
)
