"""Who has read a message: the same answer, whichever way they are looked for."""

import pytest

from models.core import Core
from models.usecases import groupreading
from models.usecases.groupconversations import read_group
from models.usecases.groupreading import readers
from proto import im_pb2
from tests.support.groupstore import GroupStore, someone


@pytest.mark.parametrize("few", [0, 1000], ids=["many", "few"])
def test_readers_are_found_in_pages(core: Core, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    # Given seven members, five of whom have read the message, one of them no further
    monkeypatch.setattr(groupreading, "FEW_READERS", few)
    store = GroupStore(core)
    owner, *others = (someone() for _ in range(7))
    group = store.make(owner, *others)
    message, later = store.say(group, owner).id, store.say(group, owner).id
    for user, reached in zip(others[:5], [message, *[later] * 4], strict=True):
        read_group(core, user, im_pb2.ReadRequest(type=im_pb2.GROUP, peer=group, id=reached))

    # Then
    for limit in (1, 2, 100):
        found: list[str] = []
        while True:
            answer = readers(
                core,
                owner,
                im_pb2.GroupReadersRequest(
                    group=group, id=message, after=found[-1] if found else "", limit=limit
                ),
            )
            assert (answer.count, answer.members) == (5, 6)
            found += answer.users
            if not answer.more:
                break
        assert found == sorted(others[:5])
