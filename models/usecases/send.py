"""Send: check, queue for the next append, answer once it is committed."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from models.append import Draft, Key, Outcome, Stored, stored_before
from models.appender import Appender
from models.blacklist import Pair
from models.content import check_content
from models.core import Core
from models.errors import Code, IMError
from models.groupsend import speech_of
from models.ids import check_sequence, check_user, message_id
from models.mysql import Database
from models.ratelimit import too_fast
from models.redisclient import RedisError, call_all
from models.shards import bucket_of
from models.usecases.reading import check_type
from models.wake import Waker
from proto import im_pb2
from proto.views_pb2 import SendView

Done = Callable[[Outcome], None]


class Sender:
    """Accepts sends of this process and hands them to the appender of the sender's database."""

    def __init__(self, core: Core, waker: Waker) -> None:
        self._core = core
        settings = core.settings
        self._appenders: dict[Database, Appender] = {
            database: Appender(
                database,
                batch_max=settings.batch_messages_max,
                queue_max=settings.append_queue_max,
                patience_s=settings.request_timeout_s / 2,
                screen=self._screen,
                appended=waker.wake,
                metrics=core.metrics,
            )
            for database in core.shards.databases
        }

    def send(self, user: str, request: SendView, done: Done) -> None:
        """Queue a send; raises `IMError` for what can be refused at once.

        `done` hears `Stored`, after which the message is durable, or the error; it must not block.
        """
        if request.sender and request.sender != user:
            raise IMError(Code.FORBIDDEN, "sender is not the authenticated user")
        check_type(request.type)
        check_user(request.receiver)
        check_sequence(request.sequence)
        content = check_content(request.content)
        shards, receiver = self._core.shards, request.receiver
        speech = copy_to = None
        if request.type == im_pb2.GROUP:
            shard, bucket = shards.of_group(receiver), bucket_of(receiver)
            speech = speech_of(content, self._core.settings.group_mention_all)
        else:
            shard, bucket = shards.of_user(user), bucket_of(user)
            copy_to = shards.copy_to(user, receiver)
        draft = Draft(
            shard, bucket, user, receiver, request.sequence, request.content, speech, copy_to
        )
        self._appenders[shard.database].submit(draft, done)

    def close(self) -> None:
        """Store what is queued, then stop."""
        for appender in self._appenders.values():
            appender.close()

    def waiting(self) -> int:
        """Sends that are not stored yet."""
        return sum(appender.waiting() for appender in self._appenders.values())

    def _screen(self, drafts: Sequence[Draft]) -> list[Outcome | None]:
        """Refusals for who sends too much, and for senders whom the receiver blocks.

        In policy `drop` the latter look stored.
        """
        pairs = [(draft.receiver, draft.sender) for draft in drafts if draft.speech is None]
        waits, answers = self._ask([draft.sender for draft in drafts], pairs)
        blocked = iter(answers)
        listed = [next(blocked) if draft.speech is None else False for draft in drafts]
        refused = [
            draft
            for draft, wait_ms, is_blocked in zip(drafts, waits, listed, strict=True)
            if is_blocked and not wait_ms
        ]
        before = _answered_before(refused)
        verdicts: list[Outcome | None] = []
        for draft, wait_ms, is_blocked in zip(drafts, waits, listed, strict=True):
            if wait_ms:
                verdicts.append(too_fast(wait_ms))
            elif is_blocked is False:
                verdicts.append(None)
            else:
                verdicts.append(before.get(draft.key) or self._refusal(draft, is_blocked))
        return verdicts

    def _ask(
        self, senders: Sequence[str], pairs: Sequence[Pair]
    ) -> tuple[list[int], list[bool | None]]:
        """What the rate says of senders and block lists say of pairs: in one round trip."""
        rate, blacklist = self._core.send_rate, self._core.blacklist
        if not pairs:
            return rate.refused(senders), []
        taken, asked = 0, []

        def queue(pipe: Any) -> None:
            nonlocal taken, asked
            taken = rate.queue(pipe, senders)
            asked = blacklist.queue(pipe, pairs)

        try:
            replies = call_all(self._core.redis, rate.script, queue)
        except RedisError:
            return [0] * len(senders), blacklist.blocked(pairs)
        return (
            rate.waits(senders, replies[:taken]),
            blacklist.answers(pairs, asked, replies[taken:]),
        )

    def _refusal(self, draft: Draft, is_blocked: bool | None) -> Outcome:
        if is_blocked is None:
            return IMError(Code.UNAVAILABLE, "the receiver's block list cannot be read now")
        if self._core.settings.blocked_policy == "error":
            return IMError(Code.BLOCKED, "the receiver does not take messages from you")
        return dropped(draft)


def _answered_before(drafts: Sequence[Draft]) -> Mapping[Key, Outcome]:
    """The answers to what was stored before its sender was blocked (drafts of one database).

    One round trip for each shard; when the database fails, that is the answer to all of them.
    """
    if not drafts:
        return {}
    try:
        return stored_before(drafts[0].shard.database, drafts)
    except IMError as error:
        return {draft.key: error for draft in drafts}


def dropped(draft: Draft) -> Stored:
    """An answer like any other for a message that is not kept; repetitions get one alike."""
    now_ms = int(time.time() * 1000)
    return Stored(message_id(now_ms, draft.shard.number, secrets.randbits(40)), now_ms)
