"""One-to-one messages: message tables, logs, shard map, conversations, blacklist.

Every statement commits by itself, so each may be repeated: a migration that died goes on.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

USER = "VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL"
NO_ID = "BINARY(16) NOT NULL DEFAULT '\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0'"
TABLE = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"


def upgrade() -> None:
    # Rows lie in the order of the log: reading it forward is a scan of the primary key.
    op.execute(
        f"""
        CREATE TABLE IF NOT EXISTS message_template (
            id BINARY(16) NOT NULL,
            version BIGINT UNSIGNED NOT NULL,
            sequence {USER},
            sender {USER},
            receiver {USER},
            shard SMALLINT UNSIGNED NOT NULL,
            content BLOB NOT NULL,
            send_time BIGINT NOT NULL,
            withdraw_time BIGINT NOT NULL DEFAULT 0,
            PRIMARY KEY (version),
            UNIQUE KEY by_id (id),
            UNIQUE KEY by_sequence (sender, sequence),
            KEY sync_sent (sender, version),
            KEY sync_received (receiver, version),
            KEY history_sent (sender, receiver, id),
            KEY history_received (receiver, sender, id)
        ) {TABLE}
        """
    )
    op.execute(
        f"""
        CREATE TABLE IF NOT EXISTS shard_log (
            shard SMALLINT UNSIGNED NOT NULL PRIMARY KEY,
            version BIGINT UNSIGNED NOT NULL DEFAULT 0,
            clock_ms BIGINT UNSIGNED NOT NULL DEFAULT 0
        ) {TABLE}
        """
    )
    op.execute(
        f"""
        CREATE TABLE IF NOT EXISTS shard_delivered (
            shard SMALLINT UNSIGNED NOT NULL PRIMARY KEY,
            version BIGINT UNSIGNED NOT NULL DEFAULT 0
        ) {TABLE}
        """
    )
    # Only the first database's copies of these two are read.
    op.execute(
        f"""
        CREATE TABLE IF NOT EXISTS shard (
            shard SMALLINT UNSIGNED NOT NULL PRIMARY KEY,
            database_name VARCHAR(64) NOT NULL,
            table_name VARCHAR(64) NOT NULL,
            UNIQUE KEY by_table (database_name, table_name)
        ) {TABLE}
        """
    )
    op.execute(
        f"""
        CREATE TABLE IF NOT EXISTS bucket (
            bucket SMALLINT UNSIGNED NOT NULL PRIMARY KEY,
            shard SMALLINT UNSIGNED NOT NULL
        ) {TABLE}
        """
    )
    op.execute(
        f"""
        CREATE TABLE IF NOT EXISTS conversation (
            user {USER},
            type TINYINT UNSIGNED NOT NULL,
            peer {USER},
            read_id {NO_ID},
            cleared_sent_id {NO_ID},
            cleared_received_id {NO_ID},
            PRIMARY KEY (user, type, peer)
        ) {TABLE}
        """
    )
    op.execute(
        f"""
        CREATE TABLE IF NOT EXISTS blacklist (
            user {USER},
            blocked {USER},
            since TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
            PRIMARY KEY (user, blocked)
        ) {TABLE}
        """
    )
