"""What is sent to the two servers: for one sender and one receiver or room, all but the index.

Both carry the same text, and the same key: a prefix and the message's index in twelve digits, as
our `sequence` and as XMPP's `id`. Both servers hand it on unchanged, so what is heard can be told
by a search for the prefix.
"""

from typing import Protocol
from xml.sax.saxutils import escape, quoteattr

from bench.client import HEAD, Client
from bench.peer.ejabberd import DOMAIN
from proto import im_pb2
from proto.frame import CLIENT_VERSION, HEAD_BYTES

DIGITS = 12
FIRST_SEQ = 2  # 1 is the authentication
TEXT = "The quick brown fox jumps over the lazy dog, then rests 1234"


class Letter(Protocol):
    """All messages of one sender to one receiver."""

    client: Client
    to: str

    def encode(self, index: int) -> bytes: ...


class MarsLetter:
    """A send request in a Mars frame; `seq` is the index too."""

    __slots__ = ("_after_seq", "_before_seq", "_tail", "client", "to")

    def __init__(self, client: Client, to: str, prefix: bytes, *, to_group: bool) -> None:
        self.client, self.to = client, to
        room = "\x00" * (len(prefix) + DIGITS)
        request = im_pb2.SendRequest(
            receiver=to,
            sequence=room,
            type=im_pb2.GROUP if to_group else im_pb2.PERSON,
            content=im_pb2.Content(text=im_pb2.Text(text=TEXT)),
        ).SerializeToString()
        at = request.index(room.encode())
        head = HEAD.pack(HEAD_BYTES, CLIENT_VERSION, im_pb2.CMD_SEND, 0, len(request))
        self._before_seq = client.head(HEAD_BYTES + len(request)) + head[:12]
        self._after_seq = head[16:] + request[:at] + prefix
        self._tail = request[at + len(room) :]

    def encode(self, index: int) -> bytes:
        seq = (index + FIRST_SEQ).to_bytes(4, "big")
        return b"%b%b%b%012d%b" % (self._before_seq, seq, self._after_seq, index, self._tail)


class XmppLetter:
    """A message stanza to a user's bare address, or to a room."""

    __slots__ = ("_head", "_tail", "client", "to")

    def __init__(self, client: Client, to: str, prefix: bytes, *, to_group: bool) -> None:
        self.client, self.to = client, to
        kind = "groupchat" if to_group else "chat"
        address = quoteattr(to if to_group else f"{to}@{DOMAIN}")
        self._head = f"<message to={address} type='{kind}' id='".encode() + prefix
        self._tail = f"'><body>{escape(TEXT)}</body></message>".encode()

    def encode(self, index: int) -> bytes:
        return b"%b%012d%b" % (self._head, index, self._tail)
