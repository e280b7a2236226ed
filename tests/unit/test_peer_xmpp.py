"""The comparison's XMPP client: what it cuts from the stream is what an XML parser would."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.peer.letters import DIGITS, TEXT, MarsLetter, XmppLetter
from bench.peer.xmpp import XmppClient, cut
from bench.transports import TcpClient
from proto import im_pb2
from proto.frame import HEAD, HEAD_BYTES

# As ejabberd 23.01 wrote them.
PRESENCE = (
    b"<presence xml:lang='en' to='a@peer.test/bench' from='r@conference.peer.test/b'><x "
    b"xmlns='http://jabber.org/protocol/muc#user'><item jid='b@peer.test/bench' "
    b"role='participant' affiliation='none'/></x></presence>"
)
OWN_PRESENCE = b"<presence xml:lang='en' to='a@peer.test/bench' from='a@peer.test/bench'/>"
SUBJECT = (
    b"<message to='a@peer.test/bench' from='r@conference.peer.test' type='groupchat'>"
    b"<subject/></message>"
)
CHAT = (
    b"<message xml:lang='en' to='b@peer.test' from='a@peer.test/bench' type='chat' "
    b"id='p1-000000000001'><archived by='b@peer.test' id='1795681057472286' "
    b"xmlns='urn:xmpp:mam:tmp'/><stanza-id by='b@peer.test' id='1795681057472286' "
    b"xmlns='urn:xmpp:sid:0'/><body>a &lt;message&gt; &amp; &lt;/message&gt;</body></message>"
)
ROOM = (
    b"<message xml:lang='en' to='b@peer.test/bench' from='r@conference.peer.test/a' "
    b"type='groupchat' id='p1-000000000002'><archived by='r@conference.peer.test' "
    b"id='1795681059362322' xmlns='urn:xmpp:mam:tmp'/><body>hello room</body></message>"
)
STANZAS = (PRESENCE, OWN_PRESENCE, SUBJECT, CHAT, ROOM)


def messages(data: bytes) -> list[bytes]:
    """The messages among complete stanzas, as a real parser sees them."""
    parsed = ElementTree.fromstring(b"<stream>" + data + b"</stream>")
    return [ElementTree.tostring(each) for each in parsed if each.tag == "message"]


def whole(part: bytes) -> bytes:
    """A cut part without what is before its first message: that may have begun earlier."""
    return part[max(part.find(b"<message"), 0) :]


@given(
    stanzas=st.lists(st.sampled_from(STANZAS), max_size=8),
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=40),
)
def test_however_the_stream_is_split_every_message_is_cut_once(
    stanzas: list[bytes], sizes: list[int]
) -> None:
    # Given a stream, in pieces as a socket would give them
    stream = b"".join(stanzas)
    kept, found = b"", b""
    number = 0

    # When each piece is cut
    while stream:
        size = sizes[number % len(sizes)]
        number += 1
        data, stream = kept + stream[:size], stream[size:]
        end, keep = cut(data)
        found += whole(data[:end])
        kept = data[keep:]

    # Then the parts are whole messages, and no other, each once
    assert messages(found) == messages(b"".join(stanzas))
    assert kept == b""


@pytest.mark.parametrize("end", range(1, len(b"<message") + 1))
def test_a_message_whose_first_bytes_came_alone_is_kept(end: int) -> None:
    data = OWN_PRESENCE + ROOM[:end]
    assert cut(data) == (0, len(OWN_PRESENCE))


def test_what_is_no_message_does_not_pile_up() -> None:
    assert cut(PRESENCE * 50) == (0, len(PRESENCE) * 50)


def test_both_letters_carry_the_same_key_and_text() -> None:
    # Given a letter for each server
    prefix, index = b"p18eb8a-3-", 123_456
    xmpp = XmppLetter(XmppClient.__new__(XmppClient), "bob", prefix, to_group=False)
    mars = MarsLetter(TcpClient.__new__(TcpClient), "bob", prefix, to_group=False)

    # When the same message is encoded
    stanza = ElementTree.fromstring(xmpp.encode(index))
    frame = mars.encode(index)

    # Then real parsers find the same in both
    key = f"p18eb8a-3-{index:0{DIGITS}d}"
    assert stanza.attrib == {"to": "bob@peer.test", "type": "chat", "id": key}
    assert stanza.findtext("body") == TEXT
    _, _, command, seq, size = HEAD.unpack_from(frame)
    request = im_pb2.SendRequest.FromString(frame[HEAD_BYTES : HEAD_BYTES + size])
    assert (command, seq, len(frame)) == (im_pb2.CMD_SEND, index + 2, HEAD_BYTES + size)
    assert (request.receiver, request.type, request.sequence) == ("bob", im_pb2.PERSON, key)
    assert request.content.text.text == TEXT


def test_a_letter_to_a_room_goes_to_the_room() -> None:
    room = "room-1@conference.peer.test"
    letter = XmppLetter(XmppClient.__new__(XmppClient), room, b"p1-", to_group=True)
    stanza = ElementTree.fromstring(letter.encode(7))
    assert (stanza.attrib["to"], stanza.attrib["type"]) == (room, "groupchat")
