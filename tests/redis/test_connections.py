"""Connections to Redis: whose they are, how long they wait, and who closes them."""

import asyncio
import re
import subprocess
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis

from micropie import hash_session_id
from micropie_redis import RedisSessionBackend
from support.loops import (
    loop_in_a_thread,
    use_after_a_loop_that_closed_nothing,
    use_in_one_loop_after_another,
    write_in_two_loops_at_the_same_time,
)
from support.programs import program
from support.servers import HOST, reserved_port
from support.sessions import ID, LONG, PATIENT, Browser, Shop

pytestmark = pytest.mark.anyio

KEY = "micropie:session:" + hash_session_id(ID)

README = Path(__file__).parents[2] / "packages/micropie-redis/README.md"


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
    use_in_one_loop_after_another(RedisSessionBackend(server.url))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_event_loop_that_closed_nothing_does_no_harm_to_the_next(server):
    use_after_a_loop_that_closed_nothing(RedisSessionBackend(server.url))


def test_loops_at_the_same_time_lose_no_write(server):
    write_in_two_loops_at_the_same_time(RedisSessionBackend(server.url))


def test_a_loop_that_ends_leaves_no_connection(own_server):
    backend = RedisSessionBackend(own_server.url + "?client_name=own")
    with loop_in_a_thread() as app:
        app.run(backend.save(ID, {"a": 1}, LONG))
        for _ in range(5):
            assert asyncio.run(backend.load(ID)) == {"a": 1}
            app.run(backend.load(ID))
        deadline = time.monotonic() + PATIENT
        while own_server.command("CLIENT", "LIST").count(b"name=own") > 1:
            assert time.monotonic() < deadline


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
