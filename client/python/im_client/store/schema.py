"""The tables of the local store, as steps from one version to the next. Steps are only added.

`PRAGMA user_version` counts the steps a file has had. Ids of messages sort by time. `version` is 0
for a message that is known, from an answer or from history, before its log has shown it.
"""

_FIRST = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE message (
        id TEXT PRIMARY KEY,
        type INTEGER NOT NULL,
        peer TEXT NOT NULL,
        sender TEXT NOT NULL,
        version INTEGER NOT NULL,
        content BLOB NOT NULL,
        send_time INTEGER NOT NULL,
        withdraw_time INTEGER NOT NULL,
        mentioned INTEGER NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX message_of ON message (type, peer, id)",
    """CREATE TABLE conversation (
        type INTEGER NOT NULL,
        peer TEXT NOT NULL,
        last_id TEXT NOT NULL DEFAULT '',
        read TEXT NOT NULL DEFAULT '',
        peer_read TEXT NOT NULL DEFAULT '',
        muted INTEGER NOT NULL DEFAULT 0,
        whole INTEGER NOT NULL DEFAULT 0,
        name TEXT NOT NULL DEFAULT '',
        avatar TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (type, peer)
    ) WITHOUT ROWID""",
    """CREATE TABLE chat_group (
        id TEXT PRIMARY KEY,
        cursor INTEGER NOT NULL DEFAULT 0,
        silent_to INTEGER NOT NULL DEFAULT 0,
        gone INTEGER NOT NULL DEFAULT 0,
        info BLOB NOT NULL DEFAULT x''
    ) WITHOUT ROWID""",
    """CREATE TABLE member (
        group_id TEXT NOT NULL,
        user TEXT NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (group_id, user)
    ) WITHOUT ROWID""",
    """CREATE TABLE outbox (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE,
        sequence TEXT NOT NULL UNIQUE,
        type INTEGER NOT NULL,
        peer TEXT NOT NULL,
        content BLOB NOT NULL,
        made_ms INTEGER NOT NULL,
        state INTEGER NOT NULL DEFAULT 0,
        message_id TEXT NOT NULL DEFAULT '',
        error TEXT NOT NULL DEFAULT '',
        error_text TEXT NOT NULL DEFAULT ''
    )""",
    "CREATE INDEX outbox_waiting ON outbox (state, number)",
    """CREATE TABLE event (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        data TEXT NOT NULL
    )""",
)

# Heads of conversations are found however many rows others have; what was put on the wire may be
# stored. `settled` is the newest message at the time it was last asked what the server hides.
_SECOND = (
    "CREATE INDEX outbox_heads ON outbox (state, type, peer, number)",
    "ALTER TABLE outbox ADD COLUMN tried INTEGER NOT NULL DEFAULT 0",
    "UPDATE outbox SET tried = 1",  # who knows
    "ALTER TABLE conversation ADD COLUMN settled TEXT NOT NULL DEFAULT ''",
)

# Nothing was known about what is here already, and asking would be one question per conversation.
_THIRD = ("UPDATE conversation SET settled = last_id",)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _SECOND, _THIRD)
