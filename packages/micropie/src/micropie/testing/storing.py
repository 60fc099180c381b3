"""The contract, first part: what is stored comes back as it was, and nothing else does."""

import base64
import secrets
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from micropie._sessions.backends import SessionBackend
from micropie.testing.harness import LONG, ContractBase, contract_test, new_id, result, same
from micropie.testing.values import VALUES


class StoringContract(ContractBase):
    """Round trips, copies, ids, values that are not JSON, starting and stopping."""

    # Round trips

    @contract_test
    async def test_a_saved_session_is_loaded(self, backend: SessionBackend) -> None:
        session_id = new_id()
        await backend.save(session_id, {"user": "alice", "visits": 3}, LONG)
        loaded = await backend.load(session_id)
        assert isinstance(loaded, dict)
        assert loaded == {"user": "alice", "visits": 3}

    @contract_test
    async def test_an_unknown_session_is_empty(self, backend: SessionBackend) -> None:
        assert await backend.load(new_id()) == {}

    @contract_test
    async def test_every_json_value_comes_back_as_the_same_type(
        self, backend: SessionBackend
    ) -> None:
        session_id = new_id()
        await backend.save(session_id, dict(VALUES), LONG)
        same(await backend.load(session_id), VALUES)

    @contract_test
    async def test_every_json_value_can_be_merged(self, backend: SessionBackend) -> None:
        session_id = new_id()
        await backend.save(session_id, {"first": 1}, LONG)
        assert await backend.merge(session_id, dict(VALUES), (), LONG) is True
        same(await backend.load(session_id), {"first": 1, **VALUES})

    @contract_test
    async def test_any_text_can_be_a_key(self, backend: SessionBackend) -> None:
        saved, merged = new_id(), new_id()
        data: dict[str, Any] = {key: number for number, key in enumerate(_KEYS)}
        await backend.save(saved, data, LONG)
        same(await backend.load(saved), data)

        await backend.save(merged, {"first": 1, **dict.fromkeys(_KEYS, "old")}, LONG)
        await backend.merge(merged, data, (), LONG)
        same(await backend.load(merged), {"first": 1, **data})
        await backend.merge(merged, {}, _KEYS, LONG)
        same(await backend.load(merged), {"first": 1})

    @contract_test
    async def test_a_value_may_be_a_mebibyte_long(self, backend: SessionBackend) -> None:
        session_id = new_id()
        await backend.save(session_id, {"saved": "x" * 2**20}, LONG)
        await backend.merge(session_id, {"merged": "ü" * 2**19}, (), LONG)
        assert await backend.load(session_id) == {"saved": "x" * 2**20, "merged": "ü" * 2**19}

    @contract_test
    async def test_a_session_may_have_thousands_of_keys(self, backend: SessionBackend) -> None:
        session_id = new_id()
        data = {f"key {number}": number for number in range(5_000)}
        await backend.save(session_id, data, LONG)
        assert await backend.load(session_id) == data
        changed = {f"more {number}": number for number in range(5_000)}
        await backend.merge(session_id, changed, data.keys(), LONG)
        assert await backend.load(session_id) == changed

    @contract_test
    async def test_saving_replaces_all_that_was_there(self, backend: SessionBackend) -> None:
        session_id = new_id()
        await backend.save(session_id, {"old": 1, "both": 1}, LONG)
        await backend.save(session_id, {"new": 2, "both": 2}, LONG)
        assert await backend.load(session_id) == {"new": 2, "both": 2}

    @contract_test
    async def test_what_is_given_out_and_taken_in_is_a_copy(self, backend: SessionBackend) -> None:
        session_id = new_id()
        saved, merged = {"saved": [1]}, {"merged": [1]}
        await backend.save(session_id, saved, LONG)
        await backend.merge(session_id, merged, (), LONG)
        saved["saved"].append(2)
        merged["merged"].append(2)
        given_out = await backend.load(session_id)
        assert given_out == {"saved": [1], "merged": [1]}

        given_out["saved"].append(3)
        given_out["own"] = True
        assert await backend.load(session_id) == {"saved": [1], "merged": [1]}

    # Ids

    @contract_test
    async def test_sessions_do_not_touch_each_other(self, backend: SessionBackend) -> None:
        one, other, third = new_id(), new_id(), new_id()
        for session_id in (one, other, third):
            await backend.save(session_id, {"a": 1, "b": 1}, LONG)
        await backend.merge(one, {"a": 2}, ["b"], LONG)
        await backend.save(other, {}, LONG)
        assert await backend.load(one) == {"a": 2}
        assert await backend.load(other) == {}
        assert await backend.load(third) == {"a": 1, "b": 1}

    @contract_test
    async def test_any_text_can_be_an_id(self, backend: SessionBackend) -> None:
        # A cookie may carry anything, and no two ids may be taken for each other.
        token = new_id()
        endings = ("", " ", "\n", "'", '"', "\\", "%", "*", "{}", ":", "\0", "é", "e\u0301", "🥧")
        ids = [token + ending for ending in endings]
        ids += [token.swapcase(), f" {token}", f"../{token}", token * 95 + "1", token * 95 + "2"]
        for number, session_id in enumerate(ids):
            await backend.save(session_id, {"number": number}, LONG)
        for number, session_id in enumerate(ids):
            assert await backend.load(session_id) == {"number": number}
            assert await backend.merge(session_id, {"merged": True}, (), LONG) is True
            await backend.touch(session_id, {"number": number}, LONG)
            assert await backend.take(session_id) == {"number": number, "merged": True}

    @contract_test
    async def test_an_empty_id_is_nothing_special(self, backend: SessionBackend) -> None:
        assert await backend.merge("", {"a": 1}, (), LONG) is False
        assert await backend.load("") == {}

    @contract_test
    async def test_the_store_never_holds_an_id_in_clear(self, backend: SessionBackend) -> None:
        session_id, mark = new_id(), secrets.token_hex()
        await backend.save(session_id, {"mark": mark}, LONG)
        await backend.merge(session_id, {"merged": True}, (), LONG)
        await backend.touch(session_id, {"mark": mark}, LONG)
        stolen = await self.dumped(backend)
        assert mark in stolen, "dump() does not show the session, so it would not show its id"
        _assert_hidden(session_id, stolen)
        await backend.save(session_id, {}, LONG)
        _assert_hidden(session_id, await self.dumped(backend))

    # Values that are not JSON

    @contract_test
    async def test_saving_what_is_no_json_raises_and_changes_nothing(
        self, backend: SessionBackend
    ) -> None:
        session_id = new_id()
        await backend.save(session_id, {"a": 1}, LONG)
        for wrong, error in _NO_JSON:
            with pytest.raises(error):
                await backend.save(session_id, {"b": 2, "wrong": wrong, "c": 3}, LONG)
        with pytest.raises(TypeError):
            await backend.save(session_id, {"b": 2, **_NUMBER_AS_KEY}, LONG)
        assert await backend.load(session_id) == {"a": 1}

    @contract_test
    async def test_merging_what_is_no_json_raises_and_changes_nothing(
        self, backend: SessionBackend
    ) -> None:
        session_id = new_id()
        await backend.save(session_id, {"a": 1}, LONG)
        for wrong, error in _NO_JSON:
            with pytest.raises(error):
                await backend.merge(session_id, {"b": 2, "wrong": wrong, "c": 3}, ["a"], LONG)
        with pytest.raises(TypeError):
            await backend.merge(session_id, {"b": 2, **_NUMBER_AS_KEY}, ["a"], LONG)
        assert await backend.load(session_id) == {"a": 1}

    # Life

    @contract_test
    async def test_starting_and_stopping_twice_is_harmless(self, backend: SessionBackend) -> None:
        session_id = new_id()
        await backend.startup()
        await backend.save(session_id, {"a": 1}, LONG)
        assert await backend.load(session_id) == {"a": 1}
        await backend.shutdown()
        await backend.shutdown()

    @contract_test
    async def test_a_stopped_backend_can_be_started_again(self, backend: SessionBackend) -> None:
        session_id = new_id()
        await backend.shutdown()
        await backend.startup()
        await backend.save(session_id, {"a": 1}, LONG)
        assert await backend.load(session_id) == {"a": 1}

    @contract_test
    async def test_it_works_without_startup(self, backend: SessionBackend) -> None:
        # Some servers never send lifespan events.
        unstarted = await result(self.make_backend())
        session_id = new_id()
        try:
            await unstarted.save(session_id, {"a": 1}, LONG)
            assert await unstarted.merge(session_id, {"b": 1}, (), LONG) is True
            assert await unstarted.load(session_id) == {"a": 1, "b": 1}
        finally:
            await unstarted.shutdown()


def _assert_hidden(session_id: str, stolen: str) -> None:
    encoded = session_id.encode()
    for spelling in (session_id, encoded.hex(), base64.b64encode(encoded).decode().rstrip("=")):
        assert spelling.lower() not in stolen.lower(), "the id is readable; use hash_session_id"


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
