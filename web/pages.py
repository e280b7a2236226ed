"""The chat page at `/`: built files of client/page, served from memory.

The page is for trying the platform with a user centre that browsers may call; without one there is
none. The policy allows nothing inline, no plug-ins, no frames, and no markup made of text.
"""

import gzip
import html
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.wrappers import Response as BaseResponse

from models.settings import Settings

STATIC = Path(__file__).resolve().parent / "static"
ASSETS = {
    "chat.js": "text/javascript; charset=utf-8",
    "chat.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
USERCENTER_MARK = "@usercenter@"
HEADERS = {
    "Cache-Control": "no-cache",  # asked for again, and answered 304 by its ETag
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Pages:
    """The routes `/` and `/page/<file>`; none where no user centre is named for them."""

    def __init__(self, settings: Settings) -> None:
        self._usercenter = settings.page_usercenter_url
        self._policy = policy(self._usercenter)

    def add_routes(self, app: Flask) -> None:
        """Serve the page."""
        if not self._usercenter:
            return
        document = (STATIC / "index.html").read_text()
        document = document.replace(USERCENTER_MARK, html.escape(self._usercenter))
        self._add(app, "/", document.encode(), "text/html; charset=utf-8")
        for name, content_type in ASSETS.items():
            self._add(app, f"/page/{name}", (STATIC / name).read_bytes(), content_type)

    def _add(self, app: Flask, path: str, body: bytes, content_type: str) -> None:
        packed = gzip.compress(body, mtime=0)

        def serve() -> BaseResponse:
            wants_packed = request.accept_encodings.quality("gzip") > 0
            response = Response(packed if wants_packed else body, content_type=content_type)
            if wants_packed:
                response.headers["Content-Encoding"] = "gzip"
            response.headers["Vary"] = "Accept-Encoding"
            response.headers["Content-Security-Policy"] = self._policy
            response.headers.update(HEADERS)
            response.add_etag()
            return response.make_conditional(request)

        app.add_url_rule(path, endpoint=path, view_func=serve, methods=["GET"])


def policy(usercenter: str) -> str:
    """The Content-Security-Policy: ourselves, the user centre, and media by https."""
    parts = urlsplit(usercenter)
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' https:",
            "media-src https:",
            f"connect-src 'self' {parts.scheme}://{parts.netloc}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )
