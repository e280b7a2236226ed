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

    def rows(self, where: str) -> list[Stored]:
        return sorted(self.known, key=lambda row: row.version)

    def shards(self) -> list[Shard]:
        return [*HOMES.values(), LOG]

    def shard_of(self, user: str) -> Shard:
        return HOMES[user]

    def query(self, database: str, statement: str) -> tuple[tuple[Any, ...], ...]:
        return ((99,),) if "shard_log" in statement else ()


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
        content=content, withdraw_time=row.withdraw_time,
    )  # fmt: skip


def sent(sequence: str, answer: im_pb2.SendResponse, receiver: str = GROUP) -> Op:
    """An op of ann's, answered once."""
    request = im_pb2.SendRequest(
        receiver=receiver,
        sequence=sequence,
        type=im_pb2.GROUP if receiver == GROUP else im_pb2.PERSON,
        content=content_of(sequence),
    )
    return Op("ann", request, 1, 2, answer, answers=[(2, answer.error.name or "OK")])


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
