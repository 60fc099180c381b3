"""Several processes on one Redis lose nothing of each other's."""

import pytest

from support.races import RacesAcrossProcesses


class TestRedis(RacesAcrossProcesses):
    @pytest.fixture
    def store(self, own_server):
        return own_server.url
