"""What every subcommand works with: who is logged in, the words, and a client for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from im_client.aio import Client
from im_client.errors import NotConnected
from im_client.media import Uploader
from im_client.options import Options
from im_client.terminal.profile import Profile
from im_client.terminal.screen import columns
from im_client.terminal.texts import Texts

READY_S = 15.0


@dataclass(slots=True)
class Context:
    """See the module. `room` is the width of the screen."""

    home: Path
    profile: Profile
    say: Texts
    uploader: Uploader | None = None
    room: int = field(default_factory=columns)

    def make(self) -> Client:
        """A client that was not started; raises `StoreInUse`."""
        profile = self.profile
        options = Options(
            platform="linux", ca=profile.ca or None, backoff_most_s=15.0, uploader=self.uploader
        )
        return Client(
            profile.user,
            profile.token,
            profile.servers,
            store=profile.store(self.home),
            options=options,
        )

    @asynccontextmanager
    async def client(self, ready_s: float = READY_S) -> AsyncIterator[tuple[Client, bool]]:
        """A started client, and whether it is level with the server; False: offline."""
        client = self.make()
        try:
            await client.start()
            try:
                await client.wait_ready(ready_s)
                ready = True
            except NotConnected:
                ready = False
            yield client, ready
        finally:
            await client.close()
