"""The contract suite catches backends that are wrong, and lets the least that is right pass."""

import asyncio
import copy
import json
import time

import pytest

from micropie._sessions.backends import (
    InMemorySessionBackend,
    LoadedSession,
    SessionBackend,
    hash_session_id,
)
from micropie.codec import dumps_strict, loads
from micropie.testing import SessionBackendContract


class SmallBackend(SessionBackend):
    """As little as a backend can be: `load` and `save` on a dict, with a wait as for a network."""

    def __init__(self):
        self.stored = {}

    async def load(self, session_id):
        await asyncio.sleep(0)
        document, expires = self.stored.get(hash_session_id(session_id), (b"{}", 0))
        return loads(document) if expires > time.monotonic() else {}

    async def save(self, session_id, data, timeout):
        document = dumps_strict(data)
        await asyncio.sleep(0)
        if data and timeout > 0:
            self.stored[hash_session_id(session_id)] = document, time.monotonic() + timeout
        else:
            self.stored.pop(hash_session_id(session_id), None)


class Contract(SessionBackendContract):
    """The suite on *backend*; not collected by its name, but run by `fails`."""

    shortest_timeout = 0.04

    def __init__(self, backend):
        self.backend = backend

    def make_backend(self):
        return self.backend()

    def dump(self, backend):
        return repr(vars(backend))


def fails(backend, name):
    """Tell whether the suite's test of that name, without "test_", fails on *backend*."""
    try:
        getattr(Contract(backend), f"test_{name}")()
    except (Exception, pytest.fail.Exception):
        return True
    return False


class TestSmallBackend(SessionBackendContract):
    """The hooks may be coroutines, and a dump may be bytes."""

    shortest_timeout = 0.04
    atomic = False

    async def make_backend(self):
        return SmallBackend()

    async def dump(self, backend):
        return repr(backend.stored).encode()


def test_the_defaults_of_merge_touch_and_take_are_not_atomic():
    names = [name.removeprefix("test_") for name in dir(Contract) if name.startswith("test_")]
    assert {name for name in names if fails(SmallBackend, name)} == {
        "200_simultaneous_merges_lose_nothing",
        "simultaneous_merges_and_removals_both_count",
        "touching_reverts_no_simultaneous_merge",
        "a_delete_beats_the_merges_and_touches_around_it",
        "of_20_simultaneous_takers_one_gets_the_data",
        "what_is_taken_holds_every_acknowledged_merge",
    }


def test_a_dump_that_does_not_show_the_session_proves_nothing():
    class Blind(Contract):
        def dump(self, backend):
            return ""

    with pytest.raises(AssertionError, match="does not show the session"):
        Blind(InMemorySessionBackend).test_the_store_never_holds_an_id_in_clear()


def test_a_suite_without_a_dump_cannot_be_run():
    class Undumped(SessionBackendContract):
        def make_backend(self):
            return InMemorySessionBackend()

    with pytest.raises(TypeError, match="dump"):
        Undumped()


BROKEN = []


def caught_by(*names):
    """Note which tests have to fail on the backend below, each for its one mistake."""

    def note(backend):
        BROKEN.extend((backend, name) for name in names)
        return backend

    return note


@caught_by("merging_never_creates_a_session", "a_deleted_session_stays_deleted")
class Creates(InMemorySessionBackend):
    async def merge(self, session_id, changed, removed, timeout):
        await super().merge(session_id, changed, removed, timeout)
        if not await self.load(session_id):
            await self.save(session_id, changed, timeout)
        return True


@caught_by("a_merged_value_replaces_the_whole_old_one")
class MergesDeeply(InMemorySessionBackend):
    async def merge(self, session_id, changed, removed, timeout):
        stored = await self.load(session_id)
        for key, value in changed.items():
            if isinstance(value, dict) and isinstance(stored.get(key), dict):
                changed[key] = stored[key] | value
        return await super().merge(session_id, changed, removed, timeout)


@caught_by("a_merged_value_replaces_the_whole_old_one")
class NullsRemove(InMemorySessionBackend):
    async def merge(self, session_id, changed, removed, timeout):
        nulls = {key for key, value in changed.items() if value is None}
        kept = {key: value for key, value in changed.items() if key not in nulls}
        return await super().merge(session_id, kept, nulls.union(removed), timeout)


@caught_by("half_a_merge_is_never_seen")
class SeveralStepsToMerge(InMemorySessionBackend):
    async def merge(self, session_id, changed, removed, timeout):
        merged = await super().merge(session_id, {}, removed, timeout)
        for key, value in changed.items():
            await asyncio.sleep(0)
            merged = await super().merge(session_id, {key: value}, (), timeout)
        return merged


@caught_by("saving_replaces_all_that_was_there")
class SavesOver(InMemorySessionBackend):
    async def save(self, session_id, data, timeout):
        stored = await self.load(session_id) if data else {}
        await super().save(session_id, stored | data, timeout)


@caught_by("touching_does_not_revert_a_newer_value")
class TouchesWithTheCopy(InMemorySessionBackend):
    async def touch(self, session_id, data, timeout):
        if await self.load(session_id):
            await self.save(session_id, data, timeout)


@caught_by("a_deleted_session_stays_deleted", "touching_an_unknown_session_does_nothing")
class TouchRevives(InMemorySessionBackend):
    async def touch(self, session_id, data, timeout):
        await super().touch(session_id, data, timeout)
        if not await self.load(session_id):
            await self.save(session_id, data, timeout)


@caught_by("saving_merging_and_touching_push_the_expiry_out")
class NeverTouches(InMemorySessionBackend):
    async def touch(self, session_id, data, timeout):
        pass


@caught_by("saving_merging_and_touching_push_the_expiry_out")
class MergeKeepsTheExpiry(InMemorySessionBackend):
    async def merge(self, session_id, changed, removed, timeout):
        left = getattr(await self.load(session_id), "expires_in", timeout)
        return await super().merge(session_id, changed, removed, left)


@caught_by("a_session_expires")
class NeverExpires(InMemorySessionBackend):
    async def save(self, session_id, data, timeout):
        await super().save(session_id, data, timeout * 3600)


@caught_by("a_session_expires")
class LeavesExpiredBehind(SmallBackend):
    """Looks at the expiry when it loads, but merges into whatever it finds."""

    async def merge(self, session_id, changed, removed, timeout):
        key = hash_session_id(session_id)
        if key not in self.stored:
            return False
        data = loads(self.stored[key][0])
        data = {name: data[name] for name in data if name not in removed} | changed
        await self.save(session_id, data, timeout)
        return True


@caught_by("the_store_never_holds_an_id_in_clear")
class IdsInClear(InMemorySessionBackend):
    last_used = None

    async def touch(self, session_id, data, timeout):
        self.last_used = session_id
        await super().touch(session_id, data, timeout)


@caught_by("any_text_can_be_an_id")
class CutsIds(InMemorySessionBackend):
    async def load(self, session_id):
        return await super().load(session_id.strip()[:64])

    async def save(self, session_id, data, timeout):
        await super().save(session_id.strip()[:64], data, timeout)


@caught_by("any_text_can_be_a_key")
class KeysLikeMySQL(InMemorySessionBackend):
    """Its collation ignores case."""

    async def save(self, session_id, data, timeout):
        by_folded = {key.casefold(): key for key in data}
        await super().save(session_id, {by_folded[key.casefold()]: data[key] for key in data}, 60)


@caught_by("every_json_value_comes_back_as_the_same_type")
class NumbersAsFloats(InMemorySessionBackend):
    async def load(self, session_id):
        loaded = await super().load(session_id)
        return (
            LoadedSession(
                json.loads(json.dumps(loaded), parse_int=float), expires_in=loaded.expires_in
            )
            if loaded
            else {}
        )


@caught_by("what_is_given_out_and_taken_in_is_a_copy")
class SharedObjects(SessionBackend):
    def __init__(self):
        self.stored = {}

    async def load(self, session_id):
        return self.stored.get(hash_session_id(session_id), {})

    async def save(self, session_id, data, timeout):
        dumps_strict(data)
        self.stored[hash_session_id(session_id)] = data if timeout > 0 else {}


@caught_by("saving_what_is_no_json_raises_and_changes_nothing")
class AnyObject(SmallBackend):
    """Copies without looking at what it copies."""

    async def load(self, session_id):
        data, expires = self.stored.get(hash_session_id(session_id), ({}, 0))
        return copy.deepcopy(data) if expires > time.monotonic() else {}

    async def save(self, session_id, data, timeout):
        self.stored[hash_session_id(session_id)] = copy.deepcopy(data), time.monotonic() + timeout


@caught_by("merging_what_is_no_json_raises_and_changes_nothing")
class HalfWritten(InMemorySessionBackend):
    async def merge(self, session_id, changed, removed, timeout):
        for key, value in changed.items():
            if not await super().merge(session_id, {key: value}, (), timeout):
                return False
        return await super().merge(session_id, {}, removed, timeout)


@caught_by("saving_what_is_no_json_raises_and_changes_nothing")
class DeletesBeforeItEncodes(InMemorySessionBackend):
    async def save(self, session_id, data, timeout):
        await super().save(session_id, {}, timeout)
        await super().save(session_id, data, timeout)


@caught_by("taking_gives_the_data_once")
class TakesTwice(InMemorySessionBackend):
    async def take(self, session_id):
        return await self.load(session_id)


@caught_by(
    "of_20_simultaneous_takers_one_gets_the_data", "what_is_taken_holds_every_acknowledged_merge"
)
class SlowTake(InMemorySessionBackend):
    async def take(self, session_id):
        taken = await self.load(session_id)
        await asyncio.sleep(0)
        await self.save(session_id, {}, 0)
        return taken


@caught_by("it_works_without_startup")
class NeedsStartup(InMemorySessionBackend):
    started = False

    async def startup(self):
        self.started = True

    async def load(self, session_id):
        assert self.started
        return await super().load(session_id)


@caught_by("starting_and_stopping_twice_is_harmless")
class StopsOnce(InMemorySessionBackend):
    stopped = False

    async def shutdown(self):
        assert not self.stopped
        self.stopped = True


@caught_by("the_time_left_is_right_if_it_is_told")
class TellsTheWrongTime(InMemorySessionBackend):
    async def load(self, session_id):
        loaded = await super().load(session_id)
        return LoadedSession(loaded, expires_in=8 * 3600) if loaded else {}


@pytest.mark.parametrize(
    ("backend", "name"), BROKEN, ids=[f"{backend.__name__}-{name}" for backend, name in BROKEN]
)
def test_the_suite_catches(backend, name):
    assert fails(backend, name)
