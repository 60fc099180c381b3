"""SQLSessionBackend keeps the contract of all session backends, in each database."""

import pytest

from micropie.testing import SessionBackendContract
from micropie_sql_sessions import SQLSessionBackend

PATIENT = 30  # seconds; the machine may be busy with other tests


class TestSQLite(SessionBackendContract):
    @pytest.fixture(autouse=True)
    def _use(self, tmp_path):
        self.folder = tmp_path

    def make_backend(self):
        return SQLSessionBackend(
            f"sqlite+aiosqlite:///{self.folder / 'sessions.db'}", timeout=PATIENT
        )

    def dump(self, backend):
        # With the write-ahead log, which lies beside the database.
        return b"\n".join(path.read_bytes() for path in self.folder.iterdir())


class OnServer(SessionBackendContract):
    def make_backend(self):
        return SQLSessionBackend(self.server.url_for(self.driver), timeout=PATIENT)

    def dump(self, backend):
        return self.server.dump()


class TestPostgreSQL(OnServer):
    driver = "postgresql+asyncpg"

    @pytest.fixture(autouse=True)
    def _use(self, postgresql):
        self.server = postgresql


class TestPostgreSQLByPsycopg(TestPostgreSQL):
    driver = "postgresql+psycopg"


class TestMariaDB(OnServer):
    driver = "mysql+asyncmy"

    @pytest.fixture(autouse=True)
    def _use(self, mariadb):
        self.server = mariadb
