"""Evidence of a run of `make chaos` that never was: sound, until a test changes something."""

from typing import Any, cast

from chaos.evidence import Evidence, Person
from chaos.record import Op, Record
from chaos.view import View
from dev.clients.device import Device
from dev.clients.groupreader import Reader
from dev.store import Shard, Store, Stored, bucket_of
from models.ids import message_id
from proto import im_pb2

GROUP = "g"
LOG = Shard(2048, "im", "group_message_00")
HOMES = {"ann": Shard(1, "im", "message_00"), "bob": Shard(2, "im", "message_01")}


class Known(Store):
    """Tables whose rows are known."""

    def __init__(self, *rows: Stored) -> None:
        super().__init__({"im": cast(Any, None)})
        self.known = list(rows)
        self.end = 99
        """The counter of every log."""
        self.bounds: dict[str, str] = {}
        """By member, up to which id the group is read."""

    def rows(self, where: str) -> list[Stored]:
        found = [row for row in self.known if where == f"receiver = '{row.receiver}'"]
        return sorted(found, key=lambda row: row.version)

    def shards(self) -> list[Shard]:
        return [*HOMES.values(), LOG]

    def shard_of(self, user: str) -> Shard:
        return HOMES[user]

    def query(self, database: str, statement: str) -> tuple[tuple[Any, ...], ...]:
        return ((self.end,),) if "shard_log" in statement else (*self.bounds.items(),)


def content_of(text: str) -> im_pb2.Content:
    return im_pb2.Content(text=im_pb2.Text(text=text))


def row(place: int, sequence: str = "", sender: str = "ann", **changes: Any) -> Stored:
    """A row of the group; without a sequence the one by which it was made."""
    content = content_of(sequence)
    if not sequence:
        system = im_pb2.System(kind=im_pb2.CREATED, actor="ann", users=["ann", "bob"])
        content, sender, sequence = im_pb2.Content(system=system), "", "made"
    made = Stored(
        LOG, message_id(1000 + place, LOG.number, place), place, sequence, sender, GROUP,
        bucket_of(GROUP), content.SerializeToString(), 1000 + place, 0,
    )  # fmt: skip
    return made._replace(**changes)


def message(row: Stored) -> im_pb2.Message:
    content = im_pb2.Content.FromString(row.content)
    return im_pb2.Message(
        id=row.id, version=row.version, sequence=row.sequence, sender=row.sender,
        receiver=row.receiver, content=content, send_time=row.send_time,
        withdraw_time=row.withdraw_time,
    )  # fmt: skip


def event(place: int, kind: im_pb2.SystemKind, *users: str, actor: str = "ann") -> Stored:
    """A row of the group that says what happened to it."""
    system = im_pb2.System(kind=kind, actor=actor, users=users)
    return row(place, content=im_pb2.Content(system=system).SerializeToString())


def letter(place: int, sequence: str, sender: str, receiver: str) -> Stored:
    """A row of the sender's mailbox, in whose log it was born."""
    home = HOMES[sender]
    identifier = message_id(1000 + place, home.number, place)
    return row(
        place, sequence, sender,
        id=identifier, receiver=receiver, shard=home, bucket=bucket_of(sender),
    )  # fmt: skip


def copy_of(one: Stored, version: int) -> Stored:
    """The row of the receiver's mailbox."""
    home = HOMES[one.receiver]
    return one._replace(version=version, shard=home, bucket=bucket_of(one.receiver))


def sent(
    sequence: str, answer: im_pb2.SendResponse, receiver: str = GROUP, user: str = "ann"
) -> Op:
    """An op, answered once."""
    request = im_pb2.SendRequest(
        receiver=receiver,
        sequence=sequence,
        type=im_pb2.GROUP if receiver == GROUP else im_pb2.PERSON,
        content=content_of(sequence),
    )
    return Op(user, request, 1, 2, answer, answers=[(2, answer.error.name or "OK")])


def done(user: str, request: Any, begin_ms: int = 1, end_ms: int = 2, error: int = 0) -> Op:
    """Any other op, answered once; with an error it was refused."""
    answer = im_pb2.PingResponse(error=im_pb2.Error(code=error))
    return Op(user, request, begin_ms, end_ms, answer)


ROWS = (row(1), row(2, "ann/1"), row(5, "ann/2"), row(6, "ann/3"))


def sound() -> Evidence:
    """A sound end: three messages of ann's to a group of two, all pushed to bob at once."""
    people = {}
    for user in HOMES:
        person = Person(Record(user), View(), Reader(cast(Device, None), {GROUP: 6}))
        person.groups.messages[GROUP] = {one.id: message(one) for one in ROWS}
        person.fresh[GROUP] = person.groups.messages[GROUP]
        last, unread = im_pb2.Message(id=ROWS[-1].id), 3 * (user == "bob")
        person.contacts = [im_pb2.Contact(type=im_pb2.GROUP, peer=GROUP, last=last, unread=unread)]
        people[user] = person
    for one in ROWS[1:]:
        answer = im_pb2.SendResponse(id=one.id, send_time=one.send_time)
        people["ann"].record.ops.append(sent(one.sequence, answer))
    push = im_pb2.MessagesPush(group=GROUP, previous=1, messages=map(message, ROWS[1:]))
    people["bob"].record.pushed = [(3, push), (3, im_pb2.MessagesPush())]
    entries = {
        one.id.encode(): b"m ann \n"
        + im_pb2.MessagesPush(messages=[message(one)]).SerializeToString()
        for one in ROWS[2:]
    }
    cached: dict[str, Any] = {
        "group-version:{g}": b"6",
        "group:{g}": {one.id.encode(): one.version for one in ROWS[2:]},
        "group-rows:{g}": {b"_low": b"2", b"_v": b"6", **entries},
        "group-unread:{bob}": {b"g": f"6:3:0:{ROWS[0].id}".encode()},
    }
    seen = {LOG.number: [(one.version, one.id) for one in ROWS]}
    return Evidence(Known(*ROWS), people, [GROUP], seen, list(ROWS), redis=[cached, cached])


HELLO, REPLY = letter(1, "ann/4", "ann", "bob"), letter(1, "bob/1", "bob", "ann")
BYE = letter(3, "ann/5", "ann", "bob")
MAILBOXES = {
    "ann": (HELLO, copy_of(REPLY, 2), BYE),
    "bob": (REPLY, copy_of(HELLO, 2), copy_of(BYE, 3)),
}


def sound_letters() -> Evidence:
    """The same with a mailbox each: two messages of ann's to bob, and between them one of his."""
    evidence = sound()
    for user, mailbox in MAILBOXES.items():
        person, home = evidence.people[user], HOMES[user].number
        person.view.push(im_pb2.MessagesPush(messages=map(message, mailbox)))
        person.synced = [*map(message, mailbox)]
        evidence.seen[home] = [(one.version, one.id) for one in mailbox]
        evidence.rows += mailbox
        (peer,) = HOMES.keys() - {user}
        unread, last = sum(one.sender == peer for one in mailbox), im_pb2.Message(id=BYE.id)
        person.contacts.append(im_pb2.Contact(peer=peer, last=last, unread=unread))
    for one in (HELLO, REPLY, BYE):
        answer = im_pb2.SendResponse(id=one.id, send_time=one.send_time)
        op = sent(one.sequence, answer, one.receiver, one.sender)
        evidence.people[one.sender].record.ops.append(op)
    return evidence


def store(evidence: Evidence, *rows: Stored) -> None:
    """These are all rows there are."""
    evidence.rows = list(rows)
    cast(Known, evidence.store).known = list(rows)


def replace(evidence: Evidence, one: Stored, **changes: Any) -> None:
    """Another row in place of one that is stored; what moved is behind the others of its log."""
    rows = [one._replace(**changes) if other == one else other for other in evidence.rows]
    store(evidence, *sorted(rows, key=lambda row: (row.shard, row.version)))
