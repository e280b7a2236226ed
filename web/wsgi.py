"""The web process: gunicorn loads `app` in each worker, after monkey-patching."""

from flask import Flask, Response

from models.errors import Code, IMError
from models.settings import Settings
from proto import im_pb2
from web.comet import Comet
from web.events import EventStreams
from web.health import Health
from web.httpcall import respond
from web.origin import Origins
from web.pages import Pages
from web.root import make_services
from web.services import Services
from web.shortlink import ShortLink
from web.websocket import WebSocket


def make_app(services: Services) -> Flask:
    """Every route."""
    application = Flask("im")
    Origins(services.settings).guard(application)
    WebSocket(services).add_route(application, "/ws")
    Comet(services).add_route(application, "/comet")
    EventStreams(services).add_route(application, "/events")
    ShortLink(services).add_routes(application)
    Pages(services.settings).add_routes(application)
    Health(services.core, services.settings.metrics_port).add_routes(application)
    application.register_error_handler(404, _not_found)
    application.register_error_handler(413, _too_large)
    return application


def _refuse(code: Code, message: str) -> Response:
    return respond(im_pb2.Reply(error=IMError(code, message).to_proto()), as_json=True)


def _not_found(_: Exception) -> Response:
    return _refuse(Code.NOT_FOUND, "no such path")


def _too_large(_: Exception) -> Response:
    return _refuse(Code.TOO_LARGE, "the body is too large")


_services, keeper = make_services(Settings(), "web")
app = make_app(_services)
