"""Sessions of a MicroPie app in SQLite, PostgreSQL, MySQL or MariaDB."""
