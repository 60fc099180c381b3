"""What RedisSessionBackend does beside the contract: options, cost, and what it finds in Redis."""

import asyncio
import gc
import re
import subprocess
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis

import redis
from micropie import App, LoadedSession, SessionBackend, hash_session_id
from micropie_redis import RedisSessionBackend
from support.programs import program
from support.servers import HOST, reserved_port
from support.sessions import Browser

ID = "an id"
KEY = "micropie:session:" + hash_session_id(ID)
LONG = 60
PATIENT = 30  # seconds; the machine may be busy with other tests

README = Path(__file__).parents[2] / "packages/micropie-redis/README.md"

pytestmark = pytest.mark.anyio


class Shop(App):
    async def index(self):
        return str(self.session.get("pies"))

    async def buy(self):
        self.session["pies"] = self.session.get("pies", 0) + 1
        return str(self.session["pies"])

    async def login(self):
        self.request.regenerate_session()
        self.session["user"] = "alice"
        return "hello"

    async def logout(self):
        self.session.clear()
        return "bye"


@pytest.fixture
async def backend(own_server):
    backend = RedisSessionBackend(own_server.url, socket_timeout=PATIENT)
    yield backend
    await backend.shutdown()


# Arguments


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


# What it costs


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


# Time


async def test_fractions_of_a_second_count(own_server, backend):
    await backend.save(ID, {"a": 1}, 30.0004)
    assert 29_000 < own_server.command("PTTL", KEY) <= 30_001
    await backend.save(ID, {"a": 1}, 0.0001)  # not 0 ms, which would delete
    loaded = await backend.load(ID)
    assert loaded in ({"a": 1}, {})
    await asyncio.sleep(0.01)
    assert await backend.load(ID) == {}


async def test_the_time_left_is_told(backend):
    await backend.save(ID, {"a": 1}, LONG)
    loaded = await backend.load(ID)
    assert isinstance(loaded, LoadedSession)
    assert LONG - 5 < loaded.expires_in <= LONG


async def test_a_session_that_somebody_made_permanent_is_given_an_end_again(own_server, backend):
    await backend.save(ID, {"pies": 1}, LONG)
    own_server.command("PERSIST", KEY)
    assert (await backend.load(ID)).expires_in is None
    await Browser(Shop(session_backend=backend), {"session_id": ID}).get("/")
    assert own_server.command("PTTL", KEY) > 0


# What it finds


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


# Connections


async def test_a_given_client_is_not_closed(own_server):
    async with Redis.from_url(own_server.url, client_name="given") as client:
        backend = RedisSessionBackend(client)
        await backend.save(ID, {"a": 1}, LONG)
        await backend.shutdown()
        assert b"name=given" in own_server.command("CLIENT", "LIST", "TYPE", "normal")
        assert await client.ping()


async def test_a_client_made_from_a_url_is_closed(own_server):
    backend = RedisSessionBackend(own_server.url + "?client_name=own")
    await asyncio.gather(*(backend.save(ID, {"a": 1}, LONG) for _ in range(5)))
    assert b"name=own" in own_server.command("CLIENT", "LIST")
    await backend.shutdown()
    deadline = time.monotonic() + PATIENT
    while b"name=own" in own_server.command("CLIENT", "LIST"):
        assert time.monotonic() < deadline


async def test_calls_wait_for_a_free_connection(own_server):
    backend = RedisSessionBackend(
        own_server.url + "?client_name=own", max_connections=2, socket_timeout=PATIENT
    )
    await backend.save(ID, {"a": 1}, LONG)

    async def merge(number):
        for _ in range(number):
            await asyncio.sleep(0)  # what comes at another moment takes another connection
        await backend.merge(ID, {f"k{number}": number}, (), LONG)

    await asyncio.gather(*map(merge, range(300)))
    assert len(await backend.load(ID)) == 301
    assert own_server.command("CLIENT", "LIST").count(b"name=own") == 2
    await backend.shutdown()


def test_one_event_loop_after_another_can_use_it(server):
    backend = RedisSessionBackend(server.url)

    async def use(number):
        await backend.save(ID, {"number": number}, LONG)
        assert await backend.load(ID) == {"number": number}
        await backend.shutdown()

    for number in range(3):
        asyncio.run(use(number))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_event_loop_that_closed_nothing_does_no_harm_to_the_next(server):
    backend = RedisSessionBackend(server.url)
    asyncio.run(backend.save(ID, {"a": 1}, LONG))

    async def use():
        assert await backend.load(ID) == {"a": 1}
        await backend.shutdown()

    asyncio.run(use())
    asyncio.run(backend.shutdown())
    gc.collect()  # now, while the warnings of what the first loop left open are ignored


async def test_a_unix_socket_will_do(own_server):
    backend = RedisSessionBackend(f"unix://{own_server.unix_socket}?db=1")
    await backend.save(ID, {"a": 1}, LONG)
    assert await backend.load(ID) == {"a": 1}
    await backend.shutdown()
    assert own_server.command("EXISTS", KEY) == 0  # in database 0


async def test_a_user_with_the_rights_in_the_readme_logs_in_by_the_url(own_server):
    rights = re.search("ACL SETUSER web on >secret (.*)", README.read_text())[1].split()
    own_server.command("ACL", "SETUSER", "web", "on", ">p@s:s/w#rd", *rights)
    url = own_server.url.replace("//", "//web:p%40s%3As%2Fw%23rd@")
    backend = RedisSessionBackend(url)
    browser = Browser(Shop(session_backend=backend))
    for path in ("/buy", "/buy", "/login", "/", "/logout"):
        assert (await browser.get(path)).status == 200
    await backend.save(ID, {"a": 1}, LONG)
    await backend.touch(ID, {}, LONG)
    await backend.shutdown()


async def test_a_wrong_password_is_a_503_and_stays_secret(own_server, caplog):
    own_server.command("CONFIG", "SET", "requirepass", "the right one")
    for user in ("", "web"):
        url = own_server.url.replace("//", f"//{user}:swordfish@")
        backend = RedisSessionBackend(url)
        browser = Browser(Shop(session_backend=backend), {"session_id": ID})
        assert (await browser.get("/")).status == 503
        await backend.shutdown()
    assert "WRONGPASS" in caplog.text or "invalid" in caplog.text
    assert "swordfish" not in caplog.text
    assert "an id" not in caplog.text


def self_signed(folder):
    """Make a certificate for 127.0.0.1; return its path and that of its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *(program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", f"subjectAltName=IP:{HOST}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


async def test_tls_is_spoken_and_certificates_are_checked(tmp_path, own_server, caplog):
    certificate, key = self_signed(tmp_path)
    with reserved_port() as port:
        for name, value in (
            *(("tls-cert-file", certificate), ("tls-key-file", key)),
            *(("tls-auth-clients", "no"), ("tls-port", port)),
        ):
            own_server.command("CONFIG", "SET", name, str(value))
        url = f"rediss://{HOST}:{port}"
        trusting = RedisSessionBackend(f"{url}?ssl_ca_certs={certificate}")
        await trusting.save(ID, {"pies": 7}, LONG)
        for backend, status in ((trusting, 200), (RedisSessionBackend(url), 503)):
            browser = Browser(Shop(session_backend=backend), {"session_id": ID})
            assert (await browser.get("/")).status == status
            await backend.shutdown()
    assert "certificate verify failed" in caplog.text


def test_it_is_a_session_backend():
    assert issubclass(RedisSessionBackend, SessionBackend)
