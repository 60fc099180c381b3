"""Several processes on one Redis lose nothing of each other's."""

import pytest

from support.races import RacesAcrossProcesses


class TestRedis(RacesAcrossProcesses):
    @pytest.fixture(scope="class")
    @classmethod
    def store(cls, server):
        return server.url
