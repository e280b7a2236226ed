"""What a group must be, worked out from nothing but the rows of its log.

A row's id holds the version it was stored with: that is its place, also after a recall has moved
it. So replaying the rows by place gives members, roles and silence at any moment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from dev.store import Store, Stored
from proto import im_pb2

COMING = (im_pb2.CREATED, im_pb2.JOINED, im_pb2.INVITED)
NOBODY = -1
CLOCK_MS = 5
"""What the clocks of a test and of MySQL may be apart: they tell the same one, in milliseconds."""


def place_of(identifier: str) -> int:
    """The version with which the row of this id was stored."""
    return int(identifier[16:], 16) & ((1 << 62) - 1)


def read_log(store: Store, group: str) -> list[tuple[Stored, im_pb2.System | None]]:
    """The group's rows as MySQL holds them, by version, and what each did to the group."""
    rows = store.rows(f"receiver = '{group}'")
    return [
        (row, None if row.sender else im_pb2.Content.FromString(row.content).system) for row in rows
    ]


def is_theirs(
    message: im_pb2.Message, stays: list[tuple[str, int]], *, empty: bool = False
) -> bool:
    """Whether a message of a group is of a time when somebody was in it.

    `empty`: of what was recalled only the recall need be of a time they were there.
    """
    if empty and message.withdraw_time:
        return any(place_of(join) <= message.version <= end for join, end in stays)
    return any(message.id >= join and message.version <= end for join, end in stays)


@dataclass(frozen=True)
class Member:
    role: int
    join: str  # id of the row they came by
    muted_until: int = 0


@dataclass(frozen=True)
class State:
    """A group from one change on, until the next."""

    place: int
    time_ms: int
    actor: str
    members: Mapping[str, Member] = field(default_factory=dict)
    mute_all: bool = False
    disbanded: bool = False
    gone: Mapping[str, int] = field(default_factory=dict)
    """Who went, and until when they were muted: they still are when they come back."""

    def role(self, user: str) -> int:
        """OWNER, ADMIN or MEMBER; NOBODY for who is not in it."""
        return self.members[user].role if user in self.members else NOBODY

    def silence(self, user: str, time_ms: int, mention_all: bool = False) -> str:
        """The error a message of the user is refused with; empty: they may speak."""
        if user not in self.members:
            return "NOT_FOUND"
        if self.disbanded:
            return "DISBANDED"
        if self.members[user].role > im_pb2.MEMBER:
            return ""
        if self.mute_all or self.members[user].muted_until > time_ms:
            return "MUTED"
        return "FORBIDDEN" if mention_all else ""


class Model:
    """One group, replayed; what the log holds but nobody may have done is an AssertionError."""

    def __init__(self, store: Store, group: str) -> None:
        self.group = group
        log = read_log(store, group)
        self.rows = sorted((row for row, _ in log), key=lambda row: row.id)
        self.latest = max(row.version for row, _ in log)
        self.states: list[State] = []
        ids = [row.id for row in self.rows]
        assert len(set(ids)) == len(ids), "a row twice"
        assert sorted(ids, key=place_of) == ids, "ids and places in one order"
        systems = {row.id: system for row, system in log}
        for row in self.rows:
            system = systems[row.id]
            if system is None:
                self._check_said(row)
            else:
                assert row.version == place_of(row.id), "what happened has moved"
                self.states.append(self._after(row, system))

    @property
    def now(self) -> State:
        """The group as it is in the end."""
        return self.states[-1]

    def at(self, place: int) -> State:
        """The group as a row with this place found it."""
        return next(state for state in reversed(self.states) if state.place < place)

    def shown(self, user: str, cleared: str = "") -> list[Stored]:
        """What the user sees in the end, oldest first."""
        join = self.now.members[user].join
        return [row for row in self.rows if row.id >= join and row.id > cleared]

    def unread(self, user: str, bound: str) -> tuple[int, int]:
        """Messages of others behind the bound, and how many of them mention the user."""
        bound = max(bound, self.now.members[user].join)
        count = mentions = 0
        for row in self.rows:
            if row.id > bound and row.sender not in ("", user) and not row.withdraw_time:
                content = im_pb2.Content.FromString(row.content)
                count += 1
                mentions += content.mention_all or user in content.mentions
        return count, mentions

    def stays(self, user: str) -> list[tuple[str, int]]:
        """When the user was in it: id of the row they came by, place of the one they went by.

        A stay that goes on has the place 2^64.
        """
        found: list[tuple[str, int]] = []
        for state in self.states:
            if user in state.members:
                stay = (state.members[user].join, 1 << 64)
                if not found or found[-1][0] != stay[0]:
                    found.append(stay)
            elif found and found[-1][1] == 1 << 64:
                found[-1] = (found[-1][0], state.place)
        return found

    def seen_between(
        self, begin_ms: int, end_ms: int, done_ms: Mapping[int, int]
    ) -> Iterator[State]:
        """The states that what ran in this time may have met.

        `done_ms`: by the place of a change, when it was certainly done.
        """
        for state, later in pairwise([*self.states, None]):
            assert state is not None
            over = later is not None and done_ms.get(later.place, 1 << 62) < begin_ms
            if state.time_ms <= end_ms + CLOCK_MS and not over:
                yield state

    # ------------------------------------------------------------ replay

    def _check_said(self, row: Stored) -> None:
        mention_all = not row.withdraw_time and (im_pb2.Content.FromString(row.content).mention_all)
        silence = self.now.silence(row.sender, row.send_time, mention_all)
        assert not silence, f"{row.sender} was {silence} and spoke"
        if row.withdraw_time:
            assert row.version > place_of(row.id)
            assert not self.at(row.version).disbanded, "recalled in a disbanded group"
        else:
            assert row.version == place_of(row.id)

    def _after(self, row: Stored, system: im_pb2.System) -> State:
        before = self.states[-1] if self.states else State(0, 0, "")
        check_allowed(before, system)
        members, gone = dict(before.members), dict(before.gone)
        mute_all, disbanded = before.mute_all, before.disbanded
        if system.kind in COMING:
            for user in system.users:
                assert user not in members, f"{user} came twice"
                owner = system.kind == im_pb2.CREATED and user == system.actor
                role = im_pb2.OWNER if owner else im_pb2.MEMBER
                members[user] = Member(role, row.id, gone.pop(user, 0))
        elif system.kind in (im_pb2.LEFT, im_pb2.REMOVED):
            for user in system.users:
                disbanded = disbanded or members[user].role == im_pb2.OWNER
                gone[user] = members.pop(user).muted_until
        elif system.kind == im_pb2.ROLE:
            (user,) = system.users
            members[user] = Member(system.role, members[user].join)
        elif system.kind == im_pb2.TRANSFERRED:
            (user,) = system.users
            members[system.actor] = Member(im_pb2.MEMBER, members[system.actor].join)
            members[user] = Member(im_pb2.OWNER, members[user].join)
        elif system.kind == im_pb2.MUTED:
            (user,) = system.users
            members[user] = replace(members[user], muted_until=system.muted_until)
        elif system.kind == im_pb2.EDITED:
            mute_all = system.mute_all if system.HasField("mute_all") else mute_all
        elif system.kind == im_pb2.DISBANDED:
            disbanded = True
        place = place_of(row.id)
        after = State(place, row.send_time, system.actor, members, mute_all, disbanded, gone)
        owners = [user for user, member in members.items() if member.role == im_pb2.OWNER]
        assert len(owners) == 1 or disbanded, f"owners: {owners}"
        return after


def check_allowed(state: State, system: im_pb2.System) -> None:
    """Whether the actor might do that, as the group was; AssertionError otherwise."""
    kind, actor, own = system.kind, system.actor, state.role(system.actor)
    name = im_pb2.SystemKind.Name(kind)
    others = [state.role(user) for user in system.users]
    if kind == im_pb2.CREATED:
        assert not state.place, "created again"
        return
    assert kind == im_pb2.LEFT or not state.disbanded, f"{name} in a disbanded group"
    if kind == im_pb2.JOINED:
        assert others == [NOBODY]
        assert [*system.users] == [actor]
        return
    assert own != NOBODY, f"{name} by {actor}, who is not in it"
    if kind == im_pb2.INVITED:
        assert set(others) == {NOBODY}
    elif kind == im_pb2.LEFT:
        assert own != im_pb2.OWNER or state.disbanded or len(state.members) == 1
    elif kind in (im_pb2.ROLE, im_pb2.TRANSFERRED):
        assert own == im_pb2.OWNER
        assert NOBODY not in others
    else:
        assert own > im_pb2.MEMBER, f"{name} by {actor}"
        assert all(NOBODY != other < own for other in others), f"{name} of who is not below"
