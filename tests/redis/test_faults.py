"""What a browser sees of a Redis that is killed, paused, full, read-only or replaced."""

import asyncio
import contextlib
import random

import pytest
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.sentinel import Sentinel

from micropie import hash_session_id
from micropie_redis import RedisSessionBackend
from support.faults import (
    PATIENCE,
    TIMEOUT,
    Notes,
    User,
    Writers,
    check_numbers,
    leave,
    leave_while_paused,
    statuses,
    until,
    users_of,
)
from support.moving import moving_address
from support.redis_servers import redis_server
from support.servers import HOST

pytestmark = pytest.mark.anyio


def key_of(user):
    return "micropie:session:" + hash_session_id(user.session_id)


@contextlib.asynccontextmanager
async def serving(url_or_client, **options):
    """Run Notes on a Redis, patiently unless *options* say otherwise: the machine may be busy."""
    backend = RedisSessionBackend(url_or_client, **{"socket_timeout": PATIENCE} | options)
    try:
        yield Notes(backend)
    finally:
        await backend.shutdown()


@pytest.fixture
async def app(own_server):
    # Few connections: one that is not given back is missed.
    async with serving(own_server.url, max_connections=4) as app:
        yield app


@pytest.fixture
async def hasty(own_server):
    async with serving(own_server.url, max_connections=4, socket_timeout=TIMEOUT) as app:
        yield app


# Killed and paused


async def test_a_killed_server_loses_nothing_that_it_acknowledged(app, own_server):
    writers = Writers(await users_of(app, 8))
    for _ in range(2):
        await writers.store(20)
        own_server.kill()
        await writers.be_refused()
        own_server.start()
    await writers.store(20)
    for user, stored in (await writers.stop()).items():
        assert set(stored) <= (await user.get("/")).json.keys()


async def test_a_paused_server_holds_nobody_up_for_long(hasty, own_server, caplog):
    users = await users_of(hasty, 20)
    own_server.pause()
    assert await statuses(users, "/") == {503}
    assert await statuses(users, "/note?late=1") == {503}
    assert await statuses([User(hasty)], "/") == {200}  # asks nothing of Redis
    assert await statuses([User(hasty)], "/note?late=1") == {503}
    own_server.resume()
    await check_numbers(users)
    assert await statuses(users, "/note?late=1") == {200}
    assert f"has not answered in {TIMEOUT} s" in caplog.text


async def test_what_a_paused_server_answers_later_reaches_nobody_else(app, own_server):
    users = await users_of(app, 20)
    for _ in range(3):
        await leave_while_paused(users, own_server)
        await check_numbers(users)


async def test_a_client_may_leave_at_any_moment(app):
    chance = random.Random(1)
    users = await users_of(app, 20)
    for _ in range(50):
        moments = [asyncio.sleep(chance.random() * 0.005) for _ in users]
        await asyncio.gather(*map(leave, users, moments))
        await check_numbers(users)


# Connections


async def test_a_server_with_too_many_clients_is_a_503_until_some_leave(app, own_server, caplog):
    users = await users_of(app, 20)
    await app.session_backend.shutdown()
    own_server.command("CONFIG", "SET", "maxclients", "1")
    with contextlib.closing(own_server.connect()):

        async def the_log_tells_why():
            assert await statuses(users, "/") == {503}
            # Redis says so and closes; who has written by then may find the connection reset.
            return "max number of clients reached" in caplog.text

        await until(the_log_tells_why)

    async def works():
        return await statuses(users[:1], "/") == {200}

    await until(works)


async def test_requests_wait_for_a_connection(own_server):
    async with serving(own_server.url + "?client_name=own", max_connections=1) as app:
        users = await users_of(app, 50)
        assert await statuses(users, "/note?more=1") == {200}
        await check_numbers(users)
        assert own_server.command("CLIENT", "LIST").count(b"name=own") == 1


async def test_connections_that_redis_closes_are_made_anew(app, own_server):
    users = await users_of(app, 20)
    for url in ("/", "/note?more=1", "/login", "/logout"):
        own_server.command("CLIENT", "KILL", "TYPE", "normal")
        assert await statuses(users, url) <= {200, 204}


# Refusals


async def test_scripts_that_are_flushed_again_and_again_are_not_missed(app, own_server):
    (user,) = await users_of(app)
    for url in ("/", "/note?more=1", "/login", "/note?number=2", "/logout", "/note?number=3"):
        own_server.command("SCRIPT", "FLUSH")
        assert (await user.get(url)).status in (200, 204)
    assert (await user.get("/")).json == {"number": "3"}


async def test_a_full_server_is_a_503_and_leaves_sessions_as_they_were(app, own_server, caplog):
    (user,) = await users_of(app)
    assert (await user.get("/note?old=1")).status == 200
    own_server.command("CONFIG", "SET", "maxmemory", "1")
    newcomer = User(app)
    assert (await newcomer.get("/note?number=2")).status == 503
    assert newcomer.session_id is None
    assert (await user.get("/note?number=2")).status == 503
    assert "maxmemory" in caplog.text
    assert (await user.get("/")).json == {"number": "0", "old": "1"}
    # What makes room is welcome.
    assert (await user.get("/forget/old")).status == 204
    assert (await user.get("/")).json == {"number": "0"}
    assert (await user.get("/logout")).status == 204
    assert own_server.command("DBSIZE") == 0
    own_server.command("CONFIG", "SET", "maxmemory", "0")
    assert (await newcomer.get("/note?number=2")).status == 200


async def test_a_replica_serves_readers_and_refuses_writers(own_watched, caplog):
    async with serving(own_watched.master.url) as app:
        (user,) = await users_of(app)
        user_key = key_of(user)
        own_watched.master.wait_for_replica()
    async with serving(own_watched.replica.url) as app:
        reader = User(app, user.cookies)
        assert (await reader.get("/")).json == {"number": "0"}
        for url in ("/note?number=1", "/login", "/logout"):
            caplog.clear()
            assert (await reader.get(url)).status == 503
            assert "read only replica" in caplog.text.lower()
        assert (await User(app).get("/note?number=1")).status == 503
        assert (await reader.get("/")).json == {"number": "0"}
    assert own_watched.master.command("EXISTS", user_key) == 1


async def test_a_user_without_rights_is_a_503_and_the_log_says_which(own_server, caplog):
    own_server.command("ACL", "SETUSER", "web", "on", ">secret", "~*", "-@all", "+ping")
    url = own_server.url.replace("//", "//web:secret@")
    async with serving(url) as app:
        assert (await User(app).get("/note?number=1")).status == 503
        assert "no permissions to run the 'evalsha' command" in caplog.text
        assert "secret" not in caplog.text


# Failover


@pytest.mark.parametrize("given", ["url", "client"])
async def test_the_first_write_after_a_failover_reaches_the_new_master(own_server, tmp_path, given):
    with redis_server(tmp_path / "other") as other:
        async with moving_address(own_server.port) as address:
            url = f"redis://{HOST}:{address.port}/0"
            client = Redis.from_url(url) if given == "client" else None
            async with serving(client or url) as app:
                users = await users_of(app, 10)  # which leave several connections open
                other.command("REPLICAOF", HOST, own_server.port)
                own_server.wait_for_replica()

                other.command("REPLICAOF", "NO", "ONE")
                own_server.command("REPLICAOF", HOST, other.port)
                address.target = other.port

                assert await statuses(users, "/note?more=1") == {200}
                await check_numbers(users)
                for user in users:
                    assert other.command("HGET", key_of(user), "more") == b'"1"'
            if client is not None:
                await client.aclose()


async def test_a_cluster_that_loses_a_master_serves_the_others_and_recovers(own_cluster):
    nodes = [ClusterNode(*address) for address in own_cluster.startup_nodes]
    async with (
        RedisCluster(startup_nodes=nodes, socket_timeout=TIMEOUT / 2) as client,
        serving(client) as app,
    ):
        users = await users_of(app, 30)
        masters = {user: own_cluster.master_of(key_of(user)) for user in users}
        dead = masters[users[0]]
        bereft = [user for user in users if masters[user] is dead]
        others = [user for user in users if masters[user] is not dead]
        assert others
        dead.wait_for_replica()
        alive = [node for node in own_cluster.nodes if node is not dead]
        for node in alive:  # so that the outage lasts until it has been seen
            node.command("CONFIG", "SET", "cluster-replica-no-failover", "yes")
        dead.kill()
        assert await statuses(bereft, "/note?more=1") == {503}
        assert await statuses(others, "/note?more=1") == {200}
        for node in alive:
            node.command("CONFIG", "SET", "cluster-replica-no-failover", "no")

        async def recovered():
            assert await statuses(others, "/note?more=1") == {200}
            now = await statuses(bereft, "/note?more=1")
            assert now <= {200, 503}
            return now == {200}

        await until(recovered)
        await check_numbers(users)


async def test_a_sentinel_replaces_a_master(own_watched):
    sentinel = Sentinel([(HOST, own_watched.sentinel.port)], socket_timeout=TIMEOUT / 2)
    client = sentinel.master_for("mymaster", socket_timeout=TIMEOUT / 2)
    async with contextlib.AsyncExitStack() as stack:
        for closing in (client, *sentinel.sentinels):
            stack.push_async_callback(closing.aclose)
        app = await stack.enter_async_context(serving(client))
        users = await users_of(app, 10)
        own_watched.master.wait_for_replica()
        own_watched.master.kill()
        assert await statuses(users, "/") == {503}

        async def recovered():
            now = await statuses(users, "/note?more=1")
            assert now <= {200, 503}
            return now == {200}

        await until(recovered)
        await check_numbers(users)
