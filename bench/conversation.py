"""The bytes of one-to-one messages: all but seq and sequence are the same between two users."""

from bench.connection import Client
from bench.httpusers import HttpUser
from proto import im_pb2
from proto.frame import CLIENT_VERSION, HEAD, HEAD_BYTES

FIRST_SEQ = 2  # 1 is the authentication
SEQUENCE_DIGITS = 12
TEXT = "The quick brown fox jumps over the lazy dog, then rests 1234"


class Conversation:
    """One sender and one receiver, with the bytes all its messages share."""

    __slots__ = ("after_seq", "before_seq", "client", "last", "receiver", "tail")

    def __init__(self, client: Client, receiver: int, name: str, prefix: bytes) -> None:
        self.client = client
        self.receiver = receiver
        self.last = -1
        """Index of the newest message that was pushed to the receiver."""
        content = im_pb2.Content(text=im_pb2.Text(text=TEXT))
        request = im_pb2.SendRequest(
            receiver=name, sequence="\x00" * (len(prefix) + SEQUENCE_DIGITS), content=content
        ).SerializeToString()
        at = request.index(b"\x00" * (len(prefix) + SEQUENCE_DIGITS))
        head = HEAD.pack(HEAD_BYTES, CLIENT_VERSION, im_pb2.CMD_SEND, 0, len(request))
        self.before_seq = client.head(HEAD_BYTES + len(request)) + head[:12]
        self.after_seq = head[16:] + request[:at] + prefix
        self.tail = request[at + len(prefix) + SEQUENCE_DIGITS :]

    def say(self, index: int) -> None:
        """Send the message of this index."""
        self.client.send(self.encode(index))

    def encode(self, index: int) -> bytes:
        seq = (index + FIRST_SEQ).to_bytes(4, "big")
        return b"%b%b%b%012d%b" % (self.before_seq, seq, self.after_seq, index, self.tail)


class HttpConversation(Conversation):
    """The same for users without a connection: a POST for each message."""

    __slots__ = ("_before", "_user")

    def __init__(self, user: HttpUser, receiver: int, name: str, prefix: bytes) -> None:
        super().__init__(user, receiver, name, prefix)
        self._user = user
        head = HEAD_BYTES - 16  # what stands between the seq and the body in a frame
        size = len(self.after_seq) - head + SEQUENCE_DIGITS + len(self.tail)
        self._before = user.post("/im/send", size) + self.after_seq[head:]

    def say(self, index: int) -> None:
        request = b"%b%012d%b" % (self._before, index, self.tail)
        self._user.say(index + FIRST_SEQ, request)
