"""Copies that wait for a database that is away, noted in the database of their rows."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS copy_waiting (
            shard SMALLINT UNSIGNED NOT NULL,
            target SMALLINT UNSIGNED NOT NULL,
            version BIGINT UNSIGNED NOT NULL,
            PRIMARY KEY (shard, target, version)
        ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
        """
    )
