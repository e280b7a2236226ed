"""Which web pages may call: our own, and those of the allow-list (CORS, fetch standard).

Browsers send no preflight for WebSocket, so the check is ours for every request that has an Origin.
"""

from urllib.parse import urlsplit

from flask import Flask, Response, request

from models.settings import Settings

PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Last-Event-ID",
    "Access-Control-Max-Age": "600",
}


class Origins:
    """Refuses foreign pages with 403 and tells browsers about the allowed ones."""

    def __init__(self, settings: Settings) -> None:
        self._allowed = {origin.rstrip("/") for origin in settings.origins_allowed}

    def guard(self, app: Flask) -> None:
        """Check every request of the application."""
        app.before_request(self._check)
        app.after_request(self._label)

    def _check(self) -> Response | None:
        origin = request.headers.get("Origin")
        if origin is None:
            return None
        if not self._allows(origin):
            return Response("this origin may not call\n", 403, content_type="text/plain")
        if request.method == "OPTIONS":
            return Response(status=204)
        return None

    def _allows(self, origin: str) -> bool:
        if "*" in self._allowed or origin in self._allowed:
            return True
        try:
            return urlsplit(origin).netloc == request.host
        except ValueError:
            return False

    def _label(self, response: Response) -> Response:
        origin = request.headers.get("Origin")
        if origin is not None and self._allows(origin):
            response.headers.update(cors_headers())
            if request.method == "OPTIONS":
                response.headers.update(PREFLIGHT)
        return response


def cors_headers() -> dict[str, str]:
    """What the answer to a page that may call must say; for answers written by hand."""
    origin = request.headers.get("Origin")
    if origin is None:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": "Retry-After",
        "Vary": "Origin",
    }
