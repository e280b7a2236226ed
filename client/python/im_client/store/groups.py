"""What is kept of groups besides their messages: what they are, and who is in them."""

from im_client._proto import im_pb2
from im_client.store.database import Database


class Groups:
    """Groups this user is in."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> list[im_pb2.GroupInfo]:
        """Every group, by id; what is not known yet has only its id."""
        rows = self._db.query("SELECT id, info FROM chat_group WHERE gone = 0 ORDER BY id")
        return [_info(group, data) for group, data in rows]

    def info(self, group: str) -> im_pb2.GroupInfo | None:
        """One of them."""
        row = self._db.first("SELECT id, info FROM chat_group WHERE id = ? AND gone = 0", (group,))
        return None if row is None else _info(*row)

    def set_info(self, info: im_pb2.GroupInfo) -> None:
        """Keep what a group is, unless something newer is known."""
        with self._db.transaction():
            known = self.info(info.group)
            if known is not None and known.group_version <= info.group_version:
                self._db.run(
                    "UPDATE chat_group SET info = ? WHERE id = ?",
                    (info.SerializeToString(), info.group),
                )

    def stale(self) -> list[str]:
        """Groups whose log shows a later change than what is known of them."""
        rows = self._db.query(
            "SELECT g.id, g.info, (SELECT MAX(m.version) FROM message m"
            " WHERE m.type = 1 AND m.peer = g.id AND m.sender = '') FROM chat_group g"
            " WHERE g.gone = 0"
        )
        return [
            group
            for group, data, changed in rows
            if not data or (changed or 0) > im_pb2.GroupInfo.FromString(data).group_version
        ]

    def members(self, group: str) -> list[im_pb2.GroupMember]:
        """Who was in it when they were last asked for."""
        rows = self._db.query("SELECT data FROM member WHERE group_id = ? ORDER BY user", (group,))
        return [im_pb2.GroupMember.FromString(data) for (data,) in rows]

    def set_members(self, group: str, members: list[im_pb2.GroupMember]) -> None:
        """Keep who is in it."""
        with self._db.transaction():
            self._db.run("DELETE FROM member WHERE group_id = ?", (group,))
            for member in members:
                self._db.run(
                    "INSERT INTO member (group_id, user, data) VALUES (?, ?, ?)",
                    (group, member.user, member.SerializeToString()),
                )


def _info(group: str, data: bytes) -> im_pb2.GroupInfo:
    return im_pb2.GroupInfo.FromString(data) if data else im_pb2.GroupInfo(group=group)
