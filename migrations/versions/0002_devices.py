"""Devices users were seen on, and tokens they took back.

Every statement commits by itself, so each may be repeated: a migration that died goes on.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ASCII = "CHARACTER SET ascii COLLATE ascii_bin NOT NULL"
TABLE = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"


def upgrade() -> None:
    op.execute(
        f"""
        CREATE TABLE IF NOT EXISTS device (
            user VARCHAR(64) {ASCII},
            device VARCHAR(64) {ASCII},
            platform VARCHAR(32) {ASCII},
            class TINYINT UNSIGNED NOT NULL,
            last_seen BIGINT NOT NULL,
            token BINARY(32) NOT NULL,
            token_expires BIGINT UNSIGNED NOT NULL,
            PRIMARY KEY (user, device),
            KEY by_last_seen (last_seen)
        ) {TABLE}
        """
    )
    # Only the first database's is read.
    op.execute(
        f"""
        CREATE TABLE IF NOT EXISTS logout (
            token BINARY(32) NOT NULL PRIMARY KEY,
            expires BIGINT UNSIGNED NOT NULL,
            since TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
            KEY by_since (since),
            KEY by_expires (expires)
        ) {TABLE}
        """
    )
