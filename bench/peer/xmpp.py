"""A lean XMPP client for the load generator: stanzas by hand, inbound cut by a search for bytes.

Searching is enough because ejabberd serialises every stanza itself, with all names in one form, `<`
and `>` escaped in text, and no message inside another (no carbons, nothing forwarded);
`tests/unit/test_peer_xmpp.py` holds the cuts against an XML parser's.
"""

import base64
from xml.sax.saxutils import quoteattr

from bench.client import Client, State
from bench.peer.ejabberd import DOMAIN

RESOURCE = "bench"
ROOMS = f"conference.{DOMAIN}"
MESSAGE, MESSAGE_END = b"<message", b"</message>"
ERROR = b"type='error'"
SUBJECT = b"<subject"  # the last thing that comes before live messages (XEP-0045, 7.1)
STREAM = (
    f"<?xml version='1.0'?><stream:stream to='{DOMAIN}' version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>"
).encode()
BIND = (
    "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
    f"<resource>{RESOURCE}</resource></bind></iq>"
).encode()
REFUSALS = (b"<failure", b"<stream:error", ERROR)


class XmppClient(Client):
    """One connection of one user; its token is `user password`.

    Log-in (RFC 6120): stream, SASL PLAIN, stream, bind, presence. The handler's `pushed` is called
    with whole messages, one or several.
    """

    __slots__ = ("_step", "joined")

    def opening(self) -> bytes:
        self._step = 0
        self.joined = False
        return STREAM

    def join(self, room: str) -> None:
        """Enter the room; `joined` once everything said there comes here."""
        to = quoteattr(f"{room}/{self.token.split()[0]}")
        self.send(
            f"<presence to={to}><x xmlns='http://jabber.org/protocol/muc'>"
            "<history maxstanzas='0'/></x></presence>".encode()
        )

    def read(self, data: bytes) -> None:
        if self.state is not State.OPEN:
            self._log_in_on(data)
            return
        if not self.joined and SUBJECT in data:
            self.joined = True
        end, keep = cut(data)
        if end:
            if data.find(ERROR, 0, end) >= 0:
                self.close(f"refused: {data[:end].decode(errors='replace')}")
                return
            self._clients.handler.pushed(self, 0, data, 0, end)
        if keep < len(data):
            self._inbound = data[keep:]

    def _log_in_on(self, data: bytes) -> None:
        """Say the next thing once the answer to the last is complete."""
        if any(refusal in data for refusal in REFUSALS):
            self.close(f"log-in refused: {data.decode(errors='replace')}")
            return
        user, password = self.token.split()
        secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        steps = (
            (
                b"</stream:features>",
                b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%b</auth>"
                % secret.encode(),
            ),
            (b"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", STREAM),
            (b"</stream:features>", BIND),
            (b"</iq>", b"<presence/>"),
            (b"<presence", b""),  # our own comes back: messages are routed here now
        )
        awaited, answer = steps[self._step]
        if awaited not in data:
            self._inbound = data
            return
        self._step += 1
        if answer:
            self.send(answer)
        else:
            self.opened()


def cut(data: bytes) -> tuple[int, int]:
    """Where the last complete message ends (0: there is none), and from where bytes are kept.

    Kept is what may be a message's beginning. Other stanzas mean nothing here and are dropped.
    """
    end = data.rfind(MESSAGE_END)
    end = end + len(MESSAGE_END) if end >= 0 else 0
    if end == len(data):
        return end, end
    keep = data.find(MESSAGE, end)
    if keep < 0:
        keep = data.rfind(b"<", end)
        if keep < 0 or b">" in data[keep:]:
            keep = len(data)
    return end, keep
