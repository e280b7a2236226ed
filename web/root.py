"""The composition root: everything a process of `web` or the gateway shares, put together once."""

from models.broker import deliver_enqueuer, make_celery
from models.core import open_core
from models.logs import setup_logs
from models.settings import Settings
from models.usecases.send import Sender
from models.usercentre.revocations import Revalidator, RevocationFeed
from models.usercentre.tokens import Identity, TokenVerifier
from models.wake import Waker
from proto import im_pb2
from web.addresses import Addresses
from web.admission import Admission
from web.attendance import Attendance
from web.dispatch import Dispatcher
from web.flusher import Flusher
from web.hub import Hub
from web.keeper import Keeper
from web.logouts import Logouts
from web.peer import Trusted
from web.services import Services
from web.subscriptions import Subscriptions


def make_services(settings: Settings, process: str) -> tuple[Services, Keeper]:
    """What sessions and routes need, and who ends connections; `process` names us in logs."""
    setup_logs(settings, process)
    core = open_core(settings)
    waker = Waker(core.scripts, deliver_enqueuer(make_celery(settings)), core.metrics)
    sender = Sender(core, waker)
    dispatcher = Dispatcher(core, sender, waker)
    feed = RevocationFeed(settings)
    logouts = Logouts(core.devices)

    def is_revoked(identity: Identity) -> bool:
        return feed.is_revoked(identity) or logouts.is_revoked(identity)

    verifier = TokenVerifier(settings, is_revoked=is_revoked)
    services = Services(
        settings=settings,
        core=core,
        metrics=core.metrics,
        verifier=verifier,
        dispatcher=dispatcher,
        hub=Hub(settings, core.memberships),
        flusher=Flusher(),
        attendance=Attendance(core),
        admission=Admission(settings, core.metrics),
        addresses=Addresses(settings),
        trusted=Trusted(settings.trusted_proxies),
    )
    addresses = services.addresses
    dispatcher.add_handler(im_pb2.CMD_ADDRESSES, lambda caller, _: addresses.answer(caller.host))
    Subscriptions(services).add_handlers()
    dispatcher.check_complete()

    def finish() -> None:
        sender.close()
        waker.close()

    revalidator = Revalidator(settings, verifier)
    return services, Keeper(services, feed, logouts, revalidator, finish)
