"""Groups: their logs, members, mentions and requests to join; a user's groups.

Every statement commits by itself, so each may be repeated: a migration that died goes on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ASCII = "VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL"
NO_ID = "BINARY(16) NOT NULL DEFAULT '\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0'"
TABLE = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"


def upgrade() -> None:
    # The columns of message_template. Counting what is unread reads `history` alone.
    op.execute(
        f"""
        CREATE TABLE IF NOT EXISTS group_message_template (
            id BINARY(16) NOT NULL,
            version BIGINT UNSIGNED NOT NULL,
            sequence {ASCII},
            sender {ASCII},
            receiver {ASCII},
            shard SMALLINT UNSIGNED NOT NULL,
            content BLOB NOT NULL,
            send_time BIGINT NOT NULL,
            withdraw_time BIGINT NOT NULL DEFAULT 0,
            PRIMARY KEY (version),
            UNIQUE KEY by_id (id),
            UNIQUE KEY by_sequence (sender, sequence),
            KEY sync (receiver, version),
            KEY history (receiver, id, withdraw_time, sender)
        ) {TABLE}
        """
    )
    # Only the first database's is read.
    op.execute(
        f"""
        CREATE TABLE IF NOT EXISTS group_bucket (
            bucket SMALLINT UNSIGNED NOT NULL PRIMARY KEY,
            shard SMALLINT UNSIGNED NOT NULL
        ) {TABLE}
        """
    )
    # Everything of a group lies in the database of its log, and changes in one transaction with it.
    # `latest` and `last_id` are the version and the id of its newest rows.
    op.execute(
        f"""
        CREATE TABLE IF NOT EXISTS chat_group (
            id {ASCII} PRIMARY KEY,
            name VARCHAR(128) NOT NULL,
            announcement VARCHAR(4096) NOT NULL,
            avatar VARCHAR(1024) NOT NULL,
            join_mode TINYINT UNSIGNED NOT NULL,
            mute_all TINYINT UNSIGNED NOT NULL,
            members INT UNSIGNED NOT NULL,
            created BIGINT NOT NULL,
            disbanded BIGINT NOT NULL DEFAULT 0,
            version BIGINT UNSIGNED NOT NULL,
            latest BIGINT UNSIGNED NOT NULL,
            last_id BINARY(16) NOT NULL
        ) {TABLE}
        """
    )
    # Ids are bounds: a member sees what is not before `join_id`, has read up to `read_id`, and
    # hides what is up to `cleared_id`.
    op.execute(
        f"""
        CREATE TABLE IF NOT EXISTS member (
            group_id {ASCII},
            user {ASCII},
            role TINYINT UNSIGNED NOT NULL,
            joined BIGINT NOT NULL,
            join_id BINARY(16) NOT NULL,
            read_id {NO_ID},
            cleared_id {NO_ID},
            muted_until BIGINT NOT NULL DEFAULT 0,
            quiet TINYINT UNSIGNED NOT NULL DEFAULT 0,
            PRIMARY KEY (group_id, user),
            KEY by_role (group_id, role),
            KEY by_read (group_id, read_id, joined),
            KEY by_joined (group_id, joined)
        ) {TABLE}
        """
    )
    # What outlives a membership: who comes back is still muted, and what they hid stays hidden.
    op.execute(
        f"""
        CREATE TABLE IF NOT EXISTS departed (
            group_id {ASCII},
            user {ASCII},
            cleared_id {NO_ID},
            muted_until BIGINT NOT NULL DEFAULT 0,
            PRIMARY KEY (group_id, user)
        ) {TABLE}
        """
    )
    op.execute(
        f"""
        CREATE TABLE IF NOT EXISTS mention (
            group_id {ASCII},
            user {ASCII},
            id BINARY(16) NOT NULL,
            sender {ASCII},
            PRIMARY KEY (group_id, user, id),
            KEY by_id (id)
        ) {TABLE}
        """
    )
    op.execute(
        f"""
        CREATE TABLE IF NOT EXISTS join_request (
            group_id {ASCII},
            user {ASCII},
            reason VARCHAR(256) NOT NULL,
            time BIGINT NOT NULL,
            PRIMARY KEY (group_id, user)
        ) {TABLE}
        """
    )
    # An index by user, kept by the delivery of the groups' logs: `version` of the row that made the
    # user come (member = 1) or go (0). Who may do what is decided by `member` alone.
    op.execute(
        f"""
        CREATE TABLE IF NOT EXISTS user_group (
            user {ASCII},
            group_id {ASCII},
            member TINYINT UNSIGNED NOT NULL,
            version BIGINT UNSIGNED NOT NULL,
            join_id BINARY(16) NOT NULL,
            PRIMARY KEY (user, group_id)
        ) {TABLE}
        """
    )
    columns = sa.inspect(op.get_bind()).get_columns("conversation")
    if "quiet" not in {column["name"] for column in columns}:
        op.execute("ALTER TABLE conversation ADD COLUMN quiet TINYINT UNSIGNED NOT NULL DEFAULT 0")
