"""The contract, second part: what changes, deletes and outdates a session."""

from collections.abc import Awaitable, Callable
from time import monotonic

from micropie._sessions.backends import LoadedSession, SessionBackend
from micropie.testing.harness import LONG, ContractBase, contract_test, new_id, same
from micropie.testing.values import VALUES


class ChangingContract(ContractBase):
    """Merging, deleting, taking and expiry."""

    # Merging

    @contract_test
    async def test_merging_changes_single_keys(self, backend: SessionBackend) -> None:
        session_id = new_id()
        await backend.save(session_id, {"kept": 1, "changed": 1, "removed": 1}, LONG)
        result = await backend.merge(session_id, {"changed": 2, "added": 2}, {"removed"}, LONG)
        assert result is True
        assert await backend.load(session_id) == {"kept": 1, "changed": 2, "added": 2}

    @contract_test
    async def test_a_merged_value_replaces_the_whole_old_one(self, backend: SessionBackend) -> None:
        session_id = new_id()
        await backend.save(session_id, {"cart": {"pie": {"n": 1}}, "tags": [1, 2], "a": 1}, LONG)
        await backend.merge(session_id, {"cart": {"cake": {"n": None}}}, (), LONG)
        await backend.merge(session_id, {"tags": [3], "a": None}, (), LONG)
        same(
            await backend.load(session_id), {"cart": {"cake": {"n": None}}, "tags": [3], "a": None}
        )

    @contract_test
    async def test_on_the_same_key_the_later_merge_wins(self, backend: SessionBackend) -> None:
        session_id = new_id()
        await backend.save(session_id, {"a": 0}, LONG)
        for number in (3, 1, 2):
            await backend.merge(session_id, {"a": number}, (), LONG)
        assert await backend.load(session_id) == {"a": 2}

    @contract_test
    async def test_removed_may_be_any_collection_and_name_absent_keys(
        self, backend: SessionBackend
    ) -> None:
        session_id = new_id()
        await backend.save(session_id, {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}, LONG)
        for removed in (["a"], ("b",), {"c"}, {"d": 1}.keys(), ["absent", "a"]):
            assert await backend.merge(session_id, {}, removed, LONG) is True
        assert await backend.load(session_id) == {"e": 1}

    @contract_test
    async def test_merging_nothing_tells_whether_the_session_exists(
        self, backend: SessionBackend
    ) -> None:
        session_id = new_id()
        assert await backend.merge(session_id, {}, (), LONG) is False
        await backend.save(session_id, {"a": 1}, LONG)
        assert await backend.merge(session_id, {}, (), LONG) is True
        assert await backend.load(session_id) == {"a": 1}

    @contract_test
    async def test_merging_never_creates_a_session(self, backend: SessionBackend) -> None:
        session_id = new_id()
        assert await backend.merge(session_id, {"a": 1}, (), LONG) is False
        assert await backend.merge(session_id, {}, ["a"], LONG) is False
        assert await backend.load(session_id) == {}

    @contract_test
    async def test_removing_the_last_key_deletes_the_session(self, backend: SessionBackend) -> None:
        session_id = new_id()
        await backend.save(session_id, {"a": 1, "b": 1}, LONG)
        assert await backend.merge(session_id, {}, ["a", "b"], LONG) is True
        assert await backend.load(session_id) == {}
        assert await backend.merge(session_id, {"a": 1}, (), LONG) is False

    # Deleting

    @contract_test
    async def test_saving_nothing_deletes(self, backend: SessionBackend) -> None:
        session_id = new_id()
        await backend.save(session_id, {}, LONG)
        assert await backend.load(session_id) == {}
        await backend.save(session_id, {"a": 1}, LONG)
        await backend.save(session_id, {}, LONG)
        assert await backend.load(session_id) == {}

    @contract_test
    async def test_saving_for_no_time_deletes(self, backend: SessionBackend) -> None:
        for timeout in (0, -1):
            session_id = new_id()
            await backend.save(session_id, {"a": 1}, timeout)
            assert await backend.load(session_id) == {}
            await backend.save(session_id, {"a": 1}, LONG)
            await backend.save(session_id, {"a": 2}, timeout)
            assert await backend.load(session_id) == {}

    @contract_test
    async def test_a_deleted_session_stays_deleted(self, backend: SessionBackend) -> None:
        session_id = new_id()
        await backend.save(session_id, {"user": "alice"}, LONG)
        copy = await backend.load(session_id)
        await backend.save(session_id, {}, LONG)
        assert await backend.merge(session_id, {"a": 1}, (), LONG) is False
        await backend.touch(session_id, copy, LONG)
        assert await backend.take(session_id) == {}
        assert await backend.load(session_id) == {}

    @contract_test
    async def test_taking_gives_the_data_once(self, backend: SessionBackend) -> None:
        session_id = new_id()
        await backend.save(session_id, dict(VALUES), LONG)
        same(await backend.take(session_id), VALUES)
        assert await backend.take(session_id) == {}
        assert await backend.load(session_id) == {}
        assert await backend.merge(session_id, {"a": 1}, (), LONG) is False

    @contract_test
    async def test_taking_an_unknown_session_gives_nothing(self, backend: SessionBackend) -> None:
        assert await backend.take(new_id()) == {}

    # Expiry

    @contract_test
    async def test_a_session_expires(self, backend: SessionBackend) -> None:
        loaded, merged, touched, taken = [new_id() for _ in range(4)]
        for session_id in (loaded, merged, touched, taken):
            await backend.save(session_id, {"a": 1}, self.shortest_timeout)
        await self.wait_until_expired()
        assert await backend.load(loaded) == {}
        assert await backend.merge(merged, {"b": 1}, (), LONG) is False
        assert await backend.load(merged) == {}
        await backend.touch(touched, {"a": 1}, LONG)
        assert await backend.load(touched) == {}
        assert await backend.take(taken) == {}

    @contract_test
    async def test_an_expired_session_leaves_nothing_to_a_new_one(
        self, backend: SessionBackend
    ) -> None:
        session_id = new_id()
        await backend.save(session_id, {"old": 1}, self.shortest_timeout)
        await self.wait_until_expired()
        await backend.save(session_id, {"new": 1}, LONG)
        assert await backend.load(session_id) == {"new": 1}
        assert await backend.merge(session_id, {"more": 1}, (), LONG) is True
        assert await backend.load(session_id) == {"new": 1, "more": 1}

    @contract_test
    async def test_saving_merging_and_touching_push_the_expiry_out(
        self, backend: SessionBackend
    ) -> None:
        pushes: list[tuple[int, Callable[[str], Awaitable[object]]]] = [
            (1, lambda session_id: backend.save(session_id, {"a": 2}, LONG)),
            (1, lambda session_id: backend.merge(session_id, {"a": 2}, (), LONG)),
            (2, lambda session_id: backend.touch(session_id, {"a": 2}, LONG)),
        ]
        pushed = []
        for value, push in pushes:
            in_time = False
            while not in_time:  # a loaded machine may let it expire first
                session_id, began = new_id(), monotonic()
                await backend.save(session_id, {"a": value}, self.shortest_timeout)
                await push(session_id)
                in_time = monotonic() - began < self.shortest_timeout
            pushed.append(session_id)
        await self.wait_until_expired()
        for session_id in pushed:
            assert await backend.load(session_id) == {"a": 2}

    @contract_test
    async def test_saving_merging_and_touching_can_bring_the_expiry_nearer(
        self, backend: SessionBackend
    ) -> None:
        saved, merged, touched = [new_id() for _ in range(3)]
        for session_id in (saved, merged, touched):
            await backend.save(session_id, {"a": 1}, LONG)
        await backend.save(saved, {"a": 2}, self.shortest_timeout)
        await backend.merge(merged, {"a": 2}, (), self.shortest_timeout)
        await backend.touch(touched, {"a": 1}, self.shortest_timeout)
        await self.wait_until_expired()
        for session_id in (saved, merged, touched):
            assert await backend.load(session_id) == {}

    @contract_test
    async def test_touching_does_not_revert_a_newer_value(self, backend: SessionBackend) -> None:
        session_id = new_id()
        await backend.save(session_id, {"a": 1, "b": 1}, LONG)
        copy = await backend.load(session_id)
        await backend.merge(session_id, {"a": 2}, ["b"], LONG)
        await backend.touch(session_id, copy, LONG)
        assert await backend.load(session_id) == {"a": 2}

    @contract_test
    async def test_touching_an_unknown_session_does_nothing(self, backend: SessionBackend) -> None:
        session_id = new_id()
        await backend.touch(session_id, {"a": 1}, LONG)
        assert await backend.load(session_id) == {}

    @contract_test
    async def test_the_time_left_is_right_if_it_is_told(self, backend: SessionBackend) -> None:
        session_id = new_id()

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

    @contract_test
    async def test_a_session_may_last_400_days(self, backend: SessionBackend) -> None:
        days = 400 * 86400
        saved, merged, touched = [new_id() for _ in range(3)]
        await backend.save(saved, {"micropie.lifetime": days, "a": 1}, days)
        await backend.save(merged, {"a": 1}, LONG)
        assert await backend.merge(merged, {"micropie.lifetime": days}, (), days) is True
        await backend.save(touched, {"micropie.lifetime": days, "a": 1}, LONG)
        await backend.touch(touched, {"micropie.lifetime": days, "a": 1}, days)
        for session_id in (saved, merged, touched):
            loaded = await backend.load(session_id)
            assert loaded == {"micropie.lifetime": days, "a": 1}
            if isinstance(loaded, LoadedSession) and loaded.expires_in is not None:
                assert days - 60 < loaded.expires_in <= days + 1
            # They would stay for as long.
            assert await backend.take(session_id) == loaded
