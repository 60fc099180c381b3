"""What RedisSessionBackend does beside the contract: options, cost, and what it finds in Redis."""

import asyncio

import pytest
from redis.asyncio import Redis

import redis
from micropie import LoadedSession, SessionBackend, hash_session_id
from micropie_redis import RedisSessionBackend
from support.sessions import ID, LONG, PATIENT, Browser, Shop

pytestmark = pytest.mark.anyio

KEY = "micropie:session:" + hash_session_id(ID)


@pytest.fixture
async def backend(own_server):
    backend = RedisSessionBackend(own_server.url, socket_timeout=PATIENT)
    yield backend
    await backend.shutdown()


# Arguments.


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"url_or_client": None}, TypeError),
        ({"url_or_client": redis.Redis()}, TypeError),  # blocks the event loop
        ({"url_or_client": "127.0.0.1:6379"}, ValueError),
        ({"url_or_client": "http://127.0.0.1"}, ValueError),
        ({"url_or_client": "redis://127.0.0.1?no_such_option=1"}, ValueError),
        ({"url_or_client": "redis://127.0.0.1?db=one"}, ValueError),
        ({"prefix": b"bytes"}, TypeError),
        ({"socket_timeout": None}, TypeError),
        ({"socket_timeout": True}, TypeError),
        ({"socket_timeout": 0}, ValueError),
        ({"socket_timeout": float("inf")}, ValueError),
        ({"socket_timeout": 1e300}, ValueError),
        ({"socket_timeout": float("nan")}, ValueError),
        ({"max_connections": "5"}, TypeError),
        ({"max_connections": True}, TypeError),
        ({"max_connections": 0}, ValueError),
    ],
)
async def test_a_wrong_argument_is_refused_by_its_name(options, error):
    with pytest.raises(error, match=next(iter(options))):
        RedisSessionBackend(**options)


async def test_a_url_that_is_refused_is_not_shown():
    # What follows an unescaped # is no password any more, and what stands before it no port.
    with pytest.raises(ValueError, match="percent-encoded") as caught:
        RedisSessionBackend("redis://:open#sesame@127.0.0.1")
    assert "open" not in str(caught.value)
    assert "sesame" not in str(caught.value)
    assert caught.value.__suppress_context__


async def test_nothing_connects_before_it_is_used():
    backend = RedisSessionBackend("redis://127.0.0.1:1")
    await backend.startup()
    await backend.shutdown()


async def test_keys_start_with_the_prefix(own_server):
    backend = RedisSessionBackend(own_server.url, prefix="shop:{eu}:")
    await backend.save(ID, {"a": 1}, LONG)
    await backend.shutdown()
    assert own_server.command("KEYS", "*") == [b"shop:{eu}:" + hash_session_id(ID).encode()]


def test_it_is_a_session_backend():
    assert issubclass(RedisSessionBackend, SessionBackend)


# What it costs.


async def test_a_request_costs_as_many_round_trips_as_promised(own_server, backend):
    browser = Browser(Shop(session_backend=backend))

    async def commands(path):
        with own_server.monitor() as seen:
            assert (await browser.get(path)).status == 200
        return seen

    assert await commands("/") == []  # no cookie
    await browser.get("/buy")
    await browser.get("/buy")  # all scripts are known to Redis now
    assert await commands("/") == ["EVALSHA"]
    assert await commands("/buy") == ["EVALSHA", "EVALSHA"]  # load, merge
    await browser.get("/login")
    assert await commands("/login") == ["EVALSHA", "EVALSHA", "EVALSHA"]  # load, take, save
    assert await commands("/logout") == ["EVALSHA", "DEL"]


async def test_calls_at_the_same_moment_share_a_connection_and_not_their_errors(own_server):
    backend = RedisSessionBackend(own_server.url + "?client_name=own", socket_timeout=PATIENT)
    ids = [f"id {number}" for number in range(100)]
    await asyncio.gather(*(backend.save(id_, {"id": id_}, LONG) for id_ in ids))
    for id_ in ids[::10]:
        own_server.command("SET", "micropie:session:" + hash_session_id(id_), "no hash")
    loaded = await asyncio.gather(*map(backend.load, ids))
    assert loaded == [{"id": id_} if index % 10 else {} for index, id_ in enumerate(ids)]
    merged = await asyncio.gather(
        *(backend.merge(id_, {"more": 1}, (), LONG) for id_ in ids), return_exceptions=True
    )
    assert [result is True for result in merged] == [index % 10 > 0 for index in range(100)]
    assert own_server.command("CLIENT", "LIST").count(b"name=own") == 1
    await backend.shutdown()


async def test_expiry_is_pushed_out_in_one_round_trip(own_server, backend):
    await backend.save(ID, {"a": 1}, LONG)
    with own_server.monitor() as seen:
        await backend.touch(ID, {}, 2 * LONG)
    assert seen == ["PEXPIRE"]
    assert own_server.command("PTTL", KEY) > LONG * 1000


async def test_a_script_that_redis_has_lost_is_sent_again(own_server, backend):
    await backend.save(ID, {"a": 1}, LONG)
    own_server.command("SCRIPT", "FLUSH")
    assert await backend.load(ID) == {"a": 1}
    own_server.command("SCRIPT", "FLUSH")
    assert await backend.merge(ID, {"b": 2}, ["a"], LONG) is True
    own_server.command("SCRIPT", "FLUSH")
    assert await backend.take(ID) == {"b": 2}
    with own_server.monitor() as seen:
        await backend.take(ID)
    assert seen == ["EVALSHA"]


# Time.


async def test_fractions_of_a_second_count(own_server, backend):
    await backend.save(ID, {"a": 1}, 3600.0004)
    assert 3_000_000 < own_server.command("PTTL", KEY) <= 3_600_001
    await backend.save(ID, {"a": 1}, 0.0001)  # not 0 ms, which would delete
    async with asyncio.timeout(PATIENT):
        while loaded := await backend.load(ID):
            assert loaded == {"a": 1}


async def test_the_time_left_is_told(backend):
    await backend.save(ID, {"a": 1}, 3600)
    loaded = await backend.load(ID)
    assert isinstance(loaded, LoadedSession)
    assert 3000 < loaded.expires_in <= 3600


async def test_a_session_that_somebody_made_permanent_is_given_an_end_again(own_server, backend):
    await backend.save(ID, {"pies": 1}, LONG)
    own_server.command("PERSIST", KEY)
    assert (await backend.load(ID)).expires_in is None
    await Browser(Shop(session_backend=backend), {"session_id": ID}).get("/")
    assert own_server.command("PTTL", KEY) > 0


# What it finds.


@pytest.mark.parametrize(
    "corrupt",
    [
        ("HSET", KEY, "pies", "{broken"),
        ("HSET", KEY, "pies", b"\xff"),
        ("HSET", KEY, b"\xff", "1"),
        ("HSET", KEY, "pies", ""),
        ("SET", KEY, "no hash"),
        ("RPUSH", KEY, "no hash"),
    ],
)
@pytest.mark.parametrize("decode", [False, True])
async def test_a_corrupt_session_counts_as_none(own_server, caplog, corrupt, decode):
    async with Redis.from_url(own_server.url, decode_responses=decode) as client:
        backend = RedisSessionBackend(client)
        await backend.save("another id", {"pies": 3}, LONG)
        own_server.command(*corrupt)
        app = Shop(session_backend=backend)
        browser, other = (
            Browser(app, {"session_id": ID}),
            Browser(app, {"session_id": "another id"}),
        )
        assert (await browser.get("/")).text == "None"
        assert [record.name for record in caplog.records] == ["micropie"]
        assert hash_session_id(ID) in caplog.text
        assert (await browser.get("/buy")).text == "1"
        assert browser.session_id != ID
        assert (await browser.get("/")).text == "1"
        assert await backend.take(ID) == {}
        assert (await other.get("/buy")).text == "4"
    assert "broken" not in caplog.text
    assert f"'{ID}'" not in caplog.text


@pytest.mark.parametrize("timeout", [float("inf"), 1e300, 1e12])
async def test_a_timeout_may_be_longer_than_redis_can_count(server, timeout):
    backend = RedisSessionBackend(server.url)
    await backend.save(ID, {"a": 1}, timeout)
    assert await backend.merge(ID, {"b": 1}, (), timeout)
    await backend.touch(ID, {}, timeout)
    loaded = await backend.load(ID)
    assert loaded == {"a": 1, "b": 1}
    assert loaded.expires_in > 1000 * 365 * 86400
    await backend.shutdown()
