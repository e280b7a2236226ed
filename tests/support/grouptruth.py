"""After any load in groups: are answers, views, lists and pushes what the logs say they must be?"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from chaos.groupmodel import CLOCK_MS, NOBODY, Model, State, is_theirs
from dev.clients.wait import wait_until
from dev.clients.wire import Caller, ok
from dev.store import Stored
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.groupload import GroupLoad, Op, User, is_said
from tests.support.groups import Reader

GROUP = im_pb2.GROUP
ADMIN, OWNER = im_pb2.ADMIN, im_pb2.OWNER


def check(load: GroupLoad) -> None:
    """Hold everything against the logs, replayed; call `load.finish` before."""
    models = {group: Model(load.cluster.store, group) for group in load.groups}
    check_answers(load, models)
    for user in load.users:
        with load.cluster.connect(user.user) as client:
            check_views(load.cluster, models, client, user)
        for model in models.values():
            check_live(model, user)


# ---------------------------------------------------------------- answers


def check_answers(load: GroupLoad, models: Mapping[str, Model]) -> None:
    """What was acknowledged is in the log once, nothing else is, and refusals had a reason."""
    done = {group: _done(model, load.ops) for group, model in models.items()}
    sent = {(op.user, op.request.sequence): op for op in load.ops if is_said(op)}
    stored = {
        (row.sender, row.sequence): row
        for model in models.values()
        for row in model.rows
        if row.sender
    }
    assert sum(bool(row.sender) for model in models.values() for row in model.rows) == len(stored)
    assert stored.keys() == sent.keys(), "stored is what was acknowledged, and nothing else"
    for key, row in stored.items():
        op = sent[key]
        assert (row.id, row.receiver) == (op.answer.id, op.group)
        assert op.begin_ms - CLOCK_MS <= row.send_time <= op.end_ms + CLOCK_MS
        if not row.withdraw_time:
            assert im_pb2.Content.FromString(row.content) == op.request.content
    recalled = {op.request.id for op in load.ops if _is(op, im_pb2.RecallRequest) and not op.error}
    assert {row.id for row in stored.values() if row.withdraw_time} == recalled
    clears = {  # when somebody first hid what the group held
        (op.user, op.group): op.begin_ms
        for op in reversed(load.ops)
        if _is(op, im_pb2.DeleteConversationRequest)
    }
    for row in stored.values():
        if row.withdraw_time:
            then = models[row.receiver].at(row.version)
            by = {
                op.user
                for op in load.ops
                if _is(op, im_pb2.RecallRequest)
                if not op.error
                if op.request.id == row.id
            }
            assert any(then.role(u) >= ADMIN or (u == row.sender and u in then.members) for u in by)
    for op in load.ops:
        if op.error:
            model = models[op.group]
            states = [*model.seen_between(op.begin_ms, op.end_ms, done[op.group])]
            assert any(_refuses(model, state, op, clears) for state in states), f"{op}, {states}"


def _done(model: Model, ops: Any) -> dict[int, int]:
    """When each change of the group was certainly done: when its actor was answered."""
    found = {}
    for state in model.states:
        times = [
            op.end_ms
            for op in ops
            if op.group == model.group
            and op.user == state.actor
            and op.begin_ms - CLOCK_MS <= state.time_ms <= op.end_ms + CLOCK_MS
        ]
        if times:
            found[state.place] = max(times)
    return found


def _is(op: Op, *types: type[Any]) -> bool:
    return isinstance(op.request, types)


def _refuses(model: Model, state: State, op: Op, clears: Mapping[tuple[str, str], int]) -> bool:
    """Whether the group, as it was then, may refuse this with this error."""
    own, request = state.role(op.user), op.request
    named = [*getattr(request, "users", [])] or [getattr(request, "user", "")]
    others = [state.role(name) for name in named if name]
    if op.error == "NOT_FOUND":
        if _is(op, im_pb2.GroupJoinRequest):
            return state.disbanded
        if _is(op, im_pb2.ReadRequest, im_pb2.RecallRequest) and own != NOBODY:
            if request.id < state.members[op.user].join:
                return True
            return (
                _is(op, im_pb2.ReadRequest)
                and clears.get((op.user, op.group), 1 << 62) < op.begin_ms + 1
            )
        single = bool(getattr(request, "user", ""))
        return own == NOBODY or (single and NOBODY in others)
    if own == NOBODY:
        return False
    if op.error == "DISBANDED":
        return state.disbanded
    if _is(op, im_pb2.SendRequest):
        moments = (op.begin_ms - CLOCK_MS, op.end_ms + CLOCK_MS)
        everybody = bool(request.content.mention_all)
        return op.error in {state.silence(op.user, moment, everybody) for moment in moments}
    if op.error != "FORBIDDEN":
        return False
    if _is(op, im_pb2.GroupLeaveRequest):
        return own == OWNER and len(state.members) > 1
    if _is(op, im_pb2.RecallRequest):
        row = next(row for row in model.rows if row.id == request.id)
        return own < ADMIN and row.sender != op.user
    if _is(op, im_pb2.GroupSetRoleRequest, im_pb2.GroupTransferRequest):
        return own < OWNER
    if _is(op, im_pb2.GroupRemoveRequest, im_pb2.GroupMuteRequest):
        return own < ADMIN or any(other >= own for other in others)
    if _is(op, im_pb2.GroupEditRequest):
        return own < ADMIN
    return _is(op, im_pb2.GroupDisbandRequest) and own < OWNER


# ---------------------------------------------------------------- views


def check_views(cluster: Cluster, models: Mapping[str, Model], client: Caller, one: User) -> None:
    """A new client's sync, history, contacts, lists and versions."""
    user = one.user
    reader = Reader(client)
    reader.sync(7)
    mine = {group: model for group, model in models.items() if user in model.now.members}
    assert reader.cursors == {group: model.latest for group, model in mine.items()}
    wait_until(partial(_agree, client, reader), what="the sum of the cursors")
    listed = ok(client.call(im_pb2.GroupsRequest())).groups
    alive = {group for group, model in mine.items() if not model.now.disbanded}
    assert {info.group for info in listed} == alive
    answer = ok(client.call(im_pb2.ContactsRequest()))
    contacts = {contact.peer: contact for contact in answer.contacts}
    for group, model in mine.items():
        read, cleared = _marks(cluster, model, user)
        assert read >= _acked_read(one, group, model.now.members[user].join)
        shown = model.shown(user, cleared)
        kept = sorted(reader.messages.get(group, {}).values(), key=lambda m: m.id)
        assert list(map(_of_message, kept)) == list(map(_of_row, shown))
        assert list(map(_of_message, _history(client, group))) == list(map(_of_row, shown))
        info = ok(client.call(im_pb2.GroupInfoRequest(group=group))).group
        state = model.now
        assert (info.members, info.role) == (len(state.members), state.role(user))
        assert (info.version, info.group_version) == (model.latest, state.place)
        assert info.mute_all == state.mute_all
        assert (group in contacts) == bool(shown)
        if shown:
            contact = contacts[group]
            assert _of_message(contact.last) == _of_row(model.rows[-1])
            unread = model.unread(user, max(read, cleared))
            assert (contact.unread, contact.mentions) == unread
    assert contacts.keys() <= mine.keys()


def _agree(client: Caller, reader: Reader) -> bool:
    return bool(ok(client.call(im_pb2.PingRequest())).groups_version == reader.version)


def _acked_read(one: User, group: str, join: str) -> str:
    """The last position the user was told to have read up to, since they came."""
    ids = [
        op.request.id
        for op in one.ops
        if op.group == group and _is(op, im_pb2.ReadRequest) and not op.error
    ]
    return max((identifier for identifier in ids if identifier >= join), default="")


def _marks(cluster: Cluster, model: Model, user: str) -> tuple[str, str]:
    """Read position and what was cleared, as MySQL holds them."""
    database = model.rows[0].shard.database
    ((read, cleared),) = cluster.store.query(
        database,
        f"SELECT LOWER(HEX(read_id)), LOWER(HEX(cleared_id)) FROM {database}.member"
        f" WHERE group_id = '{model.group}' AND user = '{user}'",
    )
    return read, cleared


def _history(client: Caller, group: str) -> list[im_pb2.Message]:
    """All of it, oldest first."""
    found: list[im_pb2.Message] = []
    more = True
    while more:
        before = found[-1].id if found else ""
        page = ok(
            client.call(im_pb2.HistoryRequest(type=GROUP, peer=group, before=before, limit=30))
        )
        found += page.messages
        more = page.more
    return found[::-1]


def _of_message(message: im_pb2.Message) -> tuple[Any, ...]:
    assert message.type == GROUP
    content = im_pb2.Content.FromString(message.content.SerializeToString())
    return (message.id, message.version, message.sender, message.withdraw_time, content)


def _of_row(row: Stored) -> tuple[Any, ...]:
    content = im_pb2.Content.FromString(row.content)
    return (row.id, row.version, row.sender, row.withdraw_time, content)


# ---------------------------------------------------------------- while it went on


def check_live(model: Model, user: User) -> None:
    """What a client was pushed and synced while things changed is of the times it was there."""
    stays = model.stays(user.user)
    rows = {row.id: row for row in model.rows}
    for pushes in user.pushed:
        for push in pushes:
            if push.group == model.group:
                for message in push.messages:
                    # An empty row tells nothing: who came back is pushed it for what they missed.
                    assert is_theirs(message, stays, empty=True), f"{message}, {stays}"
                    _check_same(message, rows[message.id])
                versions = [message.version for message in push.messages]
                assert versions == sorted(set(versions))
                assert push.previous < versions[0]
    kept = user.reader.messages.get(model.group, {})
    for message in kept.values():
        assert is_theirs(message, stays), f"{message}, {stays}"
        _check_same(message, rows[message.id])
    if stays:
        join, end = stays[-1]
        here = end == 1 << 64
        assert (model.group in user.reader.cursors) == here
        cleared_ms = _cleared_ms(user, model.group)
        synced = here or join in kept  # else they came and went between two syncs
        for row in model.rows:  # what was cleared may be missing
            if synced and row.id >= join and row.version <= end and row.send_time > cleared_ms:
                assert row.id in kept, f"{user.user} lacks {row}"
                if here:
                    assert kept[row.id].version == row.version


def _check_same(message: im_pb2.Message, row: Stored) -> None:
    """A message is as the log has it, unless it was recalled since."""
    if message.version == row.version:
        assert _of_message(message) == _of_row(row)
    else:
        assert row.version > message.version
        assert not message.withdraw_time


def _cleared_ms(user: User, group: str) -> int:
    """What was said up to this time may be missing: the user cleared the group then."""
    clears = [
        op for op in user.ops if op.group == group and _is(op, im_pb2.DeleteConversationRequest)
    ]
    return clears[-1].end_ms + CLOCK_MS if clears else 0
