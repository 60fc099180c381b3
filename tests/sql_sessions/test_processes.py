"""Several processes on one database lose nothing of each other's."""

import pytest

from support.races import RacesAcrossProcesses


class TestSQLite(RacesAcrossProcesses):
    @pytest.fixture(scope="class")
    @classmethod
    def store(cls, folder):
        return f"sqlite+aiosqlite:///{folder / 'sessions.db'}"


class TestPostgreSQL(RacesAcrossProcesses):
    @pytest.fixture(scope="class")
    @classmethod
    def store(cls, postgresql):
        return postgresql.url


class TestMariaDB(RacesAcrossProcesses):
    @pytest.fixture(scope="class")
    @classmethod
    def store(cls, mariadb):
        return mariadb.url
