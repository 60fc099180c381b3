"""Servers for the tests of micropie-redis; each worker of pytest-xdist has its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.redis_servers import (
    Cluster,
    RedisServer,
    Watched,
    redis_cluster,
    redis_sentinel,
    redis_server,
)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that tests share; they may not stop it, nor change how it works."""
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server to do harm to, that keeps its data when it is killed."""
    options = ("--appendonly", "yes", "--appendfsync", "always")
    with redis_server(tmp_path / "redis", *options) as running:
        yield running


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that tests share; they may not stop it."""
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster to do harm to."""
    with redis_cluster(tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A master with a replica and a Sentinel that tests share; they may not stop them."""
    with redis_sentinel(tmp_path_factory.mktemp("sentinel")) as running:
        yield running


@pytest.fixture
def own_watched(tmp_path: Path) -> Iterator[Watched]:
    """The same to do harm to."""
    with redis_sentinel(tmp_path) as running:
        yield running
