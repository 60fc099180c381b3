"""RedisSessionBackend keeps the contract of all session backends, on each kind of Redis."""

import pytest
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.sentinel import Sentinel

from micropie.testing import SessionBackendContract
from micropie_redis import RedisSessionBackend
from support.servers import HOST

PATIENT = 30  # seconds; the machine may be busy with other tests


class BackendWithClients(RedisSessionBackend):
    """Closes its clients, as whoever made them has to."""

    def __init__(self, client, *others):
        super().__init__(client, socket_timeout=PATIENT)
        self.clients = client, *others

    async def shutdown(self):
        await super().shutdown()
        for client in self.clients:
            await client.aclose()


class TestOneServer(SessionBackendContract):
    shortest_timeout = 0.04

    @pytest.fixture(autouse=True)
    def _use(self, server):
        self.server = server

    def make_backend(self):
        return RedisSessionBackend(self.server.url, socket_timeout=PATIENT)

    def dump(self, backend):
        return self.server.dump()


class TestClientThatDecodes(TestOneServer):
    """And that speaks RESP3, which is redis-py's default."""

    def make_backend(self):
        return BackendWithClients(Redis.from_url(self.server.url, decode_responses=True))


class TestCluster(SessionBackendContract):
    shortest_timeout = 0.04

    @pytest.fixture(autouse=True)
    def _use(self, cluster):
        self.cluster = cluster

    def make_backend(self):
        nodes = [ClusterNode(*address) for address in self.cluster.startup_nodes]
        return BackendWithClients(RedisCluster(startup_nodes=nodes))

    def dump(self, backend):
        return self.cluster.dump()


class TestSentinel(SessionBackendContract):
    shortest_timeout = 0.04

    @pytest.fixture(autouse=True)
    def _use(self, watched):
        self.watched = watched

    def make_backend(self):
        sentinel = Sentinel([(HOST, self.watched.sentinel.port)])
        return BackendWithClients(sentinel.master_for("mymaster"), *sentinel.sentinels)

    def dump(self, backend):
        return self.watched.master.dump()
