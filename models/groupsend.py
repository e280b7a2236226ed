"""What a send to a group needs besides the row: leave to speak, mentions, the group's newest row.

All of it happens inside the transaction that stores the row (models/append.py), behind the lock of
the log's counter, in the same two round trips. Who was removed has been so by an earlier row of the
same log: there is no moment in which they are not a member and yet can send.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from models.errors import Code, IMError
from models.groups import Membership, read_memberships, select_memberships, unknown
from models.log import Row
from models.mysql import Connection, Rows
from proto import im_pb2

ALL = "*"
"""Stands for everybody in `mention`; no user id has an asterisk."""


@dataclass(frozen=True, slots=True)
class Speech:
    """What a draft for a group mentions, and whether only owner and admins may do that."""

    mentions: tuple[str, ...] = ()
    reserved: bool = False


def speech_of(content: im_pb2.Content, mention_all: str) -> Speech:
    """What the content asks for; `mention_all` says who may mention everybody."""
    if not content.mention_all:
        return Speech(tuple(content.mentions))
    return Speech((*content.mentions, ALL), reserved=mention_all == "admins")


def ask_statement(connection: Connection, pairs: Iterable[tuple[str, str]]) -> str:
    """The statement that reads what (group, sender) pairs may do."""
    statement, args = select_memberships(list(pairs))
    return connection.sql(statement, args)


def verdicts(
    rows: Rows, asked: Sequence[tuple[str, str, Speech]], clock_ms: int
) -> list[IMError | None]:
    """For each (group, sender, speech) the refusal, or None for leave to speak."""
    members = read_memberships(rows)
    return [
        _verdict(members.get((group, sender)), speech, clock_ms) for group, sender, speech in asked
    ]


def _verdict(one: Membership | None, speech: Speech, clock_ms: int) -> IMError | None:
    if one is None:
        return unknown()
    if one.group.disbanded:
        return IMError(Code.DISBANDED, "the group was disbanded")
    if one.own.role > im_pb2.MEMBER:
        return None
    if one.group.mute_all:
        return IMError(Code.MUTED, "only owner and admins may speak in this group now")
    if one.own.muted_until > clock_ms:
        left_ms = one.own.muted_until - clock_ms
        return IMError(Code.MUTED, f"you may speak again in {-(-left_ms // 1000)} seconds")
    if speech.reserved:
        return IMError(Code.FORBIDDEN, "only owner and admins may mention everybody")
    return None


def store_statements(
    connection: Connection, rows: Sequence[Row], speeches: Sequence[Speech]
) -> list[str]:
    """What goes with these new rows of one group log, ascending versions, in their transaction."""
    newest = {row.receiver: row for row in rows}
    groups = sorted(newest)  # the order of locking
    statements = [
        connection.sql(
            "UPDATE chat_group SET latest = %s, last_id = %s WHERE id = %s",
            (newest[group].version, newest[group].id, group),
        )
        for group in groups
    ]
    mentions = [
        (row.receiver, user, row.id, row.sender)
        for row, speech in zip(rows, speeches, strict=True)
        for user in speech.mentions
    ]
    if mentions:
        values = ",".join(["(%s,%s,%s,%s)"] * len(mentions))
        statements.append(
            connection.sql(
                f"INSERT INTO mention (group_id, user, id, sender) VALUES {values}",
                [value for mention in mentions for value in mention],
            )
        )
    return statements
