"""Several processes on one database lose nothing of each other's."""

import pytest

from support.races import RacesAcrossProcesses


class TestSQLite(RacesAcrossProcesses):
    @pytest.fixture
    def store(self, tmp_path):
        return f"sqlite+aiosqlite:///{tmp_path / 'sessions.db'}"


class TestPostgreSQL(RacesAcrossProcesses):
    @pytest.fixture
    def store(self, postgresql):
        return postgresql.url


class TestMariaDB(RacesAcrossProcesses):
    @pytest.fixture
    def store(self, mariadb):
        return mariadb.url
