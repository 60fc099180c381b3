"""RedisSessionBackend keeps the contract of all session backends, on each kind of Redis."""

import pytest
from redis.asyncio.cluster import ClusterNode, RedisCluster

from micropie.testing import SessionBackendContract
from micropie_redis import RedisSessionBackend


class BackendWithItsClient(RedisSessionBackend):
    """Closes its client, as whoever made that has to."""

    def __init__(self, client):
        super().__init__(client, socket_timeout=10)
        self.client = client

    async def shutdown(self):
        await super().shutdown()
        await self.client.aclose()


class TestOneServer(SessionBackendContract):
    shortest_timeout = 0.04

    @pytest.fixture(autouse=True)
    def _use(self, server):
        self.server = server

    def make_backend(self):
        return RedisSessionBackend(self.server.url, socket_timeout=10)

    def dump(self, backend):
        return self.server.dump()


class TestCluster(SessionBackendContract):
    shortest_timeout = 0.04

    @pytest.fixture(autouse=True)
    def _use(self, cluster):
        self.cluster = cluster

    def make_backend(self):
        nodes = [ClusterNode(*address) for address in self.cluster.startup_nodes]
        return BackendWithItsClient(RedisCluster(startup_nodes=nodes))

    def dump(self, backend):
        return self.cluster.dump()
