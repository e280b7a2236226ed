"""Groups from end to end: made, talked in, read, by members wherever they live."""

from dev.clients.wire import ok, refused
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.groups import Reader, make_group, say


def test_members_get_what_is_said_at_once_and_by_sync(cluster: Cluster) -> None:
    # Given
    names = [cluster.person() for _ in range(3)]
    devices = [cluster.connect(name) for name in names]
    group = make_group(devices[0], names[1:])
    for device in devices:
        push = device.wait_push(im_pb2.CMD_PUSH_GROUPS)
        assert push.joined == group

    # When
    ids = [ok(device.call(say(group, f"from {n}"))).id for n, device in enumerate(devices)]

    # Then
    for device in devices:
        reader = Reader(device)
        reader.sync()
        assert reader.texts(group) == ["from 0", "from 1", "from 2"]
        assert reader.events(group) == ["CREATED"]
        assert ok(device.call(im_pb2.PingRequest())).groups_version == reader.version
        for message_id in ids:
            message = device.wait_message(message_id)
            assert (message.receiver, message.type) == (group, im_pb2.GROUP)
    contact = ok(devices[1].call(im_pb2.ContactsRequest())).contacts[0]
    assert (contact.peer, contact.type, contact.unread) == (group, im_pb2.GROUP, 2)
    assert contact.last.id == ids[-1]
    assert (
        ok(devices[1].call(im_pb2.ReadRequest(type=im_pb2.GROUP, peer=group, id=ids[1]))).unread
        == 1
    )
    page = ok(devices[2].call(im_pb2.HistoryRequest(type=im_pb2.GROUP, peer=group, limit=2)))
    assert [m.id for m in page.messages] == ids[:0:-1]
    assert page.more
    stranger = cluster.connect(cluster.person())
    assert refused(stranger.call(say(group))) == "NOT_FOUND"
