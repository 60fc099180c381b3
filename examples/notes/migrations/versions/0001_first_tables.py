"""First tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

MYSQL = ("mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(20), nullable=False, unique=True),
        sa.Column("password", sa.String(200), nullable=False),
    )
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("user_id", sa.Integer(), sa.ForeignKey("users.id"), nullable=False, index=True),
        sa.Column("text", sa.Text(), nullable=False),
    )
    # As SQLSessionBackend has it; --autogenerate wrote this too.
    hashed = mysql.VARCHAR(64, charset="ascii", collation="ascii_bin")
    document = mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin")
    moment = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), *MYSQL)
    op.create_table(
        "micropie_sessions",
        sa.Column("id", sa.String(64).with_variant(hashed, *MYSQL), primary_key=True),
        sa.Column("data", sa.Text().with_variant(document, *MYSQL), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", moment, nullable=False, index=True),
        mysql_engine="InnoDB",
        mariadb_engine="InnoDB",
    )


def downgrade() -> None:
    op.drop_table("micropie_sessions")
    op.drop_table("notes")
    op.drop_table("users")
